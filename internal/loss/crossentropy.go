package loss

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// CrossEntropy is the mean over rows of -log softmax(logits)[label], for logits
// (N, C) and labels (N) that hold the class, 0 to C-1, as a number. A run with
// another label fails.
func CrossEntropy(logits, labels *gorgonia.Node) (*gorgonia.Node, error) {
	return crossEntropy().of(logits, labels)
}

func crossEntropy() fused {
	return fused{
		sig: "cross_entropy",
		wrt: []bool{true, false},
		check: func(in []tensor.Shape) error {
			if !isRows(in[0]) || len(in[1]) != 1 || in[1][0] != in[0][0] {
				return fmt.Errorf("want logits (N, C) and labels (N)")
			}
			return nil
		},
		run: func(grads gradients, in []kernel.Array, _ []float32) (float64, error) {
			n, c := in[0].Shape[0], in[0].Shape[1]
			loss, weight := 0.0, 1/float64(n)
			copy(grads[0], in[0].Data)
			for i, l := range in[1].Data {
				label := int(l)
				if label < 0 || label >= c || float32(label) != l {
					return 0, fmt.Errorf("label %g of row %d is not one of %d classes", l, i, c)
				}
				loss += contrast(grads[0][i*c:(i+1)*c], label, 1, weight)
			}
			return loss * weight, nil
		},
	}
}
