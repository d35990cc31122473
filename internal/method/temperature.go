package method

import (
	"math"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/model"
)

// A temperature is learnt as CLIP's is (Radford et al. 2021, section 2.5): the weight
// log_scale is -log τ, which is what the losses' Learnt forms take.
const scaleName = "log_scale"

// logScale is the weight, of shape (1), at first that of a temperature.
func logScale(b *model.Builder, p *model.Params, temperature float64) *gorgonia.Node {
	return b.Weight(p, scaleName, func(*rand.Rand) float64 { return -math.Log(temperature) }, 1)
}

// learntTemperature is the one that there is now, 0 where none is learnt. It is finite,
// however far a step went.
func learntTemperature(p *model.Params) float64 {
	w := p.Weight(scaleName)
	if w == nil {
		return 0
	}
	return min(math.Exp(-float64(w.Value.Data[0])), math.MaxFloat64)
}

// coldest is the lowest temperature that one learns: CLIP scales logits by 100 at most.
const coldest = 0.01

// keepScale keeps a temperature that is learnt from falling below coldest.
func keepScale(p *model.Params) {
	if w := p.Weight(scaleName); w != nil {
		w.Value.Data[0] = min(w.Value.Data[0], float32(-math.Log(coldest)))
	}
}

// checkLearnt refuses a first temperature that keepScale would lift.
func checkLearnt(learn bool, temperature float64) error {
	if learn && temperature < coldest {
		return fault.New(fault.Usage, "", "temperature is %g; one that is learnt does not fall below %g", temperature, coldest)
	}
	return nil
}
