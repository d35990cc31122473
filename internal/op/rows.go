package op

import (
	"fmt"

	"clr/internal/kernel"
	"clr/internal/onnx"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Concat sets rows side by side: (N, D1), (N, D2) → (N, D1+D2).
func Concat(a, b *gorgonia.Node) (*gorgonia.Node, error) { return Apply(concat{}, a, b) }

// Normalize gives each row of x (N, D) unit length: x / max(‖x‖, 1e-12).
func Normalize(x *gorgonia.Node) (*gorgonia.Node, error) { return Apply(normalize{}, x) }

type concat struct{}

func (concat) Sig() string     { return "concat" }
func (concat) DiffWRT() []bool { return []bool{true, true} }

func (concat) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in[0]) != 2 || len(in[1]) != 2 || in[0][0] != in[1][0] {
		return nil, fmt.Errorf("want (N, D1) and (N, D2)")
	}
	return tensor.Shape{in[0][0], in[0][1] + in[1][1]}, nil
}

func (concat) Diff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	d := in[0].Shape()[1]
	da, err := columns(grad, 0, d)
	if err != nil {
		return nil, err
	}
	db, err := columns(grad, d, d+in[1].Shape()[1])
	return gorgonia.Nodes{da, db}, err
}

func (concat) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	width := out.Shape[1]
	for i, at := 0, 0; i < len(in); i++ {
		d := in[i].Shape[1]
		for r := range out.Shape[0] {
			copy(out.Data[r*width+at:][:d], in[i].Data[r*d:])
		}
		at += d
	}
	return nil
}

func (concat) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	a, b := t.value(in[0]), t.value(in[1])
	return t.Do("Concat", perN(a.Shape[1]+b.Shape[1]), []onnx.Value{a, b}, onnx.Attr{Name: "axis", Value: 1})
}

// columns is the columns [from, to) of rows.
func columns(x *gorgonia.Node, from, to int) (*gorgonia.Node, error) {
	return fixed{sig: fmt.Sprintf("columns{%d to %d}", from, to), shape: tensor.Shape{x.Shape()[0], to - from},
		run: func(out kernel.Array, in []kernel.Array, _ []float32) {
			d, width := to-from, in[0].Shape[1]
			for r := range out.Shape[0] {
				copy(out.Data[r*d:][:d], in[0].Data[r*width+from:])
			}
		}}.apply(x)
}

// shortest is the length below which a row is not stretched to 1, PyTorch's eps.
const shortest = 1e-12

type normalize struct{}

func (normalize) Sig() string     { return "normalize" }
func (normalize) DiffWRT() []bool { return []bool{true} }
func (normalize) InPlace() int    { return 0 }

func (normalize) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in[0]) != 2 {
		return nil, fmt.Errorf("want rows (N, D)")
	}
	return in[0], nil
}

func (normalize) Diff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := fixed{sig: "normalize_grad", shape: in[0].Shape(),
		run: func(dx kernel.Array, in []kernel.Array, _ []float32) {
			kernel.NormalizeRowsGrad(dx.Data, in[0].Data, in[1].Data, in[2].Data, dx.Shape[0], dx.Shape[1], shortest)
		}}.over(2, in[0], out, grad)
	return gorgonia.Nodes{dx}, err
}

func (normalize) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	kernel.NormalizeRows(out.Data, in[0].Data, out.Shape[0], out.Shape[1], shortest)
	return nil
}
