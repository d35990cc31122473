package augment

import (
	"math"

	"clr/internal/audio"
)

// Sums of powers whose logarithms are given, without a call of math.Exp or
// math.Log for each value.

// whole, added to a number of less than 2²², leaves the nearest integer in the
// sum's lowest bits. It is cheaper than a conversion and back.
const whole = 3 << 22

// logAdd makes x the sum of the powers x and y+gain, all logarithms, where one
// unit is k natural-log units: ln(eˣ+eʸ) is x + ln(1+eʸ⁻ˣ), and the last term
// comes from a table. The branch almost always goes one way; no other could be
// foreseen.
func logAdd(x, y []float32, gain, k float32) {
	scale, back := k*softSteps, 1/k
	y = y[:len(x)]
	for i, a := range x {
		b := y[i] + gain
		d := (b - a) * scale
		if !(d > -softLimit && d < softLimit) {
			x[i] = max(a, b) // the weaker is nothing beside the other; or one is NaN
			continue
		}
		n := d + whole
		t := d - (n - whole)
		s := &soft[math.Float32bits(n)%softSize]
		x[i] = a + back*(s[0]+t*(s[1]+t*s[2]))
	}
}

const (
	softSteps = 16 // of the table, per natural-log unit
	softRange = 16 // beyond it, ln(1+e⁻ᵈ) is below 1.2e-7: nothing in float32
	softSize  = 2 * softRange * softSteps
	softLimit = softSize/2 - 0.5 // its half, so that no step is rounded out of the table
)

// soft is ln(1+eᵈ) as a parabola around each step of d: right to 5e-7 and
// float32's rounding. The steps below 0 stand at the end.
var soft = func() (table [softSize][3]float32) {
	for i := range table {
		const h = 1.0 / softSteps
		d := h * float64((i+softSize/2)%softSize-softSize/2)
		rise := 1 / (1 + math.Exp(-d))
		value := max(d, 0) + math.Log1p(math.Exp(-math.Abs(d)))
		table[i] = [3]float32{float32(value), float32(h * rise), float32(h * h * rise * (1 - rise) / 2)}
	}
	return table
}()

// levelFrames is how many frames of a long clip its level is measured at.
const levelFrames = 64

// level is the logarithm of the mean power, over at most levelFrames frames
// spread evenly.
func level(s *audio.Spectrogram, u unit) float32 {
	step := max(1, s.Frames/levelFrames)
	top := s.Data[0]
	for b := range s.Bins {
		row := s.Row(b)
		for t := 0; t < len(row); t += step {
			if row[t] > top {
				top = row[t]
			}
		}
	}
	k := u.nepers()
	sum := float32(0)
	for b := range s.Bins {
		sum += powers(s.Row(b), step, top, k)
	}
	n := s.Bins * ((s.Frames + step - 1) / step)
	return top + float32(math.Log(float64(sum)/float64(n)))/k // sum is at least 1
}

// powers sums e^(k·(x-top)) over every step-th x, none above top, to 4e-6 of
// each, where those below e⁻⁸⁰ are nothing: 2ⁿ goes straight into the float's
// exponent, the rest comes from a polynomial.
func powers(x []float32, step int, top, k float32) float32 {
	scale := k * math.Log2E
	sum := float32(0)
	for t := 0; t < len(x); t += step {
		y := (x[t] - top) * scale
		if y < -80*math.Log2E {
			continue
		}
		n := y + whole
		f := y - (n - whole)
		p := 1 + f*(0.6931471806+f*(0.2402265070+f*(0.0555041087+f*(0.0096181291+f*0.0013333558))))
		sum += math.Float32frombits(math.Float32bits(p) + math.Float32bits(n)<<23)
	}
	return sum
}
