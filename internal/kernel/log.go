package kernel

import "math"

// Loops over values, on the caller's goroutine; nothing is fused, so that every
// machine gives the same bytes.

// Log makes x scale·ln(max(x, least) + add), the logarithm to a unit in its last
// place. Below 1.2e-38, the least normal number, it is that number's; infinity
// and NaN give NaN.
func Log(x []float32, least, add, scale float32) {
	whole := len(x) &^ (Lanes - 1)
	runLog(x[:whole], least, add, scale)
	if rest := x[whole:]; len(rest) > 0 {
		var a lane
		copy(a[:], rest)
		runLog(a[:], least, add, scale)
		copy(rest, a[:])
	}
}

// Sqrt makes x its square root.
func Sqrt(x []float32) {
	whole := len(x) &^ (Lanes - 1)
	runSqrt(x[:whole])
	sqrtTwin(x[whole:])
}

// Clamp lifts what is below least. NaN stays.
func Clamp(x []float32, least float32) {
	whole := len(x) &^ (Lanes - 1)
	runClamp(x[:whole], least)
	clampTwin(x[whole:], least)
}

const (
	leastNormal  = 1.17549435e-38
	rootHalfBits = 0x3f3504f3     // of √½
	ln2Hi        = 0.693359375    // few bits: times an exponent it is exact
	ln2Lo        = -2.12194440e-4 // the rest of ln 2
)

// logTwin: x is m·2^e with m from √½ to √2, and f is m-1. With s = f/(2+f) is
// ln m = 2·artanh s = 2s + s·r, where r = 2·(s²/3 + s⁴/5 + ..), and 2s is
// f - f²/2 + s·f²/2, of which f is exact and the rest small.
func logTwin(x []float32, least, add, scale float32) {
	for i, v := range x {
		if v < least {
			v = least
		}
		v += add
		if v < leastNormal {
			v = leastNormal
		}
		bits := math.Float32bits(v)
		above := int32(bits-rootHalfBits) >> 23
		f := math.Float32frombits(bits-uint32(above)<<23) - 1
		e := float32(above)
		s := f / (2 + f)
		q := float32(s * s)
		r := float32(q * (2.0/3 + float32(q*(2.0/5+float32(q*(2.0/7+float32(q*(2.0/9))))))))
		h := float32(float32(0.5*f) * f)
		y := float32(s*(h+r)) + float32(e*ln2Lo)
		y = y - h + f + float32(e*ln2Hi)
		y += v - v // NaN for what is not finite
		x[i] = float32(y * scale)
	}
}

func sqrtTwin(x []float32) {
	for i, v := range x {
		x[i] = float32(math.Sqrt(float64(v)))
	}
}

func clampTwin(x []float32, least float32) {
	for i, v := range x {
		if v < least {
			x[i] = least
		}
	}
}
