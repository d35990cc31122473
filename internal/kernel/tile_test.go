package kernel

import (
	"fmt"
	"math"
	"testing"
)

// Every form of the transposed product, over runs of several segs.
func TestTileT(t *testing.T) {
	x, y := random(1, 40*20*Lanes), random(2, 40*3*256)
	for rows := 1; rows <= maxRowsT; rows++ {
		for outer := 1; outer <= 2; outer++ {
			for _, acc := range []bool{false, true} {
				sameOnAll(t, fmt.Sprintf("%d rows, %d columns, acc %v", rows, outer, acc), 2e-6, func() []float32 {
					c := guard(outer*(rows+1)*Lanes - Lanes)
					copy(c.data, random(3, len(c.data)))
					runTileT(&tile{
						a: x[Lanes:], b: y, c: c.data, segs: []seg{{n: 3}, {a: 20 * Lanes, b: 3 * 256, n: 1}, {a: 100, b: 9 * 256, n: 12}},
						outer: outer, aStep: 20 * Lanes, bStep: 3 * 256, cStep: (rows + 1) * Lanes, rows: rows, acc: acc, ahead: &x[0],
					})
					c.check(t, "c")
					for i := rows * Lanes; outer == 2 && i < (rows+1)*Lanes; i++ {
						if v := c.data[i]; v != random(3, len(c.data))[i] {
							t.Fatalf("%d rows: wrote %v between the columns", rows, v)
						}
					}
					return c.data
				})
			}
		}
	}
}

// Strides of both sides, and nothing written between.
func TestTranspose(t *testing.T) {
	const n, dstStride, dstStep, stride, step = 3, 50, 17, 23, 400
	src := random(1, (n-1)*step+15*stride+16)
	onAll(t, func(t *testing.T) {
		dst := guard((n-1)*dstStep + 15*dstStride + 16)
		transposeTo(dst.data, dstStride, dstStep, src, stride, step, n)
		dst.check(t, "dst")
		written := map[int]float32{}
		for b := range n {
			for i := range 16 {
				for j := range 16 {
					written[b*dstStep+j*dstStride+i] = src[b*step+i*stride+j]
				}
			}
		}
		for i, v := range dst.data {
			if want, ok := written[i]; ok && v != want || !ok && !math.IsNaN(float64(v)) {
				t.Fatalf("value %d is %v, want %v (written: %v)", i, v, want, ok)
			}
		}
	})
}

// NaN and infinity reach every weight that their pixel touches, and no other.
func TestWeightsNotFinite(t *testing.T) {
	for _, ci := range []int{1, 20} {
		s := ConvShape{N: 3, Ci: ci, Co: 18, H: 6, W: 5, Kernel: square(3), Stride: square(1), Pad: square(1)}
		c, err := NewConv(s)
		if err != nil {
			t.Fatal(err)
		}
		onAll(t, func(t *testing.T) {
			x, dy := random(1, s.N*ci*30), random(2, s.N*s.Co*30)
			x[((2*ci+ci-1)*6+0)*5+0] = float32(math.NaN()) // a corner of the last channel: taps above and left of the map never see it
			dw := make([]float32, s.Co*ci*9)
			c.BackwardWeights(dw, lanesOf(x, s.N, ci, 6, 5, 0), lanesOf(dy, s.N, s.Co, 6, 5, 0), make([]float32, c.ScratchWeights()))
			for i, v := range dw {
				kh, kw := i/3%3, i%3
				want := i/9%ci == ci-1 && kh <= 1 && kw <= 1
				if math.IsNaN(float64(v)) != want {
					t.Fatalf("%d channels: weight %d of tap (%d, %d) is %v", ci, i, kh, kw, v)
				}
			}
		})
	}
}

// Every number of rows, over one, an even and an odd number of outer ones.
func TestTile(t *testing.T) {
	x, y := random(1, 60*Lanes), random(2, 100*Lanes)
	for rows := 1; rows <= 16; rows++ {
		for _, outer := range []int{1, 2, 5} {
			for _, acc := range []bool{false, true} {
				sameOnAll(t, fmt.Sprintf("%d rows, %d outer, acc %v", rows, outer, acc), 2e-6, func() []float32 {
					const cStep = 17 * Lanes
					c := guard((outer-1)*cStep + rows*Lanes)
					before := random(3, len(c.data))
					copy(c.data, before)
					runTile(&tile{
						a: x, b: y, c: c.data, segs: []seg{{n: 8}, {a: 5 * Lanes, b: 3, n: 1}, {a: 100, b: 9 * Lanes, n: 23}},
						outer: outer, bStep: 7 * Lanes, cStep: cStep, rows: rows, acc: acc,
					})
					c.check(t, "c")
					for i, v := range c.data {
						if i%cStep >= rows*Lanes && v != before[i] {
							t.Fatalf("%d rows: wrote %v between the outer ones", rows, v)
						}
					}
					return c.data
				})
			}
		}
	}
}
