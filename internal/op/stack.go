package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Stack sets rows below each other: (N1, D), (N2, D) → (N1+N2, D). Rows takes them
// apart again.
func Stack(a, b *gorgonia.Node) (*gorgonia.Node, error) { return Apply(stack{}, a, b) }

type stack struct{}

func (stack) Sig() string     { return "stack" }
func (stack) DiffWRT() []bool { return []bool{true, true} }

func (stack) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in[0]) != 2 || len(in[1]) != 2 || in[0][1] != in[1][1] {
		return nil, fmt.Errorf("want (N1, D) and (N2, D)")
	}
	return tensor.Shape{in[0][0] + in[1][0], in[0][1]}, nil
}

func (stack) Diff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	n := in[0].Shape()[0]
	da, err := Rows(grad, 0, n)
	if err != nil {
		return nil, err
	}
	db, err := Rows(grad, n, n+in[1].Shape()[0])
	return gorgonia.Nodes{da, db}, err
}

func (stack) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	copy(out.Data[copy(out.Data, in[0].Data):], in[1].Data)
	return nil
}
