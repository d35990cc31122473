package augment

import (
	"math"
	"testing"
)

// What a blur makes of a single cell are its weights: they sum to one, and
// deviate by sigma along the axes that it smooths.
func TestBlur(t *testing.T) {
	point := filled(61, 71, func(b, t int) float64 {
		if b == 30 && t == 35 {
			return 1
		}
		return 0
	})
	flat := filled(5, 6, func(b, t int) float64 { return 3 })
	for kernel, tolerance := range map[string]float64{"gaussian": 0.08, "box": 1e-3} { // the Gaussian is cut off
		for axis, over := range map[string][2]float64{"both": {1, 1}, "freq": {1, 0}, "time": {0, 1}} {
			for _, sigma := range []float64{0.5, 1, 2, 3.7} {
				a := Blur{P: 1, Sigma: [2]float64{sigma, sigma}, Axis: axis, Kernel: kernel}
				out := spec(t, a, point, draws(16, 1))
				var sum, bins, frames float64
				for b := range 61 {
					for j, v := range out.Row(b) {
						sum += float64(v)
						bins += float64(v) * float64((b-30)*(b-30))
						frames += float64(v) * float64((j-35)*(j-35))
					}
				}
				bins, frames = math.Sqrt(bins), math.Sqrt(frames)
				if !near(sum, 1, 1e-5) || !near(bins, sigma*over[0], tolerance*sigma) || !near(frames, sigma*over[1], tolerance*sigma) {
					t.Errorf("%s over %s by %g: sum %g, deviations %g and %g", kernel, axis, sigma, sum, bins, frames)
				}
				for _, v := range spec(t, a, flat, draws(16, 2)).Data {
					if !near(float64(v), 3, 1e-5) {
						t.Errorf("a flat spectrogram became %g", v)
					}
				}
			}
		}
	}
	box := spec(t, Blur{P: 1, Sigma: [2]float64{math.Sqrt2, math.Sqrt2}, Axis: "time", Kernel: "box"}, point, draws(16, 1))
	for j := 33; j <= 37; j++ { // five cells deviate by √2
		if !near(float64(box.Row(30)[j]), 0.2, 1e-6) {
			t.Errorf("box of five: weight %g at frame %d", box.Row(30)[j], j)
		}
	}
}

// Sigma is drawn evenly.
func TestBlurSigma(t *testing.T) {
	point := filled(1, 101, func(b, t int) float64 {
		if t == 50 {
			return 1
		}
		return 0
	})
	var drawn []float64
	for i := range 1000 {
		out := spec(t, Blur{P: 1, Sigma: [2]float64{2, 6}, Axis: "time", Kernel: "gaussian"}, point, draws(43, i))
		square := 0.0
		for j, v := range out.Data {
			square += float64(v) * float64((j-50)*(j-50))
		}
		drawn = append(drawn, math.Sqrt(square))
	}
	within(t, "sigma", drawn, 1.9, 5.8, 0.2) // the last percent of the weights is cut off
}
