package kernel

import (
	"fmt"
	"math"
)

// An FFT transforms sixteen real frames at once, side by side in the lanes: X[k]
// = Σ w[j]·x[j]·exp(-2πi·jk/n), where the window w begins at sample 0 and zeros
// follow it. Sums and products have a fixed order and are not fused, so that
// every machine gives the same bytes. It keeps buffers: one goroutine at a time.
//
// A frame's pairs of samples are the complex numbers of a transform of h = n/2.
// Its passes (decimation in frequency, in place) leave their results in digits
// reversed, which the last step, that takes the pairs apart, reads by a table.
// The first pass applies the window and leaves out what is always zero; after it
// each eighth is transformed to its end by itself, in the first-level cache.
type FFT struct {
	n, length int
	half      bool // no pair from h/2 on is within the window
	window    []float32
	first     []float32 // twists of the first pass
	passes    []fourierPass
	pairs     []fourierPair
	frames    []float32 // [samples][16]
	z         []float32 // 8 × [h/8+pad][2][16], real and imaginary
}

// A fourierPass joins radix rows, length/radix apart, of each block of length.
type fourierPass struct {
	radix, length int
	twists        []float32 // per row of a leg: exp(-2πi·qp/length) for p from 1; nil where there is but one row
}

// A fourierPair says where in z the values k and h-k lie, in bytes, and the
// root exp(-2πi·k/n) that takes them apart.
type fourierPair struct {
	a, b   int32
	re, im float32
}

const (
	fourierRow = 2 * Lanes // float32s of a row of z
	// fourierPad is how many rows follow each eighth of z, so that the eighths do
	// not fight for the same places in the cache.
	fourierPad  = 1
	fourierMost = 1 << 17
)

// FFTSize tells whether there is an FFT of n samples: multiples of 16 from 64 to
// 131,072 without prime factors above 5.
func FFTSize(n int) bool {
	if n < 64 || n > fourierMost || n%16 != 0 {
		return false
	}
	for _, p := range []int{2, 3, 5} {
		for n%p == 0 {
			n /= p
		}
	}
	return n == 1
}

// NewFFT readies a transform of n samples, of which FFTSize approves, under a
// window of 1 to n samples.
func NewFFT(window []float64, n int) *FFT {
	check(FFTSize(n), "NewFFT", fmt.Sprint("no transform has ", n, " samples"))
	check(len(window) >= 1 && len(window) <= n, "NewFFT", "the window does not fit the transform")
	h := n / 2
	f := &FFT{n: n, length: len(window), half: len(window) <= h}
	legs := 8
	if f.half {
		legs = 4
	}
	// The halves of even and odd parts are taken here: a half is exact.
	for q := range h / 8 {
		for j := range legs {
			for i := range 2 {
				w := 0.0
				if at := 2*(q+j*h/8) + i; at < len(window) {
					w = window[at] / 2
				}
				f.window = append(f.window, float32(w))
			}
		}
	}
	f.first = fourierTwists(8, h)
	radices := []int{8}
	for length := h / 8; length > 1; {
		r := fourierRadix(length)
		radices = append(radices, r)
		p := fourierPass{radix: r, length: length}
		if length > r {
			p.twists = fourierTwists(r, length)
		}
		f.passes = append(f.passes, p)
		length /= r
	}
	row := func(k int) int32 {
		at, length := 0, h
		for i, r := range radices {
			length /= r
			at += k % r * length
			if i == 0 {
				at += k % r * fourierPad
			}
			k /= r
		}
		return int32(at * fourierRow * 4)
	}
	for k := range h/2 + 1 {
		sin, cos := math.Sincos(2 * math.Pi * float64(k) / float64(n))
		f.pairs = append(f.pairs, fourierPair{row(k), row((h - k) % h), float32(cos), float32(-sin)})
	}
	f.frames = make([]float32, max(2*legs*(h/8), f.Width())*Lanes)
	f.z = make([]float32, 8*(h/8+fourierPad)*fourierRow)
	return f
}

// fourierRadix is the next pass's: eights as far as they leave no lone two.
func fourierRadix(length int) int {
	if length%16 == 0 && length%32 != 0 {
		return 4
	}
	for _, r := range []int{8, 4, 5, 3} {
		if length%r == 0 {
			return r
		}
	}
	return 2
}

func fourierTwists(radix, length int) []float32 {
	var t []float32
	for q := range length / radix {
		for p := 1; p < radix; p++ {
			sin, cos := math.Sincos(2 * math.Pi * float64(q*p) / float64(length))
			t = append(t, float32(cos), float32(-sin))
		}
	}
	return t
}

// Bins is the number of values of a spectrum, n/2+1.
func (f *FFT) Bins() int { return f.n/2 + 1 }

// Width is how many samples of a frame are read, the window's rounded up to
// sixteens; those behind the window count for nothing.
func (f *FFT) Width() int { return Blocks(f.length) * Lanes }

