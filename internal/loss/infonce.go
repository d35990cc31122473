package loss

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// InfoNCE is MoCo's loss (He et al. 2020, equation 1) of unit queries q (N, D)
// with their keys k (N, D) against a queue (K, D) of other keys:
//
//	-log( exp(q·k/τ) / (exp(q·k/τ) + Σ_queue exp(q·k'/τ)) )
//
// averaged over the queries. Keys and queue are constants: no gradient.
func InfoNCE(q, k, queue *gorgonia.Node, tau Temperature) (*gorgonia.Node, error) {
	return infonce(tau.temperature).of(tau.after(q, k, queue)...)
}

func infonce(t temperature) fused {
	return fused{
		sig: fmt.Sprintf("info_nce{%v}", t),
		wrt: t.wrt(true, false, false),
		check: func(in []tensor.Shape) error {
			q, k, queue := in[0], in[1], in[2]
			if !isRows(q, k, queue) || k[0] != q[0] || k[1] != q[1] || queue[1] != q[1] {
				return fmt.Errorf("want q (N, D), k (N, D), queue (K, D)")
			}
			return t.check(in)
		},
		scratch: func(in []tensor.Shape) int {
			n, d, k := in[0][0], in[0][1], in[2][0]
			return n*k + max(kernel.MatMulScratch(n, k, d), kernel.MatMulScratch(n, d, k))
		},
		run: func(grads gradients, in []kernel.Array, scratch []float32) (float64, error) {
			q, keys, queue := in[0].Data, in[1].Data, in[2].Data
			n, d, k := in[0].Shape[0], in[0].Shape[1], in[2].Shape[0]
			s, scratch := scratch[:n*k], scratch[n*k:]
			kernel.MatMul(s, q, queue, n, k, d, false, true, false, scratch) // s = q queueᵀ  (N, K)

			tau := t.of(in)
			loss, scale, weight := 0.0, 1/tau, 1/(tau*float64(n))
			dq := grads[0] // (N, D)
			for i := range n {
				key := keys[i*d : (i+1)*d]
				logit := float64(scale * kernel.Dot(q[i*d:(i+1)*d], key))
				total := kernel.Softmax(s[i*k:(i+1)*k], logit, scale, weight) // row i of s: from cosines to gradients
				loss += total - logit
				pull := weight * math.Expm1(logit-total) // (softmax - 1) / (τ N), without cancellation
				for j, v := range key {
					dq[i*d+j] = float32(pull * float64(v))
				}
			}
			kernel.MatMul(dq, s, queue, n, d, k, false, false, true, scratch) // dq += s queue
			if t.learnt {
				grads[3][0] = float32(kernel.Dot(q, dq)) // Σ gᵢⱼ qᵢ·kⱼ, over the row's key and the queue's
			}
			return loss / float64(n), nil
		},
	}
}
