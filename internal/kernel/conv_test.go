package kernel

import (
	"fmt"
	"slices"
	"testing"
)

// convLoops is the formula: x (N,Ci,H,W), w (Co,Ci,KH,KW), dy (N,Co,OH,OW) in
// float64, and all three results.
func convLoops(s ConvShape, oh, ow int, x, w, dy []float32) (y, dx, dw []float64) {
	y, dx, dw = make([]float64, s.N*s.Co*oh*ow), make([]float64, len(x)), make([]float64, len(w))
	for n := range s.N {
		for co := range s.Co {
			for i := range oh {
				for j := range ow {
					out := ((n*s.Co+co)*oh+i)*ow + j
					g := float64(dy[out])
					for kh := range s.Kernel[0] {
						for kw := range s.Kernel[1] {
							h := i*s.Stride[0] - s.Pad[0] + kh*max(1, s.Dilation[0])
							v := j*s.Stride[1] - s.Pad[1] + kw*max(1, s.Dilation[1])
							if h < 0 || h >= s.H || v < 0 || v >= s.W {
								continue
							}
							for ci := range s.Ci {
								in := ((n*s.Ci+ci)*s.H+h)*s.W + v
								wt := ((co*s.Ci+ci)*s.Kernel[0]+kh)*s.Kernel[1] + kw
								y[out] += float64(w[wt]) * float64(x[in])
								dx[in] += float64(w[wt]) * g
								dw[wt] += float64(x[in]) * g
							}
						}
					}
				}
			}
		}
	}
	return y, dx, dw
}

func square(k int) [2]int { return [2]int{k, k} }

