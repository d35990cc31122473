package audio

import (
	"math"
	"math/cmplx"
	"testing"

	"clr/internal/kernel"
)

func TestSTFTMatchesTorchaudio(t *testing.T) {
	cases := referenceCases(t)
	for _, name := range []string{"audio/stft_power_512", "audio/stft_power_400_nocenter", "audio/stft_magnitude_256"} {
		c := cases[name]
		var p struct {
			NFFT      int `json:"n_fft"`
			WinLength int `json:"win_length"`
			HopLength int `json:"hop_length"`
			Power     float64
			Center    bool
		}
		c.params(t, &p)
		o := STFT{NFFT: p.NFFT, WinLength: p.WinLength, HopLength: p.HopLength, Window: "hann", Center: p.Center, PadMode: "reflect", Value: "power"}
		if p.Power == 1 {
			o.Value = "magnitude"
		}
		s := newSTFT(o)
		x := c.wave(t, 16000).Samples
		bins, frames := p.NFFT/2+1, s.frames(len(x))
		got := make([]float64, bins*frames)
		for i := range frames {
			for b, v := range column(s, i, x) {
				got[b*frames+i] = v
			}
		}
		c.matches(t, "spec", bins, frames, got)
	}
}

// column is the spectrum of one frame.
func column(s *stft, t int, x []float32) []float64 {
	rows := s.block(t/kernel.Lanes*kernel.Lanes, x)
	spectrum := make([]float64, s.bins())
	for k := range spectrum {
		spectrum[k] = float64(rows[k*kernel.Lanes+t%kernel.Lanes])
	}
	return spectrum
}

// number is value k of the spectrum of frame t, as numbers gives it.
func number(s *stft, t, k int, x []float32) complex128 {
	rows := s.numbers(t/kernel.Lanes*kernel.Lanes, x)[2*k*kernel.Lanes+t%kernel.Lanes:]
	return complex(float64(rows[0]), float64(rows[kernel.Lanes]))
}

// Frames hold what the twin, written from the definition, gives.
func TestPadModesAgainstDefinition(t *testing.T) {
	x := make([]float32, 50)
	for i := range x {
		x[i] = float32(math.Sin(float64(i*i) / 7))
	}
	for _, mode := range []string{"reflect", "constant"} {
		for _, size := range []int{16, 20, 31, 64} {
			o := STFT{NFFT: size, WinLength: 10, HopLength: 7, Window: "hann", Center: true, PadMode: mode, Value: "power"}
			s := newSTFT(o)
			for i := range s.frames(len(x)) {
				got := column(s, i, x)
				for k, v := range got {
					var re, im float64
					for j := range size {
						at := i*7 - size/2 + j
						w := 0.0
						if p := j - (size-10)/2; p >= 0 && p < 10 {
							w = 0.5 - 0.5*math.Cos(2*math.Pi*float64(p)/10)
						}
						sample := 0.0
						switch {
						case at >= 0 && at < len(x):
							sample = float64(x[at])
						case mode == "reflect" && at < 0 && -at < len(x):
							sample = float64(x[-at])
						case mode == "reflect" && at >= len(x):
							sample = float64(x[2*(len(x)-1)-at])
						}
						sin, cos := math.Sincos(-2 * math.Pi * float64(j*k) / float64(size))
						re, im = re+w*sample*cos, im+w*sample*sin
					}
					if z := number(s, i, k, x); cmplx.Abs(z-complex(re, im)) > 2e-6 {
						t.Fatalf("%s, size %d: frame %d bin %d is %v, want %v", mode, size, i, k, z, complex(re, im))
					}
					if math.Abs(v-(re*re+im*im)) > 2e-6*(1+re*re+im*im) {
						t.Fatalf("%s, size %d: frame %d bin %d is %v, want %v", mode, size, i, k, v, re*re+im*im)
					}
				}
			}
		}
	}
}
