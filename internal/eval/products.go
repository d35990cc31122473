package eval

import "clr/internal/kernel"

// Products of many rows by the weights of some classes are most of a fit's time, so
// they are made in tiles: of 8 rows and 8 classes, over few features at once, so that
// what a tile reads stays near.
const (
	tileSide     = 8
	tileFeatures = 64
	blockRows    = 64 // rows that pass through logits, residuals and gradient together
)

// tiles is n in whole tiles.
func tiles(n int) int { return (n + tileSide - 1) / tileSide * tileSide }

// A packed is the weights of K classes as tiles read them.
type packed struct {
	d, k int       // features; classes, rounded up to whole tiles
	w    []float64 // (k/8, D, 8)
	bias []float64 // (k), 0 behind the last class
}

// pack takes rows (w, b), whose weights and biases of gives, for some classes.
func (p *packed) pack(classes, d int, of func(class int) (w []float64, b float64)) {
	if k := tiles(classes); p.k != k || p.d != d {
		*p = packed{d: d, k: k, w: make([]float64, k*d), bias: make([]float64, k)}
	}
	for c := range classes {
		w, b := of(c)
		p.bias[c] = b
		panel := p.w[c/tileSide*d*tileSide+c%tileSide:]
		for j, v := range w {
			panel[j*tileSide] = v
		}
	}
}

// logits are z = W·x + b of some rows, k a row: those behind the last class are 0
// where x is finite.
func (p *packed) logits(z, x []float64, rows int) { // (rows, k), (rows, D)
	for i := range rows {
		copy(z[i*p.k:(i+1)*p.k], p.bias)
	}
	for j := 0; j < p.d; j += tileFeatures {
		features := min(tileFeatures, p.d-j)
		for i := 0; i < rows; i += tileSide {
			for c := 0; c < p.k; c += tileSide {
				kernel.DoubleProduct{M: min(tileSide, rows-i), N: tileSide, K: features, CRow: p.k, ARow: p.d, AStep: 1, BRow: tileSide}.
					Add(z[i*p.k+c:], x[i*p.d+j:], p.w[c*p.d+j*tileSide:])
			}
		}
	}
}
