package eval

import (
	"math"
	"slices"

	"clr/internal/kernel"

	blas "gonum.org/v1/gonum/blas/gonum"
)

// dense is linear algebra. It has no state, and its sums have a fixed order.
var dense blas.Implementation

// A Logit is a kind of logistic regression.
type Logit struct {
	OneVsRest bool // a class against all others, each by itself; else all together. Sets that are Multi are always so
	Balanced  bool // classes weigh alike, however many clips they have (scikit-learn's class_weight='balanced')
}

// An objective is mean loss + ‖W‖²/(2CN) and its gradient. The loss of a clip is
// the cross entropy, or, each class by itself, the sum of the classes' binary
// ones. Rows are taken in chunks whose number depends on N alone; each chunk has
// sums of its own, added in the order of the chunks, so threads change no bit.
//
// Weights are rows (w, b) of D+1, one for each of the K' classes that there is
// something to learn about: those that occur and, each by itself, are not all.
type objective struct {
	set     Set
	binary  bool         // each class by itself
	classes []int        // (K'), ascending
	tiled   packed       // the weights
	y       []int        // (N), indices into classes; of single classes that are learnt together
	is      []uint8      // (N, K'), 1 where the clip has the class; each by itself
	weights [][2]float64 // (K'): of a clip that has not the class, and of one that has
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
	gradient    []float64 // (K', D+1), and more rows to whole tiles
	z           []float64 // of a block's rows (blockRows, tiles(K'))
}

func newObjective(s Set, l Logit) *objective {
	f := &objective{set: s, binary: l.OneVsRest || s.Multi()}
	count := make([]int, len(s.Classes))
	for i := range s.N {
		for _, y := range s.Of(i) {
			count[y]++
		}
	}
	place := make([]int, len(s.Classes)) // of a class in classes; -1: none
	for c, n := range count {
		place[c] = -1
		if n > 0 && !(f.binary && n == s.N) {
			place[c] = len(f.classes)
			f.classes = append(f.classes, c)
		}
	}
	for _, c := range f.classes {
		w, n, all := [2]float64{1, 1}, float64(count[c]), float64(s.N)
		switch {
		case l.Balanced && f.binary:
			w = [2]float64{all / (2 * (all - n)), all / (2 * n)}
		case l.Balanced:
			w[1] = all / (float64(len(f.classes)) * n)
		}
		f.weights = append(f.weights, w)
	}
	if f.binary {
		f.is = make([]uint8, s.N*len(f.classes))
	} else {
		f.y = make([]int, s.N)
	}
	for i := range s.N {
		for _, y := range s.Of(i) {
			switch {
			case !f.binary:
				f.y[i] = place[y]
			case place[y] >= 0:
				f.is[i*len(f.classes)+place[y]] = 1
			}
		}
	}
	f.gradient = make([]float64, len(f.classes)*(s.D+1))
	for _, b := range bounds(s.N) {
		k := tiles(len(f.classes))
		f.chunks = append(f.chunks, chunk{lo: b[0], hi: b[1], gradient: make([]float64, k*(s.D+1)), z: make([]float64, blockRows*k)})
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
	f.tiled.pack(len(f.classes), f.set.D, func(k int) ([]float64, float64) {
		row := x[k*(f.set.D+1) : (k+1)*(f.set.D+1)]
		return row[:f.set.D], row[f.set.D]
	})
	share(len(f.chunks), f.set.N*len(f.gradient), func(i int) { f.chunk(&f.chunks[i]) })
	n, d := float64(f.set.N), f.set.D
	f.loss, f.doubt = 0, 0
	clear(f.gradient)
	for i := range f.chunks {
		f.loss += f.chunks[i].loss / n
		f.doubt += f.chunks[i].doubt / (n * float64(len(f.classes)))
		dense.Daxpy(len(f.gradient), 1/n, f.chunks[i].gradient, 1, f.gradient, 1) // without the rows that fill tiles
	}
	for k := range f.classes {
		w := x[k*(d+1) : k*(d+1)+d]
		f.loss += f.penalty / 2 * dense.Ddot(d, w, 1, w, 1)
		dense.Daxpy(d, f.penalty, w, 1, f.gradient[k*(d+1):], 1)
	}
}

// chunk sums loss and gradient over its rows, a block after the other.
func (f *objective) chunk(c *chunk) {
	d, k := f.set.D, f.tiled.k
	c.loss, c.doubt = 0, 0
	clear(c.gradient)
	for lo := c.lo; lo < c.hi; lo += blockRows {
		rows := min(blockRows, c.hi-lo)
		x := f.set.X[lo*d : (lo+rows)*d]
		f.tiled.logits(c.z, x, rows)
		for i := range rows {
			z, rest := c.z[i*k:i*k+len(f.classes)], c.z[i*k+len(f.classes):(i+1)*k]
			if f.binary {
				f.yesNo(c, lo+i, z)
			} else {
				f.together(c, lo+i, z)
			}
			for y, r := range z {
				c.gradient[y*(d+1)+d] += r
			}
			clear(rest)
		}
		kernel.DoubleProduct{M: k, N: d, K: rows, CRow: d + 1, ARow: 1, AStep: k, BRow: d}.Add(c.gradient, c.z, x)
	}
}

// together adds a clip's cross entropy and turns its logits into the gradient by
// them, p - 1[class].
func (f *objective) together(c *chunk, i int, z []float64) { // (K')
	y := f.y[i]
	w := f.weights[y][1]
	most, sum := slices.Max(z), 0.0
	c.loss -= float64(w * (z[y] - most))
	for k, v := range z {
		z[k] = math.Exp(v - most)
		sum += z[k]
	}
	c.loss += float64(w * math.Log(sum))
	for k, v := range z {
		r := v / sum
		c.doubt += float64(w * (r * (1 - r)))
		if k == y {
			r--
		}
		z[k] = w * r
	}
}

// yesNo is together for classes by themselves.
func (f *objective) yesNo(c *chunk, i int, z []float64) { // (K')
	for k, v := range z {
		is := f.is[i*len(z)+k]
		w := f.weights[k][is]
		small := math.Exp(-math.Abs(v))
		yes, no := 1/(1+small), small/(1+small) // p and 1-p if v is positive
		if v < 0 {
			yes, no = no, yes
		}
		wrong := v // the loss is log(1 + exp(wrong))
		r := yes
		if is == 1 {
			wrong, r = -v, -no
		}
		c.loss += float64(w * (max(wrong, 0) + math.Log1p(small)))
		c.doubt += float64(w * (yes * no))
		z[k] = w * r
	}
}

// logSigmoid turns logits into log-probabilities of their classes, each by itself,
// in place.
func logSigmoid(z []float64) {
	for k, v := range z {
		z[k] = min(v, 0) - math.Log1p(math.Exp(-math.Abs(v)))
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
