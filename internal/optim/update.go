package optim

import (
	"fmt"
	"math"

	"clr/internal/fault"
)

// Update says what stands around an optimiser: what becomes of a batch's
// gradients before it sees them, which weights it moves how far, and what is
// kept of them after.
type Update struct {
	ClipNorm   float64  `yaml:"clip_norm" doc:"longest gradient, all weights' together; a longer one is shortened to it; 0: none is"`
	Accumulate int      `yaml:"accumulate" doc:"batches whose gradients are averaged to one move; negatives and batch statistics stay those of one batch"`
	LRScale    string   `yaml:"lr_scale" doc:"linear: optimizer.lr is for batch·accumulate = 256, and grows with it; sqrt: with its root; none"`
	EMA        float64  `yaml:"ema" doc:"how much each move leaves of a running average of the encoder, which probes and export take, such as 0.99; 0: none is kept"`
	Freeze     []string `yaml:"freeze" doc:"names of weights that keep their values: encoder.conv1.*, *.bias; * is any text"`
	LayerDecay float64  `yaml:"layer_decay" doc:"learning rate of each block of the encoder over that of the next; 1: the same for all"`
}

// DefaultUpdate is an optimiser alone.
var DefaultUpdate = Update{Accumulate: 1, LRScale: "none", LayerDecay: 1}

// maxAccumulate keeps the count of batches exact in a checkpoint's float32, and
// sums within its range.
const maxAccumulate = 1 << 16

// scaleBatch is the batch that a scaled learning rate is given for (Goyal et al.
// 2017; Chen et al. 2020).
const scaleBatch = 256

// Check refuses what cannot be done. That patterns fit weights is for whoever
// knows the network, see Unmatched.
func (u Update) Check() error {
	if err := within("update", "clip_norm", u.ClipNorm, 0, inf, true); err != nil {
		return err
	}
	if u.Accumulate < 1 || u.Accumulate > maxAccumulate {
		return usage("1 moves the weights after each batch", "update: accumulate is %d, it must be 1 to %d", u.Accumulate, maxAccumulate)
	}
	switch u.LRScale {
	case "none", "linear", "sqrt":
	default:
		return usage("set lr_scale to none, linear or sqrt", "update: lr_scale is %q, it must be none, linear or sqrt", u.LRScale)
	}
	if err := within("update", "ema", u.EMA, 0, 1, true); err != nil {
		return err
	}
	if u.LayerDecay == 0 {
		return usage("0.5 to 0.9 is usual, 1 is none", "update: layer_decay is 0, only what stands on the encoder would learn; freeze says so")
	}
	if err := within("update", "layer_decay", u.LayerDecay, 0, 1, false); err != nil {
		return err
	}
	return checkPatterns("update: freeze", u.Freeze)
}

// Rate is the learning rate at the top of the schedule, for batches of so many
// clips, of an optimiser's base.
func (u Update) Rate(base float64, batch int) float64 {
	switch part := float64(batch) * float64(u.Accumulate) / scaleBatch; u.LRScale {
	case "linear":
		return base * part
	case "sqrt":
		return base * math.Sqrt(part)
	}
	return base
}

// Rule says how Rate comes from its base.
func (u Update) Rule(base float64, batch int) string {
	part := fmt.Sprintf("(%d × %d / %d)", batch, u.Accumulate, scaleBatch)
	switch u.LRScale {
	case "linear":
		return fmt.Sprintf("%g × %s", base, part)
	case "sqrt":
		return fmt.Sprintf("%g × √%s", base, part)
	}
	return fmt.Sprint(base)
}

// SetRates gives each parameter its rate: depth[i] is that of parameter i, and
// the deepest has rate 1. Nothing to move is refused.
func (u Update) SetRates(params []*Param, depth []int) error {
	deepest, moved := 0, false
	for _, d := range depth {
		deepest = max(deepest, d)
	}
	for i, p := range params {
		p.Rate = float32(math.Pow(u.LayerDecay, float64(deepest-depth[i])))
		if matches(u.Freeze, p.Name) {
			p.Rate = 0
		}
		moved = moved || p.Rate > 0
	}
	if !moved {
		return fault.New(fault.Usage, "leave some weights to learn", "freeze names all %d weights, nothing would be learnt", len(params))
	}
	return nil
}

// Moves says whether the weights move after a step, counted from 0.
func (u Update) Moves(step int) bool { return (step+1)%u.Accumulate == 0 }

// Around is an optimiser's options with what stands around it: gradients are
// averaged, then clipped, then it moves the weights. The average of the weights
// is Average's.
func (u Update) Around(o Options) Options { return updated{o, u} }

type updated struct {
	Options
	u Update
}

// New implements Options.
func (o updated) New(params []*Param) Optimizer {
	opt := o.Options.New(params)
	if o.u.ClipNorm > 0 {
		opt = clip{opt, o.u.ClipNorm}
	}
	if o.u.Accumulate > 1 {
		opt = newAccumulator(opt, o.u.Accumulate, params)
	}
	return opt
}
