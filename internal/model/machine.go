package model

import (
	"context"
	"errors"
	"slices"

	G "gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/kernel"
	"clr/internal/op"
	"clr/internal/optim"
)

// statistics are one batch normalisation's: the node of this run's, (G, 3, C)
// with mean, biased variance and 1/√(variance+eps) of each group, and the
// buffers that follow them.
type statistics struct {
	node                  *G.Node
	count                 int // values of a channel in a group
	mean, variance, steps []float32
	bias                  []float32    // what the mean has besides, see ConvNorm; nil for nothing
	gamma, beta           *optim.Param // nil: there are none
}

// frozen says of a norm whose weights are.
func (s statistics) frozen() bool { return s.gamma != nil && s.gamma.Rate == 0 && s.beta.Rate == 0 }

// A Machine runs one compiled graph, one goroutine at a time.
type Machine struct {
	graph *G.ExprGraph
	exec  *exec.Machine
	used  []*optim.Param
	grads G.Nodes // of used
	stats []statistics
	bound map[*G.Node][]float32 // what Set was given last
	rows  map[*G.Node]int       // as the Builder's
	made  []made                // as the Builder's
	step  *G.Node               // as the Builder's
}

// Compile readies the graph to compute outputs.
func (b *Builder) Compile(outputs ...*G.Node) (*Machine, error) {
	return b.compile(nil, outputs)
}

// CompileGrad is Compile for a loss: each Run also leaves in Param.Grad, for
// every weight of the graph, the gradient of the loss.
func (b *Builder) CompileGrad(loss *G.Node, also ...*G.Node) (*Machine, error) {
	var grads G.Nodes
	b.lay("gradients", func() (*G.Node, error) {
		if b.done {
			return nil, errCompiled
		}
		var err error
		grads, err = op.Grad(loss, b.nodes...)
		return loss, err
	})
	return b.compile(grads, append([]*G.Node{loss}, also...))
}

var errCompiled = errors.New("a builder compiles once; begin another one")

func (b *Builder) compile(grads G.Nodes, outputs []*G.Node) (*Machine, error) {
	m := &Machine{graph: b.graph, used: b.used, grads: grads, stats: b.stats, bound: map[*G.Node][]float32{}, rows: b.rows, step: b.step}
	b.lay("compile", func() (*G.Node, error) {
		if b.done {
			return nil, errCompiled
		}
		b.done = true
		all := append(append([]*G.Node{}, outputs...), grads...)
		for _, s := range b.stats {
			all = append(all, s.node)
		}
		var err error
		o := exec.Options{Memory: b.memory}
		if b.frozen {
			o.Frozen = slices.Concat(b.nodes, b.buffers)
		}
		m.exec, err = exec.Compile(b.graph, o, all...)
		return nil, err
	})
	m.made = b.made
	if b.err != nil {
		return nil, b.err
	}
	return m, nil
}

// Renew says that weights or buffers of a frozen graph have changed.
func (m *Machine) Renew() { m.exec.Renew() }

// Run computes the outputs from the inputs that were set and the weights as
// they are. After the Run of a CompileGrad, Param.Grad is a view of the
// gradients, good until the next one. A cancelled ctx stops it between two
// operations, with ctx's error; weights and buffers are never touched.
func (m *Machine) Run(ctx context.Context) error {
	if m.step != nil && m.bound[m.step] == nil {
		return errors.New("model: a graph with dropout needs SetStep before Run")
	}
	if err := m.exec.Run(ctx); err != nil {
		return err
	}
	for i, g := range m.grads {
		m.used[i].Grad = m.Value(g)
	}
	return nil
}

// Set lets an input read from data, which must hold the input's shape and stay
// as it is during Run. Nothing is copied.
func (m *Machine) Set(n *G.Node, data []float32) {
	bind := op.Bind
	if m.bound[n] != nil {
		bind = op.Rebind
	}
	if err := bind(n, data); err != nil {
		panic("model: Set: " + err.Error())
	}
	m.bound[n] = data
}

// SetStep says which step of the run the next Run is: dropout draws at its
// address. A graph without dropout does not care.
func (m *Machine) SetStep(step int) {
	if m.step == nil {
		return
	}
	if m.bound[m.step] == nil {
		m.Set(m.step, make([]float32, 2))
	}
	const low = 1 << 24 // float32 holds all smaller integers
	at := m.bound[m.step]
	at[0], at[1] = float32(step%low), float32(step/low)
}

// Value is what the last Run left at an output, good until the next one.
func (m *Machine) Value(n *G.Node) kernel.Array {
	a, err := m.exec.Value(n)
	if err != nil {
		panic("model: Value: " + err.Error())
	}
	return a
}

// Graph is the graph that the machine runs; to look at, not to change.
func (m *Machine) Graph() *G.ExprGraph { return m.graph }

// Learns says whether a Run leaves gradients.
func (m *Machine) Learns() bool { return len(m.grads) > 0 }

// newest is the weight of the newest batch in the running statistics:
// PyTorch's default.
const newest = 0.1

// UpdateStats moves the running statistics by those of the last Run, with
// PyTorch's rules: running = 0.9·running + 0.1·new, the new variance being the
// unbiased one. With several groups of rows (Builder.Groups) the new statistics
// are the means over groups of the groups' means and unbiased variances; where
// g devices keep g sets of running statistics, this keeps their mean. A norm whose
// weights are frozen keeps what it has, though a training graph still normalises
// by its batch.
func (m *Machine) UpdateStats() {
	for _, s := range m.stats {
		if s.frozen() {
			continue
		}
		stats := m.Value(s.node)
		groups, c := stats.Shape[0], stats.Shape[2]
		unbiased := float64(s.count) / float64(s.count-1)
		for j := range c {
			mean, variance := 0.0, 0.0
			for g := range groups {
				mean += float64(stats.Data[(3*g+0)*c+j])
				variance += float64(stats.Data[(3*g+1)*c+j]) * unbiased
			}
			mean, variance = mean/float64(groups), variance/float64(groups)
			if s.bias != nil {
				mean += float64(s.bias[j])
			}
			s.mean[j] = float32((1-newest)*float64(s.mean[j]) + newest*mean)
			s.variance[j] = float32((1-newest)*float64(s.variance[j]) + newest*variance)
		}
		s.steps[0]++
	}
}
