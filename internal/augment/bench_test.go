package augment

import (
	"math/rand/v2"
	"testing"

	"clr/internal/audio"
)

// noisy makes a spectrogram that looks like natural-log power.
func noisy(bins, frames int, seed uint64) *audio.Spectrogram {
	s := &audio.Spectrogram{}
	s.Resize(bins, frames)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range s.Data {
		s.Data[i] = float32(-6 + 3*r.NormFloat64())
	}
	return s
}

// others gives copies of s as the second clip.
func others(s *audio.Spectrogram) func(*audio.Spectrogram) error {
	return func(dst *audio.Spectrogram) error {
		dst.Resize(s.Bins, s.Frames)
		copy(dst.Data, s.Data)
		return nil
	}
}

func BenchmarkView(b *testing.B) {
	s, other := noisy(64, 100, 1), noisy(64, 80, 2)
	v := Views{Options: ViewOptions{Frames: 64, Normalize: "band", Crop: "random", Unit: "ln"}, Std: 3,
		Chain: []Spec{Stretch{P: 1, By: 0.25}, MelWarp{P: 1, Scale: 0.05, Shift: 0.03}, Gain{P: 1, DB: 8},
			Mix{P: 0.5, SNR: [2]float64{10, 30}}, NoiseFloor{P: 0.5, DB: [2]float64{30, 60}}, TimeMask{P: 1, Frames: 8, Count: 1}, FreqMask{P: 1, Bins: 8, Count: 1}}}
	dst := make([]float32, 64*64)
	pcg := new(rand.PCG)
	d := Draw{Rand: rand.New(pcg), OtherSpec: others(other)}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		Reseed(pcg, 1, 0, i, 0)
		if err := v.Draw(dst, s, d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSpec(b *testing.B) {
	s, other := noisy(64, 64, 1), noisy(64, 80, 2)
	for _, name := range names() {
		a, ok := withP(Table[name], 1).(Spec)
		if !ok {
			continue
		}
		b.Run(name, func(b *testing.B) {
			var m scratch
			var work audio.Spectrogram
			d := Draw{Rand: Rand(1, 2, 3, 4), OtherSpec: others(other), scratch: &m}
			b.ReportAllocs()
			for b.Loop() {
				others(s)(&work)
				if err := a.Spec(&work, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
