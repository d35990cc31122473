package loss

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// CrossEntropy is the mean over rows of -log softmax(logits)[label], for logits
// (N, C) and labels (N) that hold the class, 0 to C-1, as a number. Rows with the
// label -1 have none, and are left out; where all are, the loss is 0. A run with
// another label fails.
func CrossEntropy(logits, labels *gorgonia.Node) (*gorgonia.Node, error) {
	return crossEntropy(0).of(logits, labels)
}

// CrossEntropySmooth is CrossEntropy with smoothed labels (Szegedy et al. 2016,
// section 7): the target of the label is 1-ε+ε/C, that of each other class ε/C.
func CrossEntropySmooth(logits, labels *gorgonia.Node, epsilon float64) (*gorgonia.Node, error) {
	return crossEntropy(epsilon).of(logits, labels)
}

func crossEntropy(epsilon float64) fused {
	return fused{
		sig: fmt.Sprintf("cross_entropy{smoothing %g}", epsilon),
		wrt: []bool{true, false},
		check: func(in []tensor.Shape) error {
			if !isRows(in[0]) || len(in[1]) != 1 || in[1][0] != in[0][0] {
				return fmt.Errorf("want logits (N, C) and labels (N)")
			}
			if !(epsilon >= 0 && epsilon <= 1) {
				return fmt.Errorf("smoothing is %g, must be from 0 to 1", epsilon)
			}
			return nil
		},
		run: func(grads gradients, in []kernel.Array, _ []float32) (float64, error) {
			c, labelled := in[0].Shape[1], 0
			for _, l := range in[1].Data {
				if l != -1 {
					labelled++
				}
			}
			loss, weight := 0.0, 1/float64(max(1, labelled))
			copy(grads[0], in[0].Data)
			for i, l := range in[1].Data {
				if l == -1 {
					for _, v := range grads[0][i*c:][:c] {
						loss += float64(0 * v) // NaN shows
					}
					clear(grads[0][i*c:][:c])
					continue
				}
				label := int(l)
				if label < 0 || label >= c || float32(label) != l {
					return 0, fmt.Errorf("label %g of row %d is not one of %d classes", l, i, c)
				}
				x, dx := in[0].Data[i*c:(i+1)*c], grads[0][i*c:(i+1)*c]
				loss += contrast(dx, label, 1, weight)
				if epsilon > 0 {
					loss += float64(epsilon * smooth(dx, x, label, epsilon*weight))
				}
			}
			return loss * weight, nil
		},
	}
}

// smooth is what smoothing all of the label's target adds: x[label] - mean(x). It
// adds the gradient of that to dx, times weight.
func smooth(dx, x []float32, label int, weight float64) float64 {
	mean, share := 0.0, 1/float64(len(x))
	for j, v := range x {
		mean += float64(float64(v) * share)
		dx[j] -= float32(weight * share)
	}
	dx[label] += float32(weight)
	return float64(x[label]) - mean
}
