package augment

import (
	"math"

	"clr/internal/audio"
)

// TimeMask wipes spans of frames (SpecAugment, Park et al. 2019, section 2: its
// T is frames, its p is most, its m_T is count).
type TimeMask struct {
	P      float64 `yaml:"p" doc:"probability of each span"`
	Frames int     `yaml:"frames" doc:"length of a span: 0 to so many frames"`
	Most   float64 `yaml:"most" doc:"and at most this part of the window"`
	Count  int     `yaml:"count" doc:"how many spans"`
	Fill   string  `yaml:"fill" doc:"what is there instead: mean (each bin's over the window), min (the window's least) or noise (Gaussian, of the window's mean and deviation)"`
}

// Doc implements Augmentation.
func (TimeMask) Doc() string { return "spans of frames wiped out" }

// Check implements Augmentation.
func (a TimeMask) Check() error {
	return first(probability("time_mask", a.P), in("time_mask", "frames", float64(a.Frames), 0, 1e6), in("time_mask", "most", a.Most, 0, 1),
		in("time_mask", "count", float64(a.Count), 0, 100), oneOf("time_mask", "fill", a.Fill, fills...))
}

// Spec implements Spec.
func (a TimeMask) Spec(s *audio.Spectrogram, d Draw) error {
	w := wipe{s: s, fill: a.Fill, d: d}
	for range a.Count {
		if !d.hit(a.P) {
			continue
		}
		from, to := spanIn(s.Frames, a.Frames, a.Most, d)
		w.box(0, s.Bins, from, to)
	}
	return nil
}

// FreqMask wipes bands of bins (SpecAugment, Park et al. 2019, section 2: its F
// is bins, its m_F is count).
type FreqMask struct {
	P     float64 `yaml:"p" doc:"probability of each band"`
	Bins  int     `yaml:"bins" doc:"width of a band: 0 to so many bins"`
	Most  float64 `yaml:"most" doc:"and at most this part of them"`
	Count int     `yaml:"count" doc:"how many bands"`
	Fill  string  `yaml:"fill" doc:"what is there instead: mean (the window's), min (the window's least) or noise (Gaussian, of the window's mean and deviation)"`
}

// Doc implements Augmentation.
func (FreqMask) Doc() string { return "bands of bins wiped out" }

// Check implements Augmentation.
func (a FreqMask) Check() error {
	return first(probability("freq_mask", a.P), in("freq_mask", "bins", float64(a.Bins), 0, 1e6), in("freq_mask", "most", a.Most, 0, 1),
		in("freq_mask", "count", float64(a.Count), 0, 100), oneOf("freq_mask", "fill", a.Fill, fills...))
}

// Spec implements Spec.
func (a FreqMask) Spec(s *audio.Spectrogram, d Draw) error {
	w := wipe{s: s, fill: a.Fill, d: d}
	for range a.Count {
		if !d.hit(a.P) {
			continue
		}
		from, to := spanIn(s.Bins, a.Bins, a.Most, d)
		w.box(from, to, 0, s.Frames)
	}
	return nil
}

// spanIn draws a span of 0 to so many of n cells, but never more than a part of
// them: a clip much shorter than the view would be wiped out.
func spanIn(n, width int, most float64, d Draw) (from, to int) {
	width = d.Rand.IntN(min(width, int(float64(n)*most)) + 1)
	from = d.Rand.IntN(n - width + 1)
	return from, from + width
}

// Erase wipes rectangles (random erasing, Zhong et al. 2020, algorithm 1). Area
// and aspect are in parts of the window, so that an aspect of 1 is as tall as it
// is long, whatever the numbers of bins and frames. The aspect is drawn from
// those at which the rectangle fits, where the paper draws until it does, and
// evenly in its logarithm, so that tall ones are as frequent as long ones.
type Erase struct {
	P      float64    `yaml:"p" doc:"probability of each rectangle"`
	Area   [2]float64 `yaml:"area" doc:"its area, in parts of the window"`
	Aspect [2]float64 `yaml:"aspect" doc:"its height over its length, both in parts of the window"`
	Count  int        `yaml:"count" doc:"how many rectangles"`
	Fill   string     `yaml:"fill" doc:"what is there instead: mean (each bin's over the window), min (the window's least) or noise (Gaussian, of the window's mean and deviation)"`
}

// Doc implements Augmentation.
func (Erase) Doc() string { return "rectangles wiped out" }

// Check implements Augmentation.
func (a Erase) Check() error {
	return first(probability("erase", a.P), span("erase", "area", a.Area, 0, 1), span("erase", "aspect", a.Aspect, 0.01, 100),
		in("erase", "count", float64(a.Count), 0, 100), oneOf("erase", "fill", a.Fill, fills...))
}

// Spec implements Spec.
func (a Erase) Spec(s *audio.Spectrogram, d Draw) error {
	w := wipe{s: s, fill: a.Fill, d: d}
	for range a.Count {
		if !d.hit(a.P) {
			continue
		}
		height, length := a.sides(d)
		bins := min(int(math.Round(height*float64(s.Bins))), s.Bins)
		frames := min(int(math.Round(length*float64(s.Frames))), s.Frames)
		top, left := d.Rand.IntN(s.Bins-bins+1), d.Rand.IntN(s.Frames-frames+1)
		w.box(top, top+bins, left, left+frames)
	}
	return nil
}

// sides draws a rectangle's height and length, in those of the window.
func (a Erase) sides(d Draw) (height, length float64) {
	area := d.between(a.Area)
	// area·aspect and area/aspect are the squares of the sides: at most 1.
	lo, hi := min(max(a.Aspect[0], area), 1/area), min(max(a.Aspect[1], area), 1/area)
	aspect := math.Exp(d.between([2]float64{math.Log(lo), math.Log(hi)}))
	return math.Sqrt(area * aspect), math.Sqrt(area / aspect)
}
