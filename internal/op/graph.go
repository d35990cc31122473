package op

import (
	"fmt"
	"unsafe"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Input makes an input node, for weights and for data. A name that the graph holds
// already is refused, for Gorgonia would hand back the other node without a word.
func Input(g *gorgonia.ExprGraph, name string, shape ...int) (*gorgonia.Node, error) {
	if name == "" {
		return nil, fmt.Errorf("op: an input %v needs a name", shape)
	}
	if old := g.ByName(name); len(old) > 0 {
		return nil, fmt.Errorf("op: input %q %v: the graph has one of that name, %v", name, shape, old[0].Shape())
	}
	for _, d := range shape {
		if d < 1 {
			return nil, fmt.Errorf("op: input %q: shape %v has an empty side", name, shape)
		}
	}
	if len(shape) == 0 {
		return gorgonia.NewScalar(g, tensor.Float32, gorgonia.WithName(name)), nil
	}
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name)), nil
}

// Bind makes data the memory of an input that is not a scalar. Nothing is copied:
// what is written there later is what the next run reads.
func Bind(n *gorgonia.Node, data []float32) error {
	shape := n.Shape()
	if !n.IsVar() || len(shape) == 0 {
		return fmt.Errorf("op: %s is not an input array", n.Name())
	}
	if len(data) != Size(shape) {
		return fmt.Errorf("op: input %q is %v, %d elements; it is given %d", n.Name(), shape, Size(shape), len(data))
	}
	return gorgonia.UnsafeLet(n, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data)))
}

// Rebind gives other memory to an input that Bind has bound and nobody since. It
// allocates nothing, so that buffers can take turns from step to step.
func Rebind(n *gorgonia.Node, data []float32) error {
	d, ok := n.Value().(*tensor.Dense)
	if !ok || 4*len(data) != len(d.Raw) || len(data) == 0 {
		return fmt.Errorf("op: input %q is %v and not bound to %d elements", n.Name(), n.Shape(), len(data))
	}
	d.Raw = unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), 4*len(data))
	return nil
}

// Grad differentiates a scalar with respect to inputs, once in a graph's life: at a
// second time Gorgonia would reuse the first one's gradients wherever the two
// share a node. Add the losses first. Its panics become errors.
func Grad(loss *gorgonia.Node, wrt ...*gorgonia.Node) (grads gorgonia.Nodes, err error) {
	for _, n := range loss.Graph().AllNodes() {
		if n.Deriv() != nil {
			return nil, fmt.Errorf("op: the graph of %s was differentiated before; add the losses and differentiate the sum", loss.Name())
		}
	}
	defer func() {
		if r := recover(); r != nil {
			grads, err = nil, fmt.Errorf("op: differentiating %s: %v", loss.Name(), r)
		}
	}()
	if grads, err = gorgonia.Grad(loss, wrt...); err != nil {
		return nil, fmt.Errorf("op: differentiating %s: %w", loss.Name(), err)
	}
	return grads, nil
}
