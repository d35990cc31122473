package loss

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// VICRegOptions weigh the three terms of VICReg. The paper's are 25, 25 and 1.
type VICRegOptions struct {
	Sim float64 `yaml:"sim" doc:"weight of the distance between the two views; the paper's lambda"`
	Var float64 `yaml:"var" doc:"weight of deviations below 1; the paper's mu"`
	Cov float64 `yaml:"cov" doc:"weight of covariances; the paper's nu"`
}

// Check refuses weights that are negative or not finite.
func (o VICRegOptions) Check() error {
	for _, w := range []struct {
		name  string
		value float64
	}{{"sim", o.Sim}, {"var", o.Var}, {"cov", o.Cov}} {
		if err := checkWeight(w.name, w.value); err != nil {
			return err
		}
	}
	return nil
}

// VICReg is the loss of Bardes et al. 2022, equations 1 to 6, over rows z (2N, D),
// N > 1, as the projector leaves them, where rows i and i+N are the two views of
// one clip. With the covariances C of a view's columns, divided by N-1,
//
//	sim · mean (z₁ - z₂)²
//	+ var · ½ Σ_views mean_j max(0, 1 - √(Cⱼⱼ + 1e-4))
//	+ cov · Σ_views Σ_{i≠j} Cᵢⱼ² / D
//
// where the mean of squares, over all of (N, D), and the ½ are those of the authors'
// code; the paper's equations have them in the weights.
func VICReg(z *gorgonia.Node, o VICRegOptions) (*gorgonia.Node, error) {
	return vicreg(o).of(z)
}

func vicreg(o VICRegOptions) fused {
	return fused{
		sig: fmt.Sprintf("vicreg%+v", o),
		wrt: []bool{true},
		check: func(in []tensor.Shape) error {
			if !isRows(in[0]) || in[0][0]%2 != 0 || in[0][0] < 4 {
				return fmt.Errorf("want z (2N, D) of two pairs or more, the second views behind the first")
			}
			return o.Check()
		},
		scratch: func(in []tensor.Shape) int {
			n, d := in[0][0]/2, in[0][1]
			return n*d + d*d + max(kernel.MatMulScratch(d, d, n), kernel.MatMulScratch(n, d, d))
		},
		run: func(grads gradients, in []kernel.Array, scratch []float32) (float64, error) {
			z, dz, n, d := in[0].Data, grads[0], in[0].Shape[0]/2, in[0].Shape[1]
			x, c, scratch := scratch[:n*d], scratch[n*d:][:d*d], scratch[n*d+d*d:]
			loss := 0.0
			for view := range 2 {
				center(x, z[view*n*d:][:n*d], n, d)
				kernel.MatMul(c, x, x, d, d, n, true, false, false, scratch) // (N-1) C = xᵀ x  (D, D)
				loss += o.spread(c, n, d)
				kernel.MatMul(dz[view*n*d:][:n*d], x, c, n, d, d, false, false, false, scratch) // dx = x c; its columns have mean 0, as x's
			}
			apart := 0.0
			for i, z1 := range z[:n*d] {
				diff := float64(z1) - float64(z[n*d+i])
				apart += float64(diff * diff)
				pull := float32(2 * o.Sim * diff / float64(n*d))
				dz[i] += pull
				dz[n*d+i] -= pull
			}
			return loss + float64(o.Sim*apart/float64(n*d)), nil
		},
	}
}

// spread is what one view adds for variance and covariance. It turns the products
// c = xᵀ x of centred columns into the symmetric matrix that x is multiplied by
// for its gradient.
func (o VICRegOptions) spread(c []float32, n, d int) float64 {
	loss, free, columns := 0.0, float64(n-1), float64(d)
	for i := range d {
		row := c[i*d : (i+1)*d]
		for j, v := range row {
			cov := float64(v) / free
			if i != j {
				loss += float64(o.Cov * cov * cov / columns)
				row[j] = float32(4 * o.Cov * cov / (columns * free))
				continue
			}
			row[j] = 0
			if std := math.Sqrt(cov + 1e-4); !(std >= 1) { // NaN shows
				loss += float64(o.Var / 2 * (1 - std) / columns)
				row[j] = float32(-o.Var / 2 / (std * columns * free))
			}
		}
	}
	return loss
}
