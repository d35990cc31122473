package optim

import (
	"maps"

	"clr/internal/kernel"
)

// An accumulator hands an optimiser the mean of the gradients of so many steps,
// at the last of them, and nothing at the others. The learning rate is that of
// the last. Its state is the sums and their count, so that a run may stop between
// two moves.
type accumulator struct {
	slots
	inner Optimizer
	every int
	means []*Param  // the parameters, their gradients being sums, then means
	count []float32 // (1): batches in the sums
}

func newAccumulator(inner Optimizer, every int, params []*Param) *accumulator {
	a := &accumulator{slots: newSlots(params, Spare{}), inner: inner, every: every}
	for i, g := range a.add("gradient", params) {
		a.means = append(a.means, &Param{Name: params[i].Name, Value: params[i].Value, Grad: kernel.Array{Shape: params[i].Value.Shape, Data: g}})
	}
	n := kernel.New(1)
	a.arrays["batches"], a.count = n, n.Data
	return a
}

func (a *accumulator) Step(params []*Param, lr float64) {
	a.match(params)
	first := a.count[0] == 0
	a.count[0]++
	last := int(a.count[0]) >= a.every
	for i, p := range params {
		m := a.means[i]
		if m.Rate = p.Rate; p.Rate == 0 {
			continue
		}
		if first {
			copy(m.Grad.Data, p.Grad.Data)
		} else {
			kernel.Add(m.Grad.Data, m.Grad.Data, p.Grad.Data)
		}
		if last {
			kernel.Scale(m.Grad.Data, m.Grad.Data, float32(1/float64(a.every)))
		}
	}
	if last {
		a.count[0] = 0
		a.inner.Step(a.means, lr)
	}
}

// State implements Optimizer: the optimiser's and the sums.
func (a *accumulator) State() map[string]kernel.Array {
	s := a.slots.State()
	maps.Copy(s, a.inner.State())
	return s
}
