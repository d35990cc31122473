package method

import (
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"clr/internal/model"
)

// A learnt temperature is exp(-s), of a weight s that has a gradient like the
// others (Radford et al. 2021, section 2.5).
const learntName = "temperature"

// temperature is the weight s (1) of a temperature that begins as tau; nil unless
// it is learnt.
func temperature(b *model.Builder, p *model.Params, tau float64, learn bool) *gorgonia.Node {
	if !learn {
		return nil
	}
	return b.Weight(p, learntName, func(*rand.Rand) float64 { return -math.Log(tau) }, 1)
}

// coldest keeps a learnt temperature at 0.01 or above, as that paper does.
func coldest(learn bool) func(*model.Params) {
	if !learn {
		return nil
	}
	return func(p *model.Params) {
		s := p.Weight(learntName).Value.Data
		s[0] = min(s[0], float32(math.Log(100)))
	}
}
