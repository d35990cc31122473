package augment

import (
	"fmt"
	"math"

	"clr/internal/audio"
	"clr/internal/kernel"
)

// Mix adds another clip under this one: powers add, so logarithms do not.
type Mix struct {
	P   float64    `yaml:"p" doc:"probability"`
	SNR [2]float64 `yaml:"snr" doc:"how far the mean power of the other clip lies below this one's; dB"`
}

// Doc implements Augmentation.
func (Mix) Doc() string { return "another clip of the training part under this one" }

func (Mix) logPower() {}

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
	m := d.memory()
	gain := m.level(s, d.unit) - m.level(&o, d.unit) - snr
	k := d.unit.nepers()
	for b := range s.Bins {
		kernel.AddLog(s.Row(b)[from:from+n], o.Row(b)[other:other+n], gain, k)
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

func (NoiseFloor) logPower() {}

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

// levelFrames is how many frames of a long clip its level is measured at.
const levelFrames = 64

// level is the logarithm of the mean power, over frames spread evenly: 64 to
// 127 of a long clip's.
func (m *scratch) level(s *audio.Spectrogram, u unit) float32 {
	step := max(1, s.Frames/levelFrames)
	x := s.Data
	if step > 1 {
		n := (s.Frames + step - 1) / step
		x = m.floats(s.Bins * n)
		for b := range s.Bins {
			row, part := s.Row(b), x[b*n:(b+1)*n]
			for i := range part {
				part[i] = row[i*step]
			}
		}
	}
	k, top := u.nepers(), kernel.Max(x)
	sum := kernel.SumExp(x, top, k) // at least 1
	return top + float32(math.Log(float64(sum)/float64(len(x))))/k
}
