package loss

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
	"clr/internal/op"
)

// CrossEntropy is the mean over rows of -log softmax(logits)[label], for logits
// (N, C) and labels (N) that hold the class, 0 to C-1, as a number. A run with
// another label fails.
func CrossEntropy(logits, labels *gorgonia.Node) (*gorgonia.Node, error) {
	return fused(crossEntropy{}, logits, labels)
}

type crossEntropy struct{}

func (crossEntropy) Sig() string     { return "cross_entropy" }
func (crossEntropy) DiffWRT() []bool { return []bool{true, false} }

func (crossEntropy) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if !isRows(in[0]) || len(in[1]) != 1 || in[1][0] != in[0][0] {
		return nil, fmt.Errorf("want logits (N, C) and labels (N)")
	}
	return op.PackedShape(in[0]), nil
}

func (l crossEntropy) Diff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return op.PackedDiff(l.DiffWRT(), in, out, grad)
}

func (crossEntropy) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	n, c := in[0].Shape[0], in[0].Shape[1]
	loss, weight := 0.0, 1/float64(n)
	for i := range n {
		x, dx := in[0].Data[i*c:(i+1)*c], out.Data[1+i*c:1+(i+1)*c]
		label := int(in[1].Data[i])
		if label < 0 || label >= c || float32(label) != in[1].Data[i] {
			return fmt.Errorf("label %g of row %d is not one of %d classes", in[1].Data[i], i, c)
		}
		copy(dx, x)
		total := kernel.Softmax(dx, math.Inf(-1), 1, weight)
		loss += total - float64(x[label])
		dx[label] = float32(weight * math.Expm1(float64(x[label])-total)) // softmax - 1, without cancellation
	}
	out.Data[0] = float32(loss * weight)
	return nil
}
