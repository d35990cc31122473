package loss

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// InBatch is InfoNCE with the batch as negatives, over unit rows a, b (N, D), of
// which aᵢ and bᵢ belong together:
//
//	-log( exp(aᵢ·bᵢ/τ) / Σⱼ exp(aᵢ·bⱼ/τ) )
//
// averaged over the N rows. Symmetric is the mean of that and of the same with a
// and b exchanged, which is CLIP's (Radford et al. 2021, figure 3).
//
// NNCLR (Dwibedi et al. 2021, equation 2) needs nothing else: a is then the nearest
// neighbour, in the queue, of one view's projection, and b the other view's
// prediction. Neighbours are constants: they come as an input, or by way of
// op.StopGradient.
func InBatch(a, b *gorgonia.Node, tau Temperature, symmetric bool) (*gorgonia.Node, error) {
	return inBatch(tau.temperature, symmetric).of(tau.after(a, b)...)
}

// MoCoV3 is what MoCo v3 calls ctr (Chen, Xie and He 2021, algorithm 1): InBatch of
// unit queries q with unit keys k (N, D), one way, times 2τ. The paper adds ctr(q₁,
// k₂) and ctr(q₂, k₁). Keys are constants: no gradient.
//
// Where the temperature is learnt, the factor stays twice the first one: τ times the
// cross entropy falls with τ whatever the rows are, for τ log Σ exp(x/τ) has the
// entropy of the softmax for a slope, which is never negative.
func MoCoV3(q, k *gorgonia.Node, tau Temperature) (*gorgonia.Node, error) {
	return mocoV3(tau.temperature).of(tau.after(q, k)...)
}

func inBatch(t temperature, symmetric bool) fused {
	return fused{
		sig:     fmt.Sprintf("in_batch{%v, symmetric %t}", t, symmetric),
		wrt:     t.wrt(true, true),
		check:   t.checkPairs,
		scratch: scratchOfPairs,
		run: func(grads gradients, in []kernel.Array, scratch []float32) (float64, error) {
			a, b, da, db, tau, part := in[0], in[1], grads[0], grads[1], t.of(in), 1.0
			if symmetric {
				part = 0.5
			}
			loss := part * choose(da, db, a, b, 1/tau, part/tau, false, scratch)
			if symmetric {
				loss += float64(part * choose(db, da, b, a, 1/tau, part/tau, true, scratch))
			}
			if t.learnt {
				grads[2][0] = float32(kernel.Dot(a.Data, da)) // Σ gᵢⱼ aᵢ·bⱼ, and da = g b
			}
			return loss, nil
		},
	}
}

func mocoV3(t temperature) fused {
	return fused{
		sig:     fmt.Sprintf("moco_v3{%v}", t),
		wrt:     t.wrt(true, false),
		check:   t.checkPairs,
		scratch: scratchOfPairs,
		run: func(grads gradients, in []kernel.Array, scratch []float32) (float64, error) {
			q, dq, tau, factor := in[0], grads[0], t.of(in), 2*t.number
			loss := factor * choose(dq, nil, q, in[1], 1/tau, factor/tau, false, scratch)
			if t.learnt {
				grads[2][0] = float32(kernel.Dot(q.Data, dq)) // Σ gᵢⱼ qᵢ·kⱼ, and dq = g k
			}
			return loss, nil
		},
	}
}

func (t temperature) checkPairs(in []tensor.Shape) error {
	if a, b := in[0], in[1]; !isRows(a, b) || a[0] != b[0] || a[1] != b[1] {
		return fmt.Errorf("want two times (N, D)")
	}
	return t.check(in)
}

func scratchOfPairs(in []tensor.Shape) int { return chooseScratch(in[0][0], in[0][1]) }

// choose is the mean over rows of a (N, D) of the cross entropy of the logits
// scale · a bᵀ against the row's own number. With weight for scale in their chain
// rule, its gradients are written, or added, to da, and to db unless that is nil.
func choose(da, db []float32, a, b kernel.Array, scale, weight float64, add bool, scratch []float32) float64 {
	n, d := a.Shape[0], a.Shape[1]
	s, scratch := scratch[:n*n], scratch[n*n:]
	kernel.MatMul(s, a.Data, b.Data, n, n, d, false, true, false, scratch) // s = a bᵀ  (N, N)
	loss := 0.0
	for i := range n { // row i of s: from products to gradients g
		loss += contrast(s[i*n:(i+1)*n], i, scale, weight/float64(n))
	}
	kernel.MatMul(da, s, b.Data, n, d, n, false, false, add, scratch) // da = g b
	if db != nil {
		kernel.MatMul(db, s, a.Data, n, d, n, true, false, add, scratch) // db = gᵀ a
	}
	return loss / float64(n)
}

func chooseScratch(n, d int) int {
	return n*n + max(kernel.MatMulScratch(n, n, d), kernel.MatMulScratch(n, d, n))
}
