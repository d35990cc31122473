package augment

import (
	"math"
	"slices"

	"clr/internal/audio"
	"clr/internal/kernel"
)

// A tap says where one value of a resampled row comes from: between from and
// from+1, t of the way.
type tap struct {
	from int32
	t    float32
}

// reads makes room for the taps of n values.
func (m *scratch) reads(n int) []tap {
	if cap(m.taps) < n {
		m.taps = make([]tap, n)
	}
	return m.taps[:n]
}

// tapAt reads a row of width values at a position; beyond the ends the row goes
// on with its last value.
func tapAt(at float64, width int) tap {
	at = min(max(at, 0), float64(width-1))
	from := min(int(at), max(width-2, 0))
	return tap{int32(from), float32(at - float64(from))}
}

// linear makes the taps that read n values at positions start, start+step, ...
// of a row of width values.
func (m *scratch) linear(n, width int, start, step float64) []tap {
	taps := m.reads(n)
	for i := range taps {
		taps[i] = tapAt(start+step*float64(i), width)
	}
	return taps
}

// Stretch makes the sound faster or slower at the same pitch (tempo perturbation,
// Ko et al. 2015, on the spectrogram). It changes the number of frames; the view
// is cut from the result.
type Stretch struct {
	P  float64 `yaml:"p" doc:"probability"`
	By float64 `yaml:"by" doc:"the length is scaled by a factor from 1-by to 1+by"`
}

// Doc implements Augmentation.
func (Stretch) Doc() string { return "faster or slower, same pitch" }

// Check implements Augmentation.
func (a Stretch) Check() error {
	return first(probability("stretch", a.P), in("stretch", "by", a.By, 0, 0.9))
}

// margin is how many frames are needed for each frame that must come out.
func (a Stretch) margin() float64 {
	if a.P == 0 {
		return 1
	}
	return 1 / (1 - a.By)
}

// Spec implements Spec.
func (a Stretch) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	n := max(1, int(math.Round(float64(s.Frames)*(1+d.around(a.By)))))
	if n == s.Frames {
		return nil
	}
	m := d.memory()
	// The middles of the first and last frame stay where they are.
	step := float64(s.Frames-1) / float64(max(n-1, 1))
	m.resample(s, m.linear(n, s.Frames, 0, step))
	return nil
}

// resample reads all rows at the taps.
func (m *scratch) resample(s *audio.Spectrogram, taps []tap) {
	m.next.Resize(s.Bins, len(taps))
	b := 0
	for ; b+1 < s.Bins; b += 2 {
		resampleRows(m.next.Row(b), m.next.Row(b+1), s.Row(b), s.Row(b+1), taps)
	}
	if b < s.Bins {
		resampleRows(m.next.Row(b), m.next.Row(b), s.Row(b), s.Row(b), taps)
	}
	m.swap(s)
}

// resampleRows reads two rows at the taps, together, since much of the work is
// the taps'.
func resampleRows(dst, dst2, src, src2 []float32, taps []tap) {
	if len(src) == 1 {
		fill(dst, src[0])
		fill(dst2, src2[0])
		return
	}
	dst, dst2, src2 = dst[:len(taps)], dst2[:len(taps)], src2[:len(src)]
	for i, p := range taps {
		lo, hi := uint(p.from), uint(p.from)+1
		t, u := p.t, 1-p.t
		if hi >= uint(len(src)) { // never: it spares the checks below
			break
		}
		dst[i] = u*src[lo] + t*src[hi]
		dst2[i] = u*src2[lo] + t*src2[hi]
	}
}

// TimeWarp moves one moment of the window and stretches what lies on both sides
// of it to fit (SpecAugment, Park et al. 2019, section 2: its W is frames). Both
// ends and the number of frames stay.
type TimeWarp struct {
	P      float64 `yaml:"p" doc:"probability"`
	Frames int     `yaml:"frames" doc:"the moment moves by up to ± so many frames, and lies at least so many from both ends; at most half the window"`
}

// Doc implements Augmentation.
func (TimeWarp) Doc() string { return "one part of the window faster, the other slower" }

// Check implements Augmentation.
func (a TimeWarp) Check() error {
	return first(probability("time_warp", a.P), in("time_warp", "frames", float64(a.Frames), 0, 1e6))
}

