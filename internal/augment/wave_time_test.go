package augment

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"clr/internal/audio"
)

func TestWaveShift(t *testing.T) {
	x := make([]float32, 100)
	for i := range x {
		x[i] = float32(i)
	}
	var drawn []float64
	for i := range 2000 {
		out := wave(t, WaveShift{P: 1, By: 0.3}, x, draws(23, i))
		by := 50 - int(out[50])
		for j, v := range out {
			if int(v) != (j-by+100)%100 {
				t.Fatalf("not rolled by %d: %v", by, out)
			}
		}
		drawn = append(drawn, float64(by))
	}
	spread(t, "samples", drawn, -30, 30)
}

// tone is n samples of a sine at a frequency in parts of the rate.
func tone(n int, frequency float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(0.5 * math.Sin(2*math.Pi*frequency*float64(i)))
	}
	return x
}

// pitchOf is the frequency of a sine in parts of the rate, by the peak of its
// spectrum under a Hann window, and how much of its power lies there.
func pitchOf(x []float32) (frequency, share float64) {
	n := 1
	for 2*n <= len(x) {
		n *= 2
	}
	w := slices.Clone(x[(len(x)-n)/2:][:n])
	for i := range w {
		w[i] *= float32(0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(n)))
	}
	p, at, sum := powers(w), 0, 0.0
	for k, v := range p {
		if sum += v; v > p[at] {
			at = k
		}
	}
	if at < 3 || at > n/2-3 {
		return float64(at) / float64(n), 0
	}
	a, b, c := math.Log(p[at-1]), math.Log(p[at]), math.Log(p[at+1])
	near := 0.0
	for _, v := range p[at-3 : at+4] {
		near += v
	}
	return (float64(at) + (a-c)/(2*(a-2*b+c))) / float64(n), near / sum
}

func TestWaveSpeed(t *testing.T) {
	x := tone(20000, 0.05)
	var factors []float64
	for i := range 300 {
		out := wave(t, WaveSpeed{P: 1, Factor: [2]float64{0.8, 1.25}}, x, draws(32, i))
		faster := float64(len(x)) / float64(len(out))
		if f, share := pitchOf(out); !near(f/0.05, faster, 2e-4*faster) || share < 0.999 {
			t.Fatalf("%g times as short, %g times as high, %g of it", faster, f/0.05, share)
		}
		factors = append(factors, math.Log(faster))
	}
	spread(t, "factor", factors, math.Log(0.8), math.Log(1.25))
	for factor, want := range map[float64]int{0.25: 80000, 0.5: 40000, 1: 20000, 2: 10000, 4: 5000} {
		if out := wave(t, WaveSpeed{P: 1, Factor: [2]float64{factor, factor}}, x, draws(32, 1)); len(out) != want {
			t.Errorf("%g times as fast: %d samples, want %d", factor, len(out), want)
		}
	}
}

// Tempo moves and pitch does not.
func TestWaveStretch(t *testing.T) {
	const rate = 16000
	for _, hz := range []float64{100, 440, 3000} {
		x := tone(3*rate, hz/rate)
		var factors []float64
		for i := range 40 {
			c := &audio.Clip{Rate: rate, Samples: slices.Clone(x)}
			if err := (WaveStretch{P: 1, Factor: [2]float64{0.7, 1.4}}).Wave(c, draws(33, i)); err != nil {
				t.Fatal(err)
			}
			f, share := pitchOf(c.Samples)
			if !near(f*rate, hz, 0.002*hz) || share < 0.99 {
				t.Fatalf("%g Hz became %g Hz (%g of it) in %d samples", hz, f*rate, share, len(c.Samples))
			}
			if r := float64(rms(c.Samples)) / float64(rms(x)); !near(r, 1, 0.02) {
				t.Fatalf("%g Hz: %g times as loud", hz, r)
			}
			factors = append(factors, math.Log(float64(len(x))/float64(len(c.Samples))))
		}
		if lo, hi := slices.Min(factors), slices.Max(factors); lo < math.Log(0.7)-1e-4 || hi > math.Log(1.4)+1e-4 || hi-lo < 0.5 {
			t.Errorf("factors from %g to %g", math.Exp(lo), math.Exp(hi))
		}
	}
}

