package augment

import (
	"math"

	"clr/internal/audio"
)

// Fade brings the start in and the end out, from and to silence, along one of
// the curves of torchaudio.transforms.Fade.
type Fade struct {
	P       float64 `yaml:"p" doc:"probability of each of the two"`
	Seconds float64 `yaml:"seconds" doc:"length of a fade: 0 to so long, at most the clip; s"`
	Shape   string  `yaml:"shape" doc:"linear, exponential, logarithmic, quarter_sine, half_sine, or any: one of them for each fade"`
}

// fadeShapes are the curves, from 0 at 0 to 1 at 1.
var fadeShapes = map[string]func(x float64) float64{
	"linear":       func(x float64) float64 { return x },
	"exponential":  func(x float64) float64 { return x * math.Exp2(x-1) },
	"logarithmic":  func(x float64) float64 { return min(1, max(0, 1+math.Log10(0.1+x))) },
	"quarter_sine": func(x float64) float64 { return math.Sin(x * math.Pi / 2) },
	"half_sine":    func(x float64) float64 { return 0.5 - 0.5*math.Cos(x*math.Pi) },
}

var fadeNames = []string{"linear", "exponential", "logarithmic", "quarter_sine", "half_sine"}

// Doc implements Augmentation.
func (Fade) Doc() string { return "waveform faded in and out" }

// Check implements Augmentation.
func (a Fade) Check() error {
	return first(probability("fade", a.P), in("fade", "seconds", a.Seconds, 0, 3600), oneOf("fade", "shape", a.Shape, append(fadeNames, "any")...))
}

// Wave implements Wave.
func (a Fade) Wave(c *audio.Clip, d Draw) error {
	for end := range 2 {
		if !d.hit(a.P) {
			continue
		}
		n := min(int(d.Rand.Float64()*a.Seconds*float64(c.Rate)), len(c.Samples))
		shape := a.Shape
		if shape == "any" {
			shape = fadeNames[d.Rand.IntN(len(fadeNames))]
		}
		curve := fadeShapes[shape]
		for i := range n {
			at := i
			if end == 1 {
				at = len(c.Samples) - 1 - i
			}
			c.Samples[at] *= float32(curve(float64(i) / float64(n)))
		}
	}
	return nil
}

// WaveMask silences stretches of the clip, as SpecAugment's time mask does on
// spectrograms (Park et al. 2019). A stretch goes out and comes back within 2 ms,
// for a jump would be a click, which no recording has there.
type WaveMask struct {
	P       float64 `yaml:"p" doc:"probability of each stretch"`
	Seconds float64 `yaml:"seconds" doc:"length of a stretch: 0 to so long; s"`
	Most    float64 `yaml:"most" doc:"and at most this part of the clip"`
	Count   int     `yaml:"count" doc:"how many stretches"`
}

// maskRamp is how long a masked stretch takes to go out, and to come back; s.
const maskRamp = 0.002

// Doc implements Augmentation.
func (WaveMask) Doc() string { return "stretches of the waveform silenced" }

// Check implements Augmentation.
func (a WaveMask) Check() error {
	return first(probability("wave_mask", a.P), in("wave_mask", "seconds", a.Seconds, 0, 3600),
		in("wave_mask", "most", a.Most, 0, 1), in("wave_mask", "count", float64(a.Count), 0, 100))
}

// Wave implements Wave.
func (a WaveMask) Wave(c *audio.Clip, d Draw) error {
	longest := int(min(a.Seconds*float64(c.Rate), a.Most*float64(len(c.Samples))))
	for range a.Count {
		if !d.hit(a.P) {
			continue
		}
		n := d.Rand.IntN(longest + 1)
		from := d.Rand.IntN(len(c.Samples) - n + 1)
		x := c.Samples[from : from+n]
		ramp := min(int(maskRamp*float64(c.Rate)), n/2)
		for i := range ramp {
			g := float32(0.5 + 0.5*math.Cos(math.Pi*(float64(i)+0.5)/float64(ramp)))
			x[i] *= g
			x[n-1-i] *= g
		}
		clear(x[ramp : n-ramp])
	}
	return nil
}
