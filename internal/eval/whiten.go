package eval

import (
	"clr/internal/kernel"

	"gonum.org/v1/gonum/blas"
)

// A whitener changes variables so that L-BFGS meets curvature near 1 in every
// direction. Features of a network are much alike, and without this a fit
// takes some hundreds of steps instead of tens.
//
// With A = doubt·X̃ᵀX̃/N + diag(penalty, 0) = L·Lᵀ, X̃ being X with a column of
// ones, the curvature of the objective for one class is A where p(1-p) is the
// same for all clips; in u = Lᵀ·(w, b) it is the identity. The optimum is the
// same, only the way to it is shorter.
type whitener struct {
	m int
	l []float64 // (m, m), lower; nil for the identity
}

// panel is how many features a block of gram holds.
const panel = 64

// gram is X̃ᵀX̃/N, lower triangle.
func gram(s Set) []float64 { // (N, D) → (D+1, D+1)
	m := s.D + 1
	blocks := (m + panel - 1) / panel
	panels := make([][]float64, blocks) // of (N, panel), the last padded with zeros
	share(blocks, s.N*m, func(b int) {
		panels[b] = make([]float64, s.N*panel)
		lo := b * panel
		for i := range s.N {
			row := panels[b][i*panel : (i+1)*panel]
			copy(row, s.Row(i)[min(lo, s.D):min(lo+panel, s.D)])
			if lo <= s.D && s.D < lo+panel {
				row[s.D-lo] = 1
			}
		}
	})
	g := make([]float64, m*m)
	share(blocks*(blocks+1)/2, s.N*m*m, func(i int) {
		row := 0
		for ; i > row; row++ { // the i-th block of the lower triangle is (row, i)
			i -= row + 1
		}
		tile := make([]float64, panel*panel)
		for lo := 0; lo < s.N; lo += blockRows {
			kernel.DoubleProduct{M: panel, N: panel, K: min(blockRows, s.N-lo), CRow: panel, ARow: 1, AStep: panel, BRow: panel}.
				Add(tile, panels[row][lo*panel:], panels[i][lo*panel:])
		}
		dense.Dscal(len(tile), 1/float64(s.N), tile, 1)
		for r := range min(panel, m-row*panel) {
			copy(g[(row*panel+r)*m+i*panel:(row*panel+r+1)*m], tile[r*panel:(r+1)*panel])
		}
	})
	return g
}

// newWhitener factors A. Where rounding leaves A without a factor it gives the
// identity.
func newWhitener(g []float64, m int, doubt, penalty float64) whitener {
	trace := 0.0
	for j := range m {
		trace += g[j*m+j]
	}
	// The floor keeps features that repeat one another from dividing by 0.
	ridge := max(penalty, 1e-9*doubt*trace/float64(m))
	l := make([]float64, len(g))
	for i, v := range g {
		l[i] = doubt * v
	}
	for j := range m - 1 {
		l[j*m+j] += ridge
	}
	if !lapack.Dpotrf(blas.Lower, m, l, m) {
		return whitener{m: m}
	}
	return whitener{m, l}
}

// weights turns u into (w, b): L⁻ᵀ·u, row by row.
func (w whitener) weights(u []float64) { w.solve(u, blas.NoTrans) } // (K', m)

// gradient turns the gradient by (w, b) into that by u: L⁻¹·g, row by row.
func (w whitener) gradient(g []float64) { w.solve(g, blas.Trans) } // (K', m)

func (w whitener) solve(x []float64, t blas.Transpose) {
	if w.l == nil {
		return
	}
	share(len(x)/w.m, len(x)*w.m, func(k int) {
		dense.Dtrsm(blas.Right, blas.Lower, t, blas.NonUnit, 1, w.m, 1, w.l, w.m, x[k*w.m:(k+1)*w.m], w.m)
	})
}

// whiten turns (w, b) into u.
func (w whitener) whiten(x []float64) { // (K', m)
	if w.l == nil {
		return
	}
	dense.Dtrmm(blas.Right, blas.Lower, blas.NoTrans, blas.NonUnit, len(x)/w.m, w.m, 1, w.l, w.m, x, w.m)
}
