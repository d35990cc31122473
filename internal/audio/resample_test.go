package audio

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestResampleMatchesTorchaudio(t *testing.T) {
	cases := referenceCases(t)
	compared := 0
	for name, c := range cases {
		if !strings.HasPrefix(name, "audio/resample_") {
			continue
		}
		compared++
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
	if compared < 5 {
		t.Errorf("%d cases were compared", compared)
	}
}

// Sums side by side, filters that are kept and those that are not: each sample
// is the definition's sum, in its order, bit by bit.
func TestResampleSums(t *testing.T) {
	for _, c := range []struct{ from, to, n int }{{44100, 16000, 1000}, {8000, 16000, 333}, {16000, 8000, 7}, {16000, 16001, 50}, {3, 7, 1}, {48000, 16000, 3000}} {
		for name, o := range Resamplings {
			x := make([]float32, c.n)
			for i := range x {
				x[i] = float32(math.Sin(float64(i*i) * 0.37))
			}
			r := NewResampler(c.from, c.to, c.n, o)
			dst := make([]float32, r.Len(c.n))
			r.Apply(dst, x)
			computed := make([]float32, len(dst))
			r.compute(computed, x)
			for n, got := range dst {
				taps, first := r.taps[n%r.to], n/r.to*r.from+r.first[n%r.to]
				sum := 0.0
				for k, v := range taps {
					if i := first + k; i >= 0 && i < len(x) {
						sum += float64(float64(x[i]) * v)
					}
				}
				if got != float32(sum) || got != computed[n] {
					t.Fatalf("%s, %d to %d Hz: sample %d is %v, computed %v, want %v", name, c.from, c.to, n, got, computed[n], sum)
				}
			}
		}
	}
	// Rates that a header may claim are not worth a gigabyte of filters.
	if r := NewResampler(1048573, 384000, 1<<28, Resamplings["kaiser_best"]); r.taps != nil {
		t.Errorf("%d filters are kept", len(r.taps))
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
