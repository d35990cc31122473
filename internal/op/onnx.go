package op

import (
	"fmt"

	"clr/internal/onnx"

	"gorgonia.org/gorgonia"
)

// ONNX writes to g, behind what stands there, the part of a graph that makes out,
// and returns what out is there. Inputs are the nodes that g has already; all other
// leaves are constants. Where a node's first side is the number of examples, it is
// free there.
//
// Layouts are left out, for ONNX has one: feature maps are (N, C, H, W), and rows
// in lanes stay (N, D). With foldNorms, a batch norm right behind a convolution or a
// linear layer is in its weights, as in our own inference.
//
// A function without words there is an error that names it: those that only
// learning needs, and maps in pixels.
func ONNX(g *onnx.Graph, out *gorgonia.Node, inputs map[*gorgonia.Node]onnx.Value, foldNorms bool) (onnx.Value, error) {
	t := &translation{Graph: g, foldNorms: foldNorms, said: map[*gorgonia.Node]onnx.Value{}}
	for n, v := range inputs {
		t.said[n] = v
	}
	v := t.value(out)
	return v, g.Err()
}

// A translatable function can be said in ONNX, over these inputs.
type translatable interface {
	translate(t *translation, in gorgonia.Nodes) onnx.Value
}

// A translation is a graph of ONNX that nodes are added to. A node is said when
// somebody needs it: weights as a kernel reads them never are.
type translation struct {
	*onnx.Graph
	foldNorms bool
	said      map[*gorgonia.Node]onnx.Value
}

// value is what a node is in ONNX.
func (t *translation) value(n *gorgonia.Node) onnx.Value {
	v, ok := t.said[n]
	if !ok {
		v = t.say(n)
		t.said[n] = v
	}
	return v
}

func (t *translation) say(n *gorgonia.Node) onnx.Value {
	if n.Op() == nil {
		a, err := ArrayOf(n.Value())
		if err != nil {
			return t.fail("op: %s: %w", n.Name(), err)
		}
		return onnx.Value{Name: n.Name(), Shape: a.Shape, Data: a.Data}
	}
	f, err := FuncOf(n)
	if err != nil {
		return t.fail("%w", err)
	}
	if f, ok := f.(translatable); ok {
		return f.translate(t, Inputs(n))
	}
	return t.fail("op: ONNX has no words for %s", f.Sig())
}

// fail keeps an error; the graph's first one counts.
func (t *translation) fail(format string, args ...any) onnx.Value {
	t.Fail(fmt.Errorf(format, args...))
	return onnx.Value{}
}

// relu is x, with a ReLU over it if that is on.
func (t *translation) relu(x onnx.Value, on bool) onnx.Value {
	if !on {
		return x
	}
	return t.Each("Relu", x)
}

// perN is the shape of values that each example has so many of.
func perN(sides ...int) []int { return append([]int{onnx.Free}, sides...) }

// sides is an attribute of rows and columns.
func sides(name string, v [2]int) onnx.Attr { return onnx.Attr{Name: name, Value: v[:]} }

// padding is the attribute for as much at both ends.
func padding(v [2]int) onnx.Attr {
	return onnx.Attr{Name: "pads", Value: []int{v[0], v[1], v[0], v[1]}}
}
