package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A fused loss computes its value and its gradients in one pass. Since a node has
// one result, the Func of such a loss packs them into one vector,
//
//	[loss | d loss/d in[i] | d loss/d in[j] ...]
//
// the gradients of those inputs that DiffWRT names, in order, each row-major. Its
// Infer returns PackedShape, its Diff is PackedDiff, and LossOf(packed) is the
// scalar that a graph is differentiated from.

// PackedShape is the shape of a packed loss whose gradients are of these shapes.
func PackedShape(grads ...tensor.Shape) tensor.Shape {
	n := 1
	for _, s := range grads {
		n += Size(s)
	}
	return tensor.Shape{n}
}

// LossOf is element 0 of a packed loss, a scalar.
func LossOf(packed *gorgonia.Node) (*gorgonia.Node, error) {
	return Apply(first{}, packed)
}

// PackedDiff is the Diff of a packed loss: the windows of its value, times the
// scalar's gradient.
func PackedDiff(wrt []bool, in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	ds := make(gorgonia.Nodes, len(in))
	at := 1
	for i, n := range in {
		if !wrt[i] {
			continue
		}
		d, err := scaledWindow(out, grad, at, n.Shape())
		if err != nil {
			return nil, err
		}
		ds[i], at = d, at+Size(n.Shape())
	}
	return ds, nil
}

// first is element 0 of a packed loss. It hands its own gradient, a scalar, to the
// loss as it is: only PackedDiff knows what to do with one.
type first struct{}

func (first) Sig() string     { return "loss_of" }
func (first) DiffWRT() []bool { return []bool{true} }

func (first) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in[0]) != 1 || in[0][0] < 2 {
		return nil, fmt.Errorf("a packed loss is a vector [loss | gradients]")
	}
	return tensor.Shape{}, nil
}

func (first) Diff(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{grad}, nil
}

func (first) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	out.Data[0] = in[0].Data[0]
	return nil
}

// scaledWindow is a window of a packed loss times a scalar.
func scaledWindow(packed, by *gorgonia.Node, offset int, shape tensor.Shape) (*gorgonia.Node, error) {
	if s := packed.Shape(); len(s) != 1 || offset+Size(shape) > s[0] || len(by.Shape()) != 0 {
		return nil, fmt.Errorf("op: a packed loss %v, with the gradient %v, has no window of %v at %d", s, by.Shape(), shape, offset)
	}
	return fixed{sig: fmt.Sprintf("scaled_window{at %d, %v}", offset, shape), shape: shape,
		run: func(out kernel.Array, in []kernel.Array, _ []float32) {
			kernel.Scale(out.Data, in[0].Data[offset:offset+len(out.Data)], in[1].Data[0])
		}}.apply(packed, by)
}
