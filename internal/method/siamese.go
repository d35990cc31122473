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

// A paper is what tells one method from the next; a siamese does the rest.
type paper struct {
	name   string
	needs  Needs
	groups int    // of rows, with batch statistics of their own
	lay    layers // of the tower that learns

	second *second // nil: there is no other tower
	queue  *ring   // nil: none
	from   int     // the first step that is given the queue

	stop func(p *model.Params, step int) // not nil: clears gradients that a step must not follow
	keep func(p *model.Params)           // not nil: gives the weights, at the start and after each update, what the paper says they keep
}

// layers lays a paper's network over a batch.
type layers func(b *model.Builder, p *model.Params, in inputs) outputs

// inputs are a batch as nodes. What the method does not need is nil.
type inputs struct {
	n       int
	x       *gorgonia.Node // (2N, C, F, T), or the half of it
	crops   *gorgonia.Node // (V·N, C, F, T')
	labels  *gorgonia.Node // (2N), each clip's twice
	targets *gorgonia.Node // (2N, P), or (N, P): what the second tower makes of the views
	queue   *gorgonia.Node // (A·K, P), nil too before its first step
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

// halves are the first views' rows and the second ones'.
func (in inputs) halves(b *model.Builder, x *gorgonia.Node) (first, second *gorgonia.Node) {
	return b.Slice(x, 0, in.n), b.Slice(x, in.n, 2*in.n)
}

// outputs are what is made of a batch.
type outputs struct {
	z      *gorgonia.Node // (2N, P), of unit length
	loss   *gorgonia.Node // scalar
	chance float64        // see Result
	push   *gorgonia.Node // (A·M, P), for the queue
}

// A siamese is a method of a tower that sees the views of a batch in one graph.
// What a second tower makes of them is an input of that graph.
type siamese struct {
	paper
	s      Setup
	params *model.Params
	graphs map[kind]*siameseGraph
	memory exec.Memory // of all graphs, which take turns
	last   *siameseGraph
}

// Each kind of step has a graph of its own: of so many pairs, with the queue or
// before its time.
type kind struct {
	n      int
	queued bool
}

type siameseGraph struct {
	machine *model.Machine
	inputs
	outputs
	twice []float32 // (2N): labels
}

// newSiamese makes a method of one tower and no more.
func newSiamese(name string, s Setup, needs Needs, groups int, lay layers) (Method, error) {
	return paper{name: name, needs: needs, groups: groups, lay: lay}.over(s)
}

// over makes a paper's method.
func (p paper) over(s Setup) (Method, error) {
	if err := s.check(p.rows(s.Batch), p.groups); err != nil {
		return nil, err
	}
	if p.needs.Labels && s.Classes < 2 {
		return nil, fault.New(fault.Data, "give clips labels of two classes or more, or choose a method without labels", "%s learns from labels of two classes or more; there are %d", p.name, s.Classes)
	}
	if err := s.checkCrops(p.needs); err != nil {
		return nil, err
	}
	m := &siamese{paper: p, s: s, params: s.params(), graphs: map[kind]*siameseGraph{}}
	if p.second != nil {
		p.second.beside(m)
	}
	if _, err := m.graph(s.Batch, p.from); err != nil { // the largest
		return nil, err
	}
	if s.draft == nil {
		m.keeps()
	}
	if p.second != nil && s.draft == nil {
		p.second.params.Follow(m.params, 0)
	}
	switch {
	case p.second == nil && p.queue == nil:
		return m, nil
	case p.second == nil:
		return queued{m}, nil
	case p.queue == nil:
		return followed{m}, nil
	}
	return followedQueue{followed{m}}, nil
}

// views is how many views of n pairs the tower sees.
func (p paper) views(n int) int {
	if p.second != nil && p.second.apart {
		return n
	}
	return 2 * n
}

// rows is what groups have to divide of n clips: the views' rows and, where there are
// V·n shorter ones, theirs too, which for an odd V only divisors of n do.
func (p paper) rows(n int) int {
	if p.needs.Crops%2 == 1 {
		return n
	}
	return p.views(n)
}

// graph is the one for n pairs at a step, built at its first use.
func (m *siamese) graph(n, step int) (*siameseGraph, error) {
	k := kind{n, m.queue != nil && step >= m.from}
	if g := m.graphs[k]; g != nil {
		return g, nil
	}
	name, whose := "training", m.name
	if t := m.second; t != nil {
		name = t.first + " tower"
		whose = m.name + ": " + name + ","
		if err := t.build(n); err != nil {
			return nil, err
		}
	}
	b, views := m.s.builder(groupsOf(m.groups, m.rows(n)), &m.memory), m.views(n)
	g := &siameseGraph{inputs: inputs{n: n, x: b.Input("views", m.s.Input.Shape(views)...)}} // (2N, C, F, T)
	if crops := m.needs.Short(m.s.Input); m.needs.Crops > 0 {
		g.crops = b.Input("crops", crops.Shape(m.needs.Crops*n)...) // (V·N, C, F, T')
	}
	if m.needs.Labels {
		g.labels, g.twice = b.Input("labels", 2*n), make([]float32, 2*n)
	}
	if m.second != nil {
		g.targets = b.Input("targets", views, m.second.projector.Out) // (2N, P)
	}
	if k.queued {
		g.queue = b.Input("queue", m.queue.rows.Shape...) // (A·K, P)
	}
	g.outputs = m.lay(b, m.params, g.inputs)
	also := []*gorgonia.Node{g.z}
	if m.queue != nil {
		also = append(also, g.push)
	}
	var err error
	if g.machine, err = b.CompileGrad(g.loss, also...); err != nil {
		return nil, fmt.Errorf("%s batch of %d: %w", whose, n, err)
	}
	m.s.compiled(name, g.machine, views, m.needs.Crops*n, nil)
	m.graphs[k] = g
	return g, nil
}

func (m *siamese) Step(ctx context.Context, b Batch) (Result, error) {
	if err := m.s.Fits(b, m.needs); err != nil {
		return Result{}, err
	}
	g, err := m.graph(b.N, b.Step)
	if err != nil {
		return Result{}, err
	}
	m.last = nil
	if m.second != nil {
		targets, err := m.second.run(ctx, b)
		if err != nil {
			return Result{}, err
		}
		g.machine.Set(g.targets, targets)
	}
	g.machine.SetStep(b.Step)
	g.machine.Set(g.x, b.X[:m.views(b.N)*m.s.Input.Values()])
	if g.crops != nil {
		g.machine.Set(g.crops, b.Crops)
	}
	if g.labels != nil {
		copy(g.twice, b.Labels)
		copy(g.twice[b.N:], b.Labels)
		g.machine.Set(g.labels, g.twice)
	}
	if g.queue != nil {
		g.machine.Set(g.queue, m.queue.rows.Data)
	}
	if err := g.machine.Run(ctx); err != nil {
		if m.second != nil {
			return Result{}, fmt.Errorf("%s tower: %w", m.second.first, err)
		}
		return Result{}, err
	}
	if m.stop != nil {
		m.stop(m.params, b.Step)
	}
	m.last = g
	return Result{Loss: g.machine.Value(g.loss).Data[0], Chance: g.chance, Temperature: learntTemperature(m.params), Z: g.machine.Value(g.z)}, nil
}

// Advance moves the running statistics, what the paper keeps of the weights, the
// second tower and the queue.
func (m *siamese) Advance(progress float64) {
	if m.last == nil {
		panic("method: " + m.name + ": Advance without a Step before")
	}
	m.last.machine.UpdateStats()
	m.keeps()
	if m.second != nil {
		m.second.follow(progress)
	}
	if m.queue != nil {
		m.queue.push(m.last.machine.Value(m.last.push))
	}
}

// keeps gives the weights what they keep: a temperature that is learnt its bound, and
// what the paper says.
func (m *siamese) keeps() {
	keepScale(m.params)
	if m.keep != nil {
		m.keep(m.params)
	}
}

func (m *siamese) Params() []*optim.Param { return m.params.All() }

func (m *siamese) State() map[string]kernel.Array {
	s := map[string]kernel.Array{}
	m.params.State("", s)
	if m.second != nil {
		m.second.params.State(m.second.name+".", s)
	}
	if m.queue != nil {
		m.queue.state(s)
	}
	return s
}
