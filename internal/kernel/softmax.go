package kernel

import "math"

// Softmax turns the logits scale·x of one row into weight times their softmax,
// in place, and returns the logarithm of its denominator, log Σ exp(scale·x[j]).
// The denominator has one more logit, first, that x has not; -Inf for none.
// scale is positive. The largest logit is taken out first, so that logits of
// any finite size are safe; exponentials under 2⁻¹²⁶ of the largest count as 0.
// The result has the same bytes everywhere but for first's math.Exp and the
// last product.
func Softmax(x []float32, first, scale, weight float64) float64 {
	center := max(rowMax(x), float32(first/scale))
	if math.IsInf(float64(center), -1) { // nothing but -Inf or NaN
		center = 0
	}
	largest := scale * float64(center)
	sum := math.Exp(first-largest) + expSum(x, center, float32(scale))
	times(x, x, float32(weight/sum))
	return largest + math.Log(sum)
}

// Coefficients of exp: the polynomial of Cephes' expf, ln 2 in two parts of
// which the first times a small integer is exact, and the constant that rounds
// what it is added to.
const (
	expLog2e = 1.44269504088896341
	expRound = 3 << 22
	expLn2Hi = 0.693359375
	expLn2Lo = -2.12194440e-4
	expLeast = -87.33654 // below, 0
)

var expPoly = [...]float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}

// exp32 is eᶻ for z of at most 88, to 2 units in the last place: products are
// rounded before they are added, so that no machine fuses them.
func exp32(z float32) float32 {
	if z < expLeast {
		return 0
	}
	t := float32(z*expLog2e) + expRound
	k := t - expRound
	r := z - float32(k*expLn2Hi)
	r -= float32(k * expLn2Lo)
	p := expPoly[0]
	for _, c := range expPoly[1:] {
		p = float32(p*r) + c
	}
	p = float32(float32(p*r)*r) + r
	p++
	return p * math.Float32frombits((math.Float32bits(t)-math.Float32bits(expRound)+127)<<23)
}

// expSum: x = exp((x - center)·scale), and the sum of that in float64: sixteen
// sums, one per index modulo 16.
func expSum(x []float32, center, scale float32) float64 {
	n := len(x) &^ (Lanes - 1)
	var sums [Lanes]float64
	if n > 0 {
		runExpSum(&sums, x[:n], center, scale)
	}
	expSumTwin(&sums, x[n:], center, scale)
	var sum float64
	for _, v := range sums {
		sum += v
	}
	return sum
}

func expSumTwin(sums *[Lanes]float64, x []float32, center, scale float32) {
	for i, v := range x {
		x[i] = exp32((v - center) * scale)
		sums[i%Lanes] += float64(x[i])
	}
}

// rowMax is the largest element, NaN left out; -Inf for none.
func rowMax(x []float32) float32 {
	m := float32(math.Inf(-1))
	n := len(x) &^ (Lanes - 1)
	if n > 0 {
		var most lane
		for l := range most {
			most[l] = m
		}
		runRowMax(&most, x[:n])
		m = rowMaxTwin(m, most[:])
	}
	return rowMaxTwin(m, x[n:])
}

func rowMaxTwin(m float32, x []float32) float32 {
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m
}
