package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// hazardShapes reach direct convolution in both its ways, every filter, chunked
// and phased, turned and not, over edge tiles and whole ones.
func hazardShapes() []ConvShape {
	c3 := func(n, ci, co, h, w int) ConvShape {
		return ConvShape{N: n, Ci: ci, Co: co, H: h, W: w, Kernel: square(3), Stride: square(1), Pad: square(1)}
	}
	strided := ConvShape{N: 18, Ci: 5, Co: 17, H: 6, W: 7, Kernel: square(3), Stride: square(2), Pad: square(1)}
	wide := c3(18, 16, 32, 5, 7)
	wide.Pad = [2]int{2, 0}
	exact := c3(18, 16, 32, 5, 7)
	exact.Exact = true
	return []ConvShape{
		strided, exact, wide,
		c3(18, 16, 32, 5, 7), c3(3, 16, 16, 13, 11), c3(31, 16, 32, 8, 12), c3(15, 32, 16, 12, 6), c3(17, 16, 48, 2, 3), c3(7, 48, 16, 3, 2), c3(17, 16, 16, 1, 9),
		c3(130, 16, 16, 8, 12),                         // chunked
		c3(17, 128, 256, 2, 3), c3(18, 256, 128, 4, 6), // sums that items own
	}
}

// touches tells whether output (i, j) reads input (y, x) by tap (kh, kw).
func touches(s ConvShape, i, j, kh, kw, y, x int) bool {
	return i*s.Stride[0]-s.Pad[0]+kh == y && j*s.Stride[1]-s.Pad[1]+kw == x
}

// A value that is not finite reaches every result that depends on it and no
// other example; by minimal filtering also its neighbours in the tile, but no
// channel that does not depend on it. All that is not reached keeps its bytes.
func TestConvNotFinite(t *testing.T) {
	const k = 3
	for at, s := range hazardShapes() {
		c, err := NewConv(s)
		if err != nil {
			t.Fatal(err)
		}
		oh, ow := c.Out()
		_, filtered := c.forward.(*winograd)
		x, w, dy := random(1, s.N*s.Ci*s.H*s.W), random(2, s.Co*s.Ci*k*k), random(3, s.N*s.Co*oh*ow)
		for _, path := range paths() {
			use(t, path)
			clean := runConv(t, s, x, w, dy)
			for b, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
				if s.Ci*s.Co > 1<<12 && b != at%3 {
					continue // for time's sake
				}
				// One pixel, weight and gradient; over the shapes they are at corners,
				// edges and inside.
				pick := func(n, salt int) int { return (at*7 + b*5 + salt) % n }
				n, ci, co := pick(s.N, 0), pick(s.Ci, 1), pick(s.Co, 2)
				yy, xx, i0, j0, kh0, kw0 := pick(s.H, 3), pick(s.W, 4), pick(oh, 5), pick(ow, 6), pick(k, 7), pick(k, 8)
				name := func(what string) string { return fmt.Sprintf("%s, %+v, %v on %s", what, s, bad, isaNames[path]) }

				bx := slices.Clone(x)
				bx[((n*s.Ci+ci)*s.H+yy)*s.W+xx] = bad
				got := runConv(t, s, bx, w, dy)
				reaches(t, name("y from x"), got.y, clean.y, filtered, func(i int) (must, may bool) {
					j, i, e := i%ow, i/ow%oh, i/(s.Co*oh*ow)
					for t := range k * k {
						must = must || e == n && touches(s, i, j, t/k, t%k, yy, xx)
					}
					return must, e == n
				})
				reaches(t, name("dw from x"), got.dw, clean.dw, filtered, func(i int) (must, may bool) {
					for o := range oh * ow {
						must = must || i/9%s.Ci == ci && touches(s, o/ow, o%ow, i/k%k, i%k, yy, xx)
					}
					return must, i/9%s.Ci == ci
				})
				sameBytes(t, name("dx from x"), got.dx, clean.dx)

				bw := slices.Clone(w)
				bw[((co*s.Ci+ci)*k+kh0)*k+kw0] = bad
				got = runConv(t, s, x, bw, dy)
				reaches(t, name("y from w"), got.y, clean.y, filtered, func(i int) (must, may bool) {
					y, x := i/ow%oh*s.Stride[0]-s.Pad[0]+kh0, i%ow*s.Stride[1]-s.Pad[1]+kw0
					channel := i/(oh*ow)%s.Co == co
					return channel && y >= 0 && y < s.H && x >= 0 && x < s.W, channel
				})
				reaches(t, name("dx from w"), got.dx, clean.dx, filtered, func(i int) (must, may bool) {
					channel := i/(s.H*s.W)%s.Ci == ci
					for o := range oh * ow {
						must = must || channel && touches(s, o/ow, o%ow, kh0, kw0, i/s.W%s.H, i%s.W)
					}
					return must, channel
				})

				bd := slices.Clone(dy)
				bd[((n*s.Co+co)*oh+i0)*ow+j0] = bad
				got = runConv(t, s, x, w, bd)
				reaches(t, name("dx from dy"), got.dx, clean.dx, filtered, func(i int) (must, may bool) {
					e := i / (s.Ci * s.H * s.W)
					for t := range k * k {
						must = must || e == n && touches(s, i0, j0, t/k, t%k, i/s.W%s.H, i%s.W)
					}
					return must, e == n
				})
				// Where few channels are spread out first, the zeros around a map are
				// factors like others, and infinity times zero is NaN.
				reaches(t, name("dw from dy"), got.dw, clean.dw, true, func(i int) (must, may bool) {
					y, x := i0*s.Stride[0]-s.Pad[0]+i/k%k, j0*s.Stride[1]-s.Pad[1]+i%k
					channel := i/(9*s.Ci) == co
					return channel && y >= 0 && y < s.H && x >= 0 && x < s.W, channel
				})
			}
		}
	}
}

