package loss

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// NTXent is SimCLR's loss (Chen et al. 2020, equation 1) over unit rows z
// (2N, D), where rows i and i+N are the two views of one clip:
//
//	ℓ(i,j) = -log( exp(zᵢ·zⱼ/τ) / Σ_{k≠i} exp(zᵢ·zₖ/τ) )
//
// averaged over both orders of every pair. Equal rows give log(2N-1).
func NTXent(z *gorgonia.Node, tau Temperature) (*gorgonia.Node, error) {
	return ntxent(tau.temperature).of(tau.after(z)...)
}

func ntxent(t temperature) fused {
	return fused{
		sig: fmt.Sprintf("nt_xent{%v}", t),
		wrt: t.wrt(true),
		check: func(in []tensor.Shape) error {
			if !isRows(in[0]) || in[0][0]%2 != 0 {
				return fmt.Errorf("want z (2N, D), the second views behind the first")
			}
			return t.check(in)
		},
		scratch: func(in []tensor.Shape) int {
			m, d := in[0][0], in[0][1]
			return m*m + max(kernel.MatMulScratch(m, m, d), kernel.MatMulScratch(m, d, m))
		},
		run: func(grads gradients, in []kernel.Array, scratch []float32) (float64, error) {
			z, m, d := in[0].Data, in[0].Shape[0], in[0].Shape[1]
			s, scratch := scratch[:m*m], scratch[m*m:]
			kernel.MatMul(s, z, z, m, m, d, false, true, false, scratch) // s = z zᵀ  (2N, 2N)

			loss, tau := 0.0, t.of(in)
			for i := range m { // row i of s: from cosines to gradients g = (softmax - target) / (τ 2N)
				row := s[i*m : (i+1)*m]
				row[i] = float32(none)
				loss += contrast(row, (i+m/2)%m, 1/tau, 1/(tau*float64(m)))
			}
			dz := grads[0] // (2N, D); sᵢⱼ = zᵢ·zⱼ moves both rows: dz = g z + gᵀ z
			kernel.MatMul(dz, s, z, m, d, m, false, false, false, scratch)
			kernel.MatMul(dz, s, z, m, d, m, true, false, true, scratch)
			if t.learnt {
				grads[1][0] = float32(kernel.Dot(z, dz) / 2) // Σ gᵢⱼ zᵢ·zⱼ, which dz has twice
			}
			return loss / float64(m), nil
		},
	}
}
