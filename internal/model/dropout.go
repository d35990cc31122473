package model

import (
	G "gorgonia.org/gorgonia"

	"clr/internal/op"
)

// Dropout sets values to zero with probability rate, in training, and scales the
// others by 1/(1-rate) (Srivastava et al. 2014). Which ones is drawn at the
// address (seed of p, name, step, place in the map); the step is Machine.SetStep's.
func (b *Builder) Dropout(p *Params, name string, x *G.Node, rate float64) *G.Node {
	if b.mode == Inference || rate == 0 {
		return x
	}
	if b.step == nil {
		b.step = b.Input("step", 2)
	}
	return b.lay(name, func() (*G.Node, error) {
		y, err := op.Dropout(x, b.step, rate, Rand(p.seed, b.named(p, name)).Uint64())
		return b.keep(y, err, x, Layer{Name: name, Kind: "dropout"})
	})
}
