package audio

import (
	"slices"

	"clr/internal/fault"
)

// A Downmix makes one channel of several.
type Downmix string

// Check refuses what is none.
func (m Downmix) Check() error {
	if slices.Contains([]Downmix{"mean", "left", "loudest"}, m) {
		return nil
	}
	return fault.New(fault.Usage, "use mean, left or loudest", "channels is %q", string(m))
}

// width is how many samples of a frame are kept until the clip is whole.
func (m Downmix) width(channels int) int {
	if m == "loudest" {
		return channels
	}
	return 1
}

// add appends what is kept of whole frames.
func (m Downmix) add(dst, frames []float32, channels int) []float32 {
	if m.width(channels) == channels {
		return append(dst, frames...)
	}
	for i := 0; i < len(frames); i += channels {
		v := frames[i]
		if m == "mean" {
			v = mean(frames[i : i+channels])
		}
		dst = append(dst, v)
	}
	return dst
}

func mean(x []float32) float32 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v)
	}
	return float32(sum / float64(len(x)))
}

// finish makes the clip of what was kept of its frames; it may be kept itself.
func (m Downmix) finish(kept []float32, channels int) []float32 {
	if m.width(channels) == 1 {
		return kept
	}
	best, most := 0, -1.0
	for c := range channels {
		sum := 0.0
		for i := c; i < len(kept); i += channels {
			sum += float64(float64(kept[i]) * float64(kept[i]))
		}
		if sum-sum != 0 { // NaN or infinite: it is to be refused, not passed over
			best = c
			break
		}
		if sum > most {
			best, most = c, sum
		}
	}
	out := make([]float32, len(kept)/channels)
	for i := range out {
		out[i] = kept[i*channels+best]
	}
	return out
}
