package onnx

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"clr/internal/fault"
)

// What is written is of this format (its IR version) and this set of operators.
const (
	format    = 8
	operators = 17
)

// A Producer is the program that made a model.
type Producer struct{ Name, Version string }

// Write writes the graph as a model with metadata, in the order of their keys.
func (g *Graph) Write(w io.Writer, name string, by Producer, meta map[string]string) error {
	if g.err != nil {
		return g.err
	}
	var head, tail message
	head.number(1, format)
	head.text(2, by.Name)
	head.text(3, by.Version)
	graph := g.parts(name)
	size := 0
	for _, p := range graph {
		size += len(p.head) + 4*len(p.raw)
	}
	var set message
	set.text(1, "")
	set.number(2, operators)
	tail.message(8, set)
	for _, key := range slices.Sorted(maps.Keys(meta)) {
		var entry message
		entry.text(1, key)
		entry.text(2, meta[key])
		tail.message(14, entry)
	}
	head.begin(7, size)
	if total := len(head) + size + len(tail); total > math.MaxInt32 {
		return fault.New(fault.Usage, "export safetensors, which hold more", "the model has %d bytes, a file of ONNX holds %d", total, math.MaxInt32)
	}
	for _, p := range append(append([]part{{head: head}}, graph...), part{head: tail}) {
		if err := p.write(w); err != nil {
			return err
		}
	}
	return nil
}

// parts are the pieces of the graph's message, in order.
func (g *Graph) parts(name string) []part {
	var first, last message
	for _, n := range g.nodes {
		first.message(1, n.message())
	}
	first.text(2, name)
	all := []part{{head: first}}
	for _, c := range g.constants {
		all = append(all, c.part())
	}
	for _, v := range g.inputs {
		last.message(11, v.message())
	}
	for _, v := range g.outputs {
		last.message(12, v.message())
	}
	return append(all, part{head: last})
}

// message is the graph as one, for graphs within a node, which have no constants.
func (g *Graph) message(name string) (m message) {
	for _, p := range g.parts(name) {
		m = append(m, p.head...)
	}
	return m
}

func (n node) message() (m message) {
	for _, in := range n.in {
		m.text(1, in)
	}
	for _, out := range n.out {
		m.text(2, out)
	}
	m.text(3, n.name)
	m.text(4, n.op)
	for _, a := range n.attrs {
		m.message(5, a.message())
	}
	return m
}

func (a Attr) message() (m message) {
	const kind = 20
	m.text(1, a.Name)
	switch v := a.Value.(type) {
	case float32:
		m.float(2, v)
		m.number(kind, 1)
	case int:
		m.number(3, int64(v))
		m.number(kind, 2)
	case string:
		m.text(4, v)
		m.number(kind, 3)
	case []int:
		for _, i := range v {
			m.number(8, int64(i))
		}
		m.number(kind, 7)
	case *Graph:
		m.message(6, v.message(a.Name))
		m.number(kind, 5)
	default:
		panic(fmt.Sprintf("onnx: attribute %s is a %T", a.Name, a.Value))
	}
	return m
}

// Types of elements.
const (
	float32s = 1
	int64s   = 7
	float64s = 11
)

// part is field 5 of a graph, a tensor, whose values come last.
func (v Value) part() part {
	var m message
	for _, d := range v.Shape {
		m.number(1, int64(d))
	}
	if v.Ints != nil {
		m.number(2, int64s)
		for _, i := range v.Ints {
			m.number(7, i)
		}
		m.text(8, v.Name)
	} else {
		m.number(2, float32s)
		m.text(8, v.Name)
		m.begin(9, 4*len(v.Data))
	}
	var head message
	head.begin(5, len(m)+4*len(v.Data))
	return part{append(head, m...), v.Data}
}

func (v typed) message() (m message) {
	var shape message
	free := v.free
	for _, d := range v.Shape {
		var side message
		if d != Free {
			side.number(1, int64(d))
		} else {
			side.text(2, free[0])
			free = free[1:]
		}
		shape.message(1, side)
	}
	var tensor, kind message
	tensor.number(1, int64(v.kind))
	if v.Shape != nil {
		tensor.message(2, shape)
	}
	kind.message(1, tensor)
	m.text(1, v.Name)
	m.message(2, kind)
	return m
}
