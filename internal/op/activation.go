package op

import (
	"math"

	"clr/internal/kernel"
	"clr/internal/onnx"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Sigmoid is 1 / (1 + e⁻ˣ), over any layout. Lanes without an example become ½.
func Sigmoid(x *gorgonia.Node) (*gorgonia.Node, error) {
	return Apply(bend{"sigmoid", kernel.Sigmoid, kernel.SigmoidGrad, false, "Sigmoid"}, x)
}

// Tanh is the hyperbolic tangent, over any layout.
func Tanh(x *gorgonia.Node) (*gorgonia.Node, error) {
	return Apply(bend{"tanh", kernel.Tanh, kernel.TanhGrad, false, "Tanh"}, x)
}

// GELU is x·Φ(x), the exact form, over any layout.
func GELU(x *gorgonia.Node) (*gorgonia.Node, error) {
	return Apply(bend{"gelu", kernel.GELU, kernel.GELUGrad, true, ""}, x)
}

// A bend is a smooth function of each value by itself, with its gradient.
type bend struct {
	name     string
	forward  func(y, x []float32)
	backward func(dx, of, dy []float32)
	ofX      bool // backward is given x, not y
	onnx     string
}

func (f bend) Sig() string                                    { return f.name }
func (f bend) DiffWRT() []bool                                { return []bool{true} }
func (f bend) InPlace() int                                   { return 0 }
func (f bend) Infer(in ...tensor.Shape) (tensor.Shape, error) { return in[0], nil }

func (f bend) Diff(in gorgonia.Nodes, out, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	of := out
	if f.ofX {
		of = in[0]
	}
	dx, err := fixed{sig: f.name + "_grad", shape: dy.Shape(),
		run: func(dx kernel.Array, in []kernel.Array, _ []float32) {
			f.backward(dx.Data, in[0].Data, in[1].Data)
		}}.over(1, of, dy)
	return gorgonia.Nodes{dx}, err
}

func (f bend) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	f.forward(out.Data, in[0].Data)
	return nil
}

// translate has x·Φ(x) = x/2·(1 + erf(x/√2)) for GELU, which ONNX learnt later.
func (f bend) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	x := t.value(in[0])
	if f.onnx != "" {
		return t.Each(f.onnx, x)
	}
	erf := t.Each("Erf", t.Each("Mul", x, onnx.Number(math.Sqrt2/2)))
	return t.Each("Mul", t.Each("Mul", x, onnx.Number(0.5)), t.Each("Add", erf, onnx.Number(1)))
}
