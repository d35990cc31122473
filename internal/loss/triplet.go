package loss

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/kernel"
)

// TripletOptions are the triplet loss's.
type TripletOptions struct {
	Margin  float64 `yaml:"margin" doc:"how much farther a negative has to be than a positive"`
	Squared bool    `yaml:"squared" doc:"squared distances, as FaceNet has them, instead of Euclidean ones"`
	Mining  string  `yaml:"mining" doc:"which triplets of a batch count: semi_hard, all, or hard, which from random weights may collapse"`
}

// Check refuses options without meaning.
func (o TripletOptions) Check() error {
	switch o.Mining {
	case "hard", "semi_hard", "all":
		return checkMargin(o.Margin)
	}
	return fmt.Errorf("mining is %q, must be hard, semi_hard or all", o.Mining)
}

// Triplet is the triplet loss of rows z (M, D) with labels (M), whole numbers. With
// anchor a, a positive p of its label, and a negative n of another, at distances d of
// ‖·‖ or ‖·‖²,
//
//	max(0, margin + d(a,p) - d(a,n))
//
// is averaged over triplets that Mining chooses:
//
//	hard       each anchor with its farthest positive and its nearest negative
//	           (Hermans, Beyer and Leibe 2017, equation 5)
//	semi_hard  each anchor and positive with the nearest of the negatives that are
//	           farther than the positive (Schroff, Kalenichenko and Philbin 2015,
//	           equation 4), or with the farthest negative where none is, which
//	           the paper leaves open
//	all        every triplet whose term is not 0 (Hermans et al., equation 6, their
//	           BA≠0)
//
// A negative label is none: such a row is a negative for the others, and neither
// anchor nor positive. Without triplets the loss is 0. Rows at distance 0 have no
// direction to part in: their part of the gradient is 0.
func Triplet(z, labels *gorgonia.Node, o TripletOptions) (*gorgonia.Node, error) {
	return triplet(o).of(z, labels)
}

// GivenTriplets is the triplet loss of rows z (3N, D) that are triplets already: N
// anchors, their N positives, their N negatives, as in Jansen et al. 2018. It is
// averaged over all N. Mining is not asked.
func GivenTriplets(z *gorgonia.Node, o TripletOptions) (*gorgonia.Node, error) {
	return givenTriplets(o).of(z)
}

func triplet(o TripletOptions) fused {
	return fused{
		sig: fmt.Sprintf("triplet%+v", o),
		wrt: []bool{true, false},
		check: func(in []tensor.Shape) error {
			if !isRows(in[0]) || len(in[1]) != 1 || in[1][0] != in[0][0] {
				return fmt.Errorf("want z (M, D) and labels (M)")
			}
			return o.Check()
		},
		scratch: func(in []tensor.Shape) int { return 2 * in[0][0] * in[0][0] },
		run: func(grads gradients, in []kernel.Array, scratch []float32) (float64, error) {
			z, labels, m := in[0], in[1].Data, in[0].Shape[0]
			if err := checkLabels(labels); err != nil {
				return 0, err
			}
			t := triplets{o: o, labels: labels, m: m, d: scratch[:m*m], pulls: scratch[m*m:]}
			t.measure(z)
			clear(t.pulls)
			switch o.Mining {
			case "hard":
				t.hard()
			case "semi_hard":
				t.semiHard()
			case "all":
				t.all()
			}
			t.gradient(grads[0], z)
			return t.loss / max(1, t.count), nil
		},
	}
}

func givenTriplets(o TripletOptions) fused {
	return fused{
		sig: fmt.Sprintf("given_triplets{margin %g, squared %t}", o.Margin, o.Squared),
		wrt: []bool{true},
		check: func(in []tensor.Shape) error {
			if !isRows(in[0]) || in[0][0]%3 != 0 {
				return fmt.Errorf("want z (3N, D): anchors, positives, negatives")
			}
			return checkMargin(o.Margin)
		},
		run: func(grads gradients, in []kernel.Array, _ []float32) (float64, error) {
			z, dz, n, d := in[0].Data, grads[0], in[0].Shape[0]/3, in[0].Shape[1]
			clear(dz)
			loss, weight := 0.0, 1/float64(n)
			for i := range n {
				at, pt, nt := i*d, (n+i)*d, (2*n+i)*d
				anchor, positive, negative := z[at:at+d], z[pt:pt+d], z[nt:nt+d]
				near, far := o.apart(anchor, positive), o.apart(anchor, negative)
				term := o.Margin + near - far
				if term <= 0 { // not for NaN, which shows
					continue
				}
				loss += term
				o.pull(dz[at:at+d], anchor, positive, weight, near)
				o.pull(dz[pt:pt+d], positive, anchor, weight, near)
				o.pull(dz[at:at+d], anchor, negative, -weight, far)
				o.pull(dz[nt:nt+d], negative, anchor, -weight, far)
			}
			return loss * weight, nil
		},
	}
}

// apart is the distance of a and b.
func (o TripletOptions) apart(a, b []float32) float64 {
	d := distance(a, b)
	if o.Squared {
		return float64(d * d)
	}
	return d
}

// pull adds to out weight times the gradient, by a, of the distance apart from b.
func (o TripletOptions) pull(out, a, b []float32, weight, apart float64) {
	if o.Squared {
		weight *= 2
	} else {
		weight = perDistance(weight, apart)
	}
	for j, v := range a {
		out[j] += float32(weight * (float64(v) - float64(b[j])))
	}
}
