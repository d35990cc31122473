package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// What the layers' own tests of bytes leave out, over shapes that fill no
// vector, no block and several work items: every routine that sums has the same
// bytes for any number of workers and on AVX2 and AVX-512.
func TestSumsSameBytes(t *testing.T) {
	for i, s := range []Norm{{N: 1, C: 1, H: 1, W: 1}, {N: 17, C: 5, H: 2, W: 3}, {N: 33, C: 70, H: 9, W: 7}} {
		pixels := s.H * s.W
		x := lanesOf(random(uint64(i), s.N*s.C*pixels), s.N, s.C, s.H, s.W, 0)
		b := random(5, s.C)
		sameOnAll(t, fmt.Sprintf("bias %+v", s), 1e-5, func() []float32 {
			y, db := make([]float32, len(x)), make([]float32, s.C)
			AddBias(y, x, b, s.N, s.C, pixels, true)
			BiasGrad(db, y, s.N, s.C, pixels)
			return slices.Concat(y, db)
		})
		for _, keep := range []bool{false, true} {
			g := Global{N: s.N, C: s.C, H: s.H, W: s.W, KeepRows: keep}
			dy := lanesOf(random(6, s.N*g.Features()), s.N, g.Features(), 1, 1, 0)
			sameOnAll(t, fmt.Sprintf("%+v", g), 1e-6, func() []float32 {
				mean, top, dMean, dTop := make([]float32, len(dy)), make([]float32, len(dy)), make([]float32, len(x)), make([]float32, len(x))
				g.Mean(mean, x)
				g.Max(top, x)
				g.MeanGrad(dMean, dy)
				g.MaxGrad(dTop, x, dy)
				return slices.Concat(mean, top, dMean, dTop)
			})
		}
	}
	for _, s := range [][2]int{{1, 1}, {5, 9}, {33, 131}, {70, 40}} {
		n, d := s[0], s[1]
		x, dy := random(1, n*d), random(2, n*d)
		sameOnAll(t, fmt.Sprint("rows ", s), 1e-5, func() []float32 {
			y, dx, p := make([]float32, n*d), make([]float32, n*d), slices.Clone(x)
			NormalizeRows(y, x, n, d, 1e-3)
			NormalizeRowsGrad(dx, x, y, dy, n, d, 1e-3)
			logs := make([]float32, 2*n)
			for r := range n {
				logs[r] = float32(Softmax(p[r*d:(r+1)*d], -1, 3, 0.7))
				logs[n+r] = SumExp(x[r*d:(r+1)*d], Max(x[r*d:(r+1)*d]), 0.3)
			}
			return slices.Concat(y, dx, p, logs)
		})
	}
	for _, n := range lengths {
		a, b := random(1, n), random(2, n)
		sameOnAll(t, fmt.Sprint("dot of ", n), 0, func() []float32 { return slices.Concat(halves(Dot(a, b)), halves(SumSquares(a))) })
	}
	for i, s := range [][3]int{{1, 1, 1}, {7, 15, 3}, {17, 33, 40}, {33, 150, 700}, {2, 3, 20_000}, {130, 70, 129}} {
		m, n, k := s[0], s[1], s[2]
		a, b, c := random(1, m*k), random(2, k*n), random(3, m*n)
		for mode := range 4 {
			sameOnAll(t, fmt.Sprint("product ", s, mode), 1e-5, func() []float32 {
				c := slices.Clone(c)
				MatMul(c, a, b, m, n, k, mode&1 != 0, mode&2 != 0, (mode+i)%2 != 0, make([]float32, MatMulScratch(m, n, k)))
				return c
			})
		}
	}
}

// halves is a float64, bit by bit, as two numbers that compare as equal only if
// all bits are.
func halves(v float64) []float32 {
	b := math.Float64bits(v)
	return []float32{float32(b >> 48), float32(b >> 24 & 0xffffff), float32(b & 0xffffff)}
}

// The order of an element's sum is its own: neighbours in the batch, or further
// rows, columns and channels, which move it to another block or vector, change
// no bit of it.
func TestOrderIsTheElementsOwn(t *testing.T) {
	onAll(t, func(t *testing.T) {
		const m, n, k = 50, 130, 301
		a, b := random(1, m*k), random(2, n*k) // (m, k), (n, k)
		product := func(m, n int) []float32 {
			c := make([]float32, m*n)
			MatMul(c, a, b, m, n, k, false, true, false, make([]float32, MatMulScratch(m, n, k)))
			return c
		}
		all := product(m, n)
		for _, s := range [][2]int{{1, 1}, {3, 17}, {16, 16}, {17, 100}, {49, 129}} {
			some := product(s[0], s[1])
			for i := range s[0] {
				sameBytes(t, fmt.Sprint("row ", i, " of ", s), some[i*s[1]:(i+1)*s[1]], all[i*n:][:s[1]])
			}
		}
		for _, s := range []ConvShape{
			{N: 33, Ci: 33, Co: 70, H: 9, W: 7, Kernel: square(3), Stride: square(1), Pad: square(1), Exact: true},
			{N: 33, Ci: 20, Co: 70, H: 9, W: 7, Kernel: square(3), Stride: square(2), Pad: square(1)},
			{N: 33, Ci: 100, Co: 70, H: 3, W: 5, Kernel: square(1), Stride: square(1)},
			{N: 33, Ci: 64, Co: 64, H: 9, W: 7, Kernel: square(3), Stride: square(1), Pad: square(1)},
		} {
			taps := s.Kernel[0] * s.Kernel[1]
			x, w, dy := random(1, s.N*s.Ci*s.H*s.W), random(2, s.Co*s.Ci*taps), random(3, s.N*s.Co*s.H*s.W)
			whole := runConv(t, s, x, w, dy)
			c, err := NewConv(s)
			if err != nil {
				t.Fatal(err)
			}
			oh, ow := c.Out()
			few := s
			few.N = 3
			part := runConv(t, few, x, w, dy)
			name := fmt.Sprintf("%+v", s)
			sameBytes(t, "y of three, "+name, part.y, whole.y[:len(part.y)])
			sameBytes(t, "dx of three, "+name, part.dx, whole.dx[:len(part.dx)])
			narrow := s
			if narrow.Co = 48; !s.Exact && s.Stride[0] == 1 && taps > 1 {
				continue // minimal filters are chosen by the channels
			}
			part = runConv(t, narrow, x, w[:narrow.Co*s.Ci*taps], dy)
			for e := range s.N {
				sameBytes(t, "y of fewer channels, "+name, part.y[e*narrow.Co*oh*ow:(e+1)*narrow.Co*oh*ow], whole.y[e*s.Co*oh*ow:][:narrow.Co*oh*ow])
			}
		}
	})
}
