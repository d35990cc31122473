package augment

import (
	"math"

	"clr/internal/audio"
)

// Reverb puts the clip into a room that is made up: the sound itself, then a
// few early reflections at random times, then noise that dies away
// exponentially (Polack's model of 1988 of what Schroeder described in 1962,
// "Natural sounding artificial reverberation"). Reflections and noise have one
// envelope, 10^(-3t/rt60), so the room's decay is straight from the start. The
// clip keeps its length and its mean power.
type Reverb struct {
	P      float64    `yaml:"p" doc:"probability"`
	RT60   [2]float64 `yaml:"rt60" doc:"time in which the room's sound falls by 60 dB, drawn on a logarithmic axis; s"`
	Direct [2]float64 `yaml:"direct" doc:"how far the direct sound's power lies above that of the room; dB"`
	Early  int        `yaml:"early" doc:"how many early reflections"`
}

const (
	reverbGap  = 0.002 // of the first reflection: 70 cm on the way; s
	reverbLate = 0.05  // where reflections are too many to be heard one by one; s
)

// Doc implements Augmentation.
func (Reverb) Doc() string { return "waveform in a made-up room" }

// Check implements Augmentation.
func (a Reverb) Check() error {
	return first(probability("reverb", a.P), span("reverb", "rt60", a.RT60, 0.01, 20), span("reverb", "direct", a.Direct, -maxDB, maxDB),
		in("reverb", "early", float64(a.Early), 0, 1000))
}

// Wave implements Wave.
func (a Reverb) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	rt60, direct := d.logBetween(a.RT60), d.between(a.Direct)
	m := &d.memory().wave
	h := a.response(room(&m.other, int(rt60*float64(c.Rate))), c.Rate, rt60, d)
	power := rms(h) * float32(math.Sqrt(float64(len(h))))
	if power == 0 || len(c.Samples) == 0 {
		return nil
	}
	before, old := rms(c.Samples), m.copyOf(c.Samples)
	m.convolve(c.Samples, old, h[:min(len(h), len(old))], 0)
	g := amplitude(-direct) / power
	for i, v := range old {
		c.Samples[i] = v + float32(g*c.Samples[i])
	}
	level(c.Samples, before)
	return nil
}

// response makes the room's answer without the direct sound.
func (a Reverb) response(h []float32, rate int, rt60 float64, d Draw) []float32 {
	fall := func(t float64) float64 { return math.Pow(10, -3*t/rt60) }
	clear(h)
	// The early ones together have the power of noise in their place.
	each := math.Sqrt((reverbLate - reverbGap) * float64(rate) / float64(max(a.Early, 1)))
	for range a.Early {
		t := reverbGap + d.Rand.Float64()*(reverbLate-reverbGap)
		if d.Rand.Uint64()&1 == 0 {
			each = -each
		}
		if i := int(t * float64(rate)); i < len(h) {
			h[i] += float32(each * fall(t))
		}
	}
	step, late := fall(1/float64(rate)), int(reverbLate*float64(rate))
	g := fall(float64(late) / float64(rate))
	for i := late; i < len(h); i++ {
		h[i] += float32(g * d.Rand.NormFloat64())
		g *= step
	}
	return h
}

// Delay adds echoes at equal distances, each weaker than the one before. The
// clip keeps its length.
type Delay struct {
	P        float64    `yaml:"p" doc:"probability"`
	Seconds  [2]float64 `yaml:"seconds" doc:"time from one echo to the next; s"`
	DB       [2]float64 `yaml:"db" doc:"how far the first echo lies below the sound; dB"`
	Feedback [2]float64 `yaml:"feedback" doc:"each further echo in parts of the one before; 0 is a single echo"`
}

// Doc implements Augmentation.
func (Delay) Doc() string { return "echoes of the waveform" }

// Check implements Augmentation.
func (a Delay) Check() error {
	return first(probability("delay", a.P), span("delay", "seconds", a.Seconds, 0, 3600), span("delay", "db", a.DB, 0, maxDB),
		span("delay", "feedback", a.Feedback, 0, 0.95))
}

// Wave implements Wave.
func (a Delay) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	late := int(math.Round(d.between(a.Seconds) * float64(c.Rate)))
	g, again := amplitude(-d.between(a.DB)), float32(d.between(a.Feedback))
	if late < 1 { // no echo, but the sound again
		return nil
	}
	echo := room(&d.memory().wave.other, len(c.Samples)) // of full strength
	for i := range echo {
		echo[i] = 0
		if i >= late {
			echo[i] = c.Samples[i-late] + float32(again*echo[i-late])
		}
	}
	addScaled(c.Samples, echo, g)
	return nil
}
