package loss

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// BCE is the binary cross entropy of logits x (N, C) with targets t (N, C) from 0 to
// 1, for clips of several labels: with σ(x) = 1/(1 + exp(-x))
//
//	-t log σ(x) - (1-t) log σ(-x)
//
// averaged over all of (N, C). A run with another target fails.
func BCE(logits, targets *gorgonia.Node) (*gorgonia.Node, error) {
	return bce().of(logits, targets)
}

func bce() fused {
	return fused{
		sig: "bce",
		wrt: []bool{true, false},
		check: func(in []tensor.Shape) error {
			if !isRows(in...) || in[0][0] != in[1][0] || in[0][1] != in[1][1] {
				return fmt.Errorf("want logits (N, C) and targets (N, C)")
			}
			return nil
		},
		run: func(grads gradients, in []kernel.Array, _ []float32) (float64, error) {
			loss, entries, classes := 0.0, float64(len(in[0].Data)), in[0].Shape[1]
			for i, target := range in[1].Data {
				x, t := float64(in[0].Data[i]), float64(target)
				if !(t >= 0 && t <= 1) {
					return 0, fmt.Errorf("target %g of row %d, class %d is not from 0 to 1", t, i/classes, i%classes)
				}
				small := math.Exp(-math.Abs(x))
				rest := math.Log1p(small) // -log σ(|x|)
				loss += float64(t*(max(0, -x)+rest)) + float64((1-t)*(max(0, x)+rest))
				yes, no := 1/(1+small), small/(1+small) // σ(x), σ(-x) if x is positive
				if x < 0 {
					yes, no = no, yes
				}
				grads[0][i] = float32((float64((1-t)*yes) - float64(t*no)) / entries) // σ(x) - t, without cancellation
			}
			return loss / entries, nil
		},
	}
}
