package kernel

import "math"

// The activations that bend, value by value, in float32. No product is fused
// and the exponential has the same bytes everywhere, so these have too.

// Sigmoid computes y = 1 / (1 + e⁻ˣ). y may be x.
func Sigmoid(y, x []float32) {
	check(len(y) == len(x), "Sigmoid", "lengths differ")
	bend(bendTask{f: sigmoid, dst: y, x: x})
}

// SigmoidGrad computes dx = dy·y·(1-y) from y = sigmoid(x). dx may be dy.
func SigmoidGrad(dx, y, dy []float32) {
	check(len(dx) == len(y) && len(dx) == len(dy), "SigmoidGrad", "lengths differ")
	bend(bendTask{f: sigmoidGrad, dst: dx, x: y, dy: dy})
}

// Tanh computes y = tanh x. y may be x.
func Tanh(y, x []float32) {
	check(len(y) == len(x), "Tanh", "lengths differ")
	bend(bendTask{f: tanh, dst: y, x: x})
}

// TanhGrad computes dx = dy·(1-y²) from y = tanh x. dx may be dy.
func TanhGrad(dx, y, dy []float32) {
	check(len(dx) == len(y) && len(dx) == len(dy), "TanhGrad", "lengths differ")
	bend(bendTask{f: tanhGrad, dst: dx, x: y, dy: dy})
}

// GELU computes y = x·Φ(x), Φ being the normal distribution (Hendrycks and
// Gimpel 2016, the exact form). y may be x.
func GELU(y, x []float32) {
	check(len(y) == len(x), "GELU", "lengths differ")
	bend(bendTask{f: gelu, dst: y, x: x})
}

// GELUGrad computes dx = dy·(Φ(x) + x·φ(x)), φ being Φ's density. dx may be dy.
func GELUGrad(dx, x, dy []float32) {
	check(len(dx) == len(x) && len(dx) == len(dy), "GELUGrad", "lengths differ")
	bend(bendTask{f: geluGrad, dst: dx, x: x, dy: dy})
}

func bend(t bendTask) {
	share(&bendTasks, (len(t.dst)+pieceSize-1)/pieceSize, t)
}

// A bendTask's items are pieces of dst. f fills dst from x and, if it is a
// gradient, dy; e is as long as they are, to work in.
type bendTask struct {
	f          func(dst, x, dy, e []float32)
	dst, x, dy []float32
}

var bendTasks stash[bendTask]

// bendRun is how many values are bent at once, so that their exponentials stay
// in the first-level cache.
const bendRun = 1024

func (t *bendTask) Do(item int) {
	e := buffers.get()
	e.grow(bendRun)
	for from, to := item*pieceSize, min(len(t.dst), (item+1)*pieceSize); from < to; from += bendRun {
		end := min(to, from+bendRun)
		var dy []float32
		if t.dy != nil {
			dy = t.dy[from:end]
		}
		t.f(t.dst[from:end], t.x[from:end], dy, e.data[:end-from])
	}
	buffers.put(e)
}

// sigmoid is 1/(1+e⁻ˣ) as e^-|x| gives it, which cannot overflow.
func sigmoid(y, x, _, e []float32) {
	for i, v := range x {
		e[i] = -abs(v)
	}
	expSum(e, 0, 1)
	for i, v := range x {
		s := 1 / (1 + e[i])
		if v < 0 {
			s *= e[i]
		}
		y[i] = s
	}
}

func sigmoidGrad(dx, y, dy, _ []float32) {
	for i, v := range y {
		dx[i] = dy[i] * float32(v*(1-v))
	}
}

// tanhPoly is (tanh x - x)/x³ in x² below tanhSmall, as Cephes' tanhf has it;
// above, the exponential loses no digits.
var tanhPoly = [...]float32{-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1}

const tanhSmall = 0.625

func tanh(y, x, _, e []float32) {
	for i, v := range x {
		e[i] = -2 * abs(v)
	}
	expSum(e, 0, 1)
	for i, v := range x {
		a := abs(v)
		if a < tanhSmall {
			s := float32(v * v)
			p := tanhPoly[0]
			for _, c := range tanhPoly[1:] {
				p = float32(p*s) + c
			}
			y[i] = v + float32(float32(p*s)*v)
			continue
		}
		t := (1 - e[i]) / (1 + e[i])
		if v < 0 {
			t = -t
		}
		y[i] = t
	}
}

func tanhGrad(dx, y, dy, _ []float32) {
	for i, v := range y {
		dx[i] = dy[i] * (1 - float32(v*v))
	}
}

// millsPoly is Φ(-a)·exp(a²/2)/t in t = 1/(1+millsRate·a), a ≥ 0: Chebyshev's
// interpolation, off by 4e-8 of it up to where exp(-a²/2) vanishes.
var millsPoly = [...]float32{-0.029576543287129775, 0.14606903292584378, -0.26003290006703605, 0.16406349499245065,
	-0.026422695026365867, 0.10687646164705915, 0.11949814138398239, 0.13990597446101663, 0.13961901640780142}

const millsRate = 0.35

// normal is Φ(v), e being exp(-v²/2).
func normal(v, e float32) float32 {
	t := 1 / (1 + float32(millsRate*abs(v)))
	p := millsPoly[0]
	for _, c := range millsPoly[1:] {
		p = float32(p*t) + c
	}
	below := float32(float32(p*t) * e)
	if v < 0 {
		return below
	}
	return 1 - below
}

// bell fills e with exp(-x²/2).
func bell(e, x []float32) {
	for i, v := range x {
		e[i] = float32(v*v) * -0.5
	}
	expSum(e, 0, 1)
}

func gelu(y, x, _, e []float32) {
	bell(e, x)
	for i, v := range x {
		y[i] = v * normal(v, e[i])
	}
}

func geluGrad(dx, x, dy, e []float32) {
	const density = 0.3989422804014327 // φ(0) = 1/√(2π)
	bell(e, x)
	for i, v := range x {
		slope := normal(v, e[i]) + float32(float32(v*density)*e[i])
		dx[i] = dy[i] * slope
	}
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }
