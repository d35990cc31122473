package augment

import (
	"math"
	"slices"
	"testing"

	"clr/internal/audio"
)

// filled makes a spectrogram whose value at (b, t) is f(b, t).
func filled(bins, frames int, f func(b, t int) float64) *audio.Spectrogram {
	s := &audio.Spectrogram{}
	s.Resize(bins, frames)
	for b := range bins {
		for t := range frames {
			s.Data[b*frames+t] = float32(f(b, t))
		}
	}
	return s
}

// spec is a applied to a copy of s.
func spec(t testing.TB, a Spec, s *audio.Spectrogram, d Draw) *audio.Spectrogram {
	t.Helper()
	c := &audio.Spectrogram{Bins: s.Bins, Frames: s.Frames, Data: slices.Clone(s.Data)}
	if err := a.Spec(c, d); err != nil {
		t.Fatal(err)
	}
	return c
}

// spread requires that values drawn uniformly from lo..hi stay in it, fill it,
// and lie in its middle on average.
func spread(t *testing.T, what string, v []float64, lo, hi float64) {
	t.Helper()
	sum, width := 0.0, hi-lo
	for _, x := range v {
		sum += x
	}
	mean, low, high := sum/float64(len(v)), slices.Min(v), slices.Max(v)
	if low < lo-1e-4*width || high > hi+1e-4*width || low > lo+0.02*width || high < hi-0.02*width ||
		math.Abs(mean-(lo+hi)/2) > 4*width/math.Sqrt(12*float64(len(v))) {
		t.Errorf("%s: %g to %g, mean %g; want %g to %g", what, low, high, mean, lo, hi)
	}
}

// within requires the same of values that are known to about a tolerance.
func within(t *testing.T, what string, v []float64, lo, hi, tolerance float64) {
	t.Helper()
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	mean, low, high := sum/float64(len(v)), slices.Min(v), slices.Max(v)
	if math.Abs(low-lo) > tolerance || math.Abs(high-hi) > tolerance ||
		math.Abs(mean-(lo+hi)/2) > 4*(hi-lo)/math.Sqrt(12*float64(len(v)))+tolerance/2 {
		t.Errorf("%s: %g to %g, mean %g; want %g to %g", what, low, high, mean, lo, hi)
	}
}

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance }

const perDB = math.Ln10 / 10
