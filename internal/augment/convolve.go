package augment

import "math/bits"

// convolve makes dst[i] = Σ h[k]·x[from+i-k], x being silent beyond its ends,
// by FFT: x is cut into blocks whose results are added up where they overlap
// (Stockham 1966). Memory goes with h, not with x. dst may not be x.
func (m *waveScratch) convolve(dst, x, h []float32, from int) {
	clear(dst)
	if len(x) == 0 || len(h) == 0 {
		return
	}
	// Blocks some times as long as h cost least a sample; none longer than the whole.
	size := max(1024, min(4*len(h), len(x)+len(h)-1))
	f := m.fourier(bits.Len(uint(size - 1)))
	block := f.Len() - len(h) + 1
	work := room(&m.block, f.Len())
	filter := append(m.filter[:0], f.Forward(widen(work, h))...)
	m.filter = filter
	for at := 0; at < len(x); at += block {
		spectrum := f.Forward(widen(work, x[at:min(at+block, len(x))]))
		for k := range spectrum {
			a, b := spectrum[k], filter[k]
			spectrum[k] = complex(float64(real(a)*real(b))-float64(imag(a)*imag(b)), float64(real(a)*imag(b))+float64(imag(a)*real(b)))
		}
		f.Inverse(work, spectrum)
		// work[j] belongs to sample at+j of the whole, which is dst[at+j-from].
		first := max(from-at, 0)
		last := min(from-at+len(dst), len(work))
		for j := first; j < last; j++ {
			dst[at+j-from] += float32(work[j])
		}
	}
}

// widen is x in float64.
func widen(dst []float64, x []float32) []float64 {
	for i, v := range x {
		dst[i] = float64(v)
	}
	return dst[:len(x)]
}
