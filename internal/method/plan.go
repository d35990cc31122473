package method

import (
	"math/rand/v2"

	"clr/internal/exec"
	"clr/internal/kernel"
	"clr/internal/model"
	"clr/internal/op"
	"clr/internal/optim"
)

// A Plan is the memory that a method takes, sizes in float32s.
type Plan struct {
	Graphs  []Graph                 // they take turns in the memory of the largest
	Weights int                     // of all towers, buffers included
	Arrays  int                     // queues and the like
	Params  []*optim.Param          // what the optimiser moves: names and shapes
	State   map[string]kernel.Array // names and shapes of all that a resumed run needs
	Queue   Queuer                  // nil: negatives are no earlier keys
	towers  []*model.Params
}

// A Graph is one of a method's graphs and its memory.
type Graph struct {
	Name   string
	Views  int  // of a batch that go through its encoder
	Learns bool // gradients go back through it too
	exec.Plan
}

// Draft tells what New of the same options and Setup would take, without
// taking it.
func Draft(o Options, s Setup) (Plan, error) {
	var p Plan
	s.draft = &p
	m, err := o.New(s)
	if err != nil {
		return Plan{}, err
	}
	p.Params, p.State = m.Params(), m.State()
	p.Queue, _ = m.(Queuer)
	for _, t := range p.towers {
		p.Weights += t.Values()
	}
	return p, nil
}

// Random is a full batch of numbers that mean nothing, to time steps with.
func (s Setup) Random(need Needs) Batch {
	r := rand.New(rand.NewPCG(1, 2))
	normal := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return x
	}
	b := Batch{N: s.Batch, X: normal(2 * s.Batch * s.Input.Values()), Crops: normal(need.Crops * s.Batch * need.Short(s.Input).Values()), Input: s.Input}
	if need.Labels {
		for i := range s.Batch {
			b.Labels = append(b.Labels, float32(i%max(1, s.Classes)))
		}
	}
	return b
}

// GraphBytes is the memory in which the graphs run.
func (p Plan) GraphBytes() int {
	most := 0
	for _, g := range p.Graphs {
		most = max(most, g.Bytes)
	}
	return most
}

// FLOPs are the multiplications and additions of a step, nominal: its views
// through the encoder's layers, of which some graphs go forward only. Projectors
// and losses count as none.
func (p Plan) FLOPs(layers []model.Layer) int {
	full, forward, first := 0, 0, true
	for _, l := range layers {
		full += l.TrainingFLOPs(first)
		forward += l.FLOPs()
		first = first && l.FLOPs() == 0
	}
	total := 0
	for _, g := range p.Graphs {
		if g.Learns {
			total += g.Views * full
		} else {
			total += g.Views * forward
		}
	}
	return total
}

// params are the weights of a tower.
func (s Setup) params() *model.Params {
	if s.draft == nil {
		p := model.NewParams(s.Seed)
		p.Init(s.Init)
		return p
	}
	p := model.DraftParams()
	s.draft.towers = append(s.draft.towers, p)
	return p
}

// array is memory that a method keeps beside its towers; a draft has only its
// shape.
func (s Setup) array(shape ...int) kernel.Array {
	if s.draft == nil {
		return kernel.New(shape...)
	}
	s.draft.Arrays += op.Size(shape)
	return kernel.Array{Shape: shape}
}

// compiled hears of each graph and how many views it takes. Its example i is row
// batchRow(i) of a batch; nil is row i.
func (s Setup) compiled(name string, m *model.Machine, views int, batchRow func(i int) int) {
	if s.draft != nil {
		s.draft.Graphs = append(s.draft.Graphs, Graph{name, views, m.Learns(), m.Plan()})
	}
	if s.Watch != nil {
		m.Watch(func(seen model.Seen) { s.Watch(Seen{name, seen, views, batchRow}) })
	}
}
