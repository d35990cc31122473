package audio

import (
	"math"
	"math/cmplx"

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
	shapes       []shape
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
		for k := range count {
			w := o.wavelet(first+k, gamma, rate)
			g.shapes = append(g.shapes, o.shape(w, rate))
			at, re, im := g.shapes[k].spectrum(w.hz/float64(rate), size)
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
// parts of a spectrum of n in turns, whose sums are real and imaginary part of
// the filter's answer to the frame. The filter stands in the middle of the frame, and
// hears periods a sample.
func (f shape) spectrum(periods float64, n int) (first int, re, im []float64) {
	// Rings around the filter's bin, each twice as wide, until one adds nothing.
	var energy []float64
	centre := int(math.Round(periods * float64(n)))
	for half := 128; ; half *= 2 {
		low, high := max(0, centre-half), min(n/2+1, centre+half+1)
		re, im, energy = re[:0], im[:0], energy[:0]
		sum, ring := 0.0, 0.0
		for k := low; k < high; k++ {
			// Σ x·c is 1/n·Σ Re X[k]·C*[k] over all n values, of which those above n/2
			// mirror those below.
			share := 2 * f.gain / float64(n)
			if k == 0 || k == n/2 {
				share /= 2
			}
			// Of a filter's spectrum F, that of its real part is (F[k]+F*[-k])/2.
			plus, minus := f.at(k, n), cmplx.Conj(f.at(-k, n))
			a, b := (plus+minus)/2, (plus-minus)/2i
			re = append(re, share*real(a), share*imag(a))
			im = append(im, share*real(b), share*imag(b))
			e := 0.0
			for _, v := range [...]float64{real(a), imag(a), real(b), imag(b)} {
				e += float64(share * v * share * v)
			}
			energy = append(energy, e)
			if sum += e; k < centre-half/2 || k > centre+half/2 {
				ring += e
			}
		}
		if ring <= spectrumLoss*sum || high-low == n/2+1 {
			from, to := kept(energy, spectrumLoss*sum)
			return 2 * (low + from), re[2*from : 2*to], im[2*from : 2*to]
		}
	}
}

// A shape is a filter's samples: a window, from sample from of the filter on,
// times gain·exp(-i·turn·n).
type shape struct {
	window       []float64
	from, length int
	turn         float64 // radians per sample
	gain         float64
}

// shape is a wavelet's at a rate.
func (o CQT) shape(w wavelet, rate int) shape {
	from := int(math.Floor(-w.length / 2))
	f := shape{cosines[o.Window], from, int(math.Floor(w.length/2)) - from, 2 * math.Pi * w.hz / float64(rate), 0}
	f.gain = w.length / (f.window[0] * float64(f.length))
	if o.Scale {
		f.gain /= math.Sqrt(w.length)
	}
	return f
}

// under is the window at sample p of its own, with the gain.
func (f shape) under(p int) float64 {
	sum := 0.0
	for m, c := range f.window {
		sum += float64(c * math.Cos(2*math.Pi*float64(m*p)/float64(f.length)))
	}
	return f.gain * sum
}

// cosines are the windows that are sums of few cosines, w[p] = Σ c[m]·cos(2πmp/length).
var cosines = map[string][]float64{"hann": {0.5, -0.5}, "hamming": {0.54, -0.46}, "blackman": {0.42, -0.5, 0.08}, "rectangular": {1}}

// at is value k of the spectrum of n samples with the filter, without its gain, in their middle: a
// sum of geometric series, two for a cosine.
func (f shape) at(k, n int) complex128 {
	w := -f.turn - 2*math.Pi*float64(k)/float64(n)
	sum := complex(f.window[0], 0) * f.series(w)
	for m, c := range f.window[1:] {
		d := 2 * math.Pi * float64(m+1) / float64(f.length)
		sum += complex(c/2, 0) * (f.series(w+d) + f.series(w-d))
	}
	// The frame's middle comes to sample 0: exp(-2πi·k/n·n/2).
	if k%2 != 0 {
		sum = -sum
	}
	return sum * cmplx.Rect(1, w*float64(f.from))
}

// series is Σ exp(i·w·p) over the filter's samples, p from 0.
func (f shape) series(w float64) complex128 {
	w = math.Remainder(w, 2*math.Pi)
	n := float64(f.length)
	ratio := n
	if s := math.Sin(w / 2); s != 0 {
		ratio = math.Sin(w/2*n) / s
	}
	return cmplx.Rect(ratio, w/2*(n-1))
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

// Shape is that of a clip's transform. The highest bin's window needs to lie in
// the clip; zeros or mirrored samples fill the others.
func (f *wavelets) Shape(samples int) (bins, frames int) {
	return f.bins, f.octaves[0].frames(samples)
}

// power computes |X|²: (bins, frames).
func (f *wavelets) power(dst *Spectrogram, c Clip) error {
	if err := ready(dst, f, c, f.rate, f.octaves[0].needs()); err != nil {
		return err
	}
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
