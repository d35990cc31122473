package kernel

// Doubles are products of matrices of float64, for fits that float32 would not
// carry to their end. Tiles are of 8 × 8 results.
const doubleTile = 8

// A DoubleProduct adds products to a matrix:
//
//	c[i][j] += Σ k<K   a[i·ARow + k·AStep] · b[k·BRow + j],   i < M, j < N
//
// Rows of C lie CRow apart. Sums go on from what c holds, over k in order, and
// nothing is fused: every machine gives the same bytes, however the sums are
// divided into several calls.
type DoubleProduct struct {
	M, N, K           int
	CRow, ARow, AStep int
	BRow              int
}

// Add computes the products, on the caller's goroutine. M and N that are multiples
// of 8 are fast.
func (p DoubleProduct) Add(c, a, b []float64) {
	if p.M < 1 || p.N < 1 || p.K < 1 {
		return
	}
	check(p.CRow >= 0 && p.ARow >= 0 && p.AStep >= 0 && p.BRow >= 0, "DoubleProduct.Add", "negative stride")
	check(len(c) >= (p.M-1)*p.CRow+p.N && len(a) >= (p.M-1)*p.ARow+(p.K-1)*p.AStep+1 && len(b) >= (p.K-1)*p.BRow+p.N, "DoubleProduct.Add", "matrix too short")
	m, n := p.M/doubleTile*doubleTile, p.N/doubleTile*doubleTile
	for j := 0; j < n; j += doubleTile {
		for i := 0; i < m; i += doubleTile {
			runDouble(c[i*p.CRow+j:], a[i*p.ARow:], b[j:], p)
		}
	}
	doubleTwin(c, a, b, p, m, p.M, 0, p.N)
	doubleTwin(c, a, b, p, 0, m, n, p.N)
}

// doubleTwin is the plain form, of some rows and columns.
func doubleTwin(c, a, b []float64, p DoubleProduct, top, bottom, left, right int) {
	if left >= right {
		return
	}
	for i := top; i < bottom; i++ {
		row := c[i*p.CRow+left : i*p.CRow+right]
		for k := range p.K {
			v := a[i*p.ARow+k*p.AStep]
			for j, w := range b[k*p.BRow+left : k*p.BRow+right] {
				row[j] += float64(v * w)
			}
		}
	}
}