// reaches checks that got is not finite where it must be, and is clean where it
// may not be touched: everywhere else if direct.
func reaches(t *testing.T, name string, got, clean []float32, filtered bool, at func(int) (must, may bool)) {
	t.Helper()
	for i, v := range got {
		must, may := at(i)
		bad := v-v != 0
		if must && !bad {
			t.Fatalf("%s: it vanished from %d of %d, which is %v", name, i, len(got), v)
		}
		if !must && !(filtered && may) && math.Float32bits(v) != math.Float32bits(clean[i]) {
			t.Fatalf("%s: it leaked to %d of %d, which is %v and not %v", name, i, len(got), v, clean[i])
		}
	}
}

// What lies in padded lanes reaches no example. Weights' gradients sum over
// lanes, so there the padded ones must hold zeros on both sides.
func TestPaddedLanesReachNothing(t *testing.T) {
	nan := float32(math.NaN())
	for _, s := range hazardShapes() {
		c, err := NewConv(s)
		if err != nil {
			t.Fatal(err)
		}
		oh, ow := c.Out()
		x, w, dy := random(1, s.N*s.Ci*s.H*s.W), random(2, s.Co*s.Ci*9), random(3, s.N*s.Co*oh*ow)
		lx := func(fill float32) []float32 { return lanesOf(x, s.N, s.Ci, s.H, s.W, fill) }
		ly := func(fill float32) []float32 { return lanesOf(dy, s.N, s.Co, oh, ow, fill) }
		onAll(t, func(t *testing.T) {
			scratch := make([]float32, max(forwardScratch(c), dataScratch(c), c.ScratchWeights()))
			run := func(fill float32) (y, dx []float32) {
				y, dx = ly(0), lx(0)
				forward(c, y, lx(fill), w, scratch)
				backwardData(c, dx, ly(fill), w, scratch)
				return y, dx
			}
			y, dx := run(0)
			paddingIs(t, fmt.Sprintf("%+v: y", s), y, s.N, 0)
			paddingIs(t, fmt.Sprintf("%+v: dx", s), dx, s.N, 0)
			badY, badX := run(nan)
			fillPadding(badY, s.N, 0)
			fillPadding(badX, s.N, 0)
			for i := range y {
				if badY[i] != y[i] {
					t.Fatalf("%+v: y: a padded lane reaches %d", s, i)
				}
			}
			for i := range dx {
				if badX[i] != dx[i] {
					t.Fatalf("%+v: dx: a padded lane reaches %d", s, i)
				}
			}
		})
	}
}
