package optim

import (
	"maps"
	"slices"

	"clr/internal/kernel"
)

// An Average is the running average of arrays that training moves: it starts as
// they are, and each Follow makes it decay·average + (1-decay)·array. A scalar is
// a count, which is copied.
type Average struct {
	decay  float64
	arrays map[string]kernel.Array
	of, by []kernel.Array // in the order of names
}

// NewAverage makes an Average of live arrays.
func NewAverage(decay float64, live map[string]kernel.Array) *Average {
	a := &Average{decay: decay, arrays: map[string]kernel.Array{}}
	for _, name := range slices.Sorted(maps.Keys(live)) {
		by := live[name]
		of := kernel.New(by.Shape...)
		copy(of.Data, by.Data)
		a.arrays[name], a.of, a.by = of, append(a.of, of), append(a.by, by)
	}
	return a
}

// Follow moves the average towards the arrays as they are.
func (a *Average) Follow() {
	for i, of := range a.of {
		if by := a.by[i]; len(by.Shape) == 0 {
			copy(of.Data, by.Data)
		} else {
			kernel.Lerp(of.Data, by.Data, float32(1-a.decay))
		}
	}
}

// State is the averages by the names of what they are of. They are live.
func (a *Average) State() map[string]kernel.Array { return maps.Clone(a.arrays) }
