package augment

import (
	"errors"
	"testing"

	"clr/internal/audio"
)

// The ratio is the one that was drawn, over the whole clip, for backgrounds
// that are longer, as long and shorter; part of them is heard, in order.
func TestBackground(t *testing.T) {
	x := waveform(1000, 1)
	for _, n := range []int{1, 7, 300, 1000, 5000} {
		under := waveform(n, 2)
		var starts, ratios []float64
		for i := range 500 {
			d := draws(28, i)
			d.Background = func(manifest string) (audio.Clip, error) {
				if manifest != "rain.csv" {
					t.Errorf("asked for %q", manifest)
				}
				return audio.Clip{Rate: 1000, Samples: under}, nil
			}
			out := wave(t, Background{P: 1, Manifest: "rain.csv", SNR: [2]float64{-10, 10}}, x, d)
			ratios = append(ratios, below(x, out))
			at := partOf(t, under, x, out)
			starts = append(starts, float64(at))
		}
		spread(t, "ratio", ratios, -10, 10)
		if n == 300 {
			spread(t, "start", starts, 0, 299)
		}
		if n == 5000 {
			spread(t, "start", starts, 0, 4000)
		}
	}
}

// partOf is where in under, round and round, the difference of out and x begins.
func partOf(t *testing.T, under, x, out []float32) int {
	t.Helper()
	for at := range under {
		g, ok := (out[0]-x[0])/under[at], true
		for i := 0; ok && i < len(x); i++ {
			ok = near(float64(out[i]-x[i]), float64(g*under[(at+i)%len(under)]), 1e-5)
		}
		if ok {
			return at
		}
	}
	t.Fatal("what was added is no part of the background")
	return 0
}

func TestBackgroundThatFails(t *testing.T) {
	a, x := Background{P: 1, Manifest: "m.csv"}, waveform(100, 1)
	for want, f := range map[string]func(string) (audio.Clip, error){
		"background: there are no background recordings here": nil,
		"background: gone": func(string) (audio.Clip, error) { return audio.Clip{}, errors.New("gone") },
		"background: the recording is 8000 Hz, this clip is 1000 Hz": func(string) (audio.Clip, error) { return audio.Clip{Rate: 8000, Samples: x}, nil },
	} {
		d := draws(29, 1)
		d.Background = f
		if err := a.Wave(&audio.Clip{Rate: 1000, Samples: x}, d); err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for _, silent := range [][]float32{nil, make([]float32, 30)} {
		d := draws(29, 1)
		d.Background = func(string) (audio.Clip, error) { return audio.Clip{Rate: 1000, Samples: silent}, nil }
		for i, v := range wave(t, a, x, d) {
			if v != x[i] {
				t.Fatalf("a silent background changed %g to %g", x[i], v)
			}
		}
	}
}
