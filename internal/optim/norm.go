package optim

import (
	"math"

	"clr/internal/kernel"
)

// GradNorm is the Euclidean norm of all gradients together, summed in float64
// in the order of the parameters. NaN or Inf in any gradient shows in it, but in
// those of frozen weights, which move nothing.
func GradNorm(params []*Param) float64 {
	sum := 0.0
	for _, p := range params {
		if p.Rate != 0 {
			sum += kernel.SumSquares(p.Grad.Data)
		}
	}
	return math.Sqrt(sum)
}
