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
func sumSquares(x []float32) float64 { return sumSquaresDecayed(x, nil, 0) }

// sumSquaresDecayed is Σ (g + decay·w)²; without w, Σ g².
func sumSquaresDecayed(g, w []float32, decay float64) float64 {
	var s [4]float64
	for i := range g {
		d := float64(g[i])
		if w != nil {
			d += decay * float64(w[i])
		}
		s[i&3] += d * d
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}
