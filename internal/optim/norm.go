package optim

import "math"

// GradNorm is the Euclidean norm of all gradients together, summed in float64
// in the order of the parameters. NaN or Inf in any gradient shows in it.
func GradNorm(params []*Param) float64 {
	sum := 0.0
	for _, p := range params {
		sum += sumSquares(p.Grad.Data)
	}
	return math.Sqrt(sum)
}

// sumSquares is Σ x², in four interleaved sums so that the additions overlap.
func sumSquares(x []float32) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] {
		a += float64(x[0]) * float64(x[0])
		b += float64(x[1]) * float64(x[1])
		c += float64(x[2]) * float64(x[2])
		d += float64(x[3]) * float64(x[3])
	}
	for _, v := range x {
		a += float64(v) * float64(v)
	}
	return (a + b) + (c + d)
}
