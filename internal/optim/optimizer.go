package optim

import (
	"fmt"
	"maps"
	"math"

	"clr/internal/fault"
	"clr/internal/kernel"
)

// An Optimizer moves parameters against their gradients. After the first step
// it allocates nothing, and its results do not depend on the number of threads.
type Optimizer interface {
	// Step makes one update with learning rate lr. The parameters are those
	// that the optimiser was made for, in the same order; anything else is a
	// programmer's mistake and panics.
	Step(params []*Param, lr float64)
	// State names the arrays that the next step depends on, besides weights
	// and gradients. They are live: copying into them restores a checkpoint.
	State() map[string]kernel.Array
}

// Options are an optimiser's settings, as written in a config.
type Options interface {
	Doc() string // one line for clr list
	Check() error
	New(params []*Param) Optimizer
	LearningRate() float64 // the base that Schedule bends
	Excluded() []string    // patterns of the names of weights that are spared, see Spare
}

// Table names every optimiser with its defaults.
var Table = map[string]Options{
	"sgd":   SGD{LR: 0.1, Momentum: 0.9, WeightDecay: 1e-4},
	"adam":  Adam{LR: 1e-3, Betas: [2]float64{0.9, 0.999}, Eps: 1e-8},
	"adamw": AdamW{LR: 1e-3, Betas: [2]float64{0.9, 0.999}, Eps: 1e-8, WeightDecay: 0.01, Spare: Spare{Exclude1D: true}},
	"lamb":  LAMB{LR: 1e-3, Betas: [2]float64{0.9, 0.999}, Eps: 1e-6, WeightDecay: 0.01, BiasCorrection: true, Spare: Spare{Exclude1D: true}},
	"lars":  LARS{LR: 0.3, Momentum: 0.9, WeightDecay: 1e-6, Eta: 0.001, Kind: "simclr", Spare: Spare{Exclude1D: true}},
}

// StateSize is the number of float32s that an optimiser keeps for parameters,
// found without making them: every optimiser keeps so many values a weight,
// and so many besides, which two small parameters tell.
func StateSize(o Options, params []*Param) int {
	size := func(values int) int {
		n := 0
		for _, a := range o.New([]*Param{{Name: "weight", Value: kernel.New(values, 1)}}).State() {
			n += len(a.Data)
		}
		return n
	}
	perWeight := size(2) - size(1)
	n := size(1) - perWeight
	for _, p := range params {
		weights := 1
		for _, d := range p.Value.Shape {
			weights *= d
		}
		n += perWeight * weights
	}
	return n
}

// A piece is a stretch of one parameter, the unit in which work is shared out.
// How parameters are cut depends on their sizes alone, so sums over pieces,
// added up in order, are the same on any number of threads.
type piece struct{ param, from, to int }

const pieceSize = 1 << 15

func cut(params []*Param) []piece {
	var pieces []piece
	for i, p := range params {
		for from := 0; from < len(p.Value.Data); from += pieceSize {
			pieces = append(pieces, piece{i, from, min(from+pieceSize, len(p.Value.Data))})
		}
	}
	return pieces
}

// slots is what optimisers share: state arrays by parameter, under names that
// a checkpoint can hold, and the way to go over all pieces.
type slots struct {
	names  []string
	arrays map[string]kernel.Array
	spared []bool // by parameter, see Spare
	pieces []piece
	params []*Param // during a step
}

func newSlots(params []*Param, spare Spare) slots {
	s := slots{arrays: map[string]kernel.Array{}, pieces: cut(params)}
	seen := map[string]bool{}
	for _, p := range params {
		if seen[p.Name] {
			panic("optim: two parameters are named " + p.Name)
		}
		seen[p.Name] = true
		s.names = append(s.names, p.Name)
		s.spared = append(s.spared, spare.spares(p))
	}
	return s
}

// add makes zeros shaped like each parameter, kept as "kind.name".
func (s *slots) add(kind string, params []*Param) [][]float32 {
	var of [][]float32
	for _, p := range params {
		a := kernel.New(p.Value.Shape...)
		s.arrays[kind+"."+p.Name] = a
		of = append(of, a.Data)
	}
	return of
}

// State implements Optimizer.
func (s *slots) State() map[string]kernel.Array { return maps.Clone(s.arrays) }

// match panics unless params are those that the state was made for and each
// has a gradient of its size.
func (s *slots) match(params []*Param) {
	if len(params) != len(s.names) {
		panic(fmt.Sprintf("optim: step over %d parameters with state for %d", len(params), len(s.names)))
	}
	for i, p := range params {
		if p.Name != s.names[i] {
			panic(fmt.Sprintf("optim: parameter %d is %s, the state is for %s", i, p.Name, s.names[i]))
		}
		if len(p.Grad.Data) != len(p.Value.Data) {
			panic(fmt.Sprintf("optim: %s has %d values and %d gradients", p.Name, len(p.Value.Data), len(p.Grad.Data)))
		}
	}
}

// each does t for every piece of params, in parallel.
func (s *slots) each(params []*Param, t kernel.Task) {
	s.params = params
	kernel.Parallel(len(s.pieces), t)
	s.params = nil
}

// piece is the parameter of a piece, and its part of weights and gradients.
func (s *slots) piece(i int) (c piece, p *Param, w, g []float32) {
	c = s.pieces[i]
	p = s.params[c.param]
	return c, p, p.Value.Data[c.from:c.to], p.Grad.Data[c.from:c.to]
}

// decayOf is the weight decay of a parameter: none where it is spared.
func (s *slots) decayOf(param int, decay float64) float64 {
	if s.spared[param] {
		return 0
	}
	return decay
}

// within is the one way an option is refused: with its name, its value and
// the range. open leaves the upper end out.
func within(optimizer, option string, v, lo, hi float64, open bool) error {
	if v >= lo && (v < hi || v == hi && !open) {
		return nil
	}
	want := fmt.Sprintf("%g to %g", lo, hi)
	switch {
	case math.IsInf(hi, 1):
		want = fmt.Sprintf("%g or more, and finite", lo)
	case open:
		want = fmt.Sprintf("at least %g and below %g", lo, hi)
	}
	return fault.New(fault.Usage, fmt.Sprintf("set %s to %s", option, want), "%s: %s is %g, it must be %s", optimizer, option, v, want)
}

var inf = math.Inf(1)

// firstOf is the first error of a row of checks.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func usage(remedy, format string, args ...any) error {
	return fault.New(fault.Usage, remedy, format, args...)
}

// checkRate is shared by all optimisers.
func checkRate(optimizer string, lr float64) error {
	if lr == 0 {
		return fault.New(fault.Usage, "set lr above 0", "%s: lr is 0, nothing would be learnt", optimizer)
	}
	return within(optimizer, "lr", lr, 0, inf, true)
}
