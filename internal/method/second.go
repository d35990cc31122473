package method

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/model"
)

// A second is a tower beside the one that learns: the same encoder and projector
// over weights of its own, which follow the first one's slowly. No gradient reaches
// it. The unit projections that it makes of a batch are the first one's targets.
type second struct {
	first     string // the tower that learns: online, query
	name      string // this one, and its weights' names before a dot: target, key
	projector model.MLP
	momentum  Momentum // m in m*this + (1-m)*first
	apart     bool     // the first tower sees the first views, this one the second ones, shuffled

	of      *siamese
	params  *model.Params
	graphs  map[int]*secondGraph // by batch size
	targets []float32            // (2N, P), or (N, P) apart
	shuffle                      // apart
}

// A secondGraph runs forward only.
type secondGraph struct {
	machine *model.Machine
	x, z    *gorgonia.Node
}

// beside makes it for the method of a first tower.
func (t *second) beside(m *siamese) {
	t.of, t.params, t.graphs = m, m.s.params(), map[int]*secondGraph{}
	t.targets = m.s.array(m.views(m.s.Batch), t.projector.Out).Data
	if t.apart {
		t.shuffle.prepare(m.s)
	}
}

// build makes the graph for n pairs.
func (t *second) build(n int) error {
	if t.graphs[n] != nil {
		return nil
	}
	m, views := t.of, t.of.views(n)
	b := m.s.builder(groupsOf(m.groups, m.rows(n)), &m.memory)
	g := &secondGraph{x: b.Input(t.name+" views", m.s.Input.Shape(views)...)} // (2N, C, F, T)
	g.z = m.s.tower(b, t.params, t.projector, g.x)                            // (2N, P)
	var err error
	if g.machine, err = b.Compile(g.z); err != nil {
		return fmt.Errorf("%s: %s tower, batch of %d: %w", m.name, t.name, n, err)
	}
	var batchRow func(int) int
	if t.apart {
		batchRow = func(i int) int { return n + t.order[i] }
	}
	m.s.compiled(t.name+" tower", g.machine, views, 0, batchRow)
	t.graphs[n] = g
	return nil
}

// run makes the targets of a batch, one a row of what the first tower sees.
func (t *second) run(ctx context.Context, b Batch) ([]float32, error) {
	g, x, d := t.graphs[b.N], b.X, t.projector.Out
	if t.apart {
		x = t.shuffled(x[len(x)/2:], b.N, b.Step)
	}
	g.machine.SetStep(b.Step)
	g.machine.Set(g.x, x)
	if err := g.machine.Run(ctx); err != nil {
		return nil, fmt.Errorf("%s tower: %w", t.name, err)
	}
	z := g.machine.Value(g.z).Data // (2N, P)
	targets := t.targets[:len(z)]
	if !t.apart {
		copy(targets, z)
		return targets, nil
	}
	for i, to := range t.order[:b.N] { // undo the shuffle
		copy(targets[to*d:(to+1)*d], z[i*d:(i+1)*d])
	}
	return targets, nil
}

// follow moves it towards the first tower.
func (t *second) follow(progress float64) {
	t.params.Follow(t.of.params, float32(t.momentum.at(progress)))
}

// A Momentum is how slowly a second tower follows.
type Momentum struct {
	First    float64 `yaml:"momentum" doc:"of the tower that follows: m in m*following + (1-m)*leading; at the start, where it rises"`
	Schedule string  `yaml:"momentum_schedule" doc:"constant, or cosine: the momentum rises to 1 over the run by half a cosine"`
}

// Check refuses what no tower can follow by.
func (m Momentum) Check() error {
	if !(m.First >= 0 && m.First <= 1) {
		return fault.New(fault.Usage, "", "momentum is %g, must be between 0 and 1", m.First)
	}
	if m.Schedule != "constant" && m.Schedule != "cosine" {
		return fault.New(fault.Usage, "", "momentum_schedule is %q, must be constant or cosine", m.Schedule)
	}
	return nil
}

// at is the momentum where so much of the run is done. The cosine is that of Grill et
// al. 2020, section 3.2.
func (m Momentum) at(progress float64) float64 {
	if m.Schedule == "cosine" {
		return 1 - (1-m.First)*(math.Cos(math.Pi*progress)+1)/2
	}
	return m.First
}

// A shuffle keeps rows that belong together from meeting in one group of batch
// statistics: each step has an order of its own.
type shuffle struct {
	views  []float32 // (N, C, F, T)
	order  []int     // row i of views is the batch's row order[i]
	rand   *rand.Rand
	source rand.PCG // of rand
	seed   uint64   // of source, with the step
}

func (f *shuffle) prepare(s Setup) {
	f.views, f.order = s.array(s.Input.Shape(s.Batch)...).Data, make([]int, s.Batch)
	f.seed, f.rand = model.Rand(s.Seed, "shuffle").Uint64(), rand.New(&f.source)
}

// permute draws the order of n rows that belongs to a step.
func (f *shuffle) permute(n, step int) []int {
	f.source.Seed(f.seed, uint64(step))
	order := f.order[:n]
	for i := range order {
		order[i] = i
	}
	f.rand.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// shuffled is n views in the step's order.
func (f *shuffle) shuffled(x []float32, n, step int) []float32 {
	size := len(x) / n
	for i, from := range f.permute(n, step) {
		copy(f.views[i*size:(i+1)*size], x[from*size:(from+1)*size])
	}
	return f.views[:len(x)]
}

// followed is a siamese with a second tower, which can be asked for.
type followed struct{ *siamese }

// Towers implements Follower.
func (m followed) Towers() (leading, following map[string]kernel.Array) {
	return m.params.Weights(), m.second.params.Weights()
}

// followedQueue is one whose second tower makes what it keeps.
type followedQueue struct{ followed }

// Queue implements Queuer.
func (m followedQueue) Queue(progress float64) (rows int, momentum float64) {
	return m.queue.size(), m.second.momentum.at(progress)
}
