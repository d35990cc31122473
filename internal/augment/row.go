package augment

import (
	"math"

	"clr/internal/kernel"
)

// raise adds g to x.
func raise(x []float32, g float32) { kernel.Rescale(x, x, -g, 1) }

// fill makes all of x v.
func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

// meanOf is the mean, summed in float64: four sums of every fourth value.
func meanOf(x []float32) float32 {
	var a, b, c, d float64
	rest := x
	for len(rest) >= 4 {
		v := rest[:4:4]
		a, b, c, d = a+float64(v[0]), b+float64(v[1]), c+float64(v[2]), d+float64(v[3])
		rest = rest[4:]
	}
	for _, v := range rest {
		a += float64(v)
	}
	return float32(((a + b) + (c + d)) / float64(len(x)))
}

// deviationOf is the standard deviation around the mean.
func deviationOf(x []float32, mean float32) float32 {
	sum := 0.0
	for _, v := range x {
		e := float64(v - mean)
		sum += e * e
	}
	return float32(math.Sqrt(sum / float64(len(x))))
}

// least is the smallest value.
func least(x []float32) float32 {
	lo := x[0]
	for _, v := range x {
		if v < lo {
			lo = v
		}
	}
	return lo
}