// awkwardConvs are shapes that reach every branch of the plans: partial blocks
// and tiles, maps smaller than the kernel, both ways to share out weights.
func awkwardConvs() []ConvShape {
	var list []ConvShape
	ns, cs := []int{1, 7, 15, 16, 17, 33}, []int{1, 3, 7, 15, 16, 17, 31, 40}
	maps := [][2]int{{1, 1}, {2, 3}, {5, 7}, {13, 11}}
	kernels := []ConvShape{
		{Kernel: square(1), Stride: square(1)},
		{Kernel: square(1), Stride: square(2)},
		{Kernel: square(3), Stride: square(1), Pad: square(1)},
		{Kernel: square(3), Stride: square(2), Pad: square(1)},
		{Kernel: square(3), Stride: square(1), Pad: square(2), Dilation: square(2)},
		{Kernel: square(7), Stride: square(2), Pad: square(3)},
		{Kernel: [2]int{1, 10}, Stride: [2]int{1, 5}, Pad: [2]int{0, 4}},
		{Kernel: [2]int{3, 1}, Stride: [2]int{5, 1}, Pad: [2]int{1, 2}},
	}
	// Every kernel on every map; sizes of the batch and channels take turns, so
	// that each meets each.
	turn := 0
	for range 3 {
		for _, k := range kernels {
			for _, m := range maps {
				k.N, k.Ci, k.Co = ns[turn%6], cs[(turn/8+turn)%8], cs[(turn/4+3)%8]
				k.H, k.W = m[0], m[1]
				list = append(list, k)
				turn++
			}
		}
	}
	return append(list,
		ConvShape{N: 17, Ci: 144, Co: 130, H: 4, W: 3, Kernel: square(3), Stride: square(1), Pad: square(1)},                   // items own weights, few rows
		ConvShape{N: 40, Ci: 128, Co: 144, H: 3, W: 3, Kernel: square(3), Stride: square(2), Pad: square(1)},                   // several blocks a chunk
		ConvShape{N: 250, Ci: 7, Co: 31, H: 5, W: 7, Kernel: square(3), Stride: square(2), Pad: square(1)},                     // spread x, parts
		ConvShape{N: 250, Ci: 31, Co: 15, H: 2, W: 3, Kernel: square(1), Stride: square(1)},                                    // several blocks a part
		ConvShape{N: 16, Ci: 7, Co: 33, H: 64, W: 96, Kernel: square(3), Stride: square(2), Pad: square(1)},                    // a large map
		ConvShape{N: 20, Ci: 600, Co: 100, H: 1, W: 1, Kernel: square(1), Stride: square(1)},                                   // items below each other
		ConvShape{N: 150, Ci: 48, Co: 20, H: 1, W: 1, Kernel: square(1), Stride: square(1)},                                    // a linear layer
		ConvShape{N: 2, Ci: 64, Co: 64, H: 30, W: 16, Kernel: square(3), Stride: square(1), Pad: square(1)},                    // several chunks a map
		ConvShape{N: 3, Ci: 1, Co: 24, H: 70, W: 40, Kernel: square(7), Stride: square(2), Pad: square(3)},                     // a stem of several chunks
		ConvShape{N: 1, Ci: 2, Co: 16, H: 3, W: 1800, Kernel: square(3), Stride: square(1), Pad: square(1)},                    // runs cut for length
		ConvShape{N: 5, Ci: 16, Co: 16, H: 9, W: 9, Kernel: square(3), Stride: square(3), Pad: square(4), Dilation: square(3)}, // padding wider than a tap
		// maps of one row, cut into lines: a stem, padded and not; few channels and many; strides; a map that loses its rows
		ConvShape{N: 17, Ci: 1, Co: 20, H: 1, W: 1333, Kernel: [2]int{1, 80}, Stride: [2]int{1, 4}, Pad: [2]int{0, 38}},
		ConvShape{N: 33, Ci: 2, Co: 33, H: 1, W: 600, Kernel: [2]int{1, 3}, Stride: [2]int{1, 3}},
		ConvShape{N: 7, Ci: 17, Co: 33, H: 1, W: 300, Kernel: [2]int{1, 3}, Stride: [2]int{1, 1}, Pad: [2]int{0, 1}},
		ConvShape{N: 3, Ci: 130, Co: 40, H: 1, W: 1000, Kernel: [2]int{1, 3}, Stride: [2]int{1, 2}, Pad: [2]int{0, 1}},
		ConvShape{N: 40, Ci: 9, Co: 16, H: 1, W: 129, Kernel: [2]int{1, 5}, Stride: [2]int{1, 1}, Pad: [2]int{0, 4}, Dilation: [2]int{1, 2}},
		ConvShape{N: 18, Ci: 5, Co: 17, H: 3, W: 150, Kernel: square(3), Stride: square(1), Pad: [2]int{0, 1}},
		ConvShape{N: 18, Ci: 16, Co: 17, H: 3, W: 150, Kernel: square(3), Stride: square(2), Pad: [2]int{0, 1}},
	)
}

type convResult struct{ y, dx, dw []float32 }

// runConv computes all three results between canaries, with garbage in the
// padded lanes of x.
func runConv(t *testing.T, s ConvShape, x, w, dy []float32) convResult {
	t.Helper()
	c, err := NewConv(s)
	if err != nil {
		t.Fatal(err)
	}
	oh, ow := c.Out()
	lx, ldy := lanesOf(x, s.N, s.Ci, s.H, s.W, 1e6), lanesOf(dy, s.N, s.Co, oh, ow, 0)
	y, dx, dw := guard(len(ldy)), guard(len(lx)), guard(len(w))
	sf, sd, sw := guard(forwardScratch(c)), guard(dataScratch(c)), guard(c.ScratchWeights())
	forward(c, y.data, lx, w, sf.data)
	backwardData(c, dx.data, ldy, w, sd.data)
	c.BackwardWeights(dw.data, lx, ldy, sw.data)
	for name, g := range map[string]guarded{"y": y, "dx": dx, "dw": dw, "scratch": sf, "data scratch": sd, "weights scratch": sw} {
		g.check(t, name)
	}
	return convResult{fromLanes(y.data, s.N, s.Co, oh, ow), fromLanes(dx.data, s.N, s.Ci, s.H, s.W), dw.data}
}

