package exec

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"clr/internal/kernel"
	"clr/internal/op"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Compile plans and allocates a machine that computes the outputs. It refuses stock
// ops other than the sums that gorgonia.Grad makes. Afterwards each output's node
// carries its value, as Gorgonia's users expect, until the next machine over the
// same graph is compiled.
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
	p.settle(outputs, !o.NoReuse)
	size := place(p.blocks, !o.NoReuse)
	m := &Machine{memory: allocate(size), poison: o.Poison, outputs: map[*gorgonia.Node]*kernel.Array{}}
	m.plan = Plan{Bytes: 4 * size, Steps: len(p.steps), Pruned: len(g.AllNodes()) - len(p.order), WithoutReuse: 4 * p.plain}
	for _, b := range p.blocks {
		if b.last == forever {
			m.plan.Pinned += 4 * aligned(b.size)
		}
	}
	m.link(p, outputs)
	return m, m.publish(outputs)
}

// link turns places into pointers.
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
		from := at.block.offset + at.offset
		end := from + op.Size(a.Shape)
		a.Data = m.memory[from:end:end]
	}
	m.steps = make([]step, len(p.steps))
	for i, n := range p.steps {
		s := &m.steps[i]
		s.f, s.node, s.in = p.funcs[n], n, make([]kernel.Array, len(p.inputs[n]))
		s.out.Shape = n.Shape()
		point(&s.out, n)
		for j, c := range p.inputs[n] {
			s.in[j].Shape = c.Shape()
			point(&s.in[j], c)
		}
		if b := p.scratch[n]; b != nil {
			s.scratch = m.memory[b.offset : b.offset+b.size : b.offset+b.size]
		}
	}
	for _, n := range outputs {
		if m.outputs[n] == nil {
			m.outputs[n] = &kernel.Array{Shape: n.Shape()}
			point(m.outputs[n], n)
		}
	}
}

// publish binds the outputs' memory to their nodes.
func (m *Machine) publish(outputs []*gorgonia.Node) error {
	for _, n := range outputs {
		data := m.outputs[n].Data
		if data == nil { // an input, or a window of one: it has an owner
			continue
		}
		var v gorgonia.Value
		if s := n.Shape(); len(s) == 0 {
			f := gorgonia.NewF32(0)
			m.scalars = append(m.scalars, scalar{f, &data[0]})
			v = f
		} else {
			v = tensor.New(tensor.WithShape(s...), tensor.WithBacking(data))
		}
		if err := gorgonia.UnsafeLet(n, v); err != nil {
			return fmt.Errorf("exec: %s: %w", describe(n), err)
		}
	}
	return nil
}

// allocate makes memory that starts at a multiple of 64 bytes.
func allocate(n int) []float32 {
	memory := make([]float32, n+align)
	skip := 0
	if past := int(uintptr(unsafe.Pointer(&memory[0])) % (4 * align)); past > 0 {
		skip = align - past/4
	}
	return slices.Clip(memory[skip : skip+n])
}
