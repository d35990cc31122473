package augment

import (
	"math"

	"clr/internal/audio"
	"clr/internal/kernel"
)

// Blur smooths over bins, frames or both, by a Gaussian (SimCLR, Chen et al.
// 2020, appendix A) or by a plain mean over a random width, as the random blur
// of Fonseca et al. 2021 comes to.
type Blur struct {
	P      float64    `yaml:"p" doc:"probability"`
	Sigma  [2]float64 `yaml:"sigma" doc:"standard deviation of the weights; bins and frames"`
	Axis   string     `yaml:"axis" doc:"what is smoothed over: time, freq or both"`
	Kernel string     `yaml:"kernel" doc:"gaussian, or box: equal weights over a span that has the same deviation"`
}

// Doc implements Augmentation.
func (Blur) Doc() string { return "blur over bins, frames or both" }

// Check implements Augmentation.
func (a Blur) Check() error {
	return first(probability("blur", a.P), span("blur", "sigma", a.Sigma, 0, 20),
		oneOf("blur", "axis", a.Axis, "time", "freq", "both"), oneOf("blur", "kernel", a.Kernel, "gaussian", "box"))
}

// Spec implements Spec.
func (a Blur) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	sigma := d.between(a.Sigma)
	radius := int(math.Ceil(2.5 * sigma)) // 99 % of a Gaussian's weight
	ends := 0.0                           // of a box: what the outermost cells weigh
	if a.Kernel == "box" {
		// 2k+1 cells deviate by √(k(k+1)/3): the most of them that do so by less than
		// sigma, and as much of one more on both sides as it takes.
		k := math.Floor((math.Sqrt(12*sigma*sigma+1) - 1) / 2)
		ends = (2*k + 1) * (sigma*sigma - k*(k+1)/3) / 2 / ((k+1)*(k+1) - sigma*sigma)
		radius = int(k) + 1
	}
	if sigma == 0 {
		return nil
	}
	m := d.memory()
	memory := m.floats(1 + radius + 2*radius + s.Frames)
	weights, wide := memory[:1+radius], memory[1+radius:] // of the middle, its neighbours, ...; a row with its ends repeated
	sum := float32(0)
	for i := range weights {
		switch x := float64(i) / max(sigma, 1e-3); {
		case a.Kernel != "box":
			weights[i] = float32(math.Exp(-x * x / 2))
		case i < radius:
			weights[i] = 1
		default:
			weights[i] = float32(ends)
		}
		sum += weights[i]
	}
	sum += sum - weights[0]
	for i := range weights {
		weights[i] /= sum
	}
	if a.Axis != "freq" {
		m.next.Resize(s.Bins, s.Frames)
		for b := range s.Bins {
			src, dst := s.Row(b), m.next.Row(b)
			fill(wide[:radius], src[0])
			copy(wide[radius:], src)
			fill(wide[radius+len(src):], src[len(src)-1])
			kernel.Rescale(dst, src, 0, weights[0])
			for i := 1; i <= radius; i++ {
				kernel.AddPair(dst, wide[radius-i:], wide[radius+i:], weights[i])
			}
		}
		m.swap(s)
	}
	if a.Axis != "time" {
		m.next.Resize(s.Bins, s.Frames)
		for b := range s.Bins {
			dst := m.next.Row(b)
			kernel.Rescale(dst, s.Row(b), 0, weights[0])
			for i := 1; i <= radius; i++ {
				kernel.AddPair(dst, s.Row(max(b-i, 0)), s.Row(min(b+i, s.Bins-1)), weights[i])
			}
		}
		m.swap(s)
	}
	return nil
}
