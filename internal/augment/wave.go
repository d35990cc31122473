package augment

import (
	"fmt"
	"math"

	"clr/internal/audio"
)

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
	g := amplitude(d.around(a.DB))
	for i := range c.Samples {
		c.Samples[i] *= g
	}
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
	for i := range c.Samples {
		c.Samples[i] = -c.Samples[i]
	}
	return nil
}

// Noise adds white Gaussian noise. A silent clip stays silent.
type Noise struct {
	P   float64    `yaml:"p" doc:"probability"`
	SNR [2]float64 `yaml:"snr" doc:"how far the noise's mean power lies below the clip's; dB"`
}

// Doc implements Augmentation.
func (Noise) Doc() string { return "white noise on the waveform" }

// Check implements Augmentation.
func (a Noise) Check() error {
	return first(probability("noise", a.P), span("noise", "snr", a.SNR, -maxDB, maxDB))
}

// Wave implements Wave.
func (a Noise) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	g := amplitude(-d.between(a.SNR)) * rms(c.Samples)
	for i := range c.Samples {
		c.Samples[i] += g * float32(d.Rand.NormFloat64())
	}
	return nil
}

// Fade brings the start in and the end out in a line from and to silence.
type Fade struct {
	P       float64 `yaml:"p" doc:"probability of each of the two"`
	Seconds float64 `yaml:"seconds" doc:"length of a fade: 0 to so long, at most the clip; s"`
}

// Doc implements Augmentation.
func (Fade) Doc() string { return "waveform faded in and out" }

// Check implements Augmentation.
func (a Fade) Check() error {
	return first(probability("fade", a.P), in("fade", "seconds", a.Seconds, 0, 3600))
}

// Wave implements Wave.
func (a Fade) Wave(c *audio.Clip, d Draw) error {
	for end := range 2 {
		if !d.hit(a.P) {
			continue
		}
		n := min(int(d.Rand.Float64()*a.Seconds*float64(c.Rate)), len(c.Samples))
		for i := range n {
			at := i
			if end == 1 {
				at = len(c.Samples) - 1 - i
			}
			c.Samples[at] *= float32(i) / float32(n)
		}
	}
	return nil
}

// WaveMix adds another clip under this one. A silent clip stays silent, and a
// silent other changes nothing.
type WaveMix struct {
	P   float64    `yaml:"p" doc:"probability"`
	SNR [2]float64 `yaml:"snr" doc:"how far the mean power of the other clip lies below this one's; dB"`
}

// Doc implements Augmentation.
func (WaveMix) Doc() string { return "another clip's waveform under this one" }

// Check implements Augmentation.
func (a WaveMix) Check() error {
	return first(probability("wave_mix", a.P), span("wave_mix", "snr", a.SNR, -maxDB, maxDB))
}

// Wave implements Wave.
func (a WaveMix) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	if d.OtherWave == nil {
		return fmt.Errorf("wave_mix: %w", errNoOther)
	}
	snr := d.between(a.SNR)
	o, err := d.OtherWave()
	if err != nil {
		return fmt.Errorf("wave_mix: %w", err)
	}
	if o.Rate != c.Rate {
		return fmt.Errorf("wave_mix: the other clip is %d Hz, this one is %d Hz", o.Rate, c.Rate)
	}
	power := rms(o.Samples)
	if power == 0 {
		return nil
	}
	g := amplitude(-snr) * rms(c.Samples) / power
	n := min(len(c.Samples), len(o.Samples))
	from, other := d.Rand.IntN(len(c.Samples)-n+1), d.Rand.IntN(len(o.Samples)-n+1)
	for i, v := range o.Samples[other : other+n] {
		c.Samples[from+i] += g * v
	}
	return nil
}

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
	old := append([]float32(nil), c.Samples...)
	copy(c.Samples[by:], old)
	copy(c.Samples[:by], old[n-by:])
	return nil
}

// amplitude is the factor on samples of a level change in dB.
func amplitude(db float64) float32 { return float32(math.Pow(10, db/20)) }

// rms is the root of the mean power, 0 for no samples.
func rms(x []float32) float32 {
	if len(x) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return float32(math.Sqrt(sum / float64(len(x))))
}
