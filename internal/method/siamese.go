package method

import (
	"context"
	"fmt"

	"gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/model"
	"clr/internal/optim"
)

// A siamese is a method of one set of weights that sees both views of a batch in
// one graph; its paper says only what is laid over the views.
type siamese struct {
	name   string
	s      Setup
	needs  Needs
	groups int // of rows, with batch statistics of their own
	lay    layers
	params *model.Params
	graphs map[int]*siameseGraph // by batch size
	memory exec.Memory           // of all graphs
	last   *siameseGraph
}

// layers lays a paper's network over a batch.
type layers func(b *model.Builder, p *model.Params, in inputs) outputs

// inputs are a batch as nodes. What the method does not need is nil.
type inputs struct {
	n      int
	x      *gorgonia.Node // (2N, C, F, T)
	crops  *gorgonia.Node // (V·N, C, F, T')
	labels *gorgonia.Node // (2N), each clip's twice
}

// clips numbers the rows' clips (2N), for a loss of labels to which each clip is a
// label of its own.
func (in inputs) clips(b *model.Builder) *gorgonia.Node {
	number := kernel.New(2 * in.n)
	for i := range number.Data {
		number.Data[i] = float32(i % in.n)
	}
	return b.Constant("clips", number)
}

// outputs are what is made of a batch.
type outputs struct {
	z      *gorgonia.Node // (2N, P), of unit length
	loss   *gorgonia.Node // scalar
	chance float64        // see Result
}

type siameseGraph struct {
	machine *model.Machine
	inputs
	outputs
	twice []float32 // (2N): labels
}

func newSiamese(name string, s Setup, needs Needs, groups int, lay layers) (Method, error) {
	if err := s.check(2*s.Batch, groups); err != nil {
		return nil, err
	}
	if needs.Labels && s.Classes < 2 {
		return nil, fault.New(fault.Data, "give clips labels of two classes or more, or choose a method without labels", "%s learns from labels, and there are %d classes of them", name, s.Classes)
	}
	m := &siamese{name: name, s: s, needs: needs, groups: groups, lay: lay, params: s.params(), graphs: map[int]*siameseGraph{}}
	_, err := m.graph(s.Batch)
	return m, err
}

// graph is the one for batches of n pairs, built at its first use.
func (m *siamese) graph(n int) (*siameseGraph, error) {
	if g := m.graphs[n]; g != nil {
		return g, nil
	}
	b := m.s.builder(groupsOf(m.groups, 2*n), &m.memory)
	g := &siameseGraph{inputs: inputs{n: n, x: b.Input("views", m.s.Input.Shape(2*n)...)}} // (2N, C, F, T)
	if crops := m.s.crops(m.needs); m.needs.Crops > 0 {
		g.crops = b.Input("crops", crops.Shape(m.needs.Crops*n)...) // (V·N, C, F, T')
	}
	if m.needs.Labels {
		g.labels, g.twice = b.Input("labels", 2*n), make([]float32, 2*n)
	}
	g.outputs = m.lay(b, m.params, g.inputs)
	var err error
	if g.machine, err = b.CompileGrad(g.loss, g.z); err != nil {
		return nil, fmt.Errorf("%s: batch of %d: %w", m.name, n, err)
	}
	m.s.compiled("training", g.machine, 2*n, nil)
	m.graphs[n] = g
	return g, nil
}

func (m *siamese) Step(ctx context.Context, b Batch) (Result, error) {
	if err := m.s.fits(b, m.needs); err != nil {
		return Result{}, err
	}
	g, err := m.graph(b.N)
	if err != nil {
		return Result{}, err
	}
	m.last = nil
	g.machine.SetStep(b.Step)
	g.machine.Set(g.x, b.X)
	if g.crops != nil {
		g.machine.Set(g.crops, b.Crops)
	}
	if g.labels != nil {
		copy(g.twice, b.Labels)
		copy(g.twice[b.N:], b.Labels)
		g.machine.Set(g.labels, g.twice)
	}
	if err := g.machine.Run(ctx); err != nil {
		return Result{}, err
	}
	m.last = g
	return Result{Loss: g.machine.Value(g.loss).Data[0], Chance: g.chance, Z: g.machine.Value(g.z)}, nil
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
