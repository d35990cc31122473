package augment

import (
	"math"

	"clr/internal/audio"
	"clr/internal/fault"
)

// The filters are chains of biquads by R. Bristow-Johnson's formulas (Audio EQ
// Cookbook, W3C note 2021), which map an analogue filter by the bilinear
// transform so that its cut-off stays where it was. They change phases as an
// analogue filter would, and no lengths.

// LowPass takes the high frequencies away: a Butterworth filter.
type LowPass struct {
	P      float64    `yaml:"p" doc:"probability"`
	Cutoff [2]float64 `yaml:"cutoff" doc:"where 3 dB are lost, drawn on a logarithmic axis; at most 0.49 of the rate; Hz"`
	Order  int        `yaml:"order" doc:"steepness: 2, 4, 6 or 8, each 2 are 12 dB an octave"`
}

// Doc implements Augmentation.
func (LowPass) Doc() string { return "waveform without its high frequencies" }

// Check implements Augmentation.
func (a LowPass) Check() error { return checkPass("low_pass", a.P, a.Cutoff, a.Order) }

// Wave implements Wave.
func (a LowPass) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	butterworth(c, d.logBetween(a.Cutoff), a.Order, lowPass)
	return nil
}

// HighPass takes the low frequencies away: a Butterworth filter.
type HighPass struct {
	P      float64    `yaml:"p" doc:"probability"`
	Cutoff [2]float64 `yaml:"cutoff" doc:"where 3 dB are lost, drawn on a logarithmic axis; at most 0.49 of the rate; Hz"`
	Order  int        `yaml:"order" doc:"steepness: 2, 4, 6 or 8, each 2 are 12 dB an octave"`
}

// Doc implements Augmentation.
func (HighPass) Doc() string { return "waveform without its low frequencies" }

// Check implements Augmentation.
func (a HighPass) Check() error { return checkPass("high_pass", a.P, a.Cutoff, a.Order) }

// Wave implements Wave.
func (a HighPass) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	butterworth(c, d.logBetween(a.Cutoff), a.Order, highPass)
	return nil
}

func checkPass(name string, p float64, cutoff [2]float64, order int) error {
	if err := first(probability(name, p), span(name, "cutoff", cutoff, 10, 192000), in(name, "order", float64(order), 2, 8)); err != nil {
		return err
	}
	if order%2 != 0 {
		return fault.New(fault.Usage, "set order to 2, 4, 6 or 8", "%s: order is %d, it must be even", name, order)
	}
	return nil
}

// BandPass leaves one band, and falls by 6 dB an octave on either side: a
// second-order filter.
type BandPass struct {
	P       float64    `yaml:"p" doc:"probability"`
	Center  [2]float64 `yaml:"center" doc:"middle of the band, which stays as it was, drawn on a logarithmic axis; at most 0.49 of the rate; Hz"`
	Octaves [2]float64 `yaml:"octaves" doc:"width of the band, where 3 dB are lost; octaves"`
}

// Doc implements Augmentation.
func (BandPass) Doc() string { return "one band of the waveform" }

// Check implements Augmentation.
func (a BandPass) Check() error { return checkBand("band_pass", a.P, a.Center, a.Octaves) }

// Wave implements Wave.
func (a BandPass) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	w, alpha := band(c.Rate, d.logBetween(a.Center), d.between(a.Octaves))
	newBiquad(alpha, 0, -alpha, w, alpha).run(c.Samples)
	return nil
}

// Notch takes one band away: a second-order filter.
type Notch struct {
	P       float64    `yaml:"p" doc:"probability"`
	Center  [2]float64 `yaml:"center" doc:"middle of the band, which is lost, drawn on a logarithmic axis; at most 0.49 of the rate; Hz"`
	Octaves [2]float64 `yaml:"octaves" doc:"width of the band, where 3 dB are lost; octaves"`
}

// Doc implements Augmentation.
func (Notch) Doc() string { return "waveform without one band" }

// Check implements Augmentation.
func (a Notch) Check() error { return checkBand("notch", a.P, a.Center, a.Octaves) }

// Wave implements Wave.
func (a Notch) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	w, alpha := band(c.Rate, d.logBetween(a.Center), d.between(a.Octaves))
	newBiquad(1, -2*math.Cos(w), 1, w, alpha).run(c.Samples)
	return nil
}

func checkBand(name string, p float64, center, octaves [2]float64) error {
	return first(probability(name, p), span(name, "center", center, 10, 192000), span(name, "octaves", octaves, 0.01, 10))
}

// highest is the highest frequency that a filter has its edge at, in parts of
// the rate: at a half there is none.
const highest = 0.49

// angle is a frequency in radians a sample.
func angle(rate int, hz float64) float64 { return 2 * math.Pi * min(hz/float64(rate), highest) }

// band is the angle of a band's middle and the cookbook's α of its width, which
// is cut where it would pass half the rate.
func band(rate int, center, octaves float64) (w, alpha float64) {
	w = angle(rate, center)
	return w, math.Sin(w) * math.Sinh(min(math.Ln2/2*octaves*w/math.Sin(w), 30))
}

const (
	lowPass  = 1
	highPass = -1
)

// butterworth is a low-pass or a high-pass as a chain of biquads, whose
// resonances put the poles on a circle.
func butterworth(c *audio.Clip, cutoff float64, order, kind int) {
	w := angle(c.Rate, cutoff)
	sin, cos := math.Sincos(w)
	k := float64(kind)
	for i := range order / 2 {
		q := 1 / (2 * math.Cos(math.Pi*float64(2*i+1)/float64(2*order)))
		newBiquad((1-k*cos)/2, k-cos, (1-k*cos)/2, w, sin/(2*q)).run(c.Samples)
	}
}

// A biquad is y[n] = b0·x[n] + b1·x[n-1] + b2·x[n-2] - a1·y[n-1] - a2·y[n-2].
type biquad struct{ b0, b1, b2, a1, a2 float64 }

// newBiquad has the poles that all of the cookbook's filters used here share.
func newBiquad(b0, b1, b2, w, alpha float64) biquad {
	a0 := 1 + alpha
	return biquad{b0 / a0, b1 / a0, b2 / a0, -2 * math.Cos(w) / a0, (1 - alpha) / a0}
}

// run filters x in place, from silence (direct form II, transposed).
func (f biquad) run(x []float32) {
	var s1, s2 float64
	for i, v := range x {
		in := float64(v)
		out := float64(f.b0*in) + s1
		s1 = float64(f.b1*in) - float64(f.a1*out) + s2
		s2 = float64(f.b2*in) - float64(f.a2*out)
		x[i] = float32(out)
	}
}
