package augment

import (
	"math"

	"clr/internal/audio"
	"clr/internal/kernel"
)

// TimeMask wipes spans of frames (SpecAugment, Park et al. 2019): there, each
// bin takes its mean over the window.
type TimeMask struct {
	P      float64 `yaml:"p" doc:"probability of each span"`
	Frames int     `yaml:"frames" doc:"length of a span: 0 to so many frames, at most half the window"`
	Count  int     `yaml:"count" doc:"how many spans"`
}

// Doc implements Augmentation.
func (TimeMask) Doc() string { return "spans of frames wiped out" }

// Check implements Augmentation.
func (a TimeMask) Check() error {
	return first(probability("time_mask", a.P), in("time_mask", "frames", float64(a.Frames), 0, 1e6), in("time_mask", "count", float64(a.Count), 0, 100))
}

// Spec implements Spec.
func (a TimeMask) Spec(s *audio.Spectrogram, d Draw) error {
	for range a.Count {
		if !d.hit(a.P) {
			continue
		}
		from, to := spanIn(s.Frames, a.Frames, d)
		if from == to {
			continue
		}
		for b := range s.Bins {
			row := s.Row(b)
			fill(row[from:to], meanOf(row))
		}
	}
	return nil
}

// FreqMask wipes bands of bins (SpecAugment): there, all takes the window's
// mean.
type FreqMask struct {
	P     float64 `yaml:"p" doc:"probability of each band"`
	Bins  int     `yaml:"bins" doc:"width of a band: 0 to so many bins, at most half of them"`
	Count int     `yaml:"count" doc:"how many bands"`
}

// Doc implements Augmentation.
func (FreqMask) Doc() string { return "bands of bins wiped out" }

// Check implements Augmentation.
func (a FreqMask) Check() error {
	return first(probability("freq_mask", a.P), in("freq_mask", "bins", float64(a.Bins), 0, 1e6), in("freq_mask", "count", float64(a.Count), 0, 100))
}

// Spec implements Spec.
func (a FreqMask) Spec(s *audio.Spectrogram, d Draw) error {
	for range a.Count {
		if !d.hit(a.P) {
			continue
		}
		from, to := spanIn(s.Bins, a.Bins, d)
		if from == to {
			continue
		}
		mean := meanOf(s.Data)
		fill(s.Data[from*s.Frames:to*s.Frames], mean)
	}
	return nil
}

// spanIn draws a span of 0 to most of n cells, but never more than half of
// them: a clip much shorter than the view would be wiped out.
func spanIn(n, most int, d Draw) (from, to int) {
	width := d.Rand.IntN(min(most, n/2) + 1)
	from = d.Rand.IntN(n - width + 1)
	return from, from + width
}

// Blur smooths over bins and frames with a Gaussian.
type Blur struct {
	P     float64    `yaml:"p" doc:"probability"`
	Sigma [2]float64 `yaml:"sigma" doc:"its standard deviation; bins and frames"`
}

// Doc implements Augmentation.
func (Blur) Doc() string { return "Gaussian blur over bins and frames" }

// Check implements Augmentation.
func (a Blur) Check() error {
	return first(probability("blur", a.P), span("blur", "sigma", a.Sigma, 0, 20))
}

// Spec implements Spec.
func (a Blur) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	sigma := d.between(a.Sigma)
	radius := int(math.Ceil(2.5 * sigma)) // 99 % of its weight
	if radius == 0 {
		return nil
	}
	m := d.memory()
	m.next.Resize(s.Bins, s.Frames)
	memory := m.floats(1 + radius + 2*radius + s.Frames)
	weights, wide := memory[:1+radius], memory[1+radius:] // of the middle, its neighbours, ...; a row with its ends repeated
	sum := float32(0)
	for i := range weights {
		x := float64(i) / max(sigma, 1e-3)
		weights[i] = float32(math.Exp(-x * x / 2))
		sum += weights[i]
	}
	sum += sum - weights[0]
	for i := range weights {
		weights[i] /= sum
	}
	// Along time into next, then along frequency back.
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
	for b := range s.Bins {
		dst := s.Row(b)
		kernel.Rescale(dst, m.next.Row(b), 0, weights[0])
		for i := 1; i <= radius; i++ {
			kernel.AddPair(dst, m.next.Row(max(b-i, 0)), m.next.Row(min(b+i, s.Bins-1)), weights[i])
		}
	}
	return nil
}
