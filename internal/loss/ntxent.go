package loss

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
	"clr/internal/op"
)

// NTXent is SimCLR's loss (Chen et al. 2020, equation 1) over unit rows z
// (2N, D), where rows i and i+N are the two views of one clip:
//
//	ℓ(i,j) = -log( exp(zᵢ·zⱼ/τ) / Σ_{k≠i} exp(zᵢ·zₖ/τ) )
//
// averaged over both orders of every pair. Equal rows give log(2N-1).
func NTXent(z *gorgonia.Node, temperature float64) (*gorgonia.Node, error) {
	return fused(ntxent{temperature}, z)
}

type ntxent struct{ temperature float64 }

func (l ntxent) Sig() string     { return fmt.Sprintf("nt_xent{temperature %g}", l.temperature) }
func (l ntxent) DiffWRT() []bool { return []bool{true} }

func (l ntxent) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if err := checkTemperature(l.temperature); err != nil {
		return nil, err
	}
	if !isRows(in[0]) || in[0][0]%2 != 0 {
		return nil, fmt.Errorf("want z (2N, D), the second views behind the first")
	}
	return op.PackedShape(in[0]), nil
}

func (l ntxent) Diff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return op.PackedDiff(l.DiffWRT(), in, out, grad)
}

func (l ntxent) Scratch(in ...tensor.Shape) int {
	m, d := in[0][0], in[0][1]
	return m*m + max(kernel.MatMulScratch(m, m, d), kernel.MatMulScratch(m, d, m))
}

func (l ntxent) Run(out kernel.Array, in []kernel.Array, scratch []float32) error {
	z, m, d := in[0].Data, in[0].Shape[0], in[0].Shape[1]
	s, scratch := scratch[:m*m], scratch[m*m:]
	kernel.MatMul(s, z, z, m, m, d, false, true, false, scratch) // s = z zᵀ  (2N, 2N)

	loss := 0.0
	for i := range m { // row i of s: from cosines to gradients g = (softmax - target) / (τ 2N)
		row := s[i*m : (i+1)*m]
		loss += contrast(row, i, (i+m/2)%m, 1/l.temperature, 1/(l.temperature*float64(m)))
	}
	out.Data[0] = float32(loss / float64(m))
	dz := out.Data[1:] // (2N, D); sᵢⱼ = zᵢ·zⱼ moves both rows: dz = g z + gᵀ z
	kernel.MatMul(dz, s, z, m, d, m, false, false, false, scratch)
	kernel.MatMul(dz, s, z, m, d, m, true, false, true, scratch)
	return nil
}

// contrast is the cross entropy of one row of products x, times scale, against
// the class positive, with itself left out of the classes. It turns x into the
// gradient by x, times weight.
func contrast(x []float32, itself, positive int, scale, weight float64) float64 {
	none := math.Inf(-1)
	x[itself] = float32(none)
	logit := scale * float64(x[positive])
	total := kernel.Softmax(x, none, scale, weight)
	x[positive] = float32(weight * math.Expm1(logit-total)) // softmax - 1, without cancellation
	return total - logit
}
