package method

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/loss"
	"clr/internal/model"
	"clr/internal/optim"
)

// MoCo is He et al. 2020, "Momentum contrast for unsupervised visual
// representation learning", algorithm 1, with the MLP projector of version 2
// (Chen et al. 2020). A query attracts its key, which a slowly following tower
// makes from the other view, and is repelled by a queue of earlier keys.
//
// The paper keeps query and key from knowing each other by their batch
// statistics: it splits the batch over devices, and shuffles the keys before.
// Here groups of rows (bn_groups) are the devices.
type MoCo struct {
	Temperature float64   `yaml:"temperature" doc:"divides the cosines; the paper's tau"`
	Momentum    float64   `yaml:"momentum" doc:"of the key tower: m in m*key + (1-m)*query"`
	Queue       int       `yaml:"queue" doc:"earlier keys that serve as negatives; any size"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; the keys are shuffled over them"`
}

func (o MoCo) Doc() string {
	return "MoCo v2 (He et al. 2020): a queue of keys from a slowly following tower"
}

// maxQueue keeps the queue's head exact as a float32 in the checkpoint.
const maxQueue = 1 << 24

func (o MoCo) Check() error {
	if err := checkHead(o.Temperature, o.Projector, o.Groups); err != nil {
		return err
	}
	if err := checkMomentum(o.Momentum); err != nil {
		return err
	}
	if o.Queue < 1 || o.Queue > maxQueue {
		return fault.New(fault.Usage, "", "queue is %d, must be between 1 and %d", o.Queue, maxQueue)
	}
	return nil
}

// Unit implements Options: each tower sees one view.
func (o MoCo) Unit() int { return unitOf(o.Groups, 1) }

func (o MoCo) New(s Setup) (Method, error) {
	if err := s.check(s.Batch, o.Groups); err != nil {
		return nil, err
	}
	m := &moco{
		o: o, s: s, query: s.params(), key: s.params(),
		queue: s.array(o.Queue, o.Projector.Out), head: kernel.New(), graphs: map[int]*mocoGraph{},
		xk: s.array(s.Input.Shape(s.Batch)...).Data, z: s.array(2*s.Batch, o.Projector.Out).Data, order: make([]int, s.Batch),
		seed: model.Rand(s.Seed, "shuffle").Uint64(),
	}
	m.shuffle = rand.New(&m.source)
	if _, err := m.graph(s.Batch); err != nil {
		return nil, err
	}
	if s.draft != nil {
		return m, nil
	}
	m.key.Follow(m.query, 0)
	r := model.Rand(s.Seed, "queue")
	for i := range m.queue.Data {
		m.queue.Data[i] = float32(r.NormFloat64())
	}
	kernel.NormalizeRows(m.queue.Data, m.queue.Data, o.Queue, o.Projector.Out, 1e-12)
	return m, nil
}

type moco struct {
	o          MoCo
	s          Setup
	query, key *model.Params
	queue      kernel.Array       // (K, P), a ring
	head       kernel.Array       // its oldest row, which the next key replaces
	graphs     map[int]*mocoGraph // by batch size
	memory     exec.Memory        // of all graphs, for the towers take turns
	last       *mocoGraph
	xk         []float32 // (N, 1, F, T): the second views, shuffled
	z          []float32 // (2N, P): queries, then keys
	order      []int     // row i of xk is view order[i]
	shuffle    *rand.Rand
	source     rand.PCG // of shuffle
	seed       uint64   // of source, with the step
}

// A mocoGraph is two graphs, for the two towers share nothing but the queue's
// negatives: the key tower's runs forward only.
type mocoGraph struct {
	query, key         *model.Machine
	xq, q, xk, k, loss *gorgonia.Node
	z                  kernel.Array // (2N, P)
}

