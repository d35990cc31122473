package op

import (
	"errors"
	"fmt"
	"math"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A FixedNorm is a batch norm by constant statistics: mean, variance, gamma and
// beta, all (C), and an Eps of 0 is PyTorch's 1e-5. A Bias (C) is the
// convolution's own, before the norm; nil if it has none.
type FixedNorm struct {
	Mean, Variance, Gamma, Beta, Bias *gorgonia.Node
	Eps                               float32
}

// inputs are w and the norm, in the order of fold.
func (n FixedNorm) inputs(w *gorgonia.Node) gorgonia.Nodes {
	in := gorgonia.Nodes{w, n.Mean, n.Variance, n.Gamma, n.Beta}
	if n.Bias != nil {
		in = append(in, n.Bias)
	}
	return in
}

// ConvNorm is Conv, then the norm, then plus the residual unless that is nil, then
// the ReLU if asked to, as one pass for inference: the norm's scale goes into the
// weights and its shift becomes a bias. x may be in pixels, (N, H, W, Ci). It has
// no gradient.
func ConvNorm(x, w *gorgonia.Node, n int, o ConvOptions, norm FixedNorm, residual *gorgonia.Node, relu bool) (*gorgonia.Node, error) {
	m, _, err := eitherOf("conv_norm", x, n)
	if err != nil {
		return nil, err
	}
	s := w.Shape()
	if len(s) != 4 || s[1] != m.C {
		return nil, fmt.Errorf("op: conv_norm: weights %v do not fit maps %v; want (Co, %d, KH, KW)", s, x.Shape(), m.C)
	}
	c := s[0]
	if err := errors.Join(want("the mean", norm.Mean.Shape(), c), want("the variance", norm.Variance.Shape(), c),
		want("gamma", norm.Gamma.Shape(), c), want("beta", norm.Beta.Shape(), c)); err != nil {
		return nil, fmt.Errorf("op: conv_norm over %v: %w", x.Shape(), err)
	}
	if norm.Bias != nil {
		if err := want("the bias", norm.Bias.Shape(), c); err != nil {
			return nil, fmt.Errorf("op: conv_norm over %v: %w", x.Shape(), err)
		}
	}
	if norm.Eps == 0 {
		norm.Eps = 1e-5
	}
	if inPixels(x) {
		return convPixels("conv_norm", x, w, o.shape(m, s), &norm, residual, relu)
	}
	plan, err := kernel.NewConv(o.shape(m, s))
	if err != nil {
		return nil, fmt.Errorf("op: conv_norm over %v, %v: %w", x.Shape(), s, err)
	}
	f := convNorm{conv: conv{"conv_norm", o.shape(m, s), plan}, eps: norm.Eps, residual: residual != nil, relu: relu}
	folded, err := fixed{sig: fmt.Sprintf("%s folded, eps %x", f.Sig(), norm.Eps), shape: tensor.Shape{plan.PackedForward() + c},
		scratch: Size(s), run: func(out kernel.Array, in []kernel.Array, scratch []float32) {
			fold(scratch, out.Data[plan.PackedForward():], in, norm.Eps)
			plan.PackForward(out.Data[:plan.PackedForward()], scratch)
		}}.apply(norm.inputs(w)...)
	if err != nil {
		return nil, err
	}
	if residual == nil {
		return Apply(f, x, folded)
	}
	return Apply(f, x, folded, residual)
}

// fold makes the weights, scaled, and the bias (Co) of a convolution with its
// norm: in is (w, mean, variance, gamma, beta[, bias]).
func fold(scaled, bias []float32, in []kernel.Array, eps float32) {
	w, mean, variance, gamma, beta := in[0], in[1].Data, in[2].Data, in[3].Data, in[4].Data
	size := len(w.Data) / len(mean)
	for c := range mean {
		scale := float64(gamma[c]) / math.Sqrt(float64(variance[c])+float64(eps))
		m := float64(mean[c])
		if len(in) > 5 {
			m -= float64(in[5].Data[c])
		}
		bias[c] = float32(float64(beta[c]) - float64(m*scale))
		for i, v := range w.Data[c*size : (c+1)*size] {
			scaled[c*size+i] = float32(float64(v) * scale)
		}
	}
}

// convNorm is y over (x, folded[, residual]).
type convNorm struct {
	conv
	eps            float32 // of the norm, which folded has
	residual, relu bool
}

func (f convNorm) Sig() string {
	return fmt.Sprintf("%s residual %v relu %v", f.conv.Sig(), f.residual, f.relu)
}

func (f convNorm) DiffWRT() []bool {
	if f.residual {
		return make([]bool, 3)
	}
	return make([]bool, 2)
}

func (f convNorm) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	out := f.out().lanes()
	if f.residual {
		return out, want("the residual", in[2], out...)
	}
	return out, nil
}

func (f convNorm) Diff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
	return nil, fmt.Errorf("op: conv_norm has no gradient; use Conv and BatchNorm")
}

func (f convNorm) Run(out kernel.Array, in []kernel.Array, scratch []float32) error {
	packed, bias := in[1].Data[:f.plan.PackedForward()], in[1].Data[f.plan.PackedForward():]
	var residual []float32
	if f.residual {
		residual = in[2].Data
	}
	f.plan.ForwardTail(out.Data, in[0].Data, packed, bias, residual, scratch, f.relu)
	return nil
}
