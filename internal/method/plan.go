package method

import (
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
	for _, t := range p.towers {
		p.Weights += t.Values()
	}
	return p, nil
}

// GraphBytes is the memory in which the graphs run.
func (p Plan) GraphBytes() int {
	most := 0
	for _, g := range p.Graphs {
		most = max(most, g.Bytes)
	}
	return most
}

// params are the weights of a tower.
func (s Setup) params() *model.Params {
	if s.draft == nil {
		return model.NewParams(s.Seed)
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
