package audio

import (
	"clr/internal/fault"
	"clr/internal/kernel"
)

// A stft computes the spectra of a clip's frames, as torch.stft lays them,
// sixteen frames at a time.
type stft struct {
	spectra
	hop       int
	center    bool
	mirror    bool        // the clip's ends are mirrored, not padded with zeros
	least     int         // samples of the shortest clip, where padding may fill the rest of a window
	magnitude bool        // rather than power
	turns     []complex64 // (n_fft/2+1), once somebody asks for numbers
}

func newSTFT(o STFT) *stft {
	return &stft{spectra: newSpectra(periodic(o.Window, o.WinLength), o.NFFT), hop: o.HopLength, center: o.Center,
		mirror: o.PadMode == "reflect", magnitude: o.Value == "magnitude"}
}

// needs is how many samples the shortest clip has.
func (s *stft) needs() int {
	switch {
	case s.least > 0:
		return s.least
	case s.center:
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

// block computes the spectra of frames t to t+15, power or magnitude, good until
// the next call: (n_fft/2+1)[16]. Frames beyond the last are of zeros.
func (s *stft) block(t int, x []float32) []float32 {
	power := s.power(s.cut(t, x))
	if s.magnitude {
		kernel.Sqrt(power)
	}
	return power
}

// numbers computes the spectra themselves of the same frames, real and imaginary
// parts, good until the next call: (n_fft/2+1)[2][16].
func (s *stft) numbers(t int, x []float32) []float32 {
	pairs := s.spectra.numbers(s.cut(t, x))
	if s.turns == nil {
		for k := range s.bins() {
			s.turns = append(s.turns, complex64(root(k*((s.size-len(s.window))/2)%s.size, s.size)))
		}
	}
	for k, w := range s.turns[1:] { // the window comes to the middle of the transform
		row := pairs[2*(k+1)*kernel.Lanes:][:2*kernel.Lanes]
		for l, re := range row[:kernel.Lanes] {
			im := row[kernel.Lanes+l]
			row[l] = float32(re*real(w)) - float32(im*imag(w))
			row[kernel.Lanes+l] = float32(re*imag(w)) + float32(im*real(w))
		}
	}
	return pairs
}

// cut gives the samples of frames t to t+15 for spectra, stride apart: the
// clip's own where it holds them all.
func (s *stft) cut(t int, x []float32) (frames []float32, stride int) {
	from := t*s.hop + (s.size-len(s.window))/2
	if s.center {
		from -= s.size / 2
	}
	if from >= 0 && len(x)-from >= (kernel.Lanes-1)*s.hop+s.width() {
		return x[from:], s.hop
	}
	last := s.frames(len(x))
	for i := range kernel.Lanes {
		frame, at := s.frame(i), from+i*s.hop
		switch {
		case t+i >= last:
			clear(frame)
		case at >= 0 && at+len(frame) <= len(x):
			copy(frame, x[at:])
		default:
			for j := range frame {
				frame[j] = s.sample(x, at+j)
			}
		}
	}
	return s.cuts()
}

// sample is sample i of the padded clip.
func (s *stft) sample(x []float32, i int) float32 {
	switch {
	case i >= 0 && i < len(x):
		return x[i]
	case !s.mirror:
		return 0
	}
	return x[mirrored(i, len(x))]
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

// valuesLimit bounds the spectrogram of a clip to 1 GiB, as maxSamples does the clip.
const valuesLimit = maxSamples

// ready makes room in dst for the spectrogram of a clip, which has to fit and to
// have needs samples.
func ready(dst *Spectrogram, f interface {
	Shape(samples int) (bins, frames int)
}, c Clip, rate, needs int) error {
	if err := fits(c, rate, needs); err != nil {
		return err
	}
	bins, frames := f.Shape(len(c.Samples))
	if bins > valuesLimit/frames {
		return fault.New(fault.Data, "cut it into windows:, or set a longer hop in feature:",
			"the clip has %d samples, which make %d frames of %d bins; a spectrogram has %d values at most", len(c.Samples), frames, bins, valuesLimit)
	}
	dst.Resize(bins, frames)
	return nil
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
