package loss

import (
	"math"
	"slices"

	"clr/internal/kernel"
)

// An array in float64, for the loops below.
type rows struct {
	n, d int
	x    []float64
}

func (r rows) row(i int) []float64 { return r.x[i*r.d : (i+1)*r.d] }

func wide(a kernel.Array) rows {
	r := rows{n: a.Shape[0], d: len(a.Data) / a.Shape[0], x: make([]float64, len(a.Data))}
	for i, v := range a.Data {
		r.x[i] = float64(v)
	}
	return r
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

// The losses as the papers write them, in float64 loops over rows in[0], in[1], ...
// They do not normalise: that is done before.
type loops func(in ...rows) float64

// with sets the temperature.
func with(tau float64, l func(float64, ...rows) float64) loops {
	return func(in ...rows) float64 { return l(tau, in...) }
}

// learnt takes it from the last input.
func learnt(l func(float64, ...rows) float64) loops {
	return func(in ...rows) float64 {
		last := len(in) - 1
		return l(math.Exp(-in[last].x[0]), in[:last]...)
	}
}

// ntxentLoops is SimCLR's algorithm 1.
func ntxentLoops(tau float64, in ...rows) float64 {
	z := in[0]
	n := z.n / 2
	ell := func(i, j int) float64 {
		largest := math.Inf(-1)
		for k := range 2 * n {
			if k != i {
				largest = math.Max(largest, dot(z.row(i), z.row(k))/tau)
			}
		}
		sum := 0.0
		for k := range 2 * n {
			if k != i {
				sum += math.Exp(dot(z.row(i), z.row(k))/tau - largest)
			}
		}
		return -(dot(z.row(i), z.row(j))/tau - largest - math.Log(sum))
	}
	total := 0.0
	for k := range n {
		total += ell(k, k+n) + ell(k+n, k)
	}
	return total / float64(2*n)
}

// infonceLoops is MoCo's algorithm 1: cross entropy of [l_pos, l_neg] with class 0.
func infonceLoops(tau float64, in ...rows) float64 {
	q, k, queue := in[0], in[1], in[2]
	total := 0.0
	for i := range q.n {
		logits := []float64{dot(q.row(i), k.row(i)) / tau}
		for j := range queue.n {
			logits = append(logits, dot(q.row(i), queue.row(j))/tau)
		}
		total += crossEntropyOf(logits, 0)
	}
	return total / float64(q.n)
}

func crossEntropyLoops(in ...rows) float64 { return smoothLoops(0, in...) }

func smoothLoops(epsilon float64, in ...rows) float64 {
	total := 0.0
	for i := range in[0].n {
		for c := range in[0].d {
			target := epsilon / float64(in[0].d)
			if c == int(in[1].x[i]) {
				target += 1 - epsilon
			}
			total += target * crossEntropyOf(in[0].row(i), c)
		}
	}
	return total / float64(in[0].n)
}

func bceLoops(in ...rows) float64 {
	total := 0.0
	for i, x := range in[0].x {
		t := in[1].x[i]
		total += t*crossEntropyOf([]float64{0, x}, 1) + (1-t)*crossEntropyOf([]float64{0, x}, 0) // softmax of (0, x)
	}
	return total / float64(len(in[0].x))
}

func crossEntropyOf(logits []float64, class int) float64 {
	largest, sum := slices.Max(logits), 0.0
	for _, l := range logits {
		sum += math.Exp(l - largest)
	}
	return largest + math.Log(sum) - logits[class]
}

// byolLoops is equation 2 for both orders of each pair; simsiamLoops too.
func byolLoops(in ...rows) float64 {
	p, z, total := in[0], in[1], 0.0
	for i := range p.n {
		total += 2 - 2*dot(p.row(i), z.row(i))
	}
	return total / float64(p.n/2)
}

func simsiamLoops(in ...rows) float64 {
	p, z, total := in[0], in[1], 0.0
	for i := range p.n {
		total += -dot(p.row(i), z.row(i)) / 2
	}
	return total / float64(p.n/2)
}

// columns are the columns of one of the two views of z.
func columns(z rows, view int) [][]float64 {
	c := make([][]float64, z.d)
	for i := range z.n / 2 {
		for j, v := range z.row(view*z.n/2 + i) {
			c[j] = append(c[j], v)
		}
	}
	return c
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// covariance is Σ (a - mean)(b - mean) / over.
func covariance(a, b []float64, over int) float64 {
	ma, mb, sum := mean(a), mean(b), 0.0
	for i := range a {
		sum += (a[i] - ma) * (b[i] - mb)
	}
	return sum / float64(over)
}

func barlowTwinsLoops(lambda float64, in ...rows) float64 {
	n, total := in[0].n/2, 0.0
	for i, a := range columns(in[0], 0) {
		for j, b := range columns(in[0], 1) {
			c := covariance(a, b, n) / math.Sqrt((covariance(a, a, n)+1e-5)*(covariance(b, b, n)+1e-5))
			if i == j {
				total += (1 - c) * (1 - c)
			} else {
				total += lambda * c * c
			}
		}
	}
	return total
}

func vicregLoops(o VICRegOptions) loops {
	return func(in ...rows) float64 {
		z, n, d, total := in[0], in[0].n/2, float64(in[0].d), 0.0
		for i := range n {
			for j, v := range z.row(i) {
				total += o.Sim * math.Pow(v-z.row(n + i)[j], 2) / (float64(n) * d)
			}
		}
		for view := range 2 {
			all := columns(z, view)
			for i, a := range all {
				for j, b := range all {
					c := covariance(a, b, n-1)
					if i == j {
						total += o.Var / 2 * max(0, 1-math.Sqrt(c+1e-4)) / d
					} else {
						total += o.Cov * c * c / d
					}
				}
			}
		}
		return total
	}
}

// supconLoops is L_out; labels are in[1].
func supconLoops(tau float64, in ...rows) float64 {
	z, labels, total := in[0], in[1].x, 0.0
	for i := range z.n {
		var logits []float64
		var positives []int // by place in logits
		for k := range z.n {
			if k == i {
				continue
			}
			if labels[i] >= 0 && labels[k] == labels[i] {
				positives = append(positives, len(logits))
			}
			logits = append(logits, dot(z.row(i), z.row(k))/tau)
		}
		for _, p := range positives {
			total += crossEntropyOf(logits, p) / float64(len(positives))
		}
	}
	return total / float64(z.n)
}

// inBatchLoops is one way: a chooses among b.
func inBatchLoops(tau float64, in ...rows) float64 {
	a, b, total := in[0], in[1], 0.0
	for i := range a.n {
		var logits []float64
		for j := range b.n {
			logits = append(logits, dot(a.row(i), b.row(j))/tau)
		}
		total += crossEntropyOf(logits, i)
	}
	return total / float64(a.n)
}

func bothWaysLoops(tau float64, in ...rows) float64 {
	return (inBatchLoops(tau, in[0], in[1]) + inBatchLoops(tau, in[1], in[0])) / 2
}

func mocoV3Loops(tau float64, in ...rows) float64 { return 2 * tau * inBatchLoops(tau, in...) }

func bilinearLoops(in ...rows) float64 {
	a, w, b := in[0], in[1], in[2]
	p := rows{a.n, w.d, make([]float64, a.n*w.d)}
	for i := range a.n {
		for j := range w.n {
			for k, v := range w.row(j) {
				p.row(i)[k] += a.row(i)[j] * v
			}
		}
	}
	return inBatchLoops(1, p, b)
}

// sinkhornLoops is the appendix's code: divide by sums of columns, then of rows.
// Logarithms are kept instead of what would overflow.
func sinkhornLoops(epsilon float64, iterations int, scores rows) rows {
	q := rows{scores.n, scores.d, slices.Clone(scores.x)}
	for i := range q.x {
		q.x[i] /= epsilon
	}
	logSum := func(x []float64) float64 { return crossEntropyOf(x, 0) + x[0] }
	for range iterations {
		for k := range q.d {
			var column []float64
			for b := range q.n {
				column = append(column, q.row(b)[k])
			}
			sum := logSum(column)
			for b := range q.n {
				q.row(b)[k] -= sum
			}
		}
		for b := range q.n {
			sum := logSum(q.row(b))
			for k := range q.d {
				q.row(b)[k] -= sum
			}
		}
	}
	for i, v := range q.x {
		q.x[i] = math.Exp(v)
	}
	return q
}

// swavLoops are the swapped predictions of the assignments that the inputs have now:
// they stay when the scores are moved for a difference.
func swavLoops(o SwAVOptions, in ...rows) loops {
	n, k := in[0].n/o.Views, in[0].d
	var q []rows
	for a := range o.Assign {
		var all rows
		if len(in) > 1 {
			all.n = in[1].n / o.Assign
			all.x = append(all.x, in[1].x[a*all.n*k:(a+1)*all.n*k]...)
		}
		all = rows{all.n + n, k, append(all.x, in[0].x[a*n*k:(a+1)*n*k]...)}
		all = sinkhornLoops(o.Epsilon, o.Iterations, all)
		q = append(q, rows{n, k, all.x[(all.n-n)*k:]})
	}
	return func(in ...rows) float64 {
		total := 0.0
		for a := range o.Assign {
			for v := range o.Views {
				if v == a {
					continue
				}
				for i := range n {
					var logits []float64
					for _, s := range in[0].row(v*n + i) {
						logits = append(logits, s/o.Temperature)
					}
					all := crossEntropyOf(logits, 0) + logits[0] // log Σ exp
					for j, q := range q[a].row(i) {
						total += q * (all - logits[j])
					}
				}
			}
		}
		return total / float64(n*o.Assign*(o.Views-1))
	}
}

func contrastiveLoops(margin float64, in ...rows) float64 {
	a, b, total := in[0], in[1], 0.0
	for i := range a.n {
		d := apart(a.row(i), b.row(i))
		if in[2].x[i] == 1 {
			total += d * d / 2
		} else {
			total += math.Pow(max(0, margin-d), 2) / 2
		}
	}
	return total / float64(a.n)
}

func apart(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i])
	}
	return math.Sqrt(sum)
}

