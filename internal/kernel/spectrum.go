package kernel

import "math"

// Loops over spectrograms, for augmentations: rows of any length, one after
// the other, on the caller's goroutine. Nothing is fused, so that assembly and
// twins give the same bytes.

// Rescale computes dst = (a - mean)·w. dst may be a.
func Rescale(dst, a []float32, mean, w float32) {
	check(len(a) >= len(dst), "Rescale", "too short a row")
	runRow(&rowArgs{op: opRescale, dst: dst, a: a, w: [4]float32{mean, w}})
}

// Blend computes dst = wa·a + wb·b. dst may be a or b.
func Blend(dst, a, b []float32, wa, wb float32) {
	check(len(a) >= len(dst) && len(b) >= len(dst), "Blend", "too short a row")
	runRow(&rowArgs{op: opBlend, dst: dst, a: a, b: b, w: [4]float32{wa, wb}})
}

// Blend4 computes dst = Σ w[i]·rows[i]. dst may be one of the rows.
func Blend4(dst []float32, rows *[4][]float32, w *[4]float32) {
	for _, r := range rows {
		check(len(r) >= len(dst), "Blend4", "too short a row")
	}
	runRow(&rowArgs{op: opBlend4, dst: dst, a: rows[0], b: rows[1], c: rows[2], d: rows[3], w: *w})
}

// AddPair computes dst += w·(a + b).
func AddPair(dst, a, b []float32, w float32) {
	check(len(a) >= len(dst) && len(b) >= len(dst), "AddPair", "too short a row")
	runRow(&rowArgs{op: opAddPair, dst: dst, a: a, b: b, w: [4]float32{w}})
}

// A rowOp says what runRow does.
type rowOp uint8

const (
	opRescale rowOp = iota
	opBlend
	opBlend4
	opAddPair
)

// rowArgs are rows of the same length or longer than dst.
type rowArgs struct {
	dst, a, b, c, d []float32
	w               [4]float32
	n               int // how many values of dst the assembly does: a multiple of sixteen, not 0
	op              rowOp
}

// rowTwin does what the assembly leaves.
func rowTwin(p *rowArgs) {
	dst, a, b, c, d, w := p.dst, p.a, p.b, p.c, p.d, p.w
	switch p.op {
	case opRescale:
		for i := p.n; i < len(dst); i++ {
			dst[i] = (a[i] - w[0]) * w[1]
		}
	case opBlend:
		for i := p.n; i < len(dst); i++ {
			dst[i] = w[0]*a[i] + w[1]*b[i]
		}
	case opBlend4:
		for i := p.n; i < len(dst); i++ {
			dst[i] = w[0]*a[i] + w[1]*b[i] + w[2]*c[i] + w[3]*d[i]
		}
	case opAddPair:
		for i := p.n; i < len(dst); i++ {
			dst[i] += w[0] * (a[i] + b[i])
		}
	}
}

// AddLog makes x the sum of the powers x and y+gain, all logarithms, where one
// unit is k natural-log units: ln(eˣ+eʸ) is max(x,y) + ln(1+e^-|x-y|), right to
// float32's rounding. y may be longer.
func AddLog(x, y []float32, gain, k float32) {
	check(len(y) >= len(x), "AddLog", "too short a row")
	scale, back := -k*math.Log2E, 1/k
	whole := len(x) &^ (Lanes - 1)
	runAddLog(x[:whole], y, gain, scale, back)
	if rest := x[whole:]; len(rest) > 0 {
		var a, b [Lanes]float32
		copy(a[:], rest)
		copy(b[:len(rest)], y[whole:])
		runAddLog(a[:], b[:], gain, scale, back)
		copy(rest, a[:])
	}
}

func addLogTwin(x, y []float32, gain, scale, back float32) {
	y = y[:len(x)]
	for i, a := range x {
		b := y[i] + gain
		e := exp2Twin(float32(math.Abs(float64(b-a))) * scale)
		// ln(1+e) = 2 artanh(s), s = e/(2+e)
		s := e / (2 + e)
		q := s * s
		p := 1 + q*(1.0/3+q*(1.0/5+q*(1.0/7+q*(1.0/9+q*(1.0/11)))))
		x[i] = max(a, b) + back*((s+s)*p)
	}
}

// exp2Twin is 2^y for y ≤ 0, to 2e-7 of its value, and nearly 0 below -100 and
// for NaN: the nearest integer goes straight into the float's exponent, the
// rest comes from a polynomial.
func exp2Twin(y float32) float32 {
	const whole = 3 << 22 // adding it leaves the nearest integer in the lowest bits
	if !(y > -100) {
		y = -100
	}
	n := y + whole
	f := y - (n - whole)
	p := 1 + f*(0.69314718+f*(0.24022651+f*(0.05550411+f*(0.00961813+f*(0.00133336+f*0.00015403530)))))
	return math.Float32frombits(math.Float32bits(p) + math.Float32bits(n)<<23)
}

// SumExp is Σ e^(k·(x-top)), where no x is above top, in sixteen sums of every
// sixteenth.
func SumExp(x []float32, top, k float32) float32 {
	var sums [Lanes]float32
	scale := k * math.Log2E
	whole := len(x) &^ (Lanes - 1)
	runSumExp(&sums, x[:whole], top, scale)
	for i, v := range x[whole:] {
		sums[i] += exp2Twin((v - top) * scale)
	}
	sum := float32(0)
	for _, s := range sums {
		sum += s
	}
	return sum
}

func sumExpTwin(sums *[Lanes]float32, x []float32, top, scale float32) {
	for i, v := range x {
		sums[i%Lanes] += exp2Twin((v - top) * scale)
	}
}

// Max is the largest of x, which is not empty. Where there are NaNs, it may be
// any of the others or NaN.
func Max(x []float32) float32 {
	var tops [Lanes]float32
	for i := range tops {
		tops[i] = x[0]
	}
	whole := len(x) &^ (Lanes - 1)
	runMax(&tops, x[:whole])
	top := tops[0]
	for _, v := range tops {
		top = max(top, v)
	}
	for _, v := range x[whole:] {
		top = max(top, v)
	}
	return top
}

func maxTwin(tops *[Lanes]float32, x []float32) {
	for i, v := range x {
		if v > tops[i%Lanes] {
			tops[i%Lanes] = v
		}
	}
}
