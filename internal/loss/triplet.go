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
	Mining  string  `yaml:"mining" doc:"which triplets of a batch count: hard, semi_hard or all"`
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
//	           equation 4), or with the farthest negative where none is
//	all        every triplet whose term is not 0 (Hermans et al., equation 6 and
//	           section 2.3)
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

// triplets are those of one batch.
type triplets struct {
	o      TripletOptions
	labels []float32
	m      int
	d      []float32 // (M, M) distances, of rows from one another
	pulls  []float32 // (M, M) how often a row was pulled to another one, less how often it was pushed away
	loss   float64   // sum
	count  float64   // of what it is to be averaged over
}

// measure fills in the distances.
func (t *triplets) measure(z kernel.Array) {
	d := z.Shape[1]
	for i := range t.m {
		for j := range i + 1 {
			apart := t.o.apart(z.Data[i*d:][:d], z.Data[j*d:][:d])
			t.d[i*t.m+j], t.d[j*t.m+i] = float32(apart), float32(apart)
			t.loss += float64(0 * apart) // NaN shows, chosen or not
		}
	}
}

func (t *triplets) positive(a, p int) bool { return positive(t.labels, a, p) }
func (t *triplets) negative(a, n int) bool { return t.labels[a] >= 0 && t.labels[n] != t.labels[a] }

// add takes a triplet in, and says whether its term is not 0.
func (t *triplets) add(a, p, n int) bool {
	term := t.o.Margin + float64(t.d[a*t.m+p]) - float64(t.d[a*t.m+n])
	if term <= 0 {
		return false
	}
	t.loss += term
	t.pulls[a*t.m+p]++
	t.pulls[a*t.m+n]--
	return true
}

// nearest is the negative of a nearest to it among those farther than least, or -1.
func (t *triplets) nearest(a int, least float32) int {
	best := -1
	for n, d := range t.d[a*t.m:][:t.m] {
		if t.negative(a, n) && !(d <= least) && (best < 0 || !(d >= t.d[a*t.m+best])) {
			best = n
		}
	}
	return best
}

// farthest is, of the rows of a kind, the one farthest from a, or -1.
func (t *triplets) farthest(a int, of func(a, i int) bool) int {
	best := -1
	for i, d := range t.d[a*t.m:][:t.m] {
		if of(a, i) && (best < 0 || !(d <= t.d[a*t.m+best])) {
			best = i
		}
	}
	return best
}

func (t *triplets) hard() {
	for a := range t.m {
		p, n := t.farthest(a, t.positive), t.nearest(a, -1)
		if p >= 0 && n >= 0 {
			t.add(a, p, n)
			t.count++
		}
	}
}

func (t *triplets) semiHard() {
	for a := range t.m {
		last := t.farthest(a, t.negative)
		for p := range t.m {
			if last < 0 || !t.positive(a, p) {
				continue
			}
			n := t.nearest(a, t.d[a*t.m+p])
			if n < 0 {
				n = last
			}
			t.add(a, p, n)
			t.count++
		}
	}
}

func (t *triplets) all() {
	for a := range t.m {
		for p := range t.m {
			if !t.positive(a, p) {
				continue
			}
			for n := range t.m {
				if t.negative(a, n) && t.add(a, p, n) {
					t.count++
				}
			}
		}
	}
}

// gradient writes dz (M, D): a distance's is (zᵢ - zⱼ) / ‖zᵢ - zⱼ‖ by zᵢ, a squared
// one's 2 (zᵢ - zⱼ), and it has moved the two rows by as much.
func (t *triplets) gradient(dz []float32, z kernel.Array) {
	d := z.Shape[1]
	for i := range t.m {
		out, zi := dz[i*d:][:d], z.Data[i*d:][:d]
		clear(out)
		for j := range t.m {
			pulls := float64(t.pulls[i*t.m+j]) + float64(t.pulls[j*t.m+i])
			if pulls == 0 {
				continue
			}
			t.o.pull(out, zi, z.Data[j*d:][:d], pulls/t.count, float64(t.d[i*t.m+j]))
		}
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
