package augment

import (
	"math"

	"clr/internal/audio"
)

// Sums of powers whose logarithms are given, without a call of math.Exp or
// math.Log for each value.

// logAdd makes x the sum of the powers x and y+gain, all logarithms, where one
// unit is k natural-log units. With d = |x-y|, ln(eˣ+eʸ) is
// max(x,y) + ln(1+e⁻ᵈ), and the last term comes from a table: the sum is right
// to float32's rounding of x and y. One branch, which almost always goes one
// way: no other could be foreseen.
func logAdd(x, y []float32, gain, k float32) {
	scale, back := k*softSteps, 1/k
	y = y[:len(x)]
	for i, a := range x {
		b := y[i] + gain
		over := math.Float32bits(b - a)
		d := math.Float32frombits(over&^(1<<31)) * scale
		if !(d < softRange*softSteps) {
			x[i] = max(a, b) // the weaker is nothing beside the other; or one is NaN
			continue
		}
		n := int32(d)
		t := d - float32(n)
		s := &soft[n&(softRange*softSteps-1)]
		hi := a + math.Float32frombits(over&^uint32(int32(over)>>31)) // max(a,b), without a branch
		x[i] = hi + back*(s[0]+t*(s[1]+t*s[2]))
	}
}

const (
	softSteps = 32 // of the table, per natural-log unit
	softRange = 16 // beyond it, ln(1+e⁻ᵈ) is below 1.2e-7: nothing in float32
)

// soft is ln(1+e⁻ᵈ) as a parabola in each step of d: right to 1e-7. Its three
// coefficients are for d in steps, from the step's start.
var soft = func() (table [softRange * softSteps][3]float32) {
	for i := range table {
		const h = 1.0 / softSteps
		e := math.Exp(-h * (float64(i) + 0.5))
		// Taylor's terms at the middle of the step, then moved to its start.
		v, slope, half := math.Log1p(e), -h*e/(1+e), h*h*e/(1+e)/(1+e)/2
		table[i] = [3]float32{float32(v - slope/2 + half/4), float32(slope - half), float32(half)}
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
	sum, n := float32(0), 0
	for b := range s.Bins {
		row := s.Row(b)
		part := float32(0)
		for t := 0; t < len(row); t += step {
			part += expNegative((row[t] - top) * k)
			n++
		}
		sum += part
	}
	return top + float32(math.Log(float64(sum)/float64(n)))/k // sum is at least 1
}

// expNegative is eˣ for x ≤ 0, to 4e-6 of its value, and 0 below e⁻⁸⁰: 2ⁿ
// straight into the float's exponent, the rest from a polynomial.
func expNegative(x float32) float32 {
	if x < -80 {
		return 0
	}
	const whole = 3 << 22 // adding it leaves the nearest integer in the lowest bits
	y := x * math.Log2E
	n := y + whole
	f := y - (n - whole)
	p := 1 + f*(0.6931471806+f*(0.2402265070+f*(0.0555041087+f*(0.0096181291+f*0.0013333558))))
	return math.Float32frombits(math.Float32bits(p) + math.Float32bits(n)<<23)
}
