package augment

import (
	"math"

	"clr/internal/audio"
)

// FreqShift adds the same number of hertz to all frequencies, which makes
// harmonic sounds inharmonic (Bode & Moog 1972, "A high-accuracy frequency
// shifter for professional audio applications"): the signal without its negative
// frequencies, of which a Hilbert transformer makes the imaginary part, is turned
// by exp(2πi·shift·t). What would pass 0 or half the rate comes back from there,
// and the lowest hundredth of the rate keeps a trace of the other side.
type FreqShift struct {
	P  float64 `yaml:"p" doc:"probability"`
	Hz float64 `yaml:"hz" doc:"up to ± this; Hz"`
}

// hilbertHalf is how many samples the Hilbert transformer sees to each side.
const hilbertHalf = 255

// hilbert is an ideal Hilbert transformer, 2/πk for odd k, under Blackman's window.
var hilbert = func() []float32 {
	h := make([]float32, 2*hilbertHalf+1)
	for k := -hilbertHalf; k <= hilbertHalf; k += 2 { // the ends are odd
		x := math.Pi * float64(k) / (hilbertHalf + 1)
		h[k+hilbertHalf] = float32((0.42 + 0.5*math.Cos(x) + 0.08*math.Cos(2*x)) * 2 / (math.Pi * float64(k)))
	}
	return h
}()

// Doc implements Augmentation.
func (FreqShift) Doc() string { return "all frequencies of the waveform moved by as many hertz" }

// Check implements Augmentation.
func (a FreqShift) Check() error {
	return first(probability("freq_shift", a.P), in("freq_shift", "hz", a.Hz, 0, 192000))
}

// Wave implements Wave.
func (a FreqShift) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	turn := d.around(a.Hz) / float64(c.Rate)
	if turn == 0 {
		return nil
	}
	m := &d.memory().wave
	imaginary := room(&m.other, len(c.Samples))
	m.convolve(imaginary, c.Samples, hilbert, hilbertHalf)
	for i, v := range imaginary {
		at := turn * float64(i)
		sin, cos := math.Sincos(2 * math.Pi * (at - math.Floor(at))) // so that a long clip stays exact
		c.Samples[i] = float32(float64(float64(c.Samples[i])*cos) - float64(float64(v)*sin))
	}
	return nil
}
