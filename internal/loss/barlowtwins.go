package loss

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// BarlowTwins is the loss of Zbontar et al. 2021, equation 1, over rows z (2N, D)
// as the projector leaves them, where rows i and i+N are the two views of one clip.
// Each view's columns are standardised over the batch, with the biased variance and
// 1e-5 added to it, to u₁ and u₂; then with the correlations C = u₁ᵀ u₂ / N of (D, D)
//
//	Σᵢ (1 - Cᵢᵢ)² + λ Σ_{i≠j} Cᵢⱼ²
//
// The gradient goes through the standardisation. Rows of one value give D.
func BarlowTwins(z *gorgonia.Node, lambda float64) (*gorgonia.Node, error) {
	return barlowTwins(lambda).of(z)
}

func barlowTwins(lambda float64) fused {
	return fused{
		sig: fmt.Sprintf("barlow_twins{lambda %g}", lambda),
		wrt: []bool{true},
		check: func(in []tensor.Shape) error {
			if err := checkWeight("lambda", lambda); err != nil {
				return err
			}
			if !isRows(in[0]) || in[0][0]%2 != 0 {
				return fmt.Errorf("want z (2N, D), the second views behind the first")
			}
			return nil
		},
		scratch: func(in []tensor.Shape) int {
			n, d := in[0][0]/2, in[0][1]
			return 2*n*d + 2*d + d*d + max(kernel.MatMulScratch(d, d, n), kernel.MatMulScratch(n, d, d))
		},
		run: func(grads gradients, in []kernel.Array, scratch []float32) (float64, error) {
			z, n, d := in[0].Data, in[0].Shape[0]/2, in[0].Shape[1]
			u1, u2, scratch := scratch[:n*d], scratch[n*d:2*n*d], scratch[2*n*d:] // (N, D)
			inv1, inv2, scratch := scratch[:d], scratch[d:2*d], scratch[2*d:]
			c, scratch := scratch[:d*d], scratch[d*d:]
			standardize(u1, inv1, z[:n*d], n, d, 1e-5)
			standardize(u2, inv2, z[n*d:], n, d, 1e-5)
			kernel.MatMul(c, u1, u2, d, d, n, true, false, false, scratch) // N C = u₁ᵀ u₂  (D, D)

			loss, rows := 0.0, float64(n)
			for i := range d { // row i of c: from products to their gradients
				row := c[i*d : (i+1)*d]
				for j, v := range row {
					c, weight := float64(v)/rows, lambda
					if i == j {
						c, weight = c-1, 1
					}
					loss += float64(weight * c * c)
					row[j] = float32(2 * weight * c / rows)
				}
			}
			d1, d2 := grads[0][:n*d], grads[0][n*d:]
			kernel.MatMul(d1, u2, c, n, d, d, false, true, false, scratch)  // du₁ = u₂ cᵀ
			kernel.MatMul(d2, u1, c, n, d, d, false, false, false, scratch) // du₂ = u₁ c
			standardizeGrad(d1, u1, inv1, n, d)
			standardizeGrad(d2, u2, inv2, n, d)
			return loss, nil
		},
	}
}
