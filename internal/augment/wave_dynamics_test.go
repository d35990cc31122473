package augment

import (
	"math"
	"slices"
	"testing"

	"clr/internal/audio"
)

// magnitudes are |x|, the largest first.
func magnitudes(x []float32) []float32 {
	m := make([]float32, len(x))
	for i, v := range x {
		m[i] = max(v, -v)
	}
	slices.SortFunc(m, func(a, b float32) int {
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	return m
}

func TestLoudest(t *testing.T) {
	for _, x := range [][]float32{waveform(1000, 1), {1}, {-1, 1, 1, 0}, make([]float32, 5), {1e-40, -1e-42, 3e38}} {
		want := magnitudes(x)
		for n := range len(x) + 2 {
			if got := loudest(x, n); got != want[min(n, len(x)-1)] {
				t.Fatalf("%d: %g, want %g", n, got, want[min(n, len(x)-1)])
			}
		}
	}
	if got := loudest(nil, 0); got != 0 {
		t.Error(got)
	}
}

func TestClipping(t *testing.T) {
	x := waveform(1000, 1)
	var shares, lost []float64
	for i := range 500 {
		out := wave(t, Clipping{P: 1, By: "percent", Amount: [2]float64{0, 20}, Shape: "hard"}, x, draws(39, i))
		top, clipped := peak(out), 0
		for j, v := range out {
			if want := min(max(x[j], -top), top); v != want {
				t.Fatalf("%g became %g, the threshold is %g", x[j], v, top)
			}
			if v != x[j] {
				clipped++
			}
		}
		shares = append(shares, 100*float64(clipped)/1000)
		out = wave(t, Clipping{P: 1, By: "db", Amount: [2]float64{0, 24}, Shape: "hard"}, x, draws(39, i))
		lost = append(lost, 20*math.Log10(float64(peak(x)/peak(out))))
	}
	spread(t, "percent", shares, 0, 20)
	spread(t, "dB", lost, 0, 24)

	out, top := wave(t, Clipping{P: 1, By: "db", Amount: [2]float64{6, 6}, Shape: "soft"}, x, draws(39, 1)), float64(peak(x))*math.Pow(10, -0.3)
	for j, v := range out {
		if want := top * math.Tanh(float64(x[j])/top); !near(float64(v), want, 1e-6) {
			t.Fatalf("%g became %g, want %g", x[j], v, want)
		}
	}
	quiet := make([]float32, 100)
	quiet[3] = 0.5
	if out := wave(t, Clipping{P: 1, By: "percent", Amount: [2]float64{50, 50}, Shape: "soft"}, quiet, draws(39, 2)); !slices.Equal(out, quiet) {
		t.Error("the only sound was clipped away")
	}
}

// A tone that grows by steps: once the gain has settled, what lies above the
// threshold lies above it by a ratio-th; what lies below keeps its distance.
func TestCompressor(t *testing.T) {
	const rate, ratio = 16000, 4.0
	square := func(db float64) []float32 { // magnitudes that never vary
		x := make([]float32, rate/2)
		for i := range x {
			x[i] = amplitude(db)
			if i/8%2 == 1 {
				x[i] = -x[i]
			}
		}
		return x
	}
	x := slices.Concat(square(-50), square(-30), square(-10), square(0), square(-30))
	c := &audio.Clip{Rate: rate, Samples: slices.Clone(x)}
	if err := (Compressor{P: 1, Threshold: [2]float64{20, 20}, Ratio: [2]float64{ratio, ratio}, Attack: 0.01, Release: 0.02}).Wave(c, draws(40, 1)); err != nil {
		t.Fatal(err)
	}
	at := func(step int, s float64) float64 {
		return 20 * math.Log10(math.Abs(float64(c.Samples[step*rate/2+int(s*rate)])))
	}
	base := at(0, 0.4) + 50 // make-up gain
	for step, want := range []float64{-50, -30, -20 + 10/ratio, -20 + 20/ratio, -30} {
		if got := at(step, 0.45) - base; !near(got, want, 0.01) {
			t.Errorf("step %d lies at %g dB, want %g", step, got, want)
		}
	}
	// It turns down by 1-1/e of what is missing in the attack's time.
	from, to := -7.5, -15.0
	if got, want := at(3, 0.01)-base-0, 0+from+(to-from)*(1-1/math.E); !near(got, want, 0.02) {
		t.Errorf("after 10 ms at %g dB, want %g", got, want)
	}
	if r := float64(rms(c.Samples) / rms(x)); !near(r, 1, 1e-4) {
		t.Errorf("%g times as loud", r)
	}
	if at(2, 0.4)-at(0, 0.4) > 40-7 {
		t.Error("the range is as it was")
	}
}

func TestMuLaw(t *testing.T) {
	x := waveform(2000, 1)
	for _, bits := range []float64{3, 8} {
		out, seen := wave(t, MuLaw{P: 1, Bits: [2]float64{bits, bits}}, x, draws(41, 1)), map[float32]bool{}
		half := 0.5 / (math.Pow(2, bits-1) - 1) // of a step, on the logarithmic axis
		f := func(v float32) float64 {
			return math.Copysign(math.Log1p(255*math.Abs(float64(v)))/math.Log(256), float64(v))
		}
		for i, v := range out {
			seen[v+0] = true // -0 is 0
			if !near(f(v), f(x[i]), half+1e-6) {
				t.Fatalf("%g bits: %g became %g", bits, x[i], v)
			}
		}
		if most := int(math.Pow(2, bits)) - 1; len(seen) > most || len(seen) < most/2 {
			t.Errorf("%g bits: %d values", bits, len(seen))
		}
	}
	if out := wave(t, MuLaw{P: 1, Bits: [2]float64{8, 8}}, []float32{3, -1, 1}, draws(41, 1)); !near(float64(out[0]), 1, 1e-6) || !near(float64(out[1]), -1, 1e-6) {
		t.Errorf("full scale is %v", out)
	}
}
