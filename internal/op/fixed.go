package op

import (
	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// fixed is a Func without a gradient of its own: statistics, and the gradients
// themselves, for a graph is differentiated once.
type fixed struct {
	sig     string
	shape   tensor.Shape // of the result
	scratch int          // float32s
	run     func(out kernel.Array, in []kernel.Array, scratch []float32)
	inputs  int
}

// apply makes its node.
func (f fixed) apply(in ...*gorgonia.Node) (*gorgonia.Node, error) {
	f.inputs = len(in)
	return Apply(f, in...)
}

// over makes its node, and lets it write over input i.
func (f fixed) over(i int, in ...*gorgonia.Node) (*gorgonia.Node, error) {
	f.inputs = len(in)
	return Apply(fixedOver{f, i}, in...)
}

func (f fixed) Sig() string                                 { return f.sig }
func (f fixed) DiffWRT() []bool                             { return make([]bool, f.inputs) }
func (f fixed) Infer(...tensor.Shape) (tensor.Shape, error) { return f.shape, nil }
func (f fixed) Scratch(...tensor.Shape) int                 { return f.scratch }

func (f fixed) Diff(in gorgonia.Nodes, _, _ *gorgonia.Node) (gorgonia.Nodes, error) {
	return make(gorgonia.Nodes, len(in)), nil
}

func (f fixed) Run(out kernel.Array, in []kernel.Array, scratch []float32) error {
	f.run(out, in, scratch)
	return nil
}

type fixedOver struct {
	fixed
	input int
}

func (f fixedOver) InPlace() int { return f.input }
