package augment

import (
	"math"
	"slices"
	"testing"

	"clr/internal/audio"
)

// The sum as it is written down.
func TestConvolve(t *testing.T) {
	for _, c := range [][4]int{{1, 1, 1, 0}, {5, 3, 5, 0}, {3, 5, 7, 1}, {1000, 10, 1000, 4}, {3000, 1100, 3000, 0}, {3000, 511, 2900, 255}, {50, 2000, 1900, 100}, {0, 5, 3, 0}, {5, 0, 3, 0}} {
		x, h, dst := waveform(c[0], 1), waveform(c[1], 2), waveform(c[2], 3)
		new(waveScratch).convolve(dst, x, h, c[3])
		for i, v := range dst {
			want := 0.0
			for k, g := range h {
				if j := c[3] + i - k; j >= 0 && j < len(x) {
					want += float64(g) * float64(x[j])
				}
			}
			if !near(float64(v), want, 1e-6) {
				t.Fatalf("%v: sample %d is %g, want %g", c, i, v, want)
			}
		}
	}
}

// impulse is what a makes of a single 1.
func impulse(t *testing.T, a Wave, rate, n, seed int) []float32 {
	t.Helper()
	x := make([]float32, n)
	x[0] = 1
	c := &audio.Clip{Rate: rate, Samples: x}
	if err := a.Wave(c, draws(38, seed)); err != nil {
		t.Fatal(err)
	}
	return c.Samples
}

// A room decays as it was told to (Schroeder's integral, from -5 to -35 dB), and
// the direct sound lies above it by as much as was drawn.
func TestReverb(t *testing.T) {
	const rate = 16000
	for _, rt60 := range []float64{0.3, 1, 2} {
		for seed := range 5 {
			h := impulse(t, Reverb{P: 1, RT60: [2]float64{rt60, rt60}, Direct: [2]float64{4, 4}, Early: 20}, rate, 3*rate, seed)
			power := make([]float64, len(h)+1) // that is left from here on
			for i := len(h) - 1; i > 0; i-- {
				power[i] = power[i+1] + float64(h[i])*float64(h[i])
			}
			if got := decibels(float64(h[0]) * float64(h[0]) / power[1]); !near(got, 4, 0.01) {
				t.Errorf("rt60 %g: the direct sound lies %g dB above the rest, want 4", rt60, got)
			}
			if got := rms(h) * float32(math.Sqrt(float64(len(h)))); !near(float64(got), 1, 1e-5) {
				t.Errorf("the power is %g times what it was", got*got)
			}
			below := func(db float64) int {
				return slices.IndexFunc(power[1:], func(p float64) bool { return decibels(p/power[1]) < -db })
			}
			got := 2 * float64(below(35)-below(5)) / rate
			if !near(got, rt60, 0.12*rt60) {
				t.Errorf("falls by 60 dB in %g s, want %g", got, rt60)
			}
			early, gap := 0, 0
			for i, v := range h[1 : rate*5/100] {
				if v != 0 && math.Abs(float64(v)) > 1e-6 {
					early++
					if i+1 < rate*2/1000 {
						gap++
					}
				}
			}
			if early < 17 || early > 20 || gap > 0 { // two may fall together
				t.Errorf("%d early reflections, want 20; %d of them too early", early, gap)
			}
		}
	}
}

func TestReverbDraws(t *testing.T) {
	const rate = 4000
	var direct []float64
	for i := range 300 {
		h := impulse(t, Reverb{P: 1, RT60: [2]float64{0.2, 0.4}, Direct: [2]float64{-5, 10}, Early: 5}, rate, rate/2, i)
		rest := 0.0
		for _, v := range h[1:] {
			rest += float64(v) * float64(v)
		}
		direct = append(direct, decibels(float64(h[0])*float64(h[0])/rest))
	}
	spread(t, "direct", direct, -5, 10)
}

func TestDelay(t *testing.T) {
	const rate = 1000
	var times, levels, feedbacks []float64
	for i := range 500 {
		h := impulse(t, Delay{P: 1, Seconds: [2]float64{0.1, 0.2}, DB: [2]float64{3, 12}, Feedback: [2]float64{0.1, 0.8}}, rate, 3*rate, i)
		late := slices.IndexFunc(h[1:], func(v float32) bool { return v != 0 }) + 1
		first, again := float64(h[late]), float64(h[2*late])/float64(h[late])
		for j, v := range h {
			want := 0.0
			switch {
			case j == 0:
				want = 1
			case j%late == 0:
				want = first * math.Pow(again, float64(j/late-1))
			}
			if !near(float64(v), want, 1e-5) {
				t.Fatalf("sample %d is %g, want %g", j, v, want)
			}
		}
		times, levels, feedbacks = append(times, float64(late)), append(levels, -2*decibels(first)), append(feedbacks, again)
	}
	spread(t, "samples", times, 100, 200)
	spread(t, "dB", levels, 3, 12)
	spread(t, "feedback", feedbacks, 0.1, 0.8)
}
