package augment

import (
	"math"
	"testing"

	"clr/internal/audio"
)

// power is the mean of the linear power.
func power(s *audio.Spectrogram, scale float64) float64 {
	sum := 0.0
	for _, v := range s.Data {
		sum += math.Exp(float64(v) * scale)
	}
	return sum / float64(len(s.Data))
}

func TestMixSNR(t *testing.T) {
	own, other := noisy(20, 40, 1), noisy(20, 40, 2)
	for u, scale := range map[unit]float64{ln: 1, db: perDB} {
		var drawn []float64
		for i := range 1000 {
			d := draws(4, i)
			d.unit, d.OtherSpec = u, others(other)
			out := spec(t, Mix{P: 1, SNR: [2]float64{5, 15}}, own, d)
			drawn = append(drawn, -10*math.Log10(power(out, scale)/power(own, scale)-1))
		}
		spread(t, "dB", drawn, 5, 15)
	}
}

// Another clip, longer or shorter, lands in all places it can.
func TestMixPlaces(t *testing.T) {
	own := filled(1, 10, func(b, t int) float64 { return 0 })
	for _, frames := range []int{4, 10, 25} {
		places := map[int]bool{}
		for i := range 300 {
			d := draws(5, i)
			d.OtherSpec = others(filled(1, frames, func(b, t int) float64 { return float64(t % 5) }))
			out := spec(t, Mix{P: 1, SNR: [2]float64{0, 0}}, own, d)
			changed := 0
			first := -1
			for j, v := range out.Data {
				if v != 0 {
					changed++
					if first < 0 {
						first = j
					}
				}
			}
			if changed != min(frames, 10) {
				t.Fatalf("%d frames of %d changed", changed, frames)
			}
			places[first] = true
		}
		if want := max(10-frames, 0) + 1; len(places) != want {
			t.Errorf("another clip of %d frames landed in %d places, want %d", frames, len(places), want)
		}
	}
}

func TestMixErrors(t *testing.T) {
	s := noisy(4, 5, 1)
	if err := (Mix{P: 1}).Spec(s, Draw{Rand: Rand(1, 1, 1, 1)}); err == nil {
		t.Error("mixed with nothing")
	}
	d := draws(1, 1)
	d.OtherSpec = others(noisy(5, 5, 1))
	if err := (Mix{P: 1}).Spec(s, d); err == nil {
		t.Error("mixed with another number of bins")
	}
	d.OtherWave = func() (audio.Clip, error) { return audio.Clip{Rate: 1, Samples: []float32{1}}, nil }
	if err := (WaveMix{P: 1}).Wave(&audio.Clip{Rate: 2, Samples: []float32{1}}, d); err == nil {
		t.Error("mixed with another rate")
	}
	if err := (WaveMix{P: 1}).Wave(&audio.Clip{Rate: 2, Samples: []float32{1}}, Draw{Rand: Rand(1, 1, 1, 1)}); err == nil {
		t.Error("mixed with nothing")
	}
}

func TestNoiseFloorLevel(t *testing.T) {
	s := filled(64, 64, func(b, t int) float64 {
		if b+t == 0 {
			return 3
		}
		return -500
	})
	for u, scale := range map[unit]float64{ln: 1, db: perDB} {
		var drawn []float64
		for i := range 400 {
			d := draws(6, i)
			d.unit = u
			out := spec(t, NoiseFloor{P: 1, DB: [2]float64{30, 60}}, s, d)
			noise := filled(1, 64*64-1, func(_, t int) float64 { return float64(out.Data[t+1]) })
			drawn = append(drawn, (3*scale-math.Log(power(noise, scale)))/perDB)
		}
		spread(t, "dB", drawn, 30, 60)
	}
}

func TestLogAdd(t *testing.T) {
	worst := 0.0
	for i := range 400000 {
		x, y, k := float32(i%2000)*0.017-17, float32(i/2000)*0.173-17, []float32{1, perDB}[i%2]
		got := []float32{x}
		logAdd(got, []float32{y}, 0.5, k)
		a, b := float64(x*k), float64((y+0.5)*k)
		want := (max(a, b) + math.Log1p(math.Exp(-math.Abs(a-b)))) / float64(k)
		worst = max(worst, math.Abs(float64(got[0])-want))
	}
	if worst > 1e-5 {
		t.Errorf("off by %g", worst)
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range [][3]float32{{-1e30, 0, 0}, {1e30, 0, 1e30}, {0, -1e30, 0}, {-inf, 0, 0}, {0, -inf, 0}, {inf, 0, inf}, {0, inf, inf}} {
		x := []float32{c[0]}
		if logAdd(x, c[1:2], 0, 1); x[0] != c[2] {
			t.Errorf("%g and %g: %g, want %g", c[0], c[1], x[0], c[2])
		}
	}
	for _, c := range [][2]float32{{nan, 0}, {0, nan}, {nan, nan}} {
		x := []float32{c[0]}
		if logAdd(x, c[1:2], 0, 1); !math.IsNaN(float64(x[0])) {
			t.Errorf("%g and %g: %g, want NaN", c[0], c[1], x[0])
		}
	}
}

func TestPowers(t *testing.T) {
	for x := float32(0); x > -100; x -= 0.0137 {
		got, want := float64(powers([]float32{x}, 1, 0, 1)), math.Exp(float64(x))
		if x >= -80 && math.Abs(got-want) > 4e-6*want+1e-5*want*float64(-x)/80 || x < -80.001 && got != 0 {
			t.Fatalf("e^%g is %g, want %g", x, got, want)
		}
	}
	if got := powers([]float32{1, 0, 2, 0, 3, 0, 4}, 2, 4, perDB); !near(float64(got), math.Pow(10, -0.3)+math.Pow(10, -0.2)+math.Pow(10, -0.1)+1, 1e-5) {
		t.Errorf("every second of seven: %g", got)
	}
}

func TestLevel(t *testing.T) {
	for _, frames := range []int{1, 63, 128, 130, 501} {
		s := noisy(7, frames, 3)
		step, sum, n := max(1, frames/levelFrames), 0.0, 0.0
		for b := range s.Bins {
			for i := 0; i < frames; i += step {
				sum += math.Exp(float64(s.Row(b)[i]))
				n++
			}
		}
		if got, want := float64(level(s, ln)), math.Log(sum/n); !near(got, want, 1e-5) {
			t.Errorf("%d frames: %g, want %g", frames, got, want)
		}
	}
}
