package audio

import (
	"fmt"
	"math"

	"clr/internal/kernel"
)

// amplitudeMin is the floor under decibels, torchaudio's and librosa's amin.
const amplitudeMin = 1e-10

// compress takes the logarithm of a clip's powers, or magnitudes where power is
// 1, in place: ln is ln(x + floor), log10 is log10(x + floor), db is 10·log10(max(x, 1e-10)), twice that of
// magnitudes, and no less than the clip's maximum - topDB; others leave x alone.
func compress(x []float32, log string, power, floor, topDB float64) {
	switch log {
	case "ln":
		kernel.Log(x, 0, float32(floor), 1)
	case "log10":
		kernel.Log(x, 0, float32(floor), 1/math.Ln10)
	case "db":
		decibels := float32(10 / math.Ln10)
		if power == 1 {
			decibels *= 2
		}
		kernel.Log(x, amplitudeMin, 0, decibels)
		if topDB > 0 {
			kernel.Clamp(x, kernel.Max(x)-float32(topDB))
		}
	}
}

// unitOf is what the values are then.
func unitOf(log string, power float64) string {
	switch {
	case log == "db", log != "none" && power == 2:
		return log
	case log != "none": // where a gain counts half
		return log + " of magnitude"
	case power == 1:
		return "magnitude"
	}
	return "power"
}

func floorRule(log string, floor float64) rule {
	return rule{log != "ln" && log != "log10" || floor > 0 && floor <= 1, "floor", fmt.Sprintf("is %v, set it above 0, to 1 at most", floor)}
}

func topDBRule(topDB float64) rule {
	return rule{topDB >= 0 && topDB <= 1000, "top_db", fmt.Sprintf("is %v, set it from 0 to 1000", topDB)}
}
