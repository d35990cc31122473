package augment

import (
	"fmt"
	"math"

	"clr/internal/audio"
)

// Mix adds another clip under this one: powers add, so logarithms do not.
type Mix struct {
	P   float64    `yaml:"p" doc:"probability"`
	SNR [2]float64 `yaml:"snr" doc:"how far the mean power of the other clip lies below this one's; dB"`
}

// Doc implements Augmentation.
func (Mix) Doc() string { return "another clip of the training part under this one" }

// Check implements Augmentation.
func (a Mix) Check() error {
	return first(probability("mix", a.P), span("mix", "snr", a.SNR, -maxDB, maxDB))
}

// Spec implements Spec.
func (a Mix) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	if d.OtherSpec == nil {
		return fmt.Errorf("mix: %w", errNoOther)
	}
	snr := float32(d.between(a.SNR)) * d.unit.perDB()
	o, err := d.OtherSpec()
	if err != nil {
		return fmt.Errorf("mix: %w", err)
	}
	if o.Bins != s.Bins {
		return fmt.Errorf("mix: the other clip has %d bins, this one has %d", o.Bins, s.Bins)
	}
	// Random parts of both, as long as they overlap.
	n := min(s.Frames, o.Frames)
	from, other := d.Rand.IntN(s.Frames-n+1), d.Rand.IntN(o.Frames-n+1)
	gain := level(s, d.unit) - level(&o, d.unit) - snr
	k := d.unit.nepers()
	for b := range s.Bins {
		logAdd(s.Row(b)[from:from+n], o.Row(b)[other:other+n], gain, k)
	}
	return nil
}

// NoiseFloor adds white noise, weaker than the clip: each cell's power is drawn
// from the exponential distribution, as that of noise is in one FFT bin.
type NoiseFloor struct {
	P  float64    `yaml:"p" doc:"probability"`
	DB [2]float64 `yaml:"db" doc:"how far the noise lies below the loudest cell; dB"`
}

// Doc implements Augmentation.
func (NoiseFloor) Doc() string { return "white noise in the gaps" }

// Check implements Augmentation.
func (a NoiseFloor) Check() error {
	return first(probability("noise_floor", a.P), span("noise_floor", "db", a.DB, 0, maxDB))
}

// Spec implements Spec.
func (a NoiseFloor) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	down := float32(d.between(a.DB)) * d.unit.perDB()
	top := loudest(s.Data)
	k := d.unit.nepers()
	back := 1 / k
	noise := d.memory().floats(s.Frames)
	for b := range s.Bins {
		for rest := noise; len(rest) > 0; rest = rest[min(8, len(rest)):] {
			bits := d.Rand.Uint64() // a byte for each of eight cells
			for t := range rest[:min(8, len(rest))] {
				rest[t] = exponential[bits>>(8*t)&255] * back
			}
		}
		logAdd(s.Row(b), noise, top-down, k)
	}
	return nil
}

// exponential is ln of the middle of each 256th of an exponential distribution
// of mean 1.
var exponential = func() (e [256]float32) {
	for i := range e {
		e[i] = float32(math.Log(-math.Log1p(-(float64(i) + 0.5) / 256)))
	}
	return e
}()
