package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// convSamples computes some results of each pass by the formula in float64 and
// returns the relative errors (root of the mean square) of y, dx and dw.
func convSamples(s ConvShape, x, w, dy []float32, r convResult, samples int) (errors [3]float64) {
	oh, ow := s.H+2*s.Pad[0]-2, s.W+2*s.Pad[1]-2
	g := rand.New(rand.NewPCG(1, 2))
	var wrong, value [3]float64
	add := func(pass int, got float32, want float64) {
		wrong[pass] += (float64(got) - want) * (float64(got) - want)
		value[pass] += want * want
	}
	px := func(n, c, i, j int) float64 { // pixels past the edge are zero
		if i < 0 || i >= s.H || j < 0 || j >= s.W {
			return 0
		}
		return float64(x[((n*s.Ci+c)*s.H+i)*s.W+j])
	}
	py := func(n, c, i, j int) float64 {
		if i < 0 || i >= oh || j < 0 || j >= ow {
			return 0
		}
		return float64(dy[((n*s.Co+c)*oh+i)*ow+j])
	}
	for range samples {
		n, ci, co := g.IntN(s.N), g.IntN(s.Ci), g.IntN(s.Co)
		i, j, kh, kw := g.IntN(oh), g.IntN(ow), g.IntN(3), g.IntN(3)
		var y, dx, dw float64
		for c := range s.Ci {
			for k := range 9 {
				y += float64(w[(co*s.Ci+c)*9+k]) * px(n, c, i-s.Pad[0]+k/3, j-s.Pad[1]+k%3)
			}
		}
		add(0, r.y[((n*s.Co+co)*oh+i)*ow+j], y)
		i, j = g.IntN(s.H), g.IntN(s.W)
		for c := range s.Co {
			for k := range 9 {
				dx += float64(w[(c*s.Ci+ci)*9+k]) * py(n, c, i+s.Pad[0]-k/3, j+s.Pad[1]-k%3)
			}
		}
		add(1, r.dx[((n*s.Ci+ci)*s.H+i)*s.W+j], dx)
		for n := range s.N {
			for i := range oh {
				for j := range ow {
					dw += py(n, co, i, j) * px(n, ci, i-s.Pad[0]+kh, j-s.Pad[1]+kw)
				}
			}
		}
		add(2, r.dw[(co*s.Ci+ci)*9+kh*3+kw], dw)
	}
	for p := range errors {
		errors[p] = math.Sqrt(wrong[p] / value[p])
	}
	return errors
}

// The error that Conv states holds in all three passes over the layers of real
// networks, fed with values of mean 0 and with those of a ReLU. With -v it logs
// the figures of docs/performance.md.
func TestConvAccuracy(t *testing.T) {
	samples := 300
	list := []ConvShape{{N: 64, Ci: 64, H: 16, W: 24}, {N: 64, Ci: 128, H: 8, W: 12}, {N: 64, Ci: 256, H: 4, W: 6}, {N: 64, Ci: 512, H: 2, W: 3}, // 64 × 96
		{N: 16, Ci: 64, H: 32, W: 32}, {N: 64, Ci: 512, H: 4, W: 4}, // 128 × 128
		{N: 16, Ci: 64, H: 20, W: 50}, {N: 16, Ci: 128, H: 10, W: 25}, {N: 32, Ci: 256, H: 5, W: 13}, {N: 32, Ci: 512, H: 3, W: 7}, // 80 × 200
		{N: 16, Ci: 16, H: 64, W: 96}, {N: 512, Ci: 16, H: 16, W: 24}, {N: 128, Ci: 256, H: 5, W: 13}, {N: 256, Ci: 192, H: 8, W: 8}, {N: 2, Ci: 1024, H: 4, W: 4}, // long sums
		{N: 64, Ci: 16, H: 16, W: 24}, {N: 1, Ci: 32, H: 13, W: 11}, {N: 250, Ci: 16, H: 5, W: 7}}
	if testing.Short() || CPU() == "generic" {
		list, samples = list[15:], 300
	}
	var worst [2][3]float64 // filtered or direct; passes
	for i, s := range list {
		s.Co, s.Kernel, s.Stride, s.Pad = s.Ci, square(3), square(1), square(1)
		n := s.N * s.Ci * s.H * s.W
		x, w, dy := random(uint64(i), n), random(uint64(i)+100, s.Co*s.Ci*9), random(uint64(i)+200, n)
		for _, positive := range []bool{false, true} {
			for k := range x {
				if positive && x[k] < 0 {
					x[k], dy[k] = 0, 0
				}
			}
			for _, exact := range []bool{false, true} {
				if s.Exact = exact; exact && (i > 3 && s.H < 64 || positive) {
					continue // enough to compare with
				}
				c, err := NewConv(s)
				if err != nil {
					t.Fatal(err)
				}
				how, limit := "direct", 1e-6
				if p, ok := c.forward.(*winograd); ok {
					how, limit = fmt.Sprintf("filter %d, turned %v", p.id, p.turned), 3e-6
				}
				e := convSamples(s, x, w, dy, runConv(t, s, x, w, dy), samples)
				t.Logf("N %3d, %3d channels, %2d × %2d, ReLU %-5v %-23s y %.2g  dx %.2g  dw %.2g", s.N, s.Ci, s.H, s.W, positive, how+":", e[0], e[1], e[2])
				for p, v := range e {
					k := 0
					if exact {
						k = 1
					}
					worst[k][p] = max(worst[k][p], v)
					if !(v <= limit) {
						t.Errorf("%+v, pass %d: relative error %.2g, want %.2g", s, p, v, limit)
					}
				}
			}
		}
	}
	t.Logf("largest (y, dx, dw): %.2g filtered, %.2g direct", worst[0], worst[1])
}

// The filter that a shape gets depends on nothing else: not on the number of
// examples, nor on the machine's instructions.
func TestFilterDependsOnShapeAlone(t *testing.T) {
	filters := map[string]int{}
	for _, m := range [][2]int{{1, 1}, {2, 3}, {3, 2}, {5, 7}, {13, 11}, {4, 6}, {6, 4}, {8, 12}, {12, 9}, {16, 24}, {20, 50}, {10, 25}, {5, 13}, {3, 7}, {32, 32}} {
		var first string
		for _, n := range []int{1, 7, 15, 16, 17, 31, 250} {
			onAll(t, func(t *testing.T) {
				c, err := NewConv(ConvShape{N: n, Ci: 32, Co: 48, H: m[0], W: m[1], Kernel: square(3), Stride: square(1), Pad: square(1)})
				if err != nil {
					t.Fatal(err)
				}
				f := "direct"
				if p, ok := c.forward.(*winograd); ok {
					d := c.data.(*winograd)
					f = fmt.Sprint(p.id, p.turned, d.id, d.turned)
				}
				if first == "" {
					first = f
					filters[f]++
				}
				if f != first {
					t.Errorf("%v: %s for %d examples, not %s", m, f, n, first)
				}
			})
		}
	}
	t.Log(filters)
	if len(filters) < 4 {
		t.Errorf("filters reached: %v", filters)
	}
}
