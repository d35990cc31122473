package audio

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// A realFFT transforms real frames of n samples, X[k] = Σ x[j]·exp(-2πi·jk/n),
// without allocating. An even n is packed into a complex transform of half the
// size. It keeps buffers: one goroutine at a time.
type realFFT struct {
	n      int
	half   transform
	z      []complex128 // (n/2) packed input, or (n) where n is odd
	twist  []complex128 // (n/4+1) exp(-2πi·k/n)
	output []complex128 // (n/2+1)
}

// A transform is a complex Fourier transform of one size. It may write over x
// and gives the memory that holds the result; nonzero says how many leading
// elements of x may differ from 0.
type transform interface {
	forward(x []complex128, nonzero int) []complex128
}

func newTransform(n int) transform {
	if n&(n-1) == 0 {
		return newStockham(n)
	}
	return newBluestein(n)
}

func newRealFFT(n int) *realFFT {
	if n < 1 {
		panic("audio: a Fourier transform needs at least one sample")
	}
	f := &realFFT{n: n, output: make([]complex128, n/2+1)}
	if n%2 == 1 {
		f.half, f.z = newTransform(n), make([]complex128, n)
		return f
	}
	f.half, f.z, f.twist = newTransform(n/2), make([]complex128, n/2), make([]complex128, n/4+1)
	for k := range f.twist {
		f.twist[k] = root(k, n)
	}
	return f
}

// root is exp(-2πi·k/n).
func root(k, n int) complex128 {
	sin, cos := math.Sincos(2 * math.Pi * float64(k) / float64(n))
	return complex(cos, -sin)
}

// forward transforms x, up to n samples with zeros behind them, into n/2+1
// values, which are good until the next call.
func (f *realFFT) forward(x []float64) []complex128 {
	if f.n%2 == 1 {
		clear(f.z)
		for i, v := range x {
			f.z[i] = complex(v, 0)
		}
		copy(f.output, f.half.forward(f.z, len(x)))
		return f.output
	}
	pairs := len(x) / 2
	for i := range f.z[:pairs] {
		f.z[i] = complex(x[2*i], x[2*i+1])
	}
	clear(f.z[pairs:])
	if len(x)%2 == 1 {
		f.z[pairs] = complex(x[len(x)-1], 0)
	}
	f.unpack(f.half.forward(f.z, (len(x)+1)/2))
	return f.output
}

// unpack takes the transform of even samples + i·odd samples apart: with
// E = (Z[k]+Z*[h-k])/2 and O = (Z[k]-Z*[h-k])/2i, X[k] = E + w^k·O and
// X[h-k] = (E - w^k·O)*.
func (f *realFFT) unpack(z []complex128) {
	h := f.n / 2
	out := f.output[:h+1]
	out[0] = complex(real(z[0])+imag(z[0]), 0)
	out[h] = complex(real(z[0])-imag(z[0]), 0)
	for k, w := range f.twist[:h/2+1] {
		if k == 0 {
			continue
		}
		a, b := z[k], z[h-k]
		er, ei := (real(a)+real(b))/2, (imag(a)-imag(b))/2
		or, oi := (imag(a)+imag(b))/2, (real(b)-real(a))/2
		tr, ti := or*real(w)-oi*imag(w), or*imag(w)+oi*real(w)
		out[k] = complex(er+tr, ei+ti)
		out[h-k] = complex(er-tr, ti-ei)
	}
}

// A stockham is a transform whose size is a power of two, in radix-4 passes
// that sort as they go, and a radix-2 pass at the end where one is left.
type stockham struct {
	n      int
	twists [][]complex128 // one per pass: w^p, w^2p, w^3p for p < length/4
	buffer []complex128
}

func newStockham(n int) *stockham {
	s := &stockham{n: n, buffer: make([]complex128, n)}
	for length := n; length > 4; length /= 4 {
		t := make([]complex128, 0, 3*length/4)
		for p := range length / 4 {
			t = append(t, root(p, length), root(2*p, length), root(3*p, length))
		}
		s.twists = append(s.twists, t)
	}
	return s
}

func (s *stockham) forward(x []complex128, nonzero int) []complex128 {
	x = x[:s.n]
	y := s.buffer
	length, stride := s.n, 1
	for _, t := range s.twists {
		switch {
		case stride == 1 && nonzero <= length/2:
			firstHalf(y, x, t)
		case stride == 1:
			first(y, x, t)
		default:
			middle(y, x, t, stride)
		}
		x, y = y, x
		length, stride = length/4, stride*4
	}
	switch length {
	case 4:
		last4(y, x)
	case 2:
		last2(y, x)
	default:
		return x
	}
	return y
}

