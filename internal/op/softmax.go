package op

import (
	"fmt"
	"math"

	"clr/internal/kernel"
	"clr/internal/onnx"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Softmax turns each row of x (N, D) into exp(x) over its sum.
func Softmax(x *gorgonia.Node) (*gorgonia.Node, error) { return Apply(softmax{}, x) }

type softmax struct{}

func (softmax) Sig() string     { return "softmax" }
func (softmax) DiffWRT() []bool { return []bool{true} }

func (softmax) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in[0]) != 2 {
		return nil, fmt.Errorf("want rows (N, D)")
	}
	return in[0], nil
}

// Diff is dx = y·(dy - y·dy).
func (softmax) Diff(_ gorgonia.Nodes, y, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := fixed{sig: "softmax_grad", shape: dy.Shape(),
		run: func(dx kernel.Array, in []kernel.Array, _ []float32) {
			d := dx.Shape[1]
			for r := 0; r < len(dx.Data); r += d {
				y, dy := in[0].Data[r:r+d], in[1].Data[r:r+d]
				along := kernel.Dot(y, dy)
				for i, v := range y {
					dx.Data[r+i] = float32(float64(v) * (float64(dy[i]) - along))
				}
			}
		}}.over(1, y, dy)
	return gorgonia.Nodes{dx}, err
}

func (softmax) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	copy(out.Data, in[0].Data)
	d := out.Shape[1]
	for r := 0; r < len(out.Data); r += d {
		kernel.Softmax(out.Data[r:r+d], math.Inf(-1), 1, 1)
	}
	return nil
}

func (softmax) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	return t.Each("Softmax", t.value(in[0]))
}
