package audio

import (
	"maps"
	"math"
	"slices"
	"testing"
)

// A response is what a filter does to a tone, from the taps that are applied.
type response struct {
	half []float64 // of the filter at to times the input's rate, from its centre on
	rate float64   // of it, in units of the lower of the two Nyquist rates
}

// responseOf gathers the phases' taps: output i of a group lies i/to, input k
// lies k/from after the group's start.
func responseOf(t *testing.T, from, to int, o ResampleOptions) response {
	t.Helper()
	r := NewResampler(from, to, from, o)
	f := response{rate: float64(from) * float64(r.to) / (float64(min(from, to)) / 2)}
	for i, taps := range r.taps {
		for k, v := range taps {
			n := i*r.from - (r.first[i]+k)*r.to
			for len(f.half) <= max(n, -n) {
				f.half = append(f.half, math.NaN())
			}
			if was := f.half[max(n, -n)]; was-v > 1e-12 || v-was > 1e-12 {
				t.Fatalf("the filter is not symmetric: %v and %v", was, v)
			}
			f.half[max(n, -n)] = v
		}
	}
	for n, v := range f.half {
		if v != v {
			t.Fatalf("tap %d is in no phase", n)
		}
		f.half[n] /= float64(r.to)
	}
	return f
}

// at is the gain of a tone, in dB; its frequency is in units of the Nyquist rate.
func (f response) at(x float64) float64 {
	turn := 2 * math.Cos(2*math.Pi*x/f.rate)
	sum, before, now := f.half[0], 1.0, turn/2
	for _, v := range f.half[1:] {
		sum += 2 * v * now
		before, now = now, turn*now-before
	}
	return 20 * math.Log10(max(1e-12, math.Abs(sum)))
}

// worst is the gain farthest from 0 dB up to a frequency.
func (f response) worst(to float64) (db float64) {
	for x := 0.0; x <= to; x += 1.0 / 512 {
		db = max(db, math.Abs(f.at(x)))
	}
	return db
}

// most is the highest gain from a frequency on, up to where the filter repeats.
func (f response) most(from float64) (db float64) {
	db = math.Inf(-1)
	for x := from; x <= min(f.rate/2, 16); x *= 1.003 {
		db = max(db, f.at(x))
	}
	return db
}

// edge is the first frequency above a half at which the gain is as low.
func (f response) edge(db float64) float64 {
	for x := 0.5; ; x += 1.0 / 512 {
		if f.at(x) <= db {
			return x
		}
	}
}

// What the filters pass and what they stop, as docs/features.md has it; go test
// -v prints the table. Frequencies are shares of the lower of the two Nyquist rates.
func TestResampleResponse(t *testing.T) {
	want := map[Resampling]struct{ pass, ripple, half, stop, most float64 }{
		"torchaudio":  {0.70, 0.06, 0.99, 1.30, -43},
		"kaiser_fast": {0.70, 0.0005, 0.85, 1, -86},
		"kaiser_best": {0.88, 0.00001, 0.95, 1.02, -140},
	}
	for _, name := range slices.Sorted(maps.Keys(Resamplings)) {
		w, ok := want[name]
		if !ok {
			t.Errorf("%s is not measured", name)
			continue
		}
		for _, rates := range [][2]int{{44100, 16000}, {8000, 16000}} {
			f := responseOf(t, rates[0], rates[1], Resamplings[name])
			ripple, half, stop, nyquist := f.worst(w.pass), f.edge(-6), f.most(w.stop), f.at(1)
			t.Logf("%-11s %5d to %5d Hz: ripple up to %.2f %.2g dB, -0.1 dB at %.3f, -6 dB at %.3f, at 1 %.1f dB, from %.2f on %.1f dB",
				name, rates[0], rates[1], w.pass, ripple, f.edge(-0.1), half, nyquist, w.stop, stop)
			if ripple > w.ripple || half < w.half-0.005 || half > w.half+0.005 || stop > w.most {
				t.Errorf("%s: wanted ripple %v dB up to %v, -6 dB at %v, %v dB from %v on", name, w.ripple, w.pass, w.half, w.most, w.stop)
			}
		}
	}
}
