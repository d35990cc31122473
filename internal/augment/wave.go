package augment

import (
	"math"

	"clr/internal/audio"
)

// Waves applies a chain of augmentations to waveforms. It keeps buffers, so
// each goroutine needs its own.
type Waves struct {
	Chain []Wave // applied in order

	scratch scratch
}

// Apply changes the clip in place. Some augmentations change its length.
func (w *Waves) Apply(c *audio.Clip, d Draw) error {
	d.scratch = &w.scratch
	for _, a := range w.Chain {
		if err := a.Wave(c, d); err != nil {
			return err
		}
	}
	return nil
}

// a waveScratch is what augmentations of the waveform work in.
type waveScratch struct {
	old      []float32 // the clip as it was
	other    []float32 // noise, an impulse response
	block    []float64 // samples of a transform
	filter   []complex128
	fouriers [32]*audio.Fourier // by the logarithm of their size
}

// fourier is a transform of 2^k samples.
func (m *waveScratch) fourier(k int) *audio.Fourier {
	if m.fouriers[k] == nil {
		m.fouriers[k] = audio.NewFourier(1 << k)
	}
	return m.fouriers[k]
}

// copyOf is x, kept aside while x changes.
func (m *waveScratch) copyOf(x []float32) []float32 {
	m.old = append(m.old[:0], x...)
	return m.old
}

// room is memory for n values, not zeroed.
func room[T any](buffer *[]T, n int) []T {
	if cap(*buffer) < n {
		*buffer = make([]T, n)
	}
	return (*buffer)[:n]
}

// WaveGain makes the clip louder or softer. Samples may pass full scale.
type WaveGain struct {
	P  float64 `yaml:"p" doc:"probability"`
	DB float64 `yaml:"db" doc:"the level moves by up to ± this; dB"`
}

// Doc implements Augmentation.
func (WaveGain) Doc() string { return "waveform louder or softer" }

// Check implements Augmentation.
func (a WaveGain) Check() error {
	return first(probability("wave_gain", a.P), in("wave_gain", "db", a.DB, 0, maxDB))
}

// Wave implements Wave.
func (a WaveGain) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	scale(c.Samples, amplitude(d.around(a.DB)))
	return nil
}

// Polarity turns the waveform upside down, which no one can hear.
type Polarity struct {
	P float64 `yaml:"p" doc:"probability"`
}

// Doc implements Augmentation.
func (Polarity) Doc() string { return "waveform upside down" }

// Check implements Augmentation.
func (a Polarity) Check() error { return probability("polarity", a.P) }

// Wave implements Wave.
func (a Polarity) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	scale(c.Samples, -1)
	return nil
}

// amplitude is the factor on samples of a level change in dB.
func amplitude(db float64) float32 { return float32(math.Pow(10, db/20)) }

// scale multiplies x by g.
func scale(x []float32, g float32) {
	for i := range x {
		x[i] *= g
	}
}

// rms is the root of the mean power, 0 for no samples.
func rms(x []float32) float32 {
	if len(x) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range x {
		sum += float64(float64(v) * float64(v))
	}
	return float32(math.Sqrt(sum / float64(len(x))))
}

// peak is the largest magnitude, 0 for no samples.
func peak(x []float32) float32 {
	top := float32(0)
	for _, v := range x {
		top = max(top, v, -v)
	}
	return top
}

// level gives x the root mean power r, where it has any.
func level(x []float32, r float32) {
	if now := rms(x); now > 0 {
		scale(x, r/now)
	}
}