// Power computes |X|² of the frames that begin at x[0], x[stride], ..,
// x[15·stride], each of Width samples: dst [n/2+1][16].
func (f *FFT) Power(dst, x []float32, stride int) {
	check(len(dst) >= f.Bins()*Lanes, "FFT.Power", "spectra too short")
	f.transform(x, stride)
	runPower(dst, f.z, f.pairs)
}

// Complex computes X of the same frames, real and imaginary: dst [n/2+1][2][16].
func (f *FFT) Complex(dst, x []float32, stride int) {
	check(len(dst) >= f.Bins()*fourierRow, "FFT.Complex", "spectra too short")
	f.transform(x, stride)
	runComplex(dst, f.z, f.pairs)
}

func (f *FFT) transform(x []float32, stride int) {
	check(stride >= 0 && len(x) >= 15*stride+f.Width(), "FFT", "frames too short")
	transposeTo(f.frames, Lanes, Lanes*Lanes, x, stride, Lanes, Blocks(f.length))
	clear(f.frames[f.length*Lanes : f.Width()*Lanes])
	m := f.n / 16 // rows of a leg
	runFirst(f.z, f.frames, f.window, f.first, m, m+fourierPad, f.half)
	for i := range 8 {
		f.finish(f.z[i*(m+fourierPad)*fourierRow:], 0)
	}
}

// finish makes the passes from i on of the block at z.
func (f *FFT) finish(z []float32, i int) {
	if i == len(f.passes) {
		return
	}
	p := &f.passes[i]
	part := p.length / p.radix
	if part == 1 {
		runPass(z, nil, p.radix, 1, 1, p.radix)
		return
	}
	runPass(z, p.twists, p.radix, part, part, 1)
	if i == len(f.passes)-2 {
		// All parts end with one butterfly or more beside each other.
		last := &f.passes[i+1]
		runPass(z, nil, last.radix, p.length/last.radix, 1, last.radix)
		return
	}
	for j := range p.radix {
		f.finish(z[j*part*fourierRow:], i+1)
	}
}

// A point is a complex number.
type point struct{ re, im float32 }

// fourierRows are rows of z or of frames.
type fourierRows [8]*[fourierRow]float32

// rowsAt finds legs rows, leg apart, from row first on.
func rowsAt(z []float32, first, legs, leg int) (rows fourierRows) {
	for j := range legs {
		rows[j] = (*[fourierRow]float32)(z[(first+j*leg)*fourierRow:])
	}
	return rows
}

// firstTwin multiplies frames by the window and makes the first pass: n
// butterflies of legs n rows apart into legs leg rows apart.
func firstTwin(z, frames, window, twists []float32, n, leg int, half bool) {
	legs := 8
	if half {
		legs = 4
	}
	for q := range n {
		from, to := rowsAt(frames, q, legs, n), rowsAt(z, q, 8, leg)
		w, t := window[2*legs*q:][:2*legs], twists[14*q:][:14]
		for l := range Lanes {
			var x [8]point
			for j := range legs {
				x[j] = point{float32(from[j][l] * w[2*j]), float32(from[j][Lanes+l] * w[2*j+1])}
			}
			eight(&x, half)
			to[0][l], to[0][Lanes+l] = x[0].re, x[0].im
			for p := 1; p < 8; p++ {
				v := turned(x[p], t[2*p-2], t[2*p-1])
				to[p][l], to[p][Lanes+l] = v.re, v.im
			}
		}
	}
}

// passTwin makes n butterflies, step rows apart, of legs leg rows apart.
func passTwin(z, twists []float32, radix, n, leg, step int) {
	for q := range n {
		rows := rowsAt(z, q*step, radix, leg)
		var t []float32
		if twists != nil {
			t = twists[2*(radix-1)*q:][:2*(radix-1)]
		}
		for l := range Lanes {
			var x [8]point
			for j, row := range rows[:radix] {
				x[j] = point{row[l], row[Lanes+l]}
			}
			switch radix {
			case 8:
				eight(&x, false)
			case 5:
				five(&x)
			case 4:
				x[0], x[1], x[2], x[3] = four(x[0], x[1], x[2], x[3])
			case 3:
				three(&x)
			case 2:
				x[0], x[1] = sum(x[0], x[1]), difference(x[0], x[1])
			}
			for p, row := range rows[:radix] {
				v := x[p]
				if p > 0 && t != nil {
					v = turned(v, t[2*p-2], t[2*p-1])
				}
				row[l], row[Lanes+l] = v.re, v.im
			}
		}
	}
}

// turned is v·(re + i·im).
func turned(v point, re, im float32) point {
	return point{float32(v.re*re) - float32(v.im*im), float32(v.re*im) + float32(v.im*re)}
}

