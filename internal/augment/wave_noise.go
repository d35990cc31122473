package augment

import (
	"math"

	"clr/internal/audio"
)

// Noise adds Gaussian noise: white, of equal power in every hertz; pink, in
// every octave (1/f); or brown, 6 dB an octave steeper than white (1/f², from
// 20 Hz up). Its power is measured, so the ratio is the one drawn. A silent
// clip stays silent.
type Noise struct {
	P     float64    `yaml:"p" doc:"probability"`
	SNR   [2]float64 `yaml:"snr" doc:"how far the noise's mean power lies below the clip's; dB"`
	Color string     `yaml:"color" doc:"white, pink, brown, or any: one of the three each time"`
}

var noiseColors = []string{"white", "pink", "brown"}

// Doc implements Augmentation.
func (Noise) Doc() string { return "white, pink or brown noise on the waveform" }

// Check implements Augmentation.
func (a Noise) Check() error {
	return first(probability("noise", a.P), span("noise", "snr", a.SNR, -maxDB, maxDB), oneOf("noise", "color", a.Color, append(noiseColors, "any")...))
}

// Wave implements Wave.
func (a Noise) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	snr, color := d.between(a.SNR), a.Color
	if color == "any" {
		color = noiseColors[d.Rand.IntN(len(noiseColors))]
	}
	noise := room(&d.memory().wave.other, len(c.Samples))
	for i := range noise {
		noise[i] = float32(d.Rand.NormFloat64())
	}
	switch color {
	case "pink":
		pink(noise)
	case "brown":
		brown(noise, c.Rate)
	}
	if power := rms(noise); power > 0 {
		addScaled(c.Samples, noise, amplitude(-snr)*(rms(c.Samples)/power))
	}
	return nil
}

// pink colours white noise: five low-passes of one pole each and two more terms
// that bring the sum within 0.1 dB of 1/f, from 1/5000 of the rate to its half
// (P. Kellet's refined filter, "Pink noise generation", musicdsp.org, 1999).
func pink(x []float32) {
	var s [7]float64
	for i, v := range x {
		w := float64(v)
		s[0] = float64(0.99886*s[0]) + float64(0.0555179*w)
		s[1] = float64(0.99332*s[1]) + float64(0.0750759*w)
		s[2] = float64(0.96900*s[2]) + float64(0.1538520*w)
		s[3] = float64(0.86650*s[3]) + float64(0.3104856*w)
		s[4] = float64(0.55000*s[4]) + float64(0.5329522*w)
		s[5] = float64(-0.7616*s[5]) - float64(0.0168980*w)
		x[i] = float32(s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + float64(0.5362*w))
		s[6] = 0.115926 * w
	}
}

// brownFrom is where brown noise begins to fall, Hz. A walk without such an end
// would spend its power where nobody hears it.
const brownFrom = 20

// brown colours white noise by a leaky sum. Near half the rate it falls less
// than 6 dB an octave: it lies 0.9 dB too high at a quarter of the rate.
func brown(x []float32, rate int) {
	keep := math.Exp(-2 * math.Pi * brownFrom / float64(rate))
	sum := 0.0
	for i, v := range x {
		sum = float64(keep*sum) + float64(v)
		x[i] = float32(sum)
	}
}

// addScaled adds g·y to x.
func addScaled(x, y []float32, g float32) {
	for i, v := range y[:len(x)] {
		x[i] += float32(g * v)
	}
}
