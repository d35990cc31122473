package augment

import (
	"errors"
	"fmt"

	"clr/internal/audio"
	"clr/internal/fault"
)

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
	addScaled(c.Samples[from:from+n], o.Samples[other:], g)
	return nil
}

// Background lays a recording of somewhere else under the clip: a random part
// of a longer one, a shorter one over and over. Its power is measured where it
// sounds, so the ratio is the one drawn. A silent clip stays silent, and a
// silent background changes nothing.
//
// The recordings are no part of the corpus; whatever their manifest says of
// labels and splits counts for nothing. All folds hear them.
type Background struct {
	P        float64    `yaml:"p" doc:"probability"`
	Manifest string     `yaml:"manifest" doc:"manifest of the background recordings, relative to the config file; builtin:fsdd is spoken digits, in the binary"`
	SNR      [2]float64 `yaml:"snr" doc:"how far the background's mean power lies below the clip's; dB"`
}

// Doc implements Augmentation.
func (Background) Doc() string { return "recordings of a manifest under the waveform" }

// Check implements Augmentation.
func (a Background) Check() error {
	if a.Manifest == "" {
		return fault.New(fault.Usage, "name a manifest (a CSV file with the column path), or builtin:fsdd", "background: no manifest is given")
	}
	return first(probability("background", a.P), span("background", "snr", a.SNR, -maxDB, maxDB))
}

// Wave implements Wave.
func (a Background) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) || len(c.Samples) == 0 {
		return nil
	}
	if d.Background == nil {
		return fmt.Errorf("background: %w", errNoBackground)
	}
	snr := d.between(a.SNR)
	b, err := d.Background(a.Manifest)
	if err != nil {
		return fmt.Errorf("background: %w", err)
	}
	if b.Rate != c.Rate {
		return fmt.Errorf("background: the recording is %d Hz, this clip is %d Hz", b.Rate, c.Rate)
	}
	if len(b.Samples) == 0 {
		return nil
	}
	n := len(c.Samples)
	from := d.Rand.IntN(max(len(b.Samples)-n+1, 1))
	if len(b.Samples) < n {
		from = d.Rand.IntN(len(b.Samples)) // wherever in its round
	}
	under := room(&d.memory().wave.other, n)
	for i := 0; i < n; from = 0 {
		i += copy(under[i:], b.Samples[from:])
	}
	if power := rms(under); power > 0 {
		addScaled(c.Samples, under, amplitude(-snr)*(rms(c.Samples)/power))
	}
	return nil
}

// errNoBackground says that there is nobody who reads background recordings.
var errNoBackground = errors.New("there are no background recordings here")