// Spec implements Spec.
func (a TimeWarp) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	last := float64(s.Frames - 1)
	most := min(float64(a.Frames), last/2)
	source := d.between([2]float64{most, last - most})
	target := source + d.around(most)
	if target == source {
		return nil
	}
	m := d.memory()
	taps := m.reads(s.Frames)
	for t := range taps {
		// Lines from (0, 0) to (target, source) to (last, last).
		to, from := float64(t), 0.0
		if to < target {
			from = to * source / target
		} else {
			from = last - (last-to)*(last-source)/max(last-target, 1e-9)
		}
		taps[t] = tapAt(from, s.Frames)
	}
	m.resample(s, taps)
	return nil
}

// Flip turns time around.
type Flip struct {
	P float64 `yaml:"p" doc:"probability"`
}

// Doc implements Augmentation.
func (Flip) Doc() string { return "window turned around in time" }

// Check implements Augmentation.
func (a Flip) Check() error { return probability("flip", a.P) }

// Spec implements Spec.
func (a Flip) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	for b := range s.Bins {
		slices.Reverse(s.Row(b))
	}
	return nil
}

// MelWarp scales and shifts the frequency axis, as another vocal tract would
// (vocal tract length perturbation, Jaitly & Hinton 2013, with a shift):
// what was at bin b comes to bin b·(1±scale) ± shift·F. Bins that come from
// beyond the axis repeat its end.
type MelWarp struct {
	P     float64 `yaml:"p" doc:"probability"`
	Scale float64 `yaml:"scale" doc:"the axis is scaled by a factor from 1-scale to 1+scale"`
	Shift float64 `yaml:"shift" doc:"and moved by up to ± this part of its length"`
}

// Doc implements Augmentation.
func (MelWarp) Doc() string { return "frequency axis scaled and shifted: another voice" }

// Check implements Augmentation.
func (a MelWarp) Check() error {
	return first(probability("mel_warp", a.P), in("mel_warp", "scale", a.Scale, 0, 0.9), in("mel_warp", "shift", a.Shift, 0, 1))
}

// Spec implements Spec.
func (a MelWarp) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	scale := 1 + d.around(a.Scale)
	shift := d.around(a.Shift) * float64(s.Bins)
	m := d.memory()
	taps := m.linear(s.Bins, s.Bins, -shift/scale, 1/scale)
	m.next.Resize(s.Bins, s.Frames)
	for b, p := range taps {
		lo, hi := s.Row(int(p.from)), s.Row(min(int(p.from)+1, s.Bins-1))
		kernel.Blend(m.next.Row(b), lo, hi, 1-p.t, p.t)
	}
	m.swap(s)
	return nil
}

// Shift moves the frequency axis by whole bins, which blurs nothing (the random
// frequency shift of Fonseca et al. 2021, which lets the bins that leave come
// back at the other end). Bins that come from beyond the axis repeat its end.
type Shift struct {
	P    float64 `yaml:"p" doc:"probability"`
	Bins int     `yaml:"bins" doc:"up to so many bins up or down"`
}

// Doc implements Augmentation.
func (Shift) Doc() string { return "frequency axis shifted by whole bins" }

// Check implements Augmentation.
func (a Shift) Check() error {
	return first(probability("shift", a.P), in("shift", "bins", float64(a.Bins), 0, 1024))
}

// Spec implements Spec.
func (a Shift) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	by := d.Rand.IntN(2*a.Bins+1) - a.Bins
	m := d.memory()
	m.next.Resize(s.Bins, s.Frames)
	for b := range s.Bins {
		copy(m.next.Row(b), s.Row(min(max(b-by, 0), s.Bins-1)))
	}
	m.swap(s)
	return nil
}

// TimeShift rolls the window, as the random time shift of Fonseca et al. 2021:
// what leaves it at one end comes back at the other.
type TimeShift struct {
	P  float64 `yaml:"p" doc:"probability"`
	By float64 `yaml:"by" doc:"up to ± this part of the window"`
}

// Doc implements Augmentation.
func (TimeShift) Doc() string { return "window rolled in time" }

// Check implements Augmentation.
func (a TimeShift) Check() error {
	return first(probability("time_shift", a.P), in("time_shift", "by", a.By, 0, 1))
}

// Spec implements Spec.
func (a TimeShift) Spec(s *audio.Spectrogram, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	by := int(math.Round(d.around(a.By)*float64(s.Frames))) % s.Frames
	if by < 0 {
		by += s.Frames
	}
	old := d.memory().floats(s.Frames)
	for b := range s.Bins {
		row := s.Row(b)
		copy(old, row)
		copy(row[by:], old)
		copy(row[:by], old[s.Frames-by:])
	}
	return nil
}
