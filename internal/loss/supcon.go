package loss

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// SupCon is the supervised contrastive loss of Khosla et al. 2020, equation 2
// (L_out), over unit rows z (M, D) and their labels (M), whole numbers. With the
// positives P(i), all other rows of row i's label,
//
//	-1/|P(i)| Σ_{p∈P(i)} log( exp(zᵢ·z_p/τ) / Σ_{k≠i} exp(zᵢ·zₖ/τ) )
//
// averaged over the M rows, where one without positives counts as 0. A negative
// label is none: such a row is a negative for the others, and neither anchor nor
// positive. Rows i and i+N labelled alike, and no others, give NTXent.
func SupCon(z, labels *gorgonia.Node, tau Temperature) (*gorgonia.Node, error) {
	return supcon(tau.temperature).of(tau.after(z, labels)...)
}

func supcon(t temperature) fused {
	return fused{
		sig: fmt.Sprintf("supcon{%v}", t),
		wrt: t.wrt(true, false),
		check: func(in []tensor.Shape) error {
			if !isRows(in[0]) || len(in[1]) != 1 || in[1][0] != in[0][0] {
				return fmt.Errorf("want z (M, D) and labels (M)")
			}
			return t.check(in)
		},
		scratch: func(in []tensor.Shape) int {
			m, d := in[0][0], in[0][1]
			return m*m + m + max(kernel.MatMulScratch(m, m, d), kernel.MatMulScratch(m, d, m))
		},
		run: func(grads gradients, in []kernel.Array, scratch []float32) (float64, error) {
			z, labels, m, d := in[0].Data, in[1].Data, in[0].Shape[0], in[0].Shape[1]
			if err := checkLabels(labels); err != nil {
				return 0, err
			}
			s, products, scratch := scratch[:m*m], scratch[m*m:][:m], scratch[m*m+m:]
			kernel.MatMul(s, z, z, m, m, d, false, true, false, scratch) // s = z zᵀ  (M, M)

			tau := t.of(in)
			loss, scale, weight := 0.0, 1/tau, 1/(tau*float64(m))
			for i := range m { // row i of s: from cosines to gradients g = (softmax - [positive] / |P|) / (τ M)
				row := s[i*m : (i+1)*m]
				positives := 0.0
				for p := range m {
					if positive(labels, i, p) {
						positives++
					}
				}
				if positives == 0 {
					clear(row)
					continue
				}
				row[i] = float32(none)
				copy(products, row)
				total := kernel.Softmax(row, none, scale, weight)
				for p := range m {
					if positive(labels, i, p) {
						logp := float64(scale*float64(products[p])) - total
						loss -= logp / positives
						row[p] = float32(weight / positives * math.Expm1(logp+math.Log(positives))) // softmax - 1/|P|, without cancellation
					}
				}
			}
			dz := grads[0] // (M, D); sᵢⱼ = zᵢ·zⱼ moves both rows: dz = g z + gᵀ z
			kernel.MatMul(dz, s, z, m, d, m, false, false, false, scratch)
			kernel.MatMul(dz, s, z, m, d, m, true, false, true, scratch)
			if t.learnt {
				grads[2][0] = float32(kernel.Dot(z, dz) / 2) // Σ gᵢⱼ zᵢ·zⱼ, which dz has twice
			}
			return loss / float64(m), nil
		},
	}
}

// positive reports whether rows i and p are two of one label.
func positive(labels []float32, i, p int) bool {
	return p != i && labels[i] >= 0 && labels[p] == labels[i]
}

// checkLabels refuses what is no whole number, or so large that float32 has not
// every one.
func checkLabels(labels []float32) error {
	for i, l := range labels {
		if !(math.Abs(float64(l)) < 1<<24) || l != float32(int(l)) {
			return fmt.Errorf("label %g of row %d is not a whole number below %d", l, i, 1<<24)
		}
	}
	return nil
}
