package augment

import (
	"fmt"
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

// others gives s as the second clip.
func others(s *audio.Spectrogram) func() (audio.Spectrogram, error) {
	return func() (audio.Spectrogram, error) { return *s, nil }
}

// BenchmarkView makes whole views, as configs/esc10-simclr.yaml and
// configs/quickstart.yaml do, of clips as long as theirs.
func BenchmarkView(b *testing.B) {
	for _, c := range []struct {
		name         string
		clip, frames int
		normalize    string
		chain        []Spec
	}{
		{"esc10", 501, 96, "corpus", []Spec{Stretch{P: 1, By: 0.25}, MelWarp{P: 1, Scale: 0.05, Shift: 0.03}, Gain{P: 1, DB: 8},
			EQ{P: 1, DB: 4, Points: 5}, Mix{P: 0.5, SNR: [2]float64{10, 30}}, NoiseFloor{P: 0.5, DB: [2]float64{30, 60}}}},
		{"fsdd", 43, 48, "band", []Spec{Stretch{P: 1, By: 0.49}, MelWarp{P: 1, Scale: 0.05, Shift: 0.03},
			Mix{P: 0.5, SNR: [2]float64{10, 30}}, NoiseFloor{P: 0.5, DB: [2]float64{30, 60}}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, other := noisy(64, c.clip, 1), noisy(64, c.clip, 2)
			v := Views{Options: ViewOptions{Frames: c.frames, Normalize: c.normalize, Crop: "random", Unit: "ln"}, Channels: []Channel{{Std: 3}}, Chain: c.chain}
			dst := make([]float32, 64*c.frames)
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
		})
	}
}

// BenchmarkSpec makes each augmentation, every time, on the two corpora's views.
func BenchmarkSpec(b *testing.B) {
	for _, frames := range []int{96, 48} {
		s, other := noisy(64, frames, 1), noisy(64, 5*frames, 2)
		for _, name := range names() {
			a, ok := withP(Table[name], 1).(Spec)
			if !ok {
				continue
			}
			b.Run(fmt.Sprintf("%s/64x%d", name, frames), func(b *testing.B) {
				var m scratch
				var work audio.Spectrogram
				d := Draw{Rand: Rand(1, 2, 3, 4), OtherSpec: others(other), scratch: &m}
				b.ReportAllocs()
				for b.Loop() {
					work.Resize(s.Bins, s.Frames)
					copy(work.Data, s.Data)
					if err := a.Spec(&work, d); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkWave makes each augmentation of the waveform on five seconds at 16 kHz.
func BenchmarkWave(b *testing.B) {
	x, other := waveform(80_000, 1), waveform(80_000, 2)
	for _, name := range names() {
		a, ok := withP(Table[name], 1).(Wave)
		if !ok {
			continue
		}
		b.Run(name, func(b *testing.B) {
			work := make([]float32, len(x))
			clip := func() (audio.Clip, error) { return audio.Clip{Rate: 16000, Samples: other}, nil }
			d := Draw{Rand: Rand(1, 2, 3, 4), OtherWave: clip, Background: func(string) (audio.Clip, error) { return clip() }}
			waves := &Waves{Chain: []Wave{a}}
			b.ReportAllocs()
			for b.Loop() {
				copy(work, x)
				if err := waves.Apply(&audio.Clip{Rate: 16000, Samples: work}, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
