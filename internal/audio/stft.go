package audio

import (
	"github.com/mjibson/go-dsp/window"

	"clr/internal/fault"
)

// A stft computes the spectra of a clip's frames, as torch.stft lays them.
// The window stands at the start of the transform instead of its middle:
// that turns phases, which are not kept.
type stft struct {
	fft       *realFFT
	window    []float64 // (win_length)
	size, hop int
	center    bool
	mirror    bool // the clip's ends are mirrored, not padded with zeros
	magnitude bool // rather than power
	frame     []float64
	spectrum  []float64 // (n_fft/2+1)
}

func newSTFT(o LogMel) *stft {
	return &stft{fft: newRealFFT(o.NFFT), size: o.NFFT, hop: o.HopLength, center: o.Center, mirror: o.PadMode == "reflect",
		window:    window.Hann(o.WinLength + 1)[:o.WinLength], // periodic
		magnitude: o.Power == 1,
		frame:     make([]float64, o.WinLength), spectrum: make([]float64, o.NFFT/2+1)}
}

// needs is how many samples the shortest clip has.
func (s *stft) needs() int {
	if s.center {
		return len(s.window)
	}
	return s.size
}

// frames is how many frames a clip has.
func (s *stft) frames(samples int) int {
	if samples < s.needs() {
		return 0
	}
	if s.center {
		samples += s.size / 2 * 2
	}
	return 1 + (samples-s.size)/s.hop
}

// at computes the spectrum of frame t, good until the next call: (n_fft/2+1).
func (s *stft) at(t int, x []float32) []float64 {
	from := t*s.hop + (s.size-len(s.window))/2
	if s.center {
		from -= s.size / 2
	}
	if from >= 0 && from+len(s.window) <= len(x) {
		for i, v := range x[from : from+len(s.window)] {
			s.frame[i] = float64(v) * s.window[i]
		}
	} else {
		for i, w := range s.window {
			s.frame[i] = s.sample(x, from+i) * w
		}
	}
	squares(s.spectrum, s.fft.forward(s.frame))
	if s.magnitude {
		roots(s.spectrum)
	}
	return s.spectrum
}

// sample is sample i of the padded clip.
func (s *stft) sample(x []float32, i int) float64 {
	switch {
	case i >= 0 && i < len(x):
		return float64(x[i])
	case !s.mirror:
		return 0
	}
	return float64(x[mirrored(i, len(x))])
}

// mirrored reflects i into [0, n) without repeating the ends.
func mirrored(i, n int) int {
	if n == 1 {
		return 0
	}
	i %= 2 * (n - 1)
	if i < 0 {
		i += 2 * (n - 1)
	}
	return min(i, 2*(n-1)-i)
}

// fits sees that a clip has a feature's rate, and samples enough for a frame.
func fits(c Clip, rate, needs int) error {
	if c.Rate != rate {
		return fault.New(fault.Data, "read the clip at the features' rate", "the clip is %d Hz, the features are %d Hz", c.Rate, rate)
	}
	if len(c.Samples) < needs {
		return fault.New(fault.Data, "take it out of the manifest, or set shorter windows in feature:",
			"the clip has %d samples, one frame needs %d (at %d Hz)", len(c.Samples), needs, rate)
	}
	return nil
}