// What happens at a part of the clip happens at the same part of the result,
// to within the search and the segment.
func TestStretchKeepsTheOrder(t *testing.T) {
	const rate = 8000
	x := make([]float32, 4*rate)
	noise := waveform(len(x), 1)
	for burst := range 8 {
		copy(x[burst*rate/2:][:rate/8], noise[burst*rate/2:])
	}
	for _, factor := range []float64{0.5, 0.8, 1.25, 2} {
		out := stretched(x, rate, int(float64(len(x))/factor))
		for burst := range 8 {
			from := float64(burst) * rate / 2 / factor
			inside := rms(out[int(from+0.04*rate/factor):int(from+0.08*rate/factor)])
			outside := rms(out[int(from+0.35*rate/factor):int(from+0.4*rate/factor)])
			if inside < 0.05 || outside > 1e-3 {
				t.Errorf("%g times as fast: burst %d has %g, the gap behind it %g", factor, burst, inside, outside)
			}
		}
	}
}

func TestPitch(t *testing.T) {
	const rate = 16000
	x := tone(2*rate, 500.0/rate)
	var moves []float64
	for i := range 60 {
		c := &audio.Clip{Rate: rate, Samples: slices.Clone(x)}
		if err := (Pitch{P: 1, Semitones: 5}).Wave(c, draws(34, i)); err != nil {
			t.Fatal(err)
		}
		f, share := pitchOf(c.Samples)
		if len(c.Samples) != len(x) || share < 0.98 {
			t.Fatalf("%d samples, %g of them at %g Hz", len(c.Samples), share, f*rate)
		}
		moves = append(moves, 12*math.Log2(f*rate/500))
	}
	if lo, hi := slices.Min(moves), slices.Max(moves); lo < -5.02 || lo > -4.2 || hi > 5.02 || hi < 4.2 {
		t.Errorf("semitones from %g to %g, want -5 to 5", lo, hi)
	}
	for i, want := range []string{"500", "500"} { // a semitone's thousandth is left alone
		c := &audio.Clip{Rate: rate, Samples: slices.Clone(x)}
		if err := (Pitch{P: 1, Semitones: 0.005}).Wave(c, draws(35, i)); err != nil {
			t.Fatal(err)
		}
		if f, _ := pitchOf(c.Samples); fmt.Sprintf("%.0f", f*rate) != want {
			t.Errorf("%g Hz, want %s", f*rate, want)
		}
	}
}

// The correlation that is asked for is the definition's largest, whatever was in
// the memory before.
func TestAlike(t *testing.T) {
	x, work := waveform(400, 1), waveform(251, 3)
	for n := 27; n <= 31; n++ {
		y := waveform(n, 2)
		best, most := 0, math.Inf(-1)
		for at := 50; at <= 300; at++ {
			var r, power float64
			for i, v := range y {
				r += float64(v) * float64(x[at+i])
				power += float64(x[at+i]) * float64(x[at+i])
			}
			if r /= math.Sqrt(power); r > most {
				best, most = at, r
			}
		}
		if got := alike(x, y, work, 50, 300, 100); got != best {
			t.Errorf("%d samples are at %d, want %d", n, got, best)
		}
		if got := alike(x, x[77:77+n], work, 50, 300, 100); got != 77 {
			t.Errorf("itself is at %d, want 77", got)
		}
		if got := alike(make([]float32, 400), y, work, 50, 300, 123); got != 123 {
			t.Errorf("in silence %d, want 123", got)
		}
	}
	if got := alike(x, nil, work, 50, 60, 55); got != 55 {
		t.Errorf("nothing is at %d, want 55", got)
	}
}