func TestConvLoops(t *testing.T) {
	for i, s := range awkwardConvs() {
		s.Exact = true
		c, err := NewConv(s)
		if err != nil {
			continue // some kernels do not fit some maps; TestConvShapesFit counts
		}
		oh, ow := c.Out()
		x, w := random(uint64(i), s.N*s.Ci*s.H*s.W), random(uint64(i)+1000, s.Co*s.Ci*s.Kernel[0]*s.Kernel[1])
		dy := random(uint64(i)+2000, s.N*s.Co*oh*ow)
		y, dx, dw := convLoops(s, oh, ow, x, w, dy)
		for _, path := range paths() {
			t.Run(fmt.Sprintf("%+v/%s", s, isaNames[path]), func(t *testing.T) {
				use(t, path)
				got := runConv(t, s, x, w, dy)
				near(t, "y", got.y, y, 2e-6)
				near(t, "dx", got.dx, dx, 2e-6)
				near(t, "dw", got.dw, dw, 2e-6)
			})
		}
	}
}

func TestConvShapesFit(t *testing.T) {
	fit := 0
	for _, s := range awkwardConvs() {
		if _, err := NewConv(s); err == nil {
			fit++
		}
	}
	if fit < 85 {
		t.Errorf("only %d of the shapes fit", fit)
	}
}

func TestConvSameBytes(t *testing.T) {
	for i, s := range []ConvShape{
		{N: 33, Ci: 32, Co: 40, H: 5, W: 7, Kernel: square(3), Stride: square(1), Pad: square(1)},
		{N: 70, Ci: 1, Co: 16, H: 13, W: 11, Kernel: square(7), Stride: square(2), Pad: square(3)},
		{N: 250, Ci: 31, Co: 15, H: 5, W: 7, Kernel: square(1), Stride: square(1)},
		{N: 20, Ci: 600, Co: 100, H: 1, W: 1, Kernel: square(1), Stride: square(1)},
		{N: 50, Ci: 144, Co: 130, H: 2, W: 3, Kernel: square(3), Stride: square(1), Pad: square(1)},
		{N: 40, Ci: 17, Co: 5, H: 6, W: 7, Kernel: square(3), Stride: square(2), Pad: square(1)},
	} {
		c, err := NewConv(s)
		if err != nil {
			t.Fatal(err)
		}
		oh, ow := c.Out()
		x, w := random(uint64(i), s.N*s.Ci*s.H*s.W), random(1, s.Co*s.Ci*s.Kernel[0]*s.Kernel[1])
		dy := random(2, s.N*s.Co*oh*ow)
		sameOnAll(t, fmt.Sprintf("%+v", s), 2e-6, func() []float32 {
			r := runConv(t, s, x, w, dy)
			return slices.Concat(r.y, r.dx, r.dw)
		})
	}
}

// A shape that cannot be is an error, not a panic.
func TestConvRefuses(t *testing.T) {
	good := ConvShape{N: 2, Ci: 3, H: 4, W: 4, Co: 5, Kernel: square(3), Stride: square(1)}
	for name, change := range map[string]func(*ConvShape){
		"no examples":      func(s *ConvShape) { s.N = 0 },
		"no channels":      func(s *ConvShape) { s.Ci = 0 },
		"no outputs":       func(s *ConvShape) { s.Co = 0 },
		"no rows":          func(s *ConvShape) { s.H = 0 },
		"stride 0":         func(s *ConvShape) { s.Stride[1] = 0 },
		"negative padding": func(s *ConvShape) { s.Pad[0] = -1 },
		"large kernel":     func(s *ConvShape) { s.Kernel[0] = 5 },
		"large dilation":   func(s *ConvShape) { s.Dilation[1] = 2 },
	} {
		s := good
		change(&s)
		if _, err := NewConv(s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewConv(good); err != nil {
		t.Error(err)
	}
}