// graph is the one for batches of n pairs, built at its first use.
func (m *moco) graph(n int) (*mocoGraph, error) {
	if g := m.graphs[n]; g != nil {
		return g, nil
	}
	var g mocoGraph
	var err error
	d, groups := m.o.Projector.Out, groupsOf(m.o.Groups, n)

	b := m.s.builder(groups, &m.memory)
	g.xk = b.Input("key views", m.s.Input.Shape(n)...) // (N, C, F, T)
	g.k = m.s.tower(b, m.key, m.o.Projector, g.xk)     // (N, P)
	if g.key, err = b.Compile(g.k); err != nil {
		return nil, fmt.Errorf("moco: key tower, batch of %d: %w", n, err)
	}

	b = m.s.builder(groups, &m.memory)
	g.xq = b.Input("query views", m.s.Input.Shape(n)...)            // (N, C, F, T)
	g.q = m.s.tower(b, m.query, m.o.Projector, g.xq)                // (N, P)
	keys := b.Input("keys", n, d)                                   // (N, P)
	queue := b.Input("queue", m.o.Queue, d)                         // (K, P)
	g.loss = b.Try(loss.InfoNCE(g.q, keys, queue, m.o.Temperature)) // scalar
	if g.query, err = b.CompileGrad(g.loss, g.q); err != nil {
		return nil, fmt.Errorf("moco: query tower, batch of %d: %w", n, err)
	}

	m.s.compiled("key tower", g.key, n, func(i int) int { return n + m.order[i] })
	m.s.compiled("query tower", g.query, n, nil)
	if m.s.draft != nil {
		return &g, nil
	}
	g.z = kernel.Array{Shape: []int{2 * n, d}, Data: m.z[:2*n*d]}
	g.key.Set(g.xk, m.xk[:n*m.s.Input.Values()])
	g.query.Set(keys, g.z.Data[n*d:])
	g.query.Set(queue, m.queue.Data)
	m.graphs[n] = &g
	return &g, nil
}

func (m *moco) Step(ctx context.Context, b Batch) (Result, error) {
	if err := m.s.fits(b, Needs{}); err != nil {
		return Result{}, err
	}
	g, err := m.graph(b.N)
	if err != nil {
		return Result{}, err
	}
	m.last = nil
	n, d, size := b.N, m.o.Projector.Out, b.Input.Values()
	xq, xk := b.X[:n*size], b.X[n*size:]   // (N, 1, F, T) each
	q, k := g.z.Data[:n*d], g.z.Data[n*d:] // (N, P) each

	order := m.permute(n, b.Step)
	for i, from := range order { // shuffle
		copy(m.xk[i*size:(i+1)*size], xk[from*size:(from+1)*size])
	}
	g.key.SetStep(b.Step)
	if err := g.key.Run(ctx); err != nil { // k = f_k(x_k), no gradient
		return Result{}, fmt.Errorf("key tower: %w", err)
	}
	shuffled := g.key.Value(g.k).Data // (N, P)
	for i, to := range order {        // undo the shuffle
		copy(k[to*d:(to+1)*d], shuffled[i*d:(i+1)*d])
	}

	g.query.SetStep(b.Step)
	g.query.Set(g.xq, xq)
	if err := g.query.Run(ctx); err != nil { // q = f_q(x_q), loss, gradients
		return Result{}, fmt.Errorf("query tower: %w", err)
	}
	copy(q, g.query.Value(g.q).Data)
	m.last = g
	return Result{Loss: g.query.Value(g.loss).Data[0], Chance: math.Log(float64(1 + m.o.Queue)), Z: g.z}, nil
}

// permute draws the order of n rows that belongs to a step.
func (m *moco) permute(n, step int) []int {
	m.source.Seed(m.seed, uint64(step))
	order := m.order[:n]
	for i := range order {
		order[i] = i
	}
	m.shuffle.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// Advance moves the running statistics, lets the key tower follow, and puts
// the keys of the last step over the oldest of the queue.
func (m *moco) Advance(float64) {
	if m.last == nil {
		panic("method: moco: Advance without a Step before")
	}
	m.last.query.UpdateStats()
	m.key.Follow(m.query, float32(m.o.Momentum)) // f_k = m f_k + (1-m) f_q

	d, head := m.o.Projector.Out, int(m.head.Data[0])
	keys := m.last.z.Data[len(m.last.z.Data)/2:] // (N, P)
	for ; len(keys) > 0; keys = keys[d:] {       // dequeue, enqueue
		copy(m.queue.Data[head*d:(head+1)*d], keys[:d])
		head = (head + 1) % m.o.Queue
	}
	m.head.Data[0] = float32(head)
}

// Towers implements Follower.
func (m *moco) Towers() (leading, following map[string]kernel.Array) {
	return m.query.Weights(), m.key.Weights()
}

// Queue implements Queuer.
func (m *moco) Queue() (keys int, momentum float64) { return m.o.Queue, m.o.Momentum }

func (m *moco) Params() []*optim.Param { return m.query.All() }

func (m *moco) State() map[string]kernel.Array {
	s := map[string]kernel.Array{"queue": m.queue, "queue_head": m.head}
	m.query.State("", s)
	m.key.State("key.", s)
	return s
}
