package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"

	"clr/internal/kernel"
	"clr/internal/op"
)

// A Seen is a function of a graph that has just run: what somebody sees who
// looks for where values leave the range of numbers.
type Seen struct {
	Func     string       // its name and configuration
	Layer    string       // the weight that it is about, or the layer; empty if it is no layer's
	Gradient bool         // it was made by differentiation
	Value    kernel.Array // good during the call
	rows     int          // examples in Value; 0: its values are not of examples
}

// Watch shows f each function as it runs, in order, from the next Run on; nil
// ends it. What Run computes stays the same, to the last bit. Weights that are
// laid out anew for a kernel are not shown: they have gaps that hold anything.
func (m *Machine) Watch(f func(Seen)) {
	if f == nil {
		m.exec.Watch(nil)
		return
	}
	who := m.names()
	m.exec.Watch(func(n *G.Node, value kernel.Array) {
		if s, ok := who[n]; ok {
			s.Value = value
			f(s)
		}
	})
}

// An Extent is how far values reach.
type Extent struct {
	Min, Max  float32 // of those that are finite; 0 if none is
	Count     int     // of all
	NotFinite int     // of those that are not
	First     int     // the first of them, an index
}

// ExtentOf looks at every value.
func ExtentOf(x []float32) Extent {
	var e Extent
	e.add(x, 0)
	return e
}

// add looks at more values, the first of which is value from.
func (e *Extent) add(x []float32, from int) {
	for i, v := range x {
		switch {
		case v-v != 0: // NaN or Inf
			if e.NotFinite == 0 {
				e.First = from + i
			}
			e.NotFinite++
		case e.Count == e.NotFinite: // the first that is finite
			e.Min, e.Max = v, v
		default:
			e.Min, e.Max = min(e.Min, v), max(e.Max, v)
		}
		e.Count++
	}
}

// Extent looks at every value of s, but not at lanes without an example, which
// may hold anything.
func (s Seen) Extent() Extent {
	x := s.Value.Data
	if !s.inLanes() {
		return ExtentOf(x)
	}
	var e Extent
	for from := 0; from < len(x); from += kernel.Lanes {
		e.add(x[from:from+min(kernel.Lanes, s.rows-s.block(from)*kernel.Lanes)], from)
	}
	return e
}

// Example is the row of the input that value i belongs to, or -1 if it belongs
// to none.
func (s Seen) Example(i int) int {
	if s.rows == 0 {
		return -1
	}
	if !s.inLanes() {
		return i / (len(s.Value.Data) / s.rows)
	}
	if row := s.block(i)*kernel.Lanes + i%kernel.Lanes; row < s.rows {
		return row
	}
	return -1
}

// Examples is how many examples the values are of; 0: they are of none.
func (s Seen) Examples() int { return s.rows }

// Shape is the value's with the examples in front: (N, C, H, W) or (N, D).
func (s Seen) Shape() []int {
	v := s.Value.Shape
	if !s.inLanes() {
		return slices.Clone(v)
	}
	return []int{s.rows, v[3], v[1], v[2]}
}

func (s Seen) inLanes() bool { return s.rows > 0 && len(s.Value.Shape) == 5 }

// block is the block of sixteen examples in which value i lies.
func (s Seen) block(i int) int { return i / (len(s.Value.Data) / s.Value.Shape[0]) }

// made notes where the nodes of a layer begin.
type made struct {
	layer string
	from  int // number of the first
}

// next is the number that the next node of a graph gets.
func next(g *G.ExprGraph) int {
	if all := g.AllNodes(); len(all) > 0 {
		return int(all[len(all)-1].ID()) + 1
	}
	return 0
}

// gradients is the layer of nodes that Gorgonia made by differentiating.
const gradients = "gradients"

// names finds out who each node is: a weight's own nodes by the weight, others
// by the layer that laid them, gradients by what they go through.
func (m *Machine) names() map[*G.Node]Seen {
	weight := map[*G.Node]string{} // leaves and their gradients
	for _, n := range m.graph.AllNodes() {
		for _, p := range m.used {
			if n.Op() == nil && (n.Name() == p.Name || strings.HasPrefix(n.Name(), p.Name+" (tower ")) {
				weight[n] = p.Name
			}
		}
	}
	packed := func(n *G.Node) string { // a weight, as a kernel reads it
		if in := op.Inputs(n); len(in) == 1 {
			return weight[in[0]]
		}
		return ""
	}
	ofWeight := map[*G.Node]string{}
	for i, g := range m.grads {
		ofWeight[g] = m.used[i].Name
	}
	counts := map[int]bool{} // of examples that the graph's maps have
	for _, n := range m.rows {
		counts[n] = true
	}
	rows := map[*G.Node]int{} // each node's examples, where its values are of some
	who := map[*G.Node]Seen{}
	at := 0
	for _, n := range m.graph.AllNodes() { // in the order of making
		if weight[n] == "" && packed(n) == "" && ofWeight[n] == "" {
			rows[n] = m.examples(n, rows, counts)
		}
		for at+1 < len(m.made) && m.made[at+1].from <= int(n.ID()) {
			at++
		}
		in := op.Inputs(n)
		if len(in) == 0 || packed(n) != "" {
			continue
		}
		s := Seen{Func: fmt.Sprint(n.Op()), Gradient: m.made[at].layer == gradients}
		s.Layer = ofWeight[n]
		for _, c := range in {
			if s.Layer == "" {
				s.Layer = cmp.Or(weight[c], packed(c))
			}
		}
		if s.Layer == "" && !s.Gradient && m.weighs(m.made[at].layer) {
			s.Layer = m.made[at].layer
		}
		for _, c := range in { // a gradient that goes back through a layer's result
			if s.Layer == "" && s.Gradient && !who[c].Gradient {
				s.Layer = who[c].Layer
			}
		}
		s.rows = rows[n]
		who[n] = s
	}
	return who
}

// examples is how many examples a node's values are of: a graph may hold maps of
// several batches, such as views of two lengths. Maps in lanes that no layer laid have
// those of what they are made from.
func (m *Machine) examples(n *G.Node, rows map[*G.Node]int, counts map[int]bool) int {
	switch shape := n.Shape(); len(shape) {
	case 2:
		if counts[shape[0]] {
			return shape[0]
		}
	case 5:
		for _, in := range append(G.Nodes{n}, op.Inputs(n)...) {
			for _, r := range []int{m.rows[in], rows[in]} {
				if r > 0 && shape[0] == kernel.Blocks(r) {
					return r
				}
			}
		}
	}
	return 0
}

// weighs tells whether a layer has weights.
func (m *Machine) weighs(layer string) bool {
	for _, p := range m.used {
		if strings.HasPrefix(p.Name, layer+".") {
			return true
		}
	}
	return false
}
