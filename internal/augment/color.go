package augment

import (
	"math"

	"clr/internal/audio"
	"clr/internal/kernel"
)

// Color distorts the values as a colour jitter does those of an image (SimCLR,
// Chen et al. 2020, appendix A), as far as that makes sense with one channel, in
// this order: contrast around the window's mean, which is compression and
// expansion as in Fonseca et al. 2021; gamma over the window's range; brightness;
// and tilt, which raises one end of the frequency axis and lowers the other.
// Hue and saturation need three channels. An option of 0 leaves its part out.
type Color struct {
	P          float64 `yaml:"p" doc:"probability"`
	Brightness float64 `yaml:"brightness" doc:"the level moves by up to ± this; dB"`
	Contrast   float64 `yaml:"contrast" doc:"distances from the window's mean are scaled by a factor from 1-contrast to 1+contrast"`
	Gamma      float64 `yaml:"gamma" doc:"the window's range, as 0 to 1, is raised to a power from 1/(1+gamma) to 1+gamma"`
	Tilt       float64 `yaml:"tilt" doc:"from the lowest bin to the highest the level rises by up to ± this; dB"`
}

// Doc implements Augmentation.
func (Color) Doc() string { return "brightness, contrast, gamma and spectral tilt" }

// Check implements Augmentation.
func (a Color) Check() error {
	return first(probability("color", a.P), in("color", "brightness", a.Brightness, 0, maxDB), in("color", "contrast", a.Contrast, 0, 1),
		in("color", "gamma", a.Gamma, 0, 1), in("color", "tilt", a.Tilt, 0, maxDB))
}

func (a Color) needsLog() bool { return a.Brightness > 0 || a.Tilt > 0 }

// Spec implements Spec.
func (a Color) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	contrast := 1 + float32(d.around(a.Contrast))
	power := math.Exp(d.around(math.Log1p(a.Gamma)))
	level := float32(d.around(a.Brightness)) * d.unit.perDB()
	tilt := float32(d.around(a.Tilt)) * d.unit.perDB()
	if a.Contrast > 0 {
		mean := meanOf(s.Data)
		kernel.Rescale(s.Data, s.Data, mean, contrast)
		level += mean // gamma does not mind where the range lies
	}
	if a.Gamma > 0 {
		d.memory().gamma(s.Data, power)
	}
	if level == 0 && tilt == 0 {
		return nil
	}
	for b := range s.Bins {
		at := float32(b)/float32(max(s.Bins-1, 1)) - 0.5 // -1/2 to 1/2
		if s.Bins == 1 {
			at = 0
		}
		raise(s.Row(b), level+tilt*at)
	}
	return nil
}

// gamma raises x to a power of 1/2 to 2 over its range, which stays. It reads
// the curve from a table of its values at squares, since near 0 a root is too
// steep for even steps; that is right to 1e-4 of the range.
func (m *scratch) gamma(x []float32, power float64) {
	lo, hi := least(x), kernel.Max(x)
	width := hi - lo
	if !(width > 0) || width > math.MaxFloat32 { // flat, or not finite
		return
	}
	const n = 256
	table := m.floats(n + 1)
	for i := range table {
		table[i] = lo + width*float32(math.Pow(float64(i)/n, 2*power))
	}
	scale := n * n / width
	for i, v := range x {
		at := float32(math.Sqrt(float64((v - lo) * scale)))
		j := uint(int32(at))
		if j >= n { // the top, which rounding may pass; NaN stays
			if at >= n {
				x[i] = hi
			}
			continue
		}
		y := table[j]
		x[i] = y + (at-float32(int32(j)))*(table[j+1]-y)
	}
}