// first is the pass with stride 1.
func first(y, x, t []complex128) {
	m := len(x) / 4
	x0, x1, x2, x3 := x[:m], x[m:2*m], x[2*m:3*m], x[3*m:4*m]
	for p := range x0 {
		a, b, c, d := x0[p], x1[p], x2[p], x3[p]
		w := t[3*p : 3*p+3 : 3*p+3]
		out := y[4*p : 4*p+4 : 4*p+4]
		ac, as, bd, bs := a+c, a-c, b+d, b-d
		bj := complex(imag(bs), -real(bs)) // -i·bs
		out[0] = ac + bd
		out[1] = (as + bj) * w[0]
		out[2] = (ac - bd) * w[1]
		out[3] = (as - bj) * w[2]
	}
}

// firstHalf is first for an x whose second half is 0: a window shorter than
// half the transform.
func firstHalf(y, x, t []complex128) {
	m := len(x) / 4
	x0, x1 := x[:m], x[m:2*m]
	for p := range x0 {
		a, b := x0[p], x1[p]
		w := t[3*p : 3*p+3 : 3*p+3]
		out := y[4*p : 4*p+4 : 4*p+4]
		bj := complex(imag(b), -real(b))
		out[0] = a + b
		out[1] = (a + bj) * w[0]
		out[2] = (a - b) * w[1]
		out[3] = (a - bj) * w[2]
	}
}

// middle is a pass with a stride: rows of stride elements share their twists.
func middle(y, x, t []complex128, stride int) {
	m := len(x) / 4
	for p := 0; p < m/stride; p++ {
		w1, w2, w3 := t[3*p], t[3*p+1], t[3*p+2]
		at := p * stride
		x0, x1, x2, x3 := x[at:at+stride], x[at+m:at+m+stride], x[at+2*m:at+2*m+stride], x[at+3*m:at+3*m+stride]
		at *= 4
		y0, y1, y2, y3 := y[at:at+stride], y[at+stride:at+2*stride], y[at+2*stride:at+3*stride], y[at+3*stride:at+4*stride]
		x1, x2, x3 = x1[:len(x0)], x2[:len(x0)], x3[:len(x0)]
		y0, y1, y2, y3 = y0[:len(x0)], y1[:len(x0)], y2[:len(x0)], y3[:len(x0)]
		for q, a := range x0 {
			b, c, d := x1[q], x2[q], x3[q]
			ac, as, bd, bs := a+c, a-c, b+d, b-d
			bj := complex(imag(bs), -real(bs))
			y0[q] = ac + bd
			y1[q] = (as + bj) * w1
			y2[q] = (ac - bd) * w2
			y3[q] = (as - bj) * w3
		}
	}
}

func last4(y, x []complex128) {
	m := len(x) / 4
	x0, x1, x2, x3 := x[:m], x[m:2*m], x[2*m:3*m], x[3*m:4*m]
	y0, y1, y2, y3 := y[:m], y[m:2*m], y[2*m:3*m], y[3*m:4*m]
	for q, a := range x0 {
		b, c, d := x1[q], x2[q], x3[q]
		ac, as, bd, bs := a+c, a-c, b+d, b-d
		bj := complex(imag(bs), -real(bs))
		y0[q], y1[q], y2[q], y3[q] = ac+bd, as+bj, ac-bd, as-bj
	}
}

func last2(y, x []complex128) {
	m := len(x) / 2
	x0, x1, y0, y1 := x[:m], x[m:2*m], y[:m], y[m:2*m]
	for q, a := range x0 {
		b := x1[q]
		y0[q], y1[q] = a+b, a-b
	}
}

// A bluestein is a transform of any size as a convolution with a chirp
// (Bluestein 1970): with c[j] = exp(-πi·j²/n), X[k] = c[k]·Σ (x[j]·c[j])·c*[k-j].
type bluestein struct {
	n        int
	chirp    []complex128 // (n)
	filter   []complex128 // transform of c*, wrapped, over its size
	fft      *stockham
	work     []complex128
	backward []complex128
}

func newBluestein(n int) *bluestein {
	m := 1 << bits.Len(uint(2*n-2))
	b := &bluestein{n: n, chirp: make([]complex128, n), fft: newStockham(m), work: make([]complex128, m), backward: make([]complex128, m)}
	wrapped := make([]complex128, m)
	for j := range n {
		b.chirp[j] = root(j*j%(2*n), 2*n)
		wrapped[j] = cmplx.Conj(b.chirp[j])
		wrapped[(m-j)%m] = wrapped[j]
	}
	b.filter = append(b.filter, b.fft.forward(wrapped, m)...)
	for j := range b.filter {
		b.filter[j] /= complex(float64(m), 0)
	}
	return b
}

func (b *bluestein) forward(x []complex128, nonzero int) []complex128 {
	for j, v := range x[:b.n] {
		b.work[j] = v * b.chirp[j]
	}
	clear(b.work[b.n:])
	spectrum := b.fft.forward(b.work, min(nonzero, b.n))
	// The inverse transform is the forward one between two conjugations.
	for j, v := range spectrum {
		b.backward[j] = cmplx.Conj(v * b.filter[j])
	}
	for j, v := range b.fft.forward(b.backward, len(b.backward))[:b.n] {
		x[j] = cmplx.Conj(v) * b.chirp[j]
	}
	return x
}
