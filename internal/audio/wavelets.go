package audio

import (
	"math"

	"clr/internal/kernel"
)

// wavelets are the filters of a constant-Q transform. A filter's sum over the
// clip's samples is, by Parseval, one over the spectrum of samples and filter,
// and the filter's spectrum is narrow: few products a value. Filters of about
// the same length share transforms, which are as short as the longest of them
// lets them be, an octave each.
type wavelets struct {
	rate, bins int
	octaves    []octave
}

// An octave is the filters from bin first on.
type octave struct {
	*stft
	first, count int
	filters      bank      // (2·count) real and imaginary parts, of the bins' (2·(size/2+1))
	sums         []float32 // (2·count)[16]
}

// spectrumLoss is the share of a filter's energy that may be missing in the
// part of its spectrum that is kept: it makes 1e-7 of white noise's magnitude.
const spectrumLoss = 1e-14

func newWavelets(o CQT, gamma float64, rate int) *wavelets {
	f := &wavelets{rate: rate, bins: o.NBins}
	least := int(math.Ceil(o.wavelet(o.NBins-1, gamma, rate).length))
	for first := 0; first < o.NBins; {
		longest := o.wavelet(first, gamma, rate).length
		count := 1
		for first+count < o.NBins && o.wavelet(first+count, gamma, rate).length > longest/2 {
			count++
		}
		size := transformSize(int(math.Ceil(longest)))
		g := octave{first: first, count: count, sums: make([]float32, 2*count*kernel.Lanes), stft: newSTFT(STFT{
			NFFT: size, WinLength: size, HopLength: o.HopLength, Window: "rectangular", Center: true, PadMode: o.PadMode})}
		g.least = least
		var from []int
		var weights [][]float64
		fft := newRealFFT(size)
		for k := range count {
			at, re, im := o.spectrum(o.wavelet(first+k, gamma, rate), rate, fft)
			from, weights = append(from, at, at), append(weights, re, im)
		}
		g.filters = newBank(2*count, from, weights)
		f.octaves = append(f.octaves, g)
		first += count
	}
	return f
}

// transformSize is the smallest even transform of at least n samples that is
// fast.
func transformSize(n int) int {
	for size := max(64, (n+15)/16*16); size <= 2*n+64; size += 16 {
		if kernel.FFTSize(size) {
			return size
		}
	}
	size := 64
	for size < n {
		size *= 2
	}
	return size
}

// spectrum makes the weights of the rows from row first on, real and imaginary
// parts of a spectrum in turns, whose sums are real and imaginary part of the
// filter's answer to the frame. The filter stands in the middle of the frame.
func (o CQT) spectrum(w wavelet, rate int, fft *realFFT) (first int, re, im []float64) {
	n := fft.n
	from := int(math.Floor(-w.length / 2))
	window := periodic(o.Window, int(math.Floor(w.length/2))-from)
	gain := 0.0
	for _, v := range window {
		gain += math.Abs(v)
	}
	gain = w.length / gain
	if o.Scale {
		gain /= math.Sqrt(w.length)
	}
	cos, sin := make([]float64, n), make([]float64, n)
	for i, v := range window {
		s, c := math.Sincos(2 * math.Pi * w.hz * float64(from+i) / float64(rate))
		cos[n/2+from+i], sin[n/2+from+i] = gain*v*c, -gain*v*s
	}
	a := append([]complex128(nil), fft.forward(cos)...)
	b := fft.forward(sin)
	// Σ x·c is 1/n·Σ Re X[k]·C*[k] over all n values, of which those above n/2
	// mirror those below.
	energy, sum := make([]float64, len(a)), 0.0
	for k := range a {
		share := complex(2/float64(n), 0)
		if k == 0 || k == n/2 {
			share /= 2
		}
		a[k], b[k] = a[k]*share, b[k]*share
		for _, v := range [...]float64{real(a[k]), imag(a[k]), real(b[k]), imag(b[k])} {
			energy[k] += float64(v * v)
		}
		sum += energy[k]
	}
	low, high := kept(energy, spectrumLoss*sum)
	for k := low; k < high; k++ {
		re = append(re, real(a[k]), imag(a[k]))
		im = append(im, real(b[k]), imag(b[k]))
	}
	return 2 * low, re, im
}

// kept is the part of the values, low to high-1, that is left when the smaller
// of the two ends is taken away until more than loss would be gone.
func kept(x []float64, loss float64) (low, high int) {
	low, high = 0, len(x)
	for high-low > 1 {
		least := min(x[low], x[high-1])
		if loss -= least; loss < 0 {
			break
		}
		if x[low] == least {
			low++
		} else {
			high--
		}
	}
	return low, high
}

// frames is how many frames a clip has, of which the highest bin's window needs
// to lie in it; zeros or mirrored samples fill the others.
func (f *wavelets) frames(samples int) int { return f.octaves[0].frames(samples) }

// power computes |X|²: (bins, frames).
func (f *wavelets) power(dst *Spectrogram, c Clip) error {
	if err := fits(c, f.rate, f.octaves[0].needs()); err != nil {
		return err
	}
	dst.Resize(f.bins, f.frames(len(c.Samples)))
	for _, g := range f.octaves {
		for t := 0; t < dst.Frames; t += kernel.Lanes {
			g.filters.Apply(g.sums, kernel.Lanes, g.spectra.numbers(g.cut(t, c.Samples)), kernel.Lanes)
			for k := range g.count {
				re, im := g.sums[2*k*kernel.Lanes:][:kernel.Lanes], g.sums[(2*k+1)*kernel.Lanes:][:kernel.Lanes]
				row := dst.Row(g.first + k)[t:]
				for i := range min(len(row), kernel.Lanes) {
					row[i] = float32(re[i]*re[i]) + float32(im[i]*im[i])
				}
			}
		}
	}
	return nil
}
