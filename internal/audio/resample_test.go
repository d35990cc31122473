package audio

import (
	"maps"
	"math"
	"slices"
	"testing"
)

func TestResampleMatchesTorchaudio(t *testing.T) {
	cases := referenceCases(t)
	for _, name := range []string{"44100_16000", "8000_16000", "16000_8000", "48000_16000", "22050_16000_kaiser"} {
		c := cases["audio/resample_"+name]
		var p struct {
			From    int     `json:"orig_freq"`
			To      int     `json:"new_freq"`
			Width   int     `json:"lowpass_filter_width"`
			Rolloff float64 `json:"rolloff"`
			Beta    float64 `json:"beta"`
		}
		c.params(t, &p)
		x := c.wave(t, p.From).Samples
		r := NewResampler(p.From, p.To, len(x), ResampleOptions{Width: p.Width, Rolloff: p.Rolloff, Beta: p.Beta})
		got := make([]float32, r.Len(len(x)))
		r.Apply(got, x)
		want := loadNPY(t, c.Outputs["wave"].File)
		if len(want.data) != len(got) {
			t.Fatalf("%s: %d samples, want %d", name, len(got), len(want.data))
		}
		worst := 0.0
		for i, w := range want.data {
			worst = max(worst, math.Abs(w-float64(got[i])))
		}
		t.Logf("%s: max|d| %.2g", name, worst)
		if worst > c.Outputs["wave"].Tolerance.MaxAbs {
			t.Errorf("%s: max|d| %g, allowed %g", name, worst, c.Outputs["wave"].Tolerance.MaxAbs)
		}
	}
}

// A tone keeps its frequency and level, for lengths and rates of all sorts.
func TestResampleKeepsTones(t *testing.T) {
	for _, c := range []struct{ from, to, n int }{
		{16000, 16001, 3000}, {44100, 16000, 7}, {16000, 44100, 1}, {8000, 48000, 2000}, {11025, 16000, 5001}, {96000, 8000, 9600}, {1234, 16000, 300},
	} {
		x := make([]float32, c.n)
		step := 2 * math.Pi * 0.05 * float64(min(c.from, c.to))
		for i := range x {
			x[i] = float32(math.Sin(step * float64(i) / float64(c.from)))
		}
		r := NewResampler(c.from, c.to, c.n, Resamplings["torchaudio"])
		out := Clip{Rate: c.to, Samples: make([]float32, r.Len(c.n))}
		r.Apply(out.Samples, x)
		if want := (c.n*c.to + c.from - 1) / c.from; len(out.Samples) != want || out.Rate != c.to {
			t.Fatalf("%d samples from %d to %d Hz: %d at %d Hz, want %d", c.n, c.from, c.to, len(out.Samples), out.Rate, want)
		}
		edge := 20 * c.to / min(c.from, c.to)
		for i := edge; i < len(out.Samples)-edge; i++ {
			if want := math.Sin(step * float64(i) / float64(c.to)); math.Abs(float64(out.Samples[i])-want) > 5e-3 {
				t.Fatalf("%d to %d Hz: sample %d is %v, want %v", c.from, c.to, i, out.Samples[i], want)
			}
		}
	}
}

func BenchmarkResample(b *testing.B) {
	x := make([]float32, 44100*5)
	for _, name := range slices.Sorted(maps.Keys(Resamplings)) {
		b.Run(string(name), func(b *testing.B) {
			r := NewResampler(44100, 16000, len(x), Resamplings[name])
			dst := make([]float32, r.Len(len(x)))
			for b.Loop() {
				r.Apply(dst, x)
			}
			b.ReportMetric(5*float64(b.N)/b.Elapsed().Seconds(), "audio-s/s")
		})
	}
}
