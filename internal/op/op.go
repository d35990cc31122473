// Package op holds the differentiable functions of arrays, and is the one door
// to Gorgonia's Op. It hides Gorgonia's plumbing (types, hashes, pools, stock
// machines) from whoever writes a function, and the lanes layout of kernel from
// whoever builds a network.
//
// Feature maps are nodes of shape (B, H, W, C, 16): sixteen examples side by
// side, B = ⌈N/16⌉. The shape hides N, the real number of examples, so each
// function on maps is told it. Embeddings leave the lanes by ToRows, as (N, D).
// For inference over few examples there are maps in pixels besides, (N, H, W, C),
// which the functions that know them tell by their rank.
//
// No function here has a hidden result or a side effect, so nothing depends on
// the order in which a machine runs them.
package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A Func is one differentiable function of arrays.
type Func interface {
	// Sig is the name and all of the static configuration: two functions of one
	// signature over the same inputs are one node.
	Sig() string
	// Infer is the shape of the result; its errors need not repeat the name.
	Infer(in ...tensor.Shape) (tensor.Shape, error)
	// DiffWRT says for each input whether it has a gradient. Never nil.
	DiffWRT() []bool
	// Diff makes the gradient of each input, nil where DiffWRT is false, from the
	// gradient of the result.
	Diff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error)
	// Run computes the result. Every element of out is written (it holds rubbish on
	// entry, and so does scratch); out shares no memory with an input except by
	// InPlace. Nothing is allocated.
	Run(out kernel.Array, in []kernel.Array, scratch []float32) error
}

// An InPlacer may write its result over one of its inputs.
type InPlacer interface {
	InPlace() int // the input, or AnyInput
}

// AnyInput is the InPlace of a function whose result may lie over any input of its size.
const AnyInput = -1

// An Aliaser computes nothing: its result is a window of input 0 at an element
// offset. Run still has to copy, for stock machines write over what they think dead.
type Aliaser interface {
	Alias() int
}

// A Scratcher needs some memory while it runs.
type Scratcher interface {
	Scratch(in ...tensor.Shape) int // float32s
}

// Apply makes the node of a function over its inputs; it is the only way into a
// graph. A function that the graph holds already, over the same inputs, is not
// made twice. Shapes that do not fit are an error naming function and shapes.
//
// Gorgonia takes equal 32-bit hashes of two nodes for equality, so a stranger may
// come back. Then a pinch of salt goes into the hash, until the node is honest.
func Apply(f Func, in ...*gorgonia.Node) (*gorgonia.Node, error) {
	shapes := make([]tensor.Shape, len(in))
	for i, n := range in {
		if n == nil {
			return nil, fmt.Errorf("op: %s: input %d is nil", f.Sig(), i)
		}
		if n.Dtype() != tensor.Float32 {
			return nil, fmt.Errorf("op: %s: input %d is %v, only float32 is known", f.Sig(), i, n.Dtype())
		}
		shapes[i] = n.Shape()
	}
	out, err := f.Infer(shapes...)
	if err != nil {
		return nil, fmt.Errorf("op: %s over %v: %w", f.Sig(), shapes, err)
	}
	for _, d := range out {
		if d < 1 {
			return nil, fmt.Errorf("op: %s over %v: the result %v is empty", f.Sig(), shapes, out)
		}
	}
	if w := len(f.DiffWRT()); w != len(in) {
		panic(fmt.Sprintf("op: %s names %d inputs in DiffWRT and is given %d", f.Sig(), w, len(in)))
	}
	for salt := range 8 {
		n, err := gorgonia.ApplyOp(&adaptor{f, shapes, out, salt}, append(gorgonia.Nodes(nil), in...)...)
		if err != nil {
			return nil, fmt.Errorf("op: %s over %v: %w", f.Sig(), shapes, err)
		}
		if honest(n, f, in) {
			return n, nil
		}
	}
	return nil, fmt.Errorf("op: %s over %v: its hash collides with another node's, eight times over", f.Sig(), shapes)
}

// honest reports whether a node is of this function over these inputs.
func honest(n *gorgonia.Node, f Func, in []*gorgonia.Node) bool {
	a, ok := n.Op().(*adaptor)
	if !ok || a.f.Sig() != f.Sig() {
		return false
	}
	have := Inputs(n)
	if len(have) != len(in) {
		return false
	}
	for i := range in {
		if have[i] != in[i] {
			return false
		}
	}
	return true
}

// Inputs lists the nodes that a node is computed from.
func Inputs(n *gorgonia.Node) gorgonia.Nodes {
	var in gorgonia.Nodes
	for it := n.Graph().From(n.ID()); it.Next(); {
		in = append(in, it.Node().(*gorgonia.Node))
	}
	return in
}

// FuncOf is the function at a node. For the sums that gorgonia.Grad makes by its
// own "+" it is ours, which computes the same. Any other stock op is refused.
func FuncOf(n *gorgonia.Node) (Func, error) {
	if a, ok := n.Op().(*adaptor); ok {
		return a.f, nil
	}
	if in := Inputs(n); len(in) == 2 && stockName(n.Op()) == "+" && sameShape(in[0].Shape(), in[1].Shape()) && n.Dtype() == tensor.Float32 {
		return sum{}, nil
	}
	return nil, fmt.Errorf("op: node %d is Gorgonia's own %q, which only stock machines run", n.ID(), n.Op())
}

// stockName is the first word of a stock op's text.
func stockName(o gorgonia.Op) string {
	var name string
	fmt.Sscan(fmt.Sprint(o), &name)
	return name
}

// Size is the number of elements of a shape; a scalar has one.
func Size(s []int) int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// sameShape is stricter than tensor.Shape.Eq, which takes (3) for (3, 1).
func sameShape(a, b tensor.Shape) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
