package audio

import (
	"math/cmplx"
)

// A Fourier transforms real signals of n samples and back, in float64, for
// those who change sound in its spectrum. It keeps buffers: one goroutine at a
// time.
type Fourier struct {
	fft  *realFFT
	back []complex128 // (n/2)
}

// NewFourier readies a transform of n samples, a power of two from 2 up.
func NewFourier(n int) *Fourier {
	if n < 2 || n&(n-1) != 0 {
		panic("audio: a Fourier's size is a power of two")
	}
	return &Fourier{fft: newRealFFT(n), back: make([]complex128, n/2)}
}

// Len is n.
func (f *Fourier) Len() int { return f.fft.n }

// Forward gives X[k] = Σ x[j]·exp(-2πi·jk/n) for k to n/2 of x, up to n samples
// with zeros behind them. The values are good, and may be written over, until
// the next call.
func (f *Fourier) Forward(x []float64) []complex128 { return f.fft.forward(x) }

// Inverse makes dst (n) the samples whose spectrum is x (n/2+1), as Forward
// gives it; the imaginary parts of the first and the last count for nothing.
func (f *Fourier) Inverse(dst []float64, x []complex128) {
	n, h := f.fft.n, f.fft.n/2
	if len(dst) != n || len(x) != h+1 {
		panic("audio: a spectrum of another size")
	}
	// What unpack does, undone: with E = (X[k]+X*[h-k])/2 and O = (X[k]-X*[h-k])/2w^k
	// the spectrum of even samples + i·odd samples is E + i·O. Its inverse is the
	// forward transform between two conjugations.
	scale := complex(1/float64(n), 0) // 1/h, and the halves of E and O
	f.back[0] = cmplx.Conj(complex(real(x[0])+real(x[h]), real(x[0])-real(x[h])) * scale)
	for k := 1; k < h; k++ {
		a, b := x[k], cmplx.Conj(x[h-k])
		o := (a - b) * cmplx.Conj(f.twist(k))
		f.back[k] = cmplx.Conj((a + b + complex(-imag(o), real(o))) * scale)
	}
	for j, v := range f.fft.half.forward(f.back, h) {
		dst[2*j], dst[2*j+1] = real(v), -imag(v)
	}
}

// twist is exp(-2πi·k/n) for k below n/2, of which the transform keeps one half.
func (f *Fourier) twist(k int) complex128 {
	if h := f.fft.n / 2; k > h/2 {
		return -cmplx.Conj(f.fft.twist[h-k])
	}
	return f.fft.twist[k]
}
