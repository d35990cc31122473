package augment

import (
	"math"
	"slices"
	"testing"
)

func TestFade(t *testing.T) {
	x := make([]float32, 1000)
	for i := range x {
		x[i] = 1
	}
	var starts, ends []float64
	for i := range 1000 {
		out := wave(t, Fade{P: 1, Seconds: 0.4, Shape: "linear"}, x, draws(22, i))
		n, m := 0, 0
		for out[n] < 1 {
			n++
		}
		for out[999-m] < 1 {
			m++
		}
		for j := range n {
			if !near(float64(out[j]), float64(j)/float64(n), 1e-6) {
				t.Fatalf("sample %d of a fade of %d is %g", j, n, out[j])
			}
		}
		starts, ends = append(starts, float64(n)), append(ends, float64(m))
	}
	spread(t, "fade in", starts, 0, 400)
	spread(t, "fade out", ends, 0, 400)
}

// torchaudio's curves, written as its documentation does, for both ends.
func TestFadeShapes(t *testing.T) {
	x := make([]float32, 400)
	for i := range x {
		x[i] = 1
	}
	in := map[string]func(x float64) float64{
		"linear":       func(x float64) float64 { return x },
		"exponential":  func(x float64) float64 { return math.Pow(2, x-1) * x },
		"logarithmic":  func(x float64) float64 { return math.Log10(0.1+x) + 1 },
		"quarter_sine": func(x float64) float64 { return math.Sin(x * math.Pi / 2) },
		"half_sine":    func(x float64) float64 { return math.Sin(x*math.Pi-math.Pi/2)/2 + 0.5 },
	}
	if len(in) != len(fadeNames) || len(in) != len(fadeShapes) {
		t.Fatalf("%d shapes are tested, there are %d", len(in), len(fadeNames))
	}
	for name, curve := range in {
		clamped := func(x float64) float64 { return min(1, max(0, curve(x))) }
		for i := range 20 {
			out := wave(t, Fade{P: 1, Seconds: 0.15, Shape: name}, x, draws(30, i))
			n, m := 0, 0
			for ; n < 200 && out[n] < 1; n++ {
			}
			for ; m < 200 && out[399-m] < 1; m++ {
			}
			// The logarithm passes 1 before its end: try the lengths that it may have.
			ok := func(length int, at func(j int) float32) bool {
				for j := range length {
					if !near(float64(at(j)), clamped(float64(j)/float64(length)), 1e-6) {
						return false
					}
				}
				return true
			}
			found := [2]bool{n == 0, m == 0}
			for length := range 170 {
				found[0] = found[0] || length >= n && ok(length, func(j int) float32 { return out[j] })
				found[1] = found[1] || length >= m && ok(length, func(j int) float32 { return out[399-j] })
			}
			if !found[0] || !found[1] {
				t.Fatalf("%s: a fade of %d and %d is not the curve: %v", name, n, m, out[:max(n, 1)])
			}
		}
	}
}

func TestWaveMask(t *testing.T) {
	x := make([]float32, 1000)
	for i := range x {
		x[i] = 1
	}
	var lengths, starts []float64
	for i := range 1000 {
		out := wave(t, WaveMask{P: 1, Seconds: 0.3, Most: 0.2, Count: 1}, x, draws(31, i))
		from := slices.IndexFunc(out, func(v float32) bool { return v < 1 })
		if from < 0 {
			lengths = append(lengths, 0)
			continue
		}
		n := 0
		for _, v := range out[from:] {
			if v == 1 {
				break
			}
			n++
		}
		for _, v := range out[from+n:] {
			if v != 1 {
				t.Fatal("two stretches, want one")
			}
		}
		for j := 2; j < n-2; j++ { // 2 ms
			if out[from+j] != 0 {
				t.Fatalf("sample %d of %d masked ones is %g", j, n, out[from+j])
			}
		}
		if n > 4 && !(out[from] > out[from+1] && out[from+1] > 0 && out[from] == out[from+n-1]) {
			t.Fatalf("it goes out as %v", out[from:from+3])
		}
		lengths = append(lengths, float64(n))
		starts = append(starts, float64(from)/float64(1000-n))
	}
	spread(t, "samples", lengths, 0, 200) // most binds
	spread(t, "start", starts, 0, 1)
	if out := wave(t, WaveMask{P: 1, Seconds: 1, Most: 1, Count: 20}, x[:10], draws(31, 1)); len(out) != 10 {
		t.Error(len(out))
	}
}
