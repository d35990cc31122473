package loss

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// BYOL is the loss of Grill et al. 2020, equation 2, over unit rows: predictions p
// (2N, P) of the online network and targets z (2N, P), rows i and i+N of both
// being the two views of one clip. A row of p predicts the other view's of z:
//
//	‖p₁ - z₂‖² + ‖p₂ - z₁‖² = 4 - 2 p₁·z₂ - 2 p₂·z₁
//
// averaged over the N pairs: 0 to 8. Targets are
// constants: no gradient.
func BYOL(p, z *gorgonia.Node) (*gorgonia.Node, error) {
	return cosine("byol", 4, 4).of(p, z)
}

// SimSiam is the loss of Chen and He 2021, equation 2, over the same rows as BYOL's:
//
//	-½ p₁·z₂ - ½ p₂·z₁
//
// averaged over the N pairs: -1 to 1. Targets are constants: no gradient.
func SimSiam(p, z *gorgonia.Node) (*gorgonia.Node, error) {
	return cosine("simsiam", 0, 1).of(p, z)
}

// cosine is rest - slope · (mean of p·z with the other view's z).
func cosine(name string, rest, slope float64) fused {
	return fused{
		sig: name,
		wrt: []bool{true, false},
		check: func(in []tensor.Shape) error {
			if !isRows(in...) || in[0][0]%2 != 0 || in[1][0] != in[0][0] || in[1][1] != in[0][1] {
				return fmt.Errorf("want p (2N, P) and z (2N, P)")
			}
			return nil
		},
		run: func(grads gradients, in []kernel.Array, _ []float32) (float64, error) {
			p, z, m, half := in[0].Data, in[1].Data, float64(in[0].Shape[0]), len(in[0].Data)/2
			kernel.Scale(grads[0][:half], z[half:], float32(-slope/m))
			kernel.Scale(grads[0][half:], z[:half], float32(-slope/m))
			return rest - float64(slope*(kernel.Dot(p[:half], z[half:])+kernel.Dot(p[half:], z[:half]))/m), nil
		},
	}
}