// tripletLoops lists the terms of triplets, as each kind of mining has them.
func tripletLoops(o TripletOptions) loops {
	return func(in ...rows) float64 {
		z, labels := in[0], in[1].x
		d := func(i, j int) float64 {
			if o.Squared {
				return math.Pow(apart(z.row(i), z.row(j)), 2)
			}
			return apart(z.row(i), z.row(j))
		}
		var terms []float64
		term := func(positive, negative float64) { terms = append(terms, max(0, o.Margin+positive-negative)) }
		for a := range z.n {
			var positives, negatives []float64
			for i := range z.n {
				switch {
				case labels[a] < 0 || i == a:
				case labels[i] == labels[a]:
					positives = append(positives, d(a, i))
				default:
					negatives = append(negatives, d(a, i))
				}
			}
			if len(positives) == 0 || len(negatives) == 0 {
				continue
			}
			slices.Sort(negatives)
			switch o.Mining {
			case "hard":
				term(slices.Max(positives), negatives[0])
			case "semi_hard":
				for _, p := range positives {
					farther := slices.IndexFunc(negatives, func(n float64) bool { return n > p })
					if farther < 0 {
						farther = len(negatives) - 1
					}
					term(p, negatives[farther])
				}
			case "all":
				for _, p := range positives {
					for _, n := range negatives {
						if o.Margin+p-n > 0 {
							term(p, n)
						}
					}
				}
			}
		}
		if len(terms) == 0 {
			return 0
		}
		return mean(terms)
	}
}

func givenTripletsLoops(o TripletOptions) loops {
	return func(in ...rows) float64 {
		n, total := in[0].n/3, 0.0
		for i := range n {
			p, n := apart(in[0].row(i), in[0].row(n+i)), apart(in[0].row(i), in[0].row(2*n+i))
			if o.Squared {
				p, n = p*p, n*n
			}
			total += max(0, o.Margin+p-n)
		}
		return total / float64(n)
	}
}
