package loss

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// Bilinear is COLA's loss (Saeed, Grangier and Zeghidour 2021, section 2) over
// rows a (N, D) and b (N, E) of the two views, which are not normalised, and a
// weight w (D, E) that is learnt:
//
//	-log( exp(aᵢᵀ W bᵢ) / Σⱼ exp(aᵢᵀ W bⱼ) )
//
// averaged over the N rows. All three have gradients.
func Bilinear(a, w, b *gorgonia.Node) (*gorgonia.Node, error) {
	return bilinear().of(a, w, b)
}

func bilinear() fused {
	return fused{
		sig: "bilinear",
		wrt: []bool{true, true, true},
		check: func(in []tensor.Shape) error {
			a, w, b := in[0], in[1], in[2]
			if !isRows(a, w, b) || a[0] != b[0] || w[0] != a[1] || w[1] != b[1] {
				return fmt.Errorf("want a (N, D), w (D, E), b (N, E)")
			}
			return nil
		},
		scratch: func(in []tensor.Shape) int {
			n, d, e := in[0][0], in[1][0], in[1][1]
			return 2*n*e + max(chooseScratch(n, e), kernel.MatMulScratch(n, e, d), kernel.MatMulScratch(n, d, e), kernel.MatMulScratch(d, e, n))
		},
		run: func(grads gradients, in []kernel.Array, scratch []float32) (float64, error) {
			a, w, b, da, dw, db := in[0].Data, in[1].Data, in[2], grads[0], grads[1], grads[2]
			n, d, e := b.Shape[0], in[1].Shape[0], in[1].Shape[1]
			p, dp, scratch := kernel.Array{Shape: b.Shape, Data: scratch[:n*e]}, scratch[n*e:2*n*e], scratch[2*n*e:]
			kernel.MatMul(p.Data, a, w, n, e, d, false, false, false, scratch) // p = a W  (N, E)
			loss := choose(dp, db, p, b, 1, 1, false, scratch)
			kernel.MatMul(da, dp, w, n, d, e, false, true, false, scratch) // da = dp Wᵀ
			kernel.MatMul(dw, a, dp, d, e, n, true, false, false, scratch) // dW = aᵀ dp
			return loss, nil
		},
	}
}
