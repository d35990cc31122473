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
	FLOPs   int                     // of a step, nominal: views through the encoder's layers, in some graphs forward only; projectors and losses count as none
	Queue   Queuer                  // nil: no rows of earlier batches are kept
	towers  []*model.Params
}

// A Graph is one of a method's graphs and its memory.
type Graph struct {
	Name   string
	Views  int  // of a batch that go through its encoder
	Crops  int  // shorter views that do so too
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
	p.FLOPs, err = s.flops(p.Graphs, NeedsOf(o).Short(s.Input))
	return p, err
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

// flops are the multiplications and additions of a step in graphs, of which short
// is the size of shorter views.
func (s Setup) flops(graphs []Graph, short model.Input) (total int, err error) {
	for _, g := range graphs {
		for _, part := range []struct {
			views int
			in    model.Input
		}{{g.Views, s.Input}, {g.Crops, short}} {
			if part.views == 0 {
				continue
			}
			layers, err := model.Layers(s.Encoder, part.in)
			if err != nil {
				return 0, err
			}
			first := true
			for _, l := range layers {
				if g.Learns {
					total += part.views * l.TrainingFLOPs(first)
				} else {
					total += part.views * l.FLOPs()
				}
				first = first && l.FLOPs() == 0
			}
		}
	}
	return total, nil
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

// compiled hears of each graph and how many views and shorter ones it takes. Its
// example i is row batchRow(i) of a batch; nil is row i.
func (s Setup) compiled(name string, m *model.Machine, views, crops int, batchRow func(i int) int) {
	if s.draft != nil {
		s.draft.Graphs = append(s.draft.Graphs, Graph{name, views, crops, m.Learns(), m.Plan()})
	}
	if s.Watch != nil {
		m.Watch(func(seen model.Seen) { s.Watch(Seen{name, seen, views, batchRow}) })
	}
}
