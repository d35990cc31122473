package exec

import (
	"errors"
	"fmt"

	"clr/internal/kernel"
	"clr/internal/op"

	"gorgonia.org/gorgonia"
)

// Compile plans a machine that computes the outputs. It refuses stock ops other than
// the sums that gorgonia.Grad makes. From its first run on each output's node
// carries its value, as Gorgonia's users expect, until another machine over the same
// graph has its first run.
func Compile(g *gorgonia.ExprGraph, o Options, outputs ...*gorgonia.Node) (*Machine, error) {
	if len(outputs) == 0 {
		return nil, errors.New("exec: a machine needs an output")
	}
	for _, n := range outputs {
		if n == nil || n.Graph() != g {
			return nil, fmt.Errorf("exec: %s is not of this graph", describe(n))
		}
	}
	p, err := needed(outputs)
	if err != nil {
		return nil, err
	}
	p.settle(outputs, o.Frozen, !o.NoReuse)
	size := place(p.blocks, !o.NoReuse)
	m := &Machine{memory: o.Memory, size: size, poison: o.Poison, outputs: map[*gorgonia.Node]*kernel.Array{}}
	if m.memory == nil {
		m.memory = new(Memory)
	}
	m.memory.need = max(m.memory.need, size)
	m.plan = Plan{Bytes: 4 * size, Steps: len(p.steps), Pruned: len(g.AllNodes()) - len(p.order), WithoutReuse: 4 * p.plain}
	for _, b := range p.blocks {
		if b.last == forever {
			m.plan.Pinned += 4 * aligned(b.size)
		}
	}
	m.link(p, outputs)
	return m, nil
}

// link notes for each place which pointers lead there.
func (m *Machine) link(p *program, outputs []*gorgonia.Node) {
	index := map[*gorgonia.Node]int{}
	for _, n := range p.order {
		if p.places[n].arg == n {
			index[n] = len(m.args)
			m.args = append(m.args, argument{node: n, shape: n.Shape(), cell: make([]float32, 1)})
		}
	}
	point := func(a *kernel.Array, n *gorgonia.Node) {
		at := p.places[n]
		if at.arg != nil {
			arg := &m.args[index[at.arg]]
			arg.uses = append(arg.uses, use{a, at.offset})
			return
		}
		m.spots = append(m.spots, spot{&a.Data, at.block.offset + at.offset, op.Size(a.Shape)})
	}
	// Pointers into the lists are kept, so they must not grow.
	m.once, m.steps = make([]step, 0, len(p.steps)), make([]step, 0, len(p.steps))
	for _, n := range p.steps {
		list := &m.steps
		if p.frozen[n] {
			list = &m.once
		}
		*list = append(*list, step{f: p.funcs[n], node: n, in: make([]kernel.Array, len(p.inputs[n]))})
		s := &(*list)[len(*list)-1]
		s.out.Shape = n.Shape()
		point(&s.out, n)
		for j, c := range p.inputs[n] {
			s.in[j].Shape = c.Shape()
			point(&s.in[j], c)
		}
		if b := p.scratch[n]; b != nil {
			m.spots = append(m.spots, spot{&s.scratch, b.offset, b.size})
		}
	}
	for _, n := range outputs {
		if m.outputs[n] == nil {
			a := &kernel.Array{Shape: n.Shape()}
			m.outputs[n] = a
			point(a, n)
			if p.places[n].arg == nil { // what is an input's has an owner
				m.results = append(m.results, result{node: n, array: a})
			}
		}
	}
}
