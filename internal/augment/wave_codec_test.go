package augment

import (
	"math"
	"testing"

	"clr/internal/audio"
)

func coded(t *testing.T, a Codec, x []float32, seed int) []float32 {
	t.Helper()
	c := &audio.Clip{Rate: 16000, Samples: append([]float32(nil), x...)}
	if err := a.Wave(c, draws(42, seed)); err != nil {
		t.Fatal(err)
	}
	if len(c.Samples) != len(x) {
		t.Fatalf("%d samples became %d", len(x), len(c.Samples))
	}
	return c.Samples
}

// With nothing to spoil, the frames add up to the clip.
func TestCodecThatKeepsAll(t *testing.T) {
	for _, n := range []int{1, 100, 511, 512, 513, 5000} {
		x := waveform(n, 1)
		for i, v := range coded(t, Codec{P: 1, Cutoff: [2]float64{9000, 9000}, SNR: [2]float64{110, 110}, Holes: [2]float64{120, 120}}, x, 1) {
			if !near(float64(v), float64(x[i]), 1e-5) {
				t.Fatalf("%d samples: %g became %g", n, x[i], v)
			}
		}
	}
}

func TestCodecNoiseAndCutoff(t *testing.T) {
	const n = 1 << 15
	x := waveform(n, 1)
	for _, snr := range []float64{10, 20} {
		out := coded(t, Codec{P: 1, Cutoff: [2]float64{4000, 4000}, SNR: [2]float64{snr, snr}, Holes: [2]float64{120, 120}}, x, 1)
		wrong := make([]float32, n)
		for i := range wrong {
			wrong[i] = out[i] - x[i]
		}
		in, got, noise := powers(x), powers(out), powers(wrong)
		band := func(p []float64, from, to float64) float64 {
			sum := 0.0
			for _, v := range p[int(from*n/16000):int(to*n/16000)] {
				sum += v
			}
			return sum
		}
		if r := decibels(band(got, 4200, 8000) / band(in, 4200, 8000)); r > -30 {
			t.Errorf("%g dB are left above the cut-off", r)
		}
		for _, hz := range []float64{200, 1000, 3000} {
			if r := decibels(band(in, hz, 1.2*hz) / band(noise, hz, 1.2*hz)); !near(r, snr, 1.5) {
				t.Errorf("at %g Hz noise lies %g dB below, want %g", hz, r, snr)
			}
		}
	}
}

// Two tones 40 dB apart: the weaker is a hole when holes begin nearer than that.
func TestCodecHoles(t *testing.T) {
	const n = 1 << 14
	x := tone(n, 500.0/16000)
	for i, v := range tone(n, 3000.0/16000) {
		x[i] += v / 100
	}
	left := func(holes float64) float64 {
		p := powers(coded(t, Codec{P: 1, Cutoff: [2]float64{8000, 8000}, SNR: [2]float64{60, 60}, Holes: [2]float64{holes, holes}}, x, 1))
		return math.Sqrt(p[3000*n/16000]) / (float64(n) / 4 / 100)
	}
	if kept := left(60); !near(kept, 1, 0.05) {
		t.Errorf("%g of the weak tone is left, want all", kept)
	}
	if kept := left(30); kept > 0.05 {
		t.Errorf("%g of the weak tone is left, want none", kept)
	}
}
