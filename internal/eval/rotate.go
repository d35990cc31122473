package eval

import (
	"gonum.org/v1/gonum/blas"
	lapackgonum "gonum.org/v1/gonum/lapack/gonum"
)

// lapack, like dense, has no state and a fixed order.
var lapack lapackgonum.Implementation

// A rotation drops the directions in which no training clip lies, where there
// are fewer clips than features: X = L·Q, with L (N, N) lower triangular and
// the rows of Q (N, D) orthonormal. L's fit, turned back, is X's: the penalty
// keeps weights out of the directions left out, and lengths stay as they are.
type rotation struct {
	n, d       int
	factor, by []float64 // (N, D) and (N): Q as LAPACK keeps it
}

// newRotation gives the rotation and the training set L (N, N).
func newRotation(s Set) (rotation, Set) {
	q := rotation{n: s.N, d: s.D, factor: append([]float64(nil), s.X...), by: make([]float64, s.N)}
	work := make([]float64, 64*s.N)
	lapack.Dgelqf(s.N, s.D, q.factor, s.D, q.by, work, len(work))
	l := s
	l.D, l.X = s.N, make([]float64, s.N*s.N)
	for i := range s.N {
		copy(l.Row(i)[:i+1], q.factor[i*s.D:])
	}
	return q, l
}

// turn gives rows of weights for L.
func (q rotation) turn(w []float64) []float64 { // (K, D) → (K, N)
	rows := len(w) / q.d
	full := append([]float64(nil), w...)
	q.apply(full, blas.Trans)
	out := make([]float64, 0, rows*q.n)
	for k := range rows {
		out = append(out, full[k*q.d:k*q.d+q.n]...)
	}
	return out
}

// back gives rows of weights for X.
func (q rotation) back(v []float64) []float64 { // (K, N) → (K, D)
	rows := len(v) / q.n
	out := make([]float64, rows*q.d)
	for k := range rows {
		copy(out[k*q.d:], v[k*q.n:(k+1)*q.n])
	}
	q.apply(out, blas.NoTrans)
	return out
}

func (q rotation) apply(c []float64, t blas.Transpose) { // (K, D)
	rows := len(c) / q.d
	work := make([]float64, 64*rows+64*65)
	lapack.Dormlq(blas.Right, t, rows, q.d, q.n, q.factor, q.d, q.by, c, q.d, work, len(work))
}
