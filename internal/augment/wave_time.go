package augment

import (
	"math"

	"clr/internal/audio"
)

// WaveShift rolls the clip: what leaves it at one end comes back at the other.
type WaveShift struct {
	P  float64 `yaml:"p" doc:"probability"`
	By float64 `yaml:"by" doc:"up to ± this part of the clip"`
}

// Doc implements Augmentation.
func (WaveShift) Doc() string { return "waveform rolled in time" }

// Check implements Augmentation.
func (a WaveShift) Check() error {
	return first(probability("wave_shift", a.P), in("wave_shift", "by", a.By, 0, 1))
}

// Wave implements Wave.
func (a WaveShift) Wave(c *audio.Clip, d Draw) error {
	n := len(c.Samples)
	if !d.hit(a.P) || n == 0 {
		return nil
	}
	by := (int(math.Round(d.around(a.By)*float64(n))) + n) % n
	old := d.memory().wave.copyOf(c.Samples)
	copy(c.Samples[by:], old)
	copy(c.Samples[:by], old[n-by:])
	return nil
}

// WaveSpeed plays the clip faster or slower, so that tempo and pitch move
// together, as sox speed does (Ko et al. 2015, "Audio augmentation for speech
// recognition"). It resamples by a windowed sinc, to factors of whole
// thousandths. The clip's length is divided by the factor.
type WaveSpeed struct {
	P      float64    `yaml:"p" doc:"probability"`
	Factor [2]float64 `yaml:"factor" doc:"how many times as fast, drawn on a logarithmic axis"`
}

// Doc implements Augmentation.
func (WaveSpeed) Doc() string { return "waveform faster or slower, pitch and all" }

// Check implements Augmentation.
func (a WaveSpeed) Check() error {
	return first(probability("wave_speed", a.P), span("wave_speed", "factor", a.Factor, 0.25, 4))
}

// Wave implements Wave.
func (a WaveSpeed) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	if faster := thousandths(d.logBetween(a.Factor)); faster != thousand {
		c.Samples = resampled(c.Samples, faster)
	}
	return nil
}

// WaveStretch plays the clip faster or slower at the same pitch, by WSOLA (see
// stretched). The clip's length is divided by the factor.
type WaveStretch struct {
	P      float64    `yaml:"p" doc:"probability"`
	Factor [2]float64 `yaml:"factor" doc:"how many times as fast, drawn on a logarithmic axis"`
}

// Doc implements Augmentation.
func (WaveStretch) Doc() string { return "waveform faster or slower, same pitch" }

// Check implements Augmentation.
func (a WaveStretch) Check() error {
	return first(probability("wave_stretch", a.P), span("wave_stretch", "factor", a.Factor, 0.25, 4))
}

// Wave implements Wave.
func (a WaveStretch) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	faster := d.logBetween(a.Factor)
	if n := len(c.Samples); n > 0 {
		c.Samples = stretched(c.Samples, c.Rate, max(1, int(math.Round(float64(n)/faster))))
	}
	return nil
}

// Pitch moves the pitch at the same tempo: the clip is stretched by WSOLA (see
// stretched) and resampled back to its length. All frequencies are multiplied
// alike, formants too.
type Pitch struct {
	P         float64 `yaml:"p" doc:"probability"`
	Semitones float64 `yaml:"semitones" doc:"the pitch moves by up to ± this; semitones"`
}

// Doc implements Augmentation.
func (Pitch) Doc() string { return "pitch of the waveform higher or lower, same tempo" }

// Check implements Augmentation.
func (a Pitch) Check() error {
	return first(probability("pitch", a.P), in("pitch", "semitones", a.Semitones, 0, 24))
}

// Wave implements Wave.
func (a Pitch) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	n, higher := len(c.Samples), thousandths(math.Exp2(d.around(a.Semitones)/12))
	if n == 0 || higher == thousand {
		return nil
	}
	longer := stretched(c.Samples, c.Rate, max(1, int(math.Round(float64(n)*float64(higher)/thousand))))
	copied := copy(c.Samples, resampled(longer, higher))
	clear(c.Samples[copied:]) // a sample at most
	return nil
}

const thousand = 1000

// thousandths is a factor in whole thousandths.
func thousandths(factor float64) int { return int(math.Round(thousand * factor)) }

// resampled is x played so many thousandths as fast.
func resampled(x []float32, faster int) []float32 {
	r := audio.NewResampler(faster, thousand, len(x), audio.Resamplings["torchaudio"])
	out := make([]float32, r.Len(len(x)))
	r.Apply(out, x)
	return out
}
