package exec

import (
	"fmt"
	"slices"

	"clr/internal/op"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A program is what is known about the nodes that the outputs need.
type program struct {
	order   []*gorgonia.Node // all, inputs too; children before parents
	steps   []*gorgonia.Node // those that compute
	inputs  map[*gorgonia.Node]gorgonia.Nodes
	funcs   map[*gorgonia.Node]op.Func // nil for arguments
	places  map[*gorgonia.Node]location
	scratch map[*gorgonia.Node]*block
	frozen  map[*gorgonia.Node]bool // computed once
	blocks  []*block
	plain   int // float32s, if every value had memory of its own
}

// A location is where a node's value lies: in an argument, or in a block.
type location struct {
	arg    *gorgonia.Node
	block  *block
	offset int
}

// same reports whether two values lie in one piece of memory.
func (l location) same(m location) bool { return l.arg == m.arg && l.block == m.block }

// needed collects the nodes that the outputs reach. Their order is that of their
// making, for a node is made after its inputs.
func needed(outputs []*gorgonia.Node) (*program, error) {
	p := &program{
		inputs:  map[*gorgonia.Node]gorgonia.Nodes{},
		funcs:   map[*gorgonia.Node]op.Func{},
		places:  map[*gorgonia.Node]location{},
		scratch: map[*gorgonia.Node]*block{},
	}
	seen := map[*gorgonia.Node]bool{}
	for todo := slices.Clone(outputs); len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		p.order = append(p.order, n)
		p.inputs[n] = op.Inputs(n)
		if len(p.inputs[n]) > 0 {
			f, err := op.FuncOf(n)
			if err != nil {
				return nil, fmt.Errorf("exec: %w", err)
			}
			p.funcs[n] = f
		} else if n.Op() != nil && (len(n.Shape()) > 0 || n.Value() == nil) {
			// Gorgonia tells constant tensors apart by their shortened text only.
			return nil, fmt.Errorf("exec: %s is neither an input nor a constant number", describe(n))
		}
		for _, c := range p.inputs[n] {
			if c.ID() >= n.ID() {
				return nil, fmt.Errorf("exec: %s was made before its input %s", describe(n), describe(c))
			}
			todo = append(todo, c)
		}
	}
	slices.SortFunc(p.order, func(a, b *gorgonia.Node) int { return int(a.ID() - b.ID()) })
	return p, nil
}

// settle decides where each value lies. Windows lie in their input; a function that
// may write over an input does so where nothing needs that any more; the rest get
// blocks, which live from their step to the last that reads any value in them.
// What is frozen lives on.
func (p *program) settle(outputs, frozen []*gorgonia.Node, reuse bool) {
	p.frozen = map[*gorgonia.Node]bool{}
	for _, n := range frozen {
		p.frozen[n] = true
	}
	last := p.lastReads(outputs)
	for _, n := range p.order {
		f := p.funcs[n]
		if f == nil {
			p.places[n] = location{arg: n}
			continue
		}
		p.frozen[n] = !slices.ContainsFunc(p.inputs[n], func(c *gorgonia.Node) bool { return !p.frozen[c] })
		size := op.Size(n.Shape())
		if a, ok := f.(op.Aliaser); ok {
			at := p.places[p.inputs[n][0]]
			at.offset += a.Alias()
			p.places[n] = at
			continue
		}
		now := len(p.steps)
		p.steps = append(p.steps, n)
		p.plain += aligned(size)
		if p.frozen[n] {
			p.places[n] = location{block: p.block(size, 0, forever)}
		} else if b := p.overwritten(n, f, now, size); b != nil && reuse {
			b.last = max(now, last[n])
			p.places[n] = location{block: b}
		} else {
			p.places[n] = location{block: p.block(size, now, max(now, last[n]))}
		}
		if s, ok := f.(op.Scratcher); ok {
			if size := s.Scratch(shapes(p.inputs[n])...); size > 0 {
				p.scratch[n] = p.block(size, now, now)
				p.plain += aligned(size)
			}
		}
	}
}

func (p *program) block(size, first, last int) *block {
	b := &block{size: size, first: first, last: last}
	p.blocks = append(p.blocks, b)
	return b
}

// overwritten is the block that a function may write its result over: that of an
// input which fills it, which is not read after this step, and of which no other
// input of this step is a part. An argument is nobody's to write over.
func (p *program) overwritten(n *gorgonia.Node, f op.Func, now, size int) *block {
	ip, ok := f.(op.InPlacer)
	if !ok {
		return nil
	}
	for i, c := range p.inputs[n] {
		at := p.places[c]
		if (ip.InPlace() != i && ip.InPlace() != op.AnyInput) || at.arg != nil ||
			at.offset != 0 || at.block.size != size || op.Size(c.Shape()) != size || at.block.last != now {
			continue
		}
		shared := false
		for j, d := range p.inputs[n] {
			shared = shared || j != i && p.places[d].same(at)
		}
		if !shared {
			return at.block
		}
	}
	return nil
}

// lastReads is, for each node, the last step that reads it or a window of it.
func (p *program) lastReads(outputs []*gorgonia.Node) map[*gorgonia.Node]int {
	last := map[*gorgonia.Node]int{}
	owner := map[*gorgonia.Node]*gorgonia.Node{} // of the memory, before anything is written over
	read := func(n *gorgonia.Node, step int) { last[owner[n]] = max(last[owner[n]], step) }
	now := 0
	for _, n := range p.order {
		owner[n] = n
		if _, ok := p.funcs[n].(op.Aliaser); ok {
			owner[n] = owner[p.inputs[n][0]]
			continue
		}
		for _, c := range p.inputs[n] {
			read(c, now)
		}
		if p.funcs[n] != nil {
			now++
		}
	}
	for _, n := range outputs {
		read(n, forever)
	}
	return last
}

func shapes(ns gorgonia.Nodes) []tensor.Shape {
	s := make([]tensor.Shape, len(ns))
	for i, n := range ns {
		s[i] = n.Shape()
	}
	return s
}
