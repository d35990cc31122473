package op

import (
	"fmt"

	"clr/internal/kernel"
	"clr/internal/onnx"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Add is a + b, of equal shapes.
func Add(a, b *gorgonia.Node) (*gorgonia.Node, error) { return Apply(sum{}, a, b) }

// Times is x times a number, such as the weight of a loss.
func Times(x *gorgonia.Node, by float64) (*gorgonia.Node, error) { return Apply(times{by}, x) }

// ReLU is max(x, 0), and NaN where x is.
func ReLU(x *gorgonia.Node) (*gorgonia.Node, error) { return Apply(relu{}, x) }

type sum struct{}

func (sum) Sig() string     { return "add" }
func (sum) DiffWRT() []bool { return []bool{true, true} }
func (sum) InPlace() int    { return AnyInput }

func (sum) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	return in[0], same(in...)
}

func (sum) Diff(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{grad, grad}, nil
}

func (sum) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	return t.Each("Add", t.value(in[0]), t.value(in[1]))
}

func (sum) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	kernel.Add(out.Data, in[0].Data, in[1].Data)
	return nil
}

type times struct{ by float64 }

func (f times) Sig() string                                    { return fmt.Sprintf("times{%g}", f.by) }
func (f times) DiffWRT() []bool                                { return []bool{true} }
func (f times) InPlace() int                                   { return 0 }
func (f times) Infer(in ...tensor.Shape) (tensor.Shape, error) { return in[0], nil }

func (f times) Diff(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	d, err := Times(grad, f.by)
	return gorgonia.Nodes{d}, err
}

func (f times) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	kernel.Scale(out.Data, in[0].Data, float32(f.by))
	return nil
}

type relu struct{}

func (relu) Sig() string                                    { return "relu" }
func (relu) DiffWRT() []bool                                { return []bool{true} }
func (relu) InPlace() int                                   { return 0 }
func (relu) Infer(in ...tensor.Shape) (tensor.Shape, error) { return in[0], nil }

func (relu) Diff(_ gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	d, err := reluGrad(out, grad)
	return gorgonia.Nodes{d}, err
}

func (relu) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	return t.Each("Relu", t.value(in[0]))
}

func (relu) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	kernel.ReLU(out.Data, in[0].Data)
	return nil
}

// reluGrad is dy where y > 0. Where two branches meet, dy is a sum, which is then
// made in the same pass.
func reluGrad(y, dy *gorgonia.Node) (*gorgonia.Node, error) {
	if f, err := FuncOf(dy); err == nil && f == (sum{}) {
		parts := Inputs(dy)
		return fixed{sig: "relu_grad_of_sum", shape: dy.Shape(),
			run: func(dx kernel.Array, in []kernel.Array, _ []float32) {
				kernel.ReLUGradSum(dx.Data, in[0].Data, in[1].Data, in[2].Data)
			}}.over(AnyInput, y, parts[0], parts[1])
	}
	return fixed{sig: "relu_grad", shape: dy.Shape(),
		run: func(dx kernel.Array, in []kernel.Array, _ []float32) {
			kernel.ReLUGrad(dx.Data, in[0].Data, in[1].Data)
		}}.over(1, y, dy)
}

// same refuses shapes that are not all equal.
func same(in ...tensor.Shape) error {
	for _, s := range in[1:] {
		if !sameShape(s, in[0]) {
			return fmt.Errorf("the shapes differ: %v and %v", in[0], s)
		}
	}
	return nil
}
