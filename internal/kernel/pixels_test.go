package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// pixelsOf brings (N,C,H,W) into pixels, between canaries.
func pixelsOf(x []float32, n, c, hw int) guarded {
	g := guard(len(x))
	ToPixels(g.data, x, n, c, hw)
	return g
}

func fromPixels(x []float32, n, c, hw int) []float32 {
	y := make([]float32, len(x))
	FromPixels(y, x, n, c, hw)
	return y
}

// fewConvs are the awkward shapes with one to five examples, and some that need
// several work items of several products.
func fewConvs() []ConvShape {
	list := awkwardConvs()
	for i := range list {
		list[i].N = 1 + i%5
	}
	return append(list,
		ConvShape{N: 1, Ci: 32, Co: 64, H: 16, W: 24, Kernel: square(3), Stride: square(1), Pad: square(1)},
		ConvShape{N: 3, Ci: 20, Co: 33, H: 24, W: 23, Kernel: square(3), Stride: square(2), Pad: square(1)},
		ConvShape{N: 2, Ci: 64, Co: 96, H: 1, W: 1, Kernel: square(1), Stride: square(1)},
	)
}

// runPixelConv computes y (N,Co,OH,OW) between canaries.
func runPixelConv(t *testing.T, s ConvShape, x, w, bias, residual []float32, relu bool) []float32 {
	t.Helper()
	c, err := NewPixelConv(s)
	if err != nil {
		t.Fatal(err)
	}
	oh, ow := c.Out()
	y, packed, scratch := guard(s.N*s.Co*oh*ow), guard(c.Packed()), guard(c.Scratch())
	var add []float32
	if residual != nil {
		add = pixelsOf(residual, s.N, s.Co, oh*ow).data
	}
	c.Pack(packed.data, w, bias)
	c.Forward(y.data, pixelsOf(x, s.N, s.Ci, s.H*s.W).data, packed.data, add, scratch.data, relu)
	for name, g := range map[string]guarded{"y": y, "packed": packed, "scratch": scratch} {
		g.check(t, name)
	}
	return fromPixels(y.data, s.N, s.Co, oh*ow)
}

func TestPixelConvLoops(t *testing.T) {
	for i, s := range fewConvs() {
		c, err := NewPixelConv(s)
		if err != nil {
			continue // some kernels do not fit some maps
		}
		oh, ow := c.Out()
		out := s.N * s.Co * oh * ow
		x, w := random(uint64(i), s.N*s.Ci*s.H*s.W), random(uint64(i)+1000, s.Co*s.Ci*s.Kernel[0]*s.Kernel[1])
		var bias, residual []float32
		if i%3 > 0 {
			bias = random(3, s.Co)
		}
		if i%2 > 0 {
			residual = random(4, out)
		}
		relu := i%5 > 2
		want, _, _ := convLoops(s, oh, ow, x, w, make([]float32, out))
		for k := range want {
			if bias != nil {
				want[k] += float64(bias[k/(oh*ow)%s.Co])
			}
			if residual != nil {
				want[k] += float64(residual[k])
			}
			if relu {
				want[k] = max(0, want[k])
			}
		}
		name := fmt.Sprintf("%+v bias %v residual %v relu %v", s, bias != nil, residual != nil, relu)
		sameOnAll(t, name, 2e-6, func() []float32 {
			y := runPixelConv(t, s, x, w, bias, residual, relu)
			near(t, name, y, want, 2e-6)
			return y
		})
	}
}

// Each row and column count of the products, with the rows past the last left alone.
func TestPixelProducts(t *testing.T) {
	for _, rows := range []int{12, 6, 3} {
		for real := 1; real <= rows; real++ {
			for _, n := range []int{1, 3, 4, 7, 40} {
				const taps, step = 2, 35
				x, w, bias := random(1, 300), random(2, taps*n*pixelColumns), random(3, pixelColumns)
				a := pixelArgs{x: x, w: w, bias: bias, add: random(4, rows*step), taps: taps, n: n, step: step, rows: real, relu: n == 7}
				for i := range taps * rows {
					a.places = append(a.places, i*83%200)
				}
				sameOnAll(t, fmt.Sprintf("%d of %d rows, %d channels", real, rows, n), 1e-6, func() []float32 {
					y := guard((real-1)*step + pixelColumns)
					for i := range y.data {
						y.data[i] = canary
					}
					a.y = y.data
					runPixels(&a, rows)
					y.check(t, "y")
					for r := 1; r < real; r++ {
						for _, v := range y.data[(r-1)*step+pixelColumns : r*step] {
							if v != canary {
								t.Fatalf("wrote %v between two rows", v)
							}
						}
					}
					return y.data
				})
			}
		}
	}
}

