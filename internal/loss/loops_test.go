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

// labelledLoops leaves rows of label -1 out.
func labelledLoops(in ...rows) float64 {
	x, labels := rows{d: in[0].d}, rows{}
	for i, l := range in[1].x {
		if l != -1 {
			x.x, labels.x = append(x.x, in[0].row(i)...), append(labels.x, l)
			x.n++
		}
	}
	if x.n == 0 {
		return 0
	}
	return crossEntropyLoops(x, labels)
}

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

// mocoV3From is with a temperature that is learnt, whose factor stays the first one's.
func mocoV3From(first float64) loops {
	return func(in ...rows) float64 { return 2 * first * learnt(inBatchLoops)(in...) }
}

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
