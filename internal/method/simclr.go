package method

import (
	"context"
	"fmt"

	"gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/kernel"
	"clr/internal/loss"
	"clr/internal/model"
	"clr/internal/optim"
)

// SimCLR is Chen et al. 2020, "A simple framework for contrastive learning of
// visual representations", algorithm 1: the two views of a clip attract, all
// other views of the batch repel.
type SimCLR struct {
	Temperature float64   `yaml:"temperature" doc:"divides the cosines; the paper's tau"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o SimCLR) Doc() string { return "SimCLR (Chen et al. 2020): the batch is its own negatives" }

func (o SimCLR) Check() error { return checkHead(o.Temperature, o.Projector, o.Groups) }

// Unit implements Options: a tower sees both views at once.
func (o SimCLR) Unit() int { return unitOf(o.Groups, 2) }

func (o SimCLR) New(s Setup) (Method, error) {
	if err := s.check(2*s.Batch, o.Groups); err != nil {
		return nil, err
	}
	m := &simclr{o: o, s: s, params: s.params(), graphs: map[int]*simclrGraph{}}
	_, err := m.graph(s.Batch)
	return m, err
}

type simclr struct {
	o      SimCLR
	s      Setup
	params *model.Params
	graphs map[int]*simclrGraph // by batch size
	memory exec.Memory          // of all graphs
	last   *simclrGraph
}

type simclrGraph struct {
	machine    *model.Machine
	x, z, loss *gorgonia.Node
}

// graph is the one for batches of n pairs, built at its first use.
func (m *simclr) graph(n int) (*simclrGraph, error) {
	if g := m.graphs[n]; g != nil {
		return g, nil
	}
	b := m.s.builder(groupsOf(m.o.Groups, 2*n), &m.memory)
	x := b.Input("views", m.s.Input.Shape(2*n)...) // (2N, C, F, T)
	z := m.s.tower(b, m.params, m.o.Projector, x)  // (2N, P)
	l := b.Try(loss.NTXent(z, m.o.Temperature))    // scalar
	machine, err := b.CompileGrad(l, z)
	if err != nil {
		return nil, fmt.Errorf("simclr: batch of %d: %w", n, err)
	}
	m.s.compiled("training", machine, nil)
	m.graphs[n] = &simclrGraph{machine, x, z, l}
	return m.graphs[n], nil
}

func (m *simclr) Step(ctx context.Context, b Batch) (Result, error) {
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
func (m *simclr) Advance(float64) {
	if m.last == nil {
		panic("method: simclr: Advance without a Step before")
	}
	m.last.machine.UpdateStats()
}

func (m *simclr) Params() []*optim.Param { return m.params.All() }

func (m *simclr) State() map[string]kernel.Array {
	s := map[string]kernel.Array{}
	m.params.State("", s)
	return s
}
