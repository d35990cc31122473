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

// A siamesePaper is what a paper adds to the rest of a method of one set of weights,
// which sees both views of a batch in one graph. What it has no use for is left out.
type siamesePaper struct {
	name      string
	needs     Needs
	groups    int // of rows, with batch statistics of their own
	lay       layers
	queue     *ring                           // of unit projections of first views
	queueFrom int                             // step that first sees it
	learnt    func(p *model.Params, step int) // looks at a step's gradients
	moved     func(p *model.Params)           // looks at the weights when they are made, and when they have moved
}

type siamese struct {
	siamesePaper
	s      Setup
	params *model.Params
	graphs map[size]*siameseGraph
	memory exec.Memory // of all graphs
	last   *siameseGraph
}

// A size is that of a batch, and whether it sees the queue.
type size struct {
	n      int
	queued bool
}

// layers lays a paper's network over a batch.
type layers func(b *model.Builder, p *model.Params, in inputs) outputs

// inputs are a batch as nodes. What the method does not need is nil.
type inputs struct {
	n      int
	x      *gorgonia.Node // (2N, C, F, T)
	crops  *gorgonia.Node // (V·N, C, F, T')
	labels *gorgonia.Node // (2N), each clip's twice
	queue  *gorgonia.Node // (K, P)
}

// by is what says that rows belong together, (2N): their labels, or where the
// method has none, the numbers of their clips.
func (in inputs) by(b *model.Builder) *gorgonia.Node {
	if in.labels != nil {
		return in.labels
	}
	clips := kernel.New(2 * in.n)
	for i := range clips.Data {
		clips.Data[i] = float32(i % in.n)
	}
	return b.Constant("clips", clips)
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
	return siamesePaper{name: name, needs: needs, groups: groups, lay: lay}.new(s)
}

func (p siamesePaper) new(s Setup) (Method, error) {
	if err := s.check(2*s.Batch, p.groups); err != nil {
		return nil, err
	}
	if e, in := s.Encoder, s.Short(p.needs); p.needs.Crops > 0 && e.Dim(in) != e.Dim(s.Input) {
		return nil, fault.New(fault.Usage, "set the encoder's pool to one over time, or crop_frames to the views' length",
			"the encoder makes %d values of a view of %v and %d of a shorter one of %v, must be equally many", e.Dim(s.Input), s.Input, e.Dim(in), in)
	}
	m := &siamese{siamesePaper: p, s: s, params: s.params(), graphs: map[size]*siameseGraph{}}
	if _, err := m.graph(size{s.Batch, p.queue != nil}); err != nil {
		return nil, err
	}
	if p.moved != nil && s.draft == nil {
		p.moved(m.params)
	}
	return m, nil
}

// graph is the one for batches of a size, built at its first use.
func (m *siamese) graph(of size) (*siameseGraph, error) {
	if g := m.graphs[of]; g != nil {
		return g, nil
	}
	n := of.n
	b := m.s.builder(groupsOf(m.groups, 2*n), &m.memory)
	g := &siameseGraph{inputs: inputs{n: n, x: b.Input("views", m.s.Input.Shape(2*n)...)}} // (2N, C, F, T)
	if crops := m.s.Short(m.needs); m.needs.Crops > 0 {
		g.crops = b.Input("crops", crops.Shape(m.needs.Crops*n)...) // (V·N, C, F, T')
	}
	if m.needs.Labels {
		g.labels, g.twice = b.Input("labels", 2*n), make([]float32, 2*n)
	}
	if of.queued {
		g.queue = b.Input("queue", m.queue.rows.Shape...) // (K, P)
	}
	g.outputs = m.lay(b, m.params, g.inputs)
	var err error
	if g.machine, err = b.CompileGrad(g.loss, g.z); err != nil {
		return nil, fmt.Errorf("%s: batch of %d: %w", m.name, n, err)
	}
	m.s.compiled("training", g.machine, 2*n, nil)
	if of.queued && m.s.draft == nil {
		g.machine.Set(g.queue, m.queue.rows.Data)
	}
	m.graphs[of] = g
	return g, nil
}

func (m *siamese) Step(ctx context.Context, b Batch) (Result, error) {
	if err := m.s.Fits(b, m.needs); err != nil {
		return Result{}, err
	}
	g, err := m.graph(size{b.N, m.queue != nil && b.Step >= m.queueFrom})
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
	if m.learnt != nil {
		m.learnt(m.params, b.Step)
	}
	m.last = g
	return Result{Loss: g.machine.Value(g.loss).Data[0], Chance: g.chance, Z: g.machine.Value(g.z)}, nil
}

// Advance moves the running statistics, and puts the first views' projections into
// the queue.
func (m *siamese) Advance(float64) {
	if m.last == nil {
		panic("method: " + m.name + ": Advance without a Step before")
	}
	m.last.machine.UpdateStats()
	if m.moved != nil {
		m.moved(m.params)
	}
	if m.queue != nil {
		z := m.last.machine.Value(m.last.z)
		m.queue.put(z.Data[:len(z.Data)/2])
	}
}

func (m *siamese) Params() []*optim.Param { return m.params.All() }

func (m *siamese) State() map[string]kernel.Array {
	s := map[string]kernel.Array{}
	m.params.State("", s)
	if m.queue != nil {
		m.queue.state(s)
	}
	return s
}
