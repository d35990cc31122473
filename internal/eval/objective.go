package eval

import (
	"math"
	"slices"

	blas "gonum.org/v1/gonum/blas/gonum"
)

// dense is linear algebra. It has no state, and its sums have a fixed order.
var dense blas.Implementation

// An objective is mean cross entropy + ‖W‖²/(2CN) and its gradient. Rows are
// taken in chunks whose number depends on N alone; each chunk has sums of its
// own, added in the order of the chunks, so threads change no bit.
//
// Weights are rows (w, b) of D+1, one for each of the K' classes that occur.
type objective struct {
	set     Set
	classes []int // (K'), ascending
	y       []int // (N), indices into classes
	penalty float64
	chunks  []chunk

	x        []float64 // (K', D+1): where the following were taken
	loss     float64
	gradient []float64 // (K', D+1)
	doubt    float64   // mean of p(1-p) over clips and classes
}

type chunk struct {
	lo, hi      int
	loss, doubt float64
	gradient    []float64 // (K', D+1)
}

func newObjective(s Set) *objective {
	classes := slices.Compact(slices.Sorted(slices.Values(s.Labels)))
	f := &objective{set: s, classes: classes, y: make([]int, s.N)}
	for i, y := range s.Labels {
		f.y[i], _ = slices.BinarySearch(classes, y)
	}
	f.gradient = make([]float64, len(classes)*(s.D+1))
	for _, b := range bounds(s.N) {
		f.chunks = append(f.chunks, chunk{lo: b[0], hi: b[1], gradient: make([]float64, len(f.gradient))})
	}
	return f
}

// penalize sets C.
func (f *objective) penalize(c float64) {
	f.penalty = 1 / (c * float64(f.set.N))
	f.x = nil
}

// at takes loss and gradient at x, if they are not those of x already.
func (f *objective) at(x []float64) {
	if slices.Equal(f.x, x) {
		return
	}
	f.x = append(f.x[:0], x...)
	share(len(f.chunks), f.set.N*len(f.gradient), func(i int) { f.chunk(&f.chunks[i]) })
	n, d := float64(f.set.N), f.set.D
	f.loss, f.doubt = 0, 0
	clear(f.gradient)
	for i := range f.chunks {
		f.loss += f.chunks[i].loss / n
		f.doubt += f.chunks[i].doubt / (n * float64(len(f.classes)))
		dense.Daxpy(len(f.gradient), 1/n, f.chunks[i].gradient, 1, f.gradient, 1)
	}
	for k := range f.classes {
		w := x[k*(d+1) : k*(d+1)+d]
		f.loss += f.penalty / 2 * dense.Ddot(d, w, 1, w, 1)
		dense.Daxpy(d, f.penalty, w, 1, f.gradient[k*(d+1):], 1)
	}
}

// chunk sums loss and gradient over its rows.
func (f *objective) chunk(c *chunk) {
	d := f.set.D
	c.loss, c.doubt = 0, 0
	clear(c.gradient)
	z := make([]float64, len(f.classes))
	for i := c.lo; i < c.hi; i++ {
		row := f.set.Row(i) // (D)
		logits(z, row, f.x)
		logSoftmax(z)
		c.loss -= z[f.y[i]]
		for k, v := range z {
			r := math.Exp(v) // dL/dz = p - 1[class]
			c.doubt += r * (1 - r)
			if k == f.y[i] {
				r--
			}
			g := c.gradient[k*(d+1) : (k+1)*(d+1)]
			dense.Daxpy(d, r, row, 1, g, 1)
			g[d] += r
		}
	}
}

// logits are z = W·x + b.
func logits(z, x, theta []float64) { // (K), (D), (K, D+1)
	d := len(x)
	for k := range z {
		row := theta[k*(d+1) : (k+1)*(d+1)]
		z[k] = dense.Ddot(d, row, 1, x, 1) + row[d]
	}
}

// logSoftmax turns logits into log-probabilities in place.
func logSoftmax(z []float64) {
	most := slices.Max(z)
	sum := 0.0
	for _, v := range z {
		sum += math.Exp(v - most)
	}
	lse := most + math.Log(sum)
	for k := range z {
		z[k] -= lse
	}
}