// NaN and infinity pass, and reach only the pixels that see them.
func TestPixelConvPassesNaN(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	s := ConvShape{N: 1, Ci: 17, Co: 40, H: 5, W: 7, Kernel: square(3), Stride: square(1), Pad: square(1)}
	onAll(t, func(t *testing.T) {
		x, w := make([]float32, 17*35), make([]float32, 40*17*9)
		for i := range w {
			w[i] = 1
		}
		x[16*35], x[16*35+34] = nan, -inf // the first and the last pixel of the last channel
		for _, relu := range []bool{false, true} {
			y := runPixelConv(t, s, x, w, nil, nil, relu)
			for i, v := range y {
				h, w := i%35/7, i%7
				want := float32(0)
				switch {
				case h < 2 && w < 2:
					want = nan
				case h > 2 && w > 4 && !relu:
					want = -inf
				}
				if v != want && (v == v || want == want) {
					t.Fatalf("relu %v: pixel %d %d is %v, want %v", relu, h, w, v, want)
				}
			}
		}
	})
}

func TestPixelPools(t *testing.T) {
	nan := float32(math.NaN())
	for i, c := range []int{1, 3, 16, 17, 40} {
		for _, m := range [][2]int{{1, 1}, {2, 3}, {5, 7}, {13, 11}} {
			n := 1 + i
			x := random(uint64(i), n*c*m[0]*m[1])
			x[len(x)/2] = nan
			for _, s := range []Pool{
				{Kernel: square(3), Stride: square(2), Pad: square(1)},
				{Kernel: [2]int{1, 4}, Stride: [2]int{1, 3}, Pad: [2]int{0, 2}},
			} {
				s.N, s.C, s.H, s.W = n, c, m[0], m[1]
				oh, ow := s.Out()
				top, _, _, _ := poolLoops(s, oh, ow, x, make([]float32, n*c*oh*ow))
				sameOnAll(t, fmt.Sprintf("%+v", s), 0, func() []float32 {
					y := guard(len(top))
					s.MaxPixels(y.data, pixelsOf(x, n, c, m[0]*m[1]).data)
					y.check(t, "y")
					near(t, "max", fromPixels(y.data, n, c, oh*ow), top, 0)
					return slices.Clone(y.data)
				})
			}
			for _, keep := range []bool{false, true} {
				g := Global{N: n, C: c, H: m[0], W: m[1], KeepRows: keep}
				lanes := make([]float32, Blocks(n)*Lanes*g.Features())
				p, y := pixelsOf(x, n, c, m[0]*m[1]), guard(n*g.Features())
				for _, f := range []struct{ lanes, pixels func(y, x []float32) }{{g.Mean, g.MeanPixels}, {g.Max, g.MaxPixels}} {
					f.lanes(lanes, lanesOf(x, n, c, m[0], m[1], 0))
					f.pixels(y.data, p.data)
					y.check(t, "y")
					near(t, fmt.Sprintf("%+v", g), y.data, doublesOf(fromLanes(lanes, n, g.Features(), 1, 1)), 2e-7)
				}
			}
		}
	}
}

// What the layout cannot hold is refused.
func TestPixelConvRefuses(t *testing.T) {
	for _, s := range []ConvShape{
		{N: 1, Ci: 1, Co: 1, H: 2, W: 2, Kernel: square(3), Stride: square(1)},
		{N: 1, Ci: maxPlace + 1, Co: 1, H: 1, W: 1, Kernel: square(3), Stride: square(1), Pad: square(1)},
	} {
		if _, err := NewPixelConv(s); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
