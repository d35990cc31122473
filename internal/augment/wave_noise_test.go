package augment

import (
	"math"
	"testing"

	"clr/internal/audio"
)

// powers are |X|² of x, a power of two long, for bins 0 to n/2.
func powers(x []float32) []float64 {
	p := make([]float64, len(x)/2+1)
	for k, v := range audio.NewFourier(len(x)).Forward(widen(make([]float64, len(x)), x)) {
		p[k] = real(v)*real(v) + imag(v)*imag(v)
	}
	return p
}

func decibels(ratio float64) float64 { return 10 * math.Log10(ratio) }

// The ratio is the one that was drawn, whatever the colour.
func TestNoiseRatio(t *testing.T) {
	x := waveform(1000, 1)
	for _, color := range append(noiseColors, "any") {
		var drawn []float64
		for i := range 300 {
			out := wave(t, Noise{P: 1, SNR: [2]float64{3, 3}, Color: color}, x, draws(24, i))
			if got := below(x, out); !near(got, 3, 1e-4) {
				t.Fatalf("%s noise at %g dB, want 3", color, got)
			}
			drawn = append(drawn, below(x, wave(t, Noise{P: 1, SNR: [2]float64{0, 30}, Color: color}, x, draws(25, i))))
		}
		spread(t, color, drawn, 0, 30)
	}
}

// White noise is level, pink falls by 3 dB an octave, brown by 6.
func TestNoiseColors(t *testing.T) {
	const n, rate = 1 << 17, 16000
	for color, slope := range map[string]float64{"white": 0, "pink": 10 * math.Log10(2), "brown": 20 * math.Log10(2)} {
		loud := make([]float32, n) // far above, so that the sum is the noise
		for i := range loud {
			loud[i] = 1e-6
		}
		c := &audio.Clip{Rate: rate, Samples: loud}
		if err := (Noise{P: 1, SNR: [2]float64{-100, -100}, Color: color}).Wave(c, draws(26, 1)); err != nil {
			t.Fatal(err)
		}
		p, before := powers(c.Samples), 0.0
		for octave, from := 0, n/256; from < n/4; octave, from = octave+1, 2*from { // 62.5 Hz to 4 kHz
			sum := 0.0
			for _, v := range p[from : 2*from] {
				sum += v
			}
			now := decibels(sum / float64(from))
			if octave > 0 && !near(before-now, slope, 0.5) {
				t.Errorf("%s falls by %.2f dB from %.0f Hz to the next octave, want %.2f", color, before-now, float64(from/2*rate)/n, slope)
			}
			before = now
		}
	}
}

// The filter's own response lies within 0.1 dB of 1/f.
func TestPinkFilter(t *testing.T) {
	const n = 1 << 16
	x := make([]float32, n)
	x[0] = 1
	pink(x)
	p, mean, worst, count := powers(x), 0.0, 0.0, 0.0
	for k := n / 5000; k < n/2; k++ {
		w := 1 / float64(k) // octaves count alike
		mean += w * decibels(p[k]*float64(k))
		count += w
	}
	for k := n / 5000; k < n/2*95/100; k++ {
		worst = max(worst, math.Abs(decibels(p[k]*float64(k))-mean/count))
	}
	if worst > 0.15 {
		t.Errorf("%.3f dB from 1/f", worst)
	}
}

// One of three colours each time, as often as the others.
func TestAnyColor(t *testing.T) {
	x, count := waveform(2000, 1), map[string]int{}
	for i := range 300 {
		out := wave(t, Noise{P: 1, SNR: [2]float64{0, 0}, Color: "any"}, x, draws(27, i))
		rough, all := 0.0, 0.0 // of the differences: 2 for white, 0.24 for brown at this rate, pink between
		for j := 1; j < len(x); j++ {
			a, b := float64(out[j]-x[j]), float64(out[j-1]-x[j-1])
			rough, all = rough+(a-b)*(a-b), all+a*a
		}
		switch r := rough / all; {
		case r > 1.5:
			count["white"]++
		case r > 0.29:
			count["pink"]++
		default:
			count["brown"]++
		}
	}
	for _, color := range noiseColors {
		if count[color] < 70 || count[color] > 130 {
			t.Errorf("%s %d times of 300: %v", color, count[color], count)
		}
	}
}
