package loss

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// SwAVOptions are SwAV's. The paper's epsilon is 0.05, its iterations 3, its
// temperature 0.1, and of its views the first two, the large ones, are assigned.
type SwAVOptions struct {
	Views       int     // of each clip
	Assign      int     // how many of the views, the first ones, are assigned to prototypes
	Epsilon     float64 // how soft an assignment is
	Iterations  int     // of Sinkhorn and Knopp
	Temperature float64 // divides the scores
}

// Check refuses what nothing can be predicted with.
func (o SwAVOptions) Check() error {
	switch {
	case o.Views < 2:
		return fmt.Errorf("views is %d, must be 2 or more", o.Views)
	case o.Assign < 1 || o.Assign > o.Views:
		return fmt.Errorf("assign is %d, must be 1 to the %d views", o.Assign, o.Views)
	case !(o.Epsilon > 0) || math.IsInf(o.Epsilon, 0):
		return fmt.Errorf("epsilon is %g, must be positive", o.Epsilon)
	case o.Iterations < 1:
		return fmt.Errorf("iterations is %d, must be positive", o.Iterations)
	}
	return temperature{number: o.Temperature}.check(nil)
}

// SwAV is the swapped prediction of Caron et al. 2020, equations 1, 2 and 6, over
// the scores (V·N, K) of V views, one behind the other, of N clips: products of unit
// projections and K unit prototypes. A view's assignments q (N, K) are Sinkhorn's of
// its scores, and every other view predicts them:
//
//	-Σₖ q_k log softmax(scores/τ)_k
//
// averaged over the clips, the assigned views, and the V-1 others of each. The
// assignments are constants: no gradient goes through them.
func SwAV(scores *gorgonia.Node, o SwAVOptions) (*gorgonia.Node, error) {
	return swav(o, 1).of(scores)
}

// SwAVQueue is SwAV with a queue of earlier projections (section 3.1), which makes
// small batches fill the prototypes: queue (A·Q, K) holds the scores of Q of them for
// each of the A assigned views, and Sinkhorn assigns these and the batch's together.
// Only the batch's assignments are predicted. The queue is constant: no gradient.
func SwAVQueue(scores, queue *gorgonia.Node, o SwAVOptions) (*gorgonia.Node, error) {
	return swav(o, 2).of(scores, queue)
}

func swav(o SwAVOptions, inputs int) fused {
	return fused{
		sig: fmt.Sprintf("swav%+v", o),
		wrt: []bool{true, false}[:inputs],
		check: func(in []tensor.Shape) error {
			if err := o.Check(); err != nil {
				return err
			}
			if !isRows(in...) || in[0][0]%o.Views != 0 {
				return fmt.Errorf("want the scores of %d views, (%d N, K)", o.Views, o.Views)
			}
			if len(in) > 1 && (in[1][0]%o.Assign != 0 || in[1][1] != in[0][1]) {
				return fmt.Errorf("want a queue for each of %d views, (%d Q, K)", o.Assign, o.Assign)
			}
			return nil
		},
		scratch: func(in []tensor.Shape) int {
			rows := in[0][0] / o.Views
			if len(in) > 1 {
				rows += in[1][0] / o.Assign
			}
			return o.Assign*rows*in[0][1] + kernel.SinkhornScratch(rows, in[0][1])
		},
		run: func(grads gradients, in []kernel.Array, scratch []float32) (float64, error) {
			scores, n, k := in[0].Data, in[0].Shape[0]/o.Views, in[0].Shape[1]
			var queue []float32 // (A Q, K)
			if len(in) > 1 {
				queue = in[1].Data
			}
			old := len(queue) / o.Assign // Q K
			size := old + n*k
			all, scratch := scratch[:o.Assign*size], scratch[o.Assign*size:]
			for a := range o.Assign {
				q := all[a*size:][:size] // (Q + N, K), the queue before the batch
				copy(q, queue[a*old:][:old])
				copy(q[old:], scores[a*n*k:][:n*k])
				kernel.Sinkhorn(q, size/k, k, o.Epsilon, o.Iterations, scratch)
			}

			loss, scale := 0.0, 1/o.Temperature
			terms := float64(n * o.Assign * (o.Views - 1))
			ds := grads[0] // (V N, K)
			copy(ds, scores)
			for v := range o.Views {
				targets := o.Assign // that this view predicts
				if v < o.Assign {
					targets--
				}
				for i := range n {
					at := (v*n + i) * k
					row := ds[at : at+k]
					total := kernel.Softmax(row, none, scale, scale*float64(targets)/terms)
					for a := range o.Assign {
						if a == v {
							continue
						}
						for j, q := range all[a*size+old+i*k:][:k] { // q of (N, K)
							loss += float64(float64(q) * (total - float64(scale*float64(scores[at+j]))))
							row[j] -= float32(scale * float64(q) / terms)
						}
					}
				}
			}
			return loss / terms, nil
		},
	}
}
