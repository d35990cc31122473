package loss

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// none is the logit of what is no class.
var none = math.Inf(-1)

// contrast is the cross entropy of the logits scale·x of one row against the
// class positive. It turns x into the gradient by the logits, times weight.
func contrast(x []float32, positive int, scale, weight float64) float64 {
	logit := float64(scale * float64(x[positive]))
	total := kernel.Softmax(x, none, scale, weight)
	x[positive] = float32(weight * math.Expm1(logit-total)) // softmax - 1, without cancellation
	return total - logit
}

// A Temperature divides the products of rows before the softmax.
type Temperature struct {
	temperature
	s *gorgonia.Node // where it is learnt
}

// Fixed is a temperature that stays tau.
func Fixed(tau float64) Temperature { return Temperature{temperature: temperature{number: tau}} }

// Learnt is the temperature exp(-s) for s (1), which has a gradient too, as CLIP
// learns it (Radford et al. 2021, section 2.5). It began as first. CLIP keeps exp(s) at
// 100 or less, which is for who moves s to do.
func Learnt(first float64, s *gorgonia.Node) Temperature {
	return Temperature{temperature{number: first, learnt: true}, s}
}

// after gives a loss its inputs: s comes behind the others.
func (t Temperature) after(in ...*gorgonia.Node) []*gorgonia.Node {
	if t.learnt {
		return append(in, t.s)
	}
	return in
}

// A temperature is what a loss knows of one before it runs. One that is learnt is the
// last input.
type temperature struct {
	number float64 // of one that is learnt the first
	learnt bool
}

func (t temperature) String() string {
	if t.learnt {
		return fmt.Sprintf("learnt temperature, first %g", t.number)
	}
	return fmt.Sprintf("temperature %g", t.number)
}

// wrt says which inputs have a gradient, from those before the temperature.
func (t temperature) wrt(before ...bool) []bool {
	if t.learnt {
		return append(before, true)
	}
	return before
}

func (t temperature) check(in []tensor.Shape) error {
	if t.learnt {
		if s := in[len(in)-1]; len(s) != 1 || s[0] != 1 {
			return fmt.Errorf("want s (1), the logarithm of the logits' scale")
		}
	}
	if !(t.number > 0) || math.IsInf(t.number, 0) {
		return fmt.Errorf("the temperature is %g, must be positive", t.number)
	}
	return nil
}

// of is the temperature of a run.
func (t temperature) of(in []kernel.Array) float64 {
	if t.learnt {
		return math.Exp(-float64(in[len(in)-1].Data[0]))
	}
	return t.number
}
