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
	for u, scale := range map[unit]float64{ln: 1, log10: math.Ln10, db: perDB} {
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
	for u, scale := range map[unit]float64{ln: 1, log10: math.Ln10, db: perDB} {
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
		if got, want := float64((&scratch{}).level(s, ln)), math.Log(sum/n); !near(got, want, 1e-5) {
			t.Errorf("%d frames: %g, want %g", frames, got, want)
		}
	}
}
