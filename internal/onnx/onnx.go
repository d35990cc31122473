// Package onnx writes networks for other runtimes, as ONNX: operator set 17,
// format 8 (onnx.ai, onnx.proto3 of release 1.12). It hides protocol buffers and
// the numbers of their fields; whoever builds a graph speaks of operators, values
// and shapes alone. Equal graphs are equal bytes.
package onnx

import (
	"fmt"
	"slices"
	"strings"
)

// Free is a side of a shape that is known when the graph is run, such as N.
const Free = -1

// A Value is an array that goes from operator to operator. One that has Data or
// Ints is a constant.
type Value struct {
	Name  string
	Shape []int // Free where a side is
	Data  []float32
	Ints  []int64
}

func (v Value) constant() bool { return v.Data != nil || v.Ints != nil }

// Number is a constant without axes.
func Number(v float64) Value {
	return Value{Name: fmt.Sprintf("number %v", float32(v)), Shape: []int{}, Data: []float32{float32(v)}}
}

// Whole is a whole number as a constant without axes.
func Whole(v int) Value {
	return Value{Name: fmt.Sprintf("whole %d", v), Shape: []int{}, Ints: []int64{int64(v)}}
}

// Wholes are whole numbers as a constant of one axis.
func Wholes(v ...int) Value {
	c := Value{Name: fmt.Sprintf("wholes %v", v), Shape: []int{len(v)}}
	for _, i := range v {
		c.Ints = append(c.Ints, int64(i))
	}
	return c
}

// An Attr is a setting of an operator: a float32, an int, an []int, a string, or a
// graph's body.
type Attr struct {
	Name  string
	Value any
}

// A Graph is operators in the order in which they can run. Its first error sticks,
// and Write returns it.
type Graph struct {
	inputs, outputs []typed
	nodes           []node
	constants       []Value
	known           map[string]Value // the constants, by name
	count           map[string]int   // of nodes, by operator
	err             error
	outer           *Graph // of a body, see Scan
	prefix          string // of a body's names
}

type typed struct {
	Value          // nil as shape: any
	free  []string // names of the sides that are Free
	kind  int      // of its elements
}

type node struct {
	op, name string
	in, out  []string
	attrs    []Attr
}

// Input is a value that whoever runs the graph gives. Its free sides are named, in
// order; equal names are equal sides.
func (g *Graph) Input(name string, shape []int, free ...string) Value {
	v := Value{Name: name, Shape: shape}
	g.inputs = append(g.inputs, typed{v, free, float32s})
	return v
}

// Output makes v a result of the graph under a name of its own.
func (g *Graph) Output(name string, v Value, free ...string) {
	g.nodes = append(g.nodes, node{op: "Identity", name: "Output_" + name, in: []string{g.refer(v)}, out: []string{name}})
	g.outputs = append(g.outputs, typed{Value{Name: name, Shape: v.Shape}, free, float32s})
}

// Do lays an operator over values; its result has the shape that is given, which
// is not checked.
func (g *Graph) Do(op string, shape []int, in []Value, attrs ...Attr) Value {
	n := g.lay(op, attrs)
	for _, v := range in {
		n.in = append(n.in, g.refer(v))
	}
	return Value{Name: n.out[0], Shape: shape}
}

// Each is Do where the result has the shape of the first value.
func (g *Graph) Each(op string, in ...Value) Value { return g.Do(op, in[0].Shape, in) }

// Reshape is x in another shape. If its first side is Free, that is x's first one;
// another one may be Free besides.
func (g *Graph) Reshape(x Value, shape ...int) Value {
	if x.constant() {
		return Value{Name: x.Name, Shape: shape, Data: x.Data, Ints: x.Ints}
	}
	sides := slices.Clone(shape) // -1 is what is left, as for ONNX
	if sides[0] == Free {
		sides[0] = 0 // what x has
	}
	return g.Do("Reshape", shape, []Value{x, Wholes(sides...)})
}

// Side is the size of x along an axis: a whole number.
func (g *Graph) Side(x Value, axis int) Value {
	shape := g.Do("Shape", []int{len(x.Shape)}, []Value{x})
	return g.Do("Gather", []int{}, []Value{shape, Whole(axis)}, Attr{"axis", 0})
}

// Range is the whole numbers from 0 to n-1.
func (g *Graph) Range(n Value) Value {
	return g.Do("Range", []int{Free}, []Value{Whole(0), n, Whole(1)})
}

// Top is the k largest values of x along an axis, or the smallest, in order.
func (g *Graph) Top(x Value, axis, k int, largest bool) Value {
	shape := slices.Clone(x.Shape)
	shape[axis] = k
	which := 0
	if largest {
		which = 1
	}
	in := []string{g.refer(x), g.refer(Wholes(k))}
	n := g.lay("TopK", []Attr{{"axis", axis}, {"largest", which}})
	n.in, n.out = in, append(n.out, n.out[0]+".places")
	return Value{Name: n.out[0], Shape: shape}
}

// lay appends an operator without inputs, good until the next.
func (g *Graph) lay(op string, attrs []Attr) *node {
	if g.count == nil {
		g.count = map[string]int{}
	}
	name := fmt.Sprintf("%s%s_%d", g.prefix, op, g.count[op])
	g.count[op]++
	g.nodes = append(g.nodes, node{op: op, name: name, out: []string{strings.ToLower(name)}, attrs: attrs})
	return &g.nodes[len(g.nodes)-1]
}

// refer is the name of a value; a constant is taken into the graph at first use.
func (g *Graph) refer(v Value) string {
	if v.Name == "" {
		g.Fail(fmt.Errorf("onnx: a value %v has no name", v.Shape))
	}
	if !v.constant() {
		return v.Name
	}
	if g.outer != nil {
		return g.outer.refer(v)
	}
	old, ok := g.known[v.Name]
	switch {
	case !ok:
		if g.known == nil {
			g.known = map[string]Value{}
		}
		g.known[v.Name] = v
		g.constants = append(g.constants, v)
	case !old.same(v):
		g.Fail(fmt.Errorf("onnx: two constants are named %s", v.Name))
	}
	return v.Name
}

// Apart is a constant under a name that no other one has: its own, and with a number
// behind it where that is taken.
func (g *Graph) Apart(c Value) Value {
	name := c.Name
	for i := 2; ; i++ {
		if old, ok := g.known[c.Name]; !ok || old.same(c) {
			g.refer(c)
			return c
		}
		c.Name = fmt.Sprintf("%s %d", name, i)
	}
}

// same tells whether constants are equal.
func (v Value) same(w Value) bool {
	return slices.Equal(v.Shape, w.Shape) && slices.Equal(v.Ints, w.Ints) && sameData(v.Data, w.Data)
}

// sameData compares no values where the memory is the same.
func sameData(a, b []float32) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}

// Fail makes Write return an error, the first that there was.
func (g *Graph) Fail(err error) {
	if g.outer != nil {
		g.outer.Fail(err)
	} else if g.err == nil {
		g.err = err
	}
}

// Err is the first error so far.
func (g *Graph) Err() error { return g.err }
