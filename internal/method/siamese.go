package method

import (
	"context"
	"fmt"

	"gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/kernel"
	"clr/internal/model"
	"clr/internal/optim"
)

// A siamese is a method of one set of weights that sees both views of a batch in
// one graph; its paper says only what is laid over the views.
type siamese struct {
	name   string
	s      Setup
	groups int // of rows, with batch statistics of their own
	lay    layers
	params *model.Params
	graphs map[int]*siameseGraph // by batch size
	memory exec.Memory           // of all graphs
	last   *siameseGraph
}

// layers lays a paper's network over views x (2N, C, F, T), giving projections
// of unit length (2N, P) and the loss, a scalar.
type layers func(b *model.Builder, p *model.Params, x *gorgonia.Node) (z, loss *gorgonia.Node)

type siameseGraph struct {
	machine    *model.Machine
	x, z, loss *gorgonia.Node
}

func newSiamese(name string, s Setup, groups int, lay layers) (Method, error) {
	if err := s.check(2*s.Batch, groups); err != nil {
		return nil, err
	}
	m := &siamese{name: name, s: s, groups: groups, lay: lay, params: s.params(), graphs: map[int]*siameseGraph{}}
	_, err := m.graph(s.Batch)
	return m, err
}

// graph is the one for batches of n pairs, built at its first use.
func (m *siamese) graph(n int) (*siameseGraph, error) {
	if g := m.graphs[n]; g != nil {
		return g, nil
	}
	b := m.s.builder(groupsOf(m.groups, 2*n), &m.memory)
	x := b.Input("views", m.s.Input.Shape(2*n)...) // (2N, C, F, T)
	z, loss := m.lay(b, m.params, x)
	machine, err := b.CompileGrad(loss, z)
	if err != nil {
		return nil, fmt.Errorf("%s: batch of %d: %w", m.name, n, err)
	}
	m.s.compiled("training", machine, 2*n, nil)
	m.graphs[n] = &siameseGraph{machine, x, z, loss}
	return m.graphs[n], nil
}

func (m *siamese) Step(ctx context.Context, b Batch) (Result, error) {
	if err := m.s.fits(b); err != nil {
		return Result{}, err
	}
	g, err := m.graph(b.N)
	if err != nil {
		return Result{}, err
	}
	m.last = nil
	g.machine.Set(g.x, b.X)
	if err := g.machine.Run(ctx); err != nil {
		return Result{}, err
	}
	m.last = g
	return Result{Loss: g.machine.Value(g.loss).Data[0], Z: g.machine.Value(g.z)}, nil
}

// Advance moves the running statistics.
func (m *siamese) Advance(float64) {
	if m.last == nil {
		panic("method: " + m.name + ": Advance without a Step before")
	}
	m.last.machine.UpdateStats()
}

func (m *siamese) Params() []*optim.Param { return m.params.All() }

func (m *siamese) State() map[string]kernel.Array {
	s := map[string]kernel.Array{}
	m.params.State("", s)
	return s
}
