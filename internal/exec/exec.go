// Package exec runs graphs. It hides the memory: Compile turns a Gorgonia graph
// into a fixed list of steps over one block of memory that is planned once, and
// Run goes through the list without allocating.
//
// A Machine computes only what its outputs need, in the order in which the nodes
// were made. It stands in for Gorgonia's tape machine, which allocates each result
// anew, keeps all of them, and can write over a value that is still in use.
package exec

import (
	"context"
	"errors"
	"fmt"

	"clr/internal/kernel"
	"clr/internal/op"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Options change how a graph is compiled, never what it computes. NoReuse and Poison
// are for tests.
type Options struct {
	Memory  *Memory        // to share with other machines; nil is memory of its own
	Frozen  gorgonia.Nodes // inputs that change rarely: what needs them alone is computed at the first run, and after Renew
	NoReuse bool           // every value has a place of its own
	Poison  bool           // before each run all planned memory is NaN, to show what reads it unwritten
}

// A Machine is a compiled graph. It belongs to one goroutine at a time; machines
// over different graphs may share the memory of their inputs.
type Machine struct {
	once    []step // over frozen inputs alone
	steps   []step // the others
	args    []argument
	outputs map[*gorgonia.Node]*kernel.Array
	results []result
	spots   []spot
	memory  *Memory
	moved   int // Memory.moved as of the last run
	size    int // float32s of the memory in use
	plan    Plan
	poison  bool
	watch   func(*gorgonia.Node, kernel.Array) // sees each step's result, or nil
	fresh   bool                               // the results of once are there
	ran     bool                               // the last run came to its end
	closed  bool
}

var _ gorgonia.VM = (*Machine)(nil)

// A step runs one node's function over resolved memory.
type step struct {
	f       op.Func
	node    *gorgonia.Node
	out     kernel.Array
	in      []kernel.Array
	scratch []float32
}

// Run goes through the graph once. The context is asked between any two steps; if
// it is done, or a step fails, or one panics, the outputs hold nothing of use but
// inputs are as they were, and the next Run starts afresh. Errors name the node.
func (m *Machine) Run(ctx context.Context) error {
	if m.closed {
		return errors.New("exec: the machine is closed")
	}
	m.ran = false
	if err := m.settleIn(); err != nil {
		return err
	}
	if err := m.bind(); err != nil {
		return err
	}
	if m.poison {
		fillNaN(m.memory.data[:m.size])
		m.fresh = false
	}
	if !m.fresh {
		if err := m.pass(ctx, m.once); err != nil {
			return err
		}
		m.fresh = true
	}
	if err := m.pass(ctx, m.steps); err != nil {
		return err
	}
	for _, r := range m.results {
		if r.value != nil {
			*r.value = gorgonia.F32(r.array.Data[0])
		}
	}
	m.ran = true
	return nil
}

// pass goes through some steps.
func (m *Machine) pass(ctx context.Context, steps []step) (err error) {
	i := 0
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("exec: %s: panic: %v", describe(steps[i].node), r)
		}
	}()
	for i = range steps {
		s := &steps[i]
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("exec: stopped at step %d of %d: %w", i, len(steps), err)
		}
		if err := s.f.Run(s.out, s.in, s.scratch); err != nil {
			return fmt.Errorf("exec: %s: %w", describe(s.node), err)
		}
		if m.watch != nil {
			m.watch(s.node, s.out)
		}
	}
	return nil
}

// Watch shows f, from the next run on, each node that has just been computed and
// its value, in the order of computing. The value is good during the call: the
// next step may write over it. Nil ends it.
func (m *Machine) Watch(f func(n *gorgonia.Node, value kernel.Array)) { m.watch = f }

// Renew makes the next run compute again what needs frozen inputs alone: they
// have changed.
func (m *Machine) Renew() { m.fresh = false }

// RunAll is Run without an end, for who knows a gorgonia.VM only.
func (m *Machine) RunAll() error { return m.Run(context.Background()) }

// Reset has nothing to do: each run starts afresh.
func (m *Machine) Reset() {}

// Close lets go of the memory. What Value returned must not be used any more.
func (m *Machine) Close() error {
	*m = Machine{closed: true, plan: m.plan}
	return nil
}

// Value is the value of an output, without a copy: valid until the next run of this
// or another machine in the same memory. An output that is an input node is the
// memory bound at the last run.
func (m *Machine) Value(n *gorgonia.Node) (kernel.Array, error) {
	a, ok := m.outputs[n]
	switch {
	case m.closed:
		return kernel.Array{}, errors.New("exec: the machine is closed")
	case !ok:
		return kernel.Array{}, fmt.Errorf("exec: %s is not an output of this machine", describe(n))
	case !m.ran:
		return kernel.Array{}, fmt.Errorf("exec: %s has no value: no run has come to its end", describe(n))
	case m.memory.last != m:
		return kernel.Array{}, fmt.Errorf("exec: %s has no value any more: another machine has run in the same memory", describe(n))
	}
	return *a, nil
}

// Plan tells what was planned.
func (m *Machine) Plan() Plan { return m.plan }

// describe names a node for an error.
func describe(n *gorgonia.Node) string {
	if n == nil {
		return "a nil node"
	}
	if n.Op() == nil {
		return fmt.Sprintf("input %q %v", n.Name(), n.Shape())
	}
	var in []tensor.Shape
	for _, c := range op.Inputs(n) {
		in = append(in, c.Shape())
	}
	return fmt.Sprintf("node %d, %v over %v", n.ID(), n.Op(), in)
}
