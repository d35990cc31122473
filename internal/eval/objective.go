package eval

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas/gonum"
)

// blas has no state; its Ddot and Daxpy run on one thread in a fixed order.
var blas gonum.Implementation

// An objective is mean cross entropy + ‖W‖²/(2CN) and its gradient. Rows are
// taken in chunks whose number depends on N alone; each chunk has sums of its
// own, added in the order of the chunks, so threads change no bit.
type objective struct {
	set     Set
	d       int
	classes []int // (K'), the classes that occur, ascending
	y       []int // (N), indices into classes
	penalty float64
	chunks  []chunk

	x        []float64 // where loss and gradient were taken
	loss     float64
	gradient []float64 // W (K', D), then b (K')
}

type chunk struct {
	lo, hi   int
	loss     float64
	gradient []float64
}

func newObjective(s Set, c float64) *objective {
	classes := slices.Compact(slices.Sorted(slices.Values(s.Labels)))
	f := &objective{set: s, d: s.D, classes: classes, y: make([]int, s.N), penalty: 1 / (c * float64(s.N))}
	for i, y := range s.Labels {
		f.y[i], _ = slices.BinarySearch(classes, y)
	}
	size := len(classes) * (s.D + 1)
	f.gradient = make([]float64, size)
	for _, b := range bounds(s.N) {
		f.chunks = append(f.chunks, chunk{lo: b[0], hi: b[1], gradient: make([]float64, size)})
	}
	return f
}

func (f *objective) value(x []float64) float64 {
	f.at(x)
	return f.loss
}

// at takes loss and gradient at x, if they are not those of x already.
func (f *objective) at(x []float64) {
	if f.x != nil && slices.Equal(f.x, x) {
		return
	}
	f.x = append(f.x[:0], x...)
	share(len(f.chunks), f.set.N*len(f.gradient), func(i int) { f.chunk(&f.chunks[i]) })
	n := float64(f.set.N)
	weights := x[:len(f.classes)*f.d]
	f.loss = 0
	for i := range f.chunks {
		f.loss += f.chunks[i].loss / n
	}
	f.loss += f.penalty / 2 * blas.Ddot(len(weights), weights, 1, weights, 1)
	clear(f.gradient)
	blas.Daxpy(len(weights), f.penalty, weights, 1, f.gradient, 1)
	for i := range f.chunks {
		blas.Daxpy(len(f.gradient), 1/n, f.chunks[i].gradient, 1, f.gradient, 1)
	}
}

// chunk sums loss and gradient over its rows.
func (f *objective) chunk(c *chunk) {
	k := len(f.classes)
	w, b := f.x[:k*f.d], f.x[k*f.d:]
	c.loss = 0
	clear(c.gradient)
	z := make([]float64, k)
	for i := c.lo; i < c.hi; i++ {
		row := f.set.Row(i) // (D)
		logits(z, row, w, b)
		logSoftmax(z)
		c.loss -= z[f.y[i]]
		for j, v := range z {
			r := math.Exp(v) // dL/dz = p - 1[class]
			if j == f.y[i] {
				r--
			}
			blas.Daxpy(f.d, r, row, 1, c.gradient[j*f.d:(j+1)*f.d], 1)
			c.gradient[k*f.d+j] += r
		}
	}
}

// logits are z = W·x + b.
func logits(z, x, w, b []float64) { // (K), (D), (K, D), (K)
	d := len(x)
	for k := range z {
		z[k] = blas.Ddot(d, w[k*d:(k+1)*d], 1, x, 1) + b[k]
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

// bounds divides n rows into at most 32 chunks of at least 64 rows.
func bounds(n int) [][2]int {
	rows := max(64, (n+31)/32)
	var out [][2]int
	for lo := 0; lo < n; lo += rows {
		out = append(out, [2]int{lo, min(n, lo+rows)})
	}
	return out
}

// each runs do on chunks of n rows that do not touch one another.
func each(n int, do func(lo, hi int)) {
	b := bounds(n)
	share(len(b), math.MaxInt, func(i int) { do(b[i][0], b[i][1]) })
}

// share runs do(0..n-1) on all processors, or here if the work is small.
func share(n, work int, do func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers < 2 || work < 1<<15 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	all.Wait()
}
