package op

import (
	"fmt"

	"clr/internal/kernel"
	"clr/internal/onnx"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// window is the part of an array that starts at an element and fills a shape.
type window struct {
	offset int
	shape  tensor.Shape
	stop   bool // no gradient passes
}

// StopGradient is x, and constant to whoever differentiates.
func StopGradient(x *gorgonia.Node) (*gorgonia.Node, error) {
	return Apply(window{0, x.Shape(), true}, x)
}

// Rows is the rows [from, to) of x along its first axis. Feature maps have no rows.
func Rows(x *gorgonia.Node, from, to int) (*gorgonia.Node, error) {
	s := x.Shape()
	if len(s) == 0 || from < 0 || from >= to || to > s[0] {
		return nil, fmt.Errorf("op: rows %d to %d of %v do not exist", from, to, s)
	}
	row := Size(s[1:])
	return Apply(window{from * row, append(tensor.Shape{to - from}, s[1:]...), false}, x)
}

// Reshape is x in another shape of as many elements.
func Reshape(x *gorgonia.Node, shape ...int) (*gorgonia.Node, error) {
	if Size(shape) != Size(x.Shape()) {
		return nil, fmt.Errorf("op: %v cannot take the shape %v", x.Shape(), shape)
	}
	return Apply(window{0, shape, false}, x)
}

func (w window) Alias() int      { return w.offset }
func (w window) DiffWRT() []bool { return []bool{!w.stop} }

func (w window) Sig() string {
	if w.stop {
		return "stop_gradient"
	}
	return fmt.Sprintf("window{at %d, %v}", w.offset, w.shape)
}

func (w window) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if w.offset < 0 || w.offset+Size(w.shape) > Size(in[0]) {
		return nil, fmt.Errorf("the window leaves the array")
	}
	return w.shape, nil
}

func (w window) Diff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	if w.stop {
		return gorgonia.Nodes{nil}, nil
	}
	s := in[0].Shape()
	if Size(w.shape) == Size(s) {
		d, err := Apply(window{0, s, false}, grad)
		return gorgonia.Nodes{d}, err
	}
	d, err := w.spread(grad, s)
	return gorgonia.Nodes{d}, err
}

// spread puts the window's gradient back in its place, into zeros.
func (w window) spread(grad *gorgonia.Node, shape tensor.Shape) (*gorgonia.Node, error) {
	return fixed{sig: fmt.Sprintf("spread{at %d, %v}", w.offset, shape), shape: shape,
		run: func(out kernel.Array, in []kernel.Array, _ []float32) {
			end := w.offset + len(in[0].Data)
			clear(out.Data[:w.offset])
			copy(out.Data[w.offset:end], in[0].Data)
			clear(out.Data[end:])
		}}.apply(grad)
}

func (w window) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	copy(out.Data, in[0].Data[w.offset:])
	return nil
}

// translate knows a window of all that there is, in another shape.
func (w window) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	x, from := t.value(in[0]), in[0].Shape()
	switch {
	case Size(from) != Size(w.shape):
		return t.fail("op: ONNX has no words for %s, a part of %v", w.Sig(), from)
	case x.Data != nil: // a weight
		return t.Reshape(x, w.shape...)
	case from[0] != w.shape[0]:
		return t.fail("op: ONNX has no words for %s, which mixes the examples of %v", w.Sig(), from)
	}
	return t.Reshape(x, perN(w.shape[1:]...)...)
}
