package loss

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// Contrastive is the loss of Hadsell, Chopra and LeCun 2006, equation 4, of pairs of
// rows a and b (N, D), with similar (N) 1 where the two of a pair belong together and
// 0 where not (the paper's Y is the other way round). With the distance d = ‖a - b‖
//
//	½ d² if similar, else ½ max(0, margin - d)²
//
// averaged over the pairs. Two equal rows that are not similar have no direction to
// part in: their gradient is 0.
func Contrastive(a, b, similar *gorgonia.Node, margin float64) (*gorgonia.Node, error) {
	return contrastive(margin).of(a, b, similar)
}

func contrastive(margin float64) fused {
	return fused{
		sig: fmt.Sprintf("contrastive{margin %g}", margin),
		wrt: []bool{true, true, false},
		check: func(in []tensor.Shape) error {
			a, b, similar := in[0], in[1], in[2]
			if !isRows(a, b) || a[0] != b[0] || a[1] != b[1] || len(similar) != 1 || similar[0] != a[0] {
				return fmt.Errorf("want a (N, D), b (N, D), similar (N)")
			}
			return checkMargin(margin)
		},
		run: func(grads gradients, in []kernel.Array, _ []float32) (float64, error) {
			n, d := in[0].Shape[0], in[0].Shape[1]
			loss := 0.0
			for i, similar := range in[2].Data {
				at := i * d
				a, b, da, db := in[0].Data[at:at+d], in[1].Data[at:at+d], grads[0][at:at+d], grads[1][at:at+d]
				if similar != 0 && similar != 1 {
					return 0, fmt.Errorf("similar is %g for pair %d, must be 0 or 1", similar, i)
				}
				term, pull := pairOf(distance(a, b), margin, similar == 1)
				loss += term
				pull *= 1 / float64(n)
				for j := range a {
					da[j] = float32(pull * (float64(a[j]) - float64(b[j])))
					db[j] = -da[j]
				}
			}
			return loss / float64(n), nil
		},
	}
}

// ContrastivePairs is Contrastive of all pairs of the rows z (M, D), of which those
// with one label (M), a whole number, are similar: the mean over the similar pairs
// and the mean over the others are added, for a batch has many more of the latter.
// Rows with a negative label are in no pair.
func ContrastivePairs(z, labels *gorgonia.Node, margin float64) (*gorgonia.Node, error) {
	return contrastivePairs(margin).of(z, labels)
}

func contrastivePairs(margin float64) fused {
	return fused{
		sig: fmt.Sprintf("contrastive_pairs{margin %g}", margin),
		wrt: []bool{true, false},
		check: func(in []tensor.Shape) error {
			if !isRows(in[0]) || len(in[1]) != 1 || in[1][0] != in[0][0] {
				return fmt.Errorf("want z (M, D) and labels (M)")
			}
			return checkMargin(margin)
		},
		run: func(grads gradients, in []kernel.Array, _ []float32) (float64, error) {
			z, labels, dz, m, d := in[0].Data, in[1].Data, grads[0], in[0].Shape[0], in[0].Shape[1]
			if err := checkLabels(labels); err != nil {
				return 0, err
			}
			var pairs [2]float64 // apart, similar
			each := func(f func(i, j, similar int)) {
				for i := range m {
					for j := range i {
						if labels[i] >= 0 && labels[j] >= 0 {
							similar := 0
							if labels[i] == labels[j] {
								similar = 1
							}
							f(i, j, similar)
						}
					}
				}
			}
			each(func(_, _, similar int) { pairs[similar]++ })
			clear(dz)
			loss := 0.0
			each(func(i, j, similar int) {
				a, b, da, db := z[i*d:][:d], z[j*d:][:d], dz[i*d:][:d], dz[j*d:][:d]
				term, pull := pairOf(distance(a, b), margin, similar == 1)
				if pull == 0 && term == 0 {
					return
				}
				weight := 1 / pairs[similar]
				loss += float64(term * weight)
				pull *= weight
				for k := range a {
					move := float32(pull * (float64(a[k]) - float64(b[k])))
					da[k] += move
					db[k] -= move
				}
			})
			return loss, nil
		},
	}
}

// pairOf is the term of a pair so far apart, and its pull: the gradient by a is
// pull · (a - b).
func pairOf(apart, margin float64, similar bool) (term, pull float64) {
	if similar {
		return float64(apart * apart / 2), 1
	}
	short := max(0, margin-apart) // NaN shows
	return float64(short * short / 2), -perDistance(short, apart)
}

// distance is ‖a - b‖.
func distance(a, b []float32) float64 {
	sum := 0.0
	for j, v := range a {
		diff := float64(v) - float64(b[j])
		sum += float64(diff * diff)
	}
	return math.Sqrt(sum)
}

// perDistance is x/d, and 0 where nothing is apart.
func perDistance(x, d float64) float64 {
	if d == 0 {
		return 0
	}
	return x / d
}

// checkMargin refuses what rows cannot be apart.
func checkMargin(margin float64) error {
	if !(margin > 0) || math.IsInf(margin, 0) {
		return fmt.Errorf("the margin is %g, must be positive", margin)
	}
	return nil
}
