package method

import (
	"math"
	"math/rand/v2"

	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// A temperature is learnt as CLIP's is (Radford et al. 2021, section 2.5): the weight
// log_scale, of shape (1), is -log τ.
const scaleName = "log_scale"

// temperature is what a loss divides by: tau, or what tau becomes where it is learnt.
func temperature(b *model.Builder, p *model.Params, tau float64, learn bool) loss.Temperature {
	if !learn {
		return loss.Fixed(tau)
	}
	return loss.Learnt(tau, b.Weight(p, scaleName, func(*rand.Rand) float64 { return -math.Log(tau) }, 1))
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

// Products of unit rows over these are logits that losses are finite at, and differ by
// more than rounding.
const leastTemperature, mostTemperature = 1e-4, 1e4

// checkTemperature refuses one that nothing can be divided by, and a first one that
// keepScale would lift.
func checkTemperature(temperature float64, learn bool) error {
	if err := checkDivisor("temperature", temperature); err != nil {
		return err
	}
	if learn && temperature < coldest {
		return fault.New(fault.Usage, "", "temperature is %g; one that is learnt does not fall below %g", temperature, coldest)
	}
	return nil
}

// checkDivisor is for what cosines are divided by.
func checkDivisor(name string, v float64) error {
	if !(v >= leastTemperature && v <= mostTemperature) {
		return fault.New(fault.Usage, "0.05 to 0.5 are usual", "%s is %g, must be between %g and %.0f", name, v, leastTemperature, mostTemperature)
	}
	return nil
}
