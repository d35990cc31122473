package augment

import (
	"math"

	"clr/internal/audio"
	"clr/internal/kernel"
)

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

func (NoiseFloor) needsLog() bool { return true }

// Spec implements Spec.
func (a NoiseFloor) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	down := float32(d.between(a.DB)) * d.unit.perDB()
	top := kernel.Max(s.Data)
	k := d.unit.nepers()
	back := 1 / k
	noise := d.memory().floats(len(s.Data)) // (F, T)
	for b := range s.Bins {
		rest := noise[b*s.Frames : (b+1)*s.Frames]
		for ; len(rest) >= 8; rest = rest[8:] {
			bits := d.Rand.Uint64() // a byte for each of eight cells
			n := rest[:8:8]
			n[0], n[1] = exponential[uint8(bits)]*back, exponential[uint8(bits>>8)]*back
			n[2], n[3] = exponential[uint8(bits>>16)]*back, exponential[uint8(bits>>24)]*back
			n[4], n[5] = exponential[uint8(bits>>32)]*back, exponential[uint8(bits>>40)]*back
			n[6], n[7] = exponential[uint8(bits>>48)]*back, exponential[uint8(bits>>56)]*back
		}
		if len(rest) > 0 {
			for t, bits := 0, d.Rand.Uint64(); t < len(rest); t, bits = t+1, bits>>8 {
				rest[t] = exponential[uint8(bits)] * back
			}
		}
	}
	kernel.AddLog(s.Data, noise, top-down, k)
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