func sum(a, b point) point        { return point{a.re + b.re, a.im + b.im} }
func difference(a, b point) point { return point{a.re - b.re, a.im - b.im} }
func right(a point) point         { return point{a.im, -a.re} } // -i·a

// four is the transform of four.
func four(a, b, c, d point) (w, x, y, z point) {
	ac, as, bd, bs := sum(a, c), difference(a, c), sum(b, d), right(difference(b, d))
	return sum(ac, bd), sum(as, bs), difference(ac, bd), difference(as, bs)
}

// eight is the transform of eight, of which half may be zero.
func eight(x *[8]point, half bool) {
	a, b, c, d := x[0], x[1], x[2], x[3]
	e, f, g, h := a, b, c, d
	if !half {
		a, b, c, d = sum(a, x[4]), sum(b, x[5]), sum(c, x[6]), sum(d, x[7])
		e, f, g, h = difference(e, x[4]), difference(f, x[5]), difference(g, x[6]), difference(h, x[7])
	}
	const r = math.Sqrt2 / 2
	f = point{float32((f.re + f.im) * r), float32((f.im - f.re) * r)}
	h = point{float32((h.im - h.re) * r), float32((h.re + h.im) * -r)}
	x[0], x[2], x[4], x[6] = four(a, b, c, d)
	x[1], x[3], x[5], x[7] = four(e, f, right(g), h)
}

// three is the transform of three, in the first places of x.
func three(x *[8]point) {
	const s = 0.866025403784438646763723170752936183 // sin 2π/3
	t, d := sum(x[1], x[2]), difference(x[1], x[2])
	m := point{x[0].re - float32(t.re*0.5), x[0].im - float32(t.im*0.5)}
	d = right(point{float32(d.re * s), float32(d.im * s)})
	x[0], x[1], x[2] = sum(x[0], t), sum(m, d), difference(m, d)
}

// five is the transform of five.
func five(x *[8]point) {
	const (
		c1, s1 = 0.309016994374947424102293417182819059, 0.951056516295153572116439333379382143  // of 2π/5
		c2, s2 = -0.809016994374947424102293417182819059, 0.587785252292473129168705954639072769 // of 4π/5
	)
	a, b, c, d := sum(x[1], x[4]), sum(x[2], x[3]), difference(x[1], x[4]), difference(x[2], x[3])
	part := func(x, a, b float32) (e, f float32) {
		return x + float32(a*c1) + float32(b*c2), x + float32(a*c2) + float32(b*c1)
	}
	cross := func(c, d float32) (g, h float32) {
		return float32(c*s1) + float32(d*s2), float32(c*s2) - float32(d*s1)
	}
	var e, f, g, h point
	e.re, f.re = part(x[0].re, a.re, b.re)
	e.im, f.im = part(x[0].im, a.im, b.im)
	g.re, h.re = cross(c.re, d.re)
	g.im, h.im = cross(c.im, d.im)
	g, h = right(g), right(h)
	x[0] = sum(sum(x[0], a), b)
	x[1], x[2], x[3], x[4] = sum(e, g), sum(f, h), difference(f, h), difference(e, g)
}

// apart takes the values k and h-k of lane l apart: with E and O the spectra of
// even and odd samples, X[k] = E + w^k·O and X[h-k] = (E - w^k·O)*.
func (p *fourierPair) apart(rows *fourierRows, l int) (x, y point) {
	ar, ai, br, bi := rows[0][l], rows[0][Lanes+l], rows[1][l], rows[1][Lanes+l]
	er, ei := ar+br, ai-bi
	t := turned(point{ai + bi, br - ar}, p.re, p.im)
	return point{er + t.re, t.im + ei}, point{er - t.re, t.im - ei}
}

// rows are the two that hold the values.
func (p *fourierPair) rows(z []float32) fourierRows {
	return rowsAt(z, int(p.a)/(4*fourierRow), 2, int(p.b-p.a)/(4*fourierRow))
}

func powerTwin(dst, z []float32, pairs []fourierPair) {
	h := 2 * (len(pairs) - 1)
	for k := range pairs {
		rows, up, down := pairs[k].rows(z), at(dst, k), at(dst, h-k)
		for l := range Lanes {
			x, y := pairs[k].apart(&rows, l)
			up[l] = float32(x.re*x.re) + float32(x.im*x.im)
			down[l] = float32(y.re*y.re) + float32(y.im*y.im)
		}
	}
}

func complexTwin(dst, z []float32, pairs []fourierPair) {
	h := 2 * (len(pairs) - 1)
	for k := range pairs {
		rows, to := pairs[k].rows(z), rowsAt(dst, k, 2, h-2*k)
		for l := range Lanes {
			x, y := pairs[k].apart(&rows, l)
			to[0][l], to[0][Lanes+l] = x.re, x.im
			to[1][l], to[1][Lanes+l] = y.re, y.im
		}
	}
}
