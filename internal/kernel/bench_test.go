package kernel

import (
	"fmt"
	"testing"
)

// convLayers are those of ResNet-18 over 128 views of 64 × 96 (bins × frames),
// of ResNet-50's bottlenecks, of narrow networks, linear ones, and awkward ones.
var convLayers = []ConvShape{
	layer(1, 64, 64, 96, 7, 2),
	layer(64, 64, 16, 24, 3, 1),
	layer(64, 128, 16, 24, 3, 2),
	layer(64, 128, 16, 24, 1, 2),
	layer(128, 128, 8, 12, 3, 1),
	layer(128, 256, 8, 12, 3, 2),
	layer(128, 256, 8, 12, 1, 2),
	layer(256, 256, 4, 6, 3, 1),
	layer(256, 512, 4, 6, 3, 2),
	layer(256, 512, 4, 6, 1, 2),
	layer(512, 512, 2, 3, 3, 1),
	layer(512, 512, 1, 1, 1, 1),
	layer(512, 128, 1, 1, 1, 1),
	layer(2048, 512, 1, 1, 1, 1),
	layer(64, 256, 16, 24, 1, 1),
	layer(256, 64, 16, 24, 1, 1),
	layer(1024, 512, 4, 6, 1, 1),
	layer(512, 2048, 2, 3, 1, 1),
	layer(1024, 2048, 4, 6, 1, 2),
	layer(1, 32, 64, 48, 3, 1),
	layer(32, 32, 64, 48, 3, 1),
	layer(32, 64, 64, 48, 3, 2),
	layer(3, 24, 40, 30, 3, 1),
	layer(24, 40, 20, 15, 3, 1),
	direct(64, 16, 24),
	direct(128, 8, 12),
	direct(256, 4, 6),
	direct(512, 2, 3),
}

// direct is a 3×3 layer as in exact mode.
func direct(c, h, w int) ConvShape {
	s := layer(c, c, h, w, 3, 1)
	s.Exact = true
	return s
}

func layer(ci, co, h, w, kernel, stride int) ConvShape {
	return ConvShape{N: 128, Ci: ci, Co: co, H: h, W: w, Kernel: square(kernel), Stride: square(stride), Pad: square(kernel / 2)}
}

// useful is the number of floating-point operations that no padding hides.
func (c *Conv) useful() float64 {
	var steps float64
	for _, row := range forwardPlan(c.shape, c.oh, c.ow).rows {
		for _, r := range row {
			for _, s := range r.segs {
				steps += float64(r.n * s.n)
			}
		}
	}
	return 2 * steps * float64(c.shape.Co*c.shape.N)
}

// The peak to hold the layers to: one worker, factors in the first-level cache.
func BenchmarkTile(b *testing.B) {
	const k, pixels = 192, 100
	t := tile{a: random(1, k*Lanes), b: random(2, k*Lanes), c: make([]float32, 256), segs: []seg{{n: k}}, outer: pixels, rows: 16}
	for _, path := range paths() {
		b.Run(isaNames[path], func(b *testing.B) {
			use(b, path)
			for b.Loop() {
				runTile(&t)
			}
			b.ReportMetric(2*256*k*pixels*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

func benchConv(b *testing.B, pass func(c *Conv, y, x, w, scratch []float32)) {
	for _, s := range convLayers {
		for _, path := range paths()[1:] {
			b.Run(fmt.Sprintf("%dto%d_%dx%d_k%d_s%d%s/%s", s.Ci, s.Co, s.H, s.W, s.Kernel[0], s.Stride[0], map[bool]string{true: "_direct"}[s.Exact], isaNames[path]), func(b *testing.B) {
				use(b, path)
				c, err := NewConv(s)
				if err != nil {
					b.Fatal(err)
				}
				oh, ow := c.Out()
				x := lanesOf(random(1, s.N*s.Ci*s.H*s.W), s.N, s.Ci, s.H, s.W, 0)
				y := lanesOf(random(2, s.N*s.Co*oh*ow), s.N, s.Co, oh, ow, 0)
				w := random(3, s.Co*s.Ci*s.Kernel[0]*s.Kernel[1])
				scratch := make([]float32, max(forwardScratch(c), dataScratch(c), c.ScratchWeights()))
				for b.Loop() {
					pass(c, y, x, w, scratch)
				}
				b.ReportMetric(c.useful()*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				b.ReportMetric(2*float64(s.N*s.Co*s.Ci*oh*ow*s.Kernel[0]*s.Kernel[1])*float64(b.N)/b.Elapsed().Seconds()/1e9, "nominal")
			})
		}
	}
}

func BenchmarkConvForward(b *testing.B) {
	benchConv(b, func(c *Conv, y, x, w, scratch []float32) { forward(c, y, x, w, scratch) })
}

func BenchmarkConvData(b *testing.B) {
	benchConv(b, func(c *Conv, y, x, w, scratch []float32) { backwardData(c, x, y, w, scratch) })
}

func BenchmarkConvWeights(b *testing.B) {
	benchConv(b, func(c *Conv, y, x, w, scratch []float32) { c.BackwardWeights(w, x, y, scratch) })
}

// The norm of layer 1; bytes are those read and written.
func BenchmarkNorm(b *testing.B) {
	s := Norm{N: 128, C: 64, H: 16, W: 24, Groups: 2, Eps: 1e-5}
	n := s.N * s.C * s.H * s.W
	x, y, dy, dx := random(1, n), random(2, n), random(3, n), random(4, n)
	stats, sums, gamma := make([]float32, 6*s.C), make([]float32, 4*s.C), random(5, s.C)
	s.Stats(stats, x)
	for _, c := range []struct {
		name string
		maps int
		f    func()
	}{
		{"Stats", 1, func() { s.Stats(stats, x) }},
		{"Apply", 3, func() { s.Apply(y, x, stats, gamma, gamma, dy, true) }},
		{"Sums", 2, func() { s.Sums(sums, x, stats, gamma, gamma, dy, true) }},
		{"Data", 3, func() { s.Data(dx, x, stats, gamma, gamma, sums, dy, true) }},
		{"ReLUGrad", 3, func() { ReLUGrad(dx, y, dy) }},
		{"ReLUGradSum", 4, func() { ReLUGradSum(dx, y, dy, x) }},
		{"Add", 3, func() { Add(dx, y, dy) }},
		{"Dot", 2, func() { Dot(x, y) }},
	} {
		for _, path := range paths() {
			b.Run(c.name+"/"+isaNames[path], func(b *testing.B) {
				use(b, path)
				b.SetBytes(int64(4 * n * c.maps))
				for b.Loop() {
					c.f()
				}
			})
		}
	}
}

// The same over numbers below 2⁻¹²⁶, which must not take a tenth longer, and
// over ordinary ones.
func BenchmarkDenormals(b *testing.B) {
	s := NormPool{Norm: Norm{N: 128, C: 64, H: 16, W: 24, Groups: 2, Eps: 1e-5}, Kernel: square(3), Stride: square(2), Pad: square(1), ReLU: true}
	n := s.N * s.C * s.H * s.W
	for _, scale := range []float32{1, 1e-40} {
		x, dy, dx := random(1, n), random(2, n), random(3, n)
		for _, m := range [][]float32{x, dy, dx} {
			for i := range m {
				m[i] *= scale
			}
		}
		stats, sums, gamma := make([]float32, 6*s.C), make([]float32, 4*s.C), random(5, s.C)
		s.Stats(stats, x)
		for _, c := range []struct {
			name string
			f    func()
		}{
			{"Stats", func() { s.Stats(stats, x) }},
			{"Sums", func() { s.Sums(sums, x, stats, gamma, gamma, dy, true) }},
			{"Data", func() { s.Norm.Data(dx, x, stats, gamma, gamma, sums, dy, true) }},
			{"Choose", func() { s.Choose(dx, x, stats, gamma, gamma) }},
			{"Give", func() { s.Data(dx, x, stats, gamma, gamma, sums, dy) }},
			{"Momentum", func() { someMomentum.Move(dx[:1<<14], x[:1<<14], dy[:1<<14]) }},
		} {
			b.Run(fmt.Sprintf("%s/%g", c.name, scale), func(b *testing.B) {
				for b.Loop() {
					c.f()
				}
			})
		}
	}
}

// The pool after the stem, by itself and with the norm before it.
func BenchmarkStem(b *testing.B) {
	s := NormPool{Norm: Norm{N: 128, C: 64, H: 32, W: 48, Groups: 2, Eps: 1e-5}, Kernel: square(3), Stride: square(2), Pad: square(1), ReLU: true}
	p := s.Pooled()
	n := s.N * s.C * s.H * s.W
	x, dx, dy, y := random(1, n), random(2, n), random(3, n/4), random(4, n/4)
	stats, sums, gamma := make([]float32, 6*s.C), make([]float32, 4*s.C), random(5, s.C)
	s.Stats(stats, x)
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"Stats", func() { s.Stats(stats, x) }},
		{"Choose", func() { s.Choose(y, x, stats, gamma, gamma) }},
		{"Apply", func() { p.Apply(y, y, stats, gamma, gamma, nil, true) }},
		{"Sums", func() { p.Sums(sums, y, stats, gamma, gamma, dy, true) }},
		{"Data", func() { s.Data(dx, x, stats, gamma, gamma, sums, dy) }},
	} {
		for _, path := range paths() {
			b.Run(c.name+"/"+isaNames[path], func(b *testing.B) {
				use(b, path)
				for b.Loop() {
					c.f()
				}
			})
		}
	}
}

// The pool after the stem.
func BenchmarkMaxPool(b *testing.B) {
	s := Pool{N: 128, C: 64, H: 32, W: 48, Kernel: square(3), Stride: square(2), Pad: square(1)}
	n := s.N * s.C * s.H * s.W
	x, dx, y := random(1, n), random(2, n), random(3, n/4)
	for _, path := range paths() {
		b.Run("Forward/"+isaNames[path], func(b *testing.B) {
			use(b, path)
			for b.Loop() {
				s.MaxForward(y, x)
			}
		})
		b.Run("Backward/"+isaNames[path], func(b *testing.B) {
			use(b, path)
			for b.Loop() {
				s.MaxBackward(dx, x, y)
			}
		})
	}
}

// The transposed product, with factors in the first- and second-level cache.
func BenchmarkTileT(b *testing.B) {
	for _, pixels := range []int{8, 96} {
		for _, rows := range []int{7, 12, 13, 14} {
			x, y := random(1, pixels*64*Lanes), random(2, pixels*512)
			t := tile{a: x, b: y, c: make([]float32, 2*14*Lanes), cStep: 14 * Lanes, segs: []seg{{n: pixels}},
				outer: 2, aStep: 64 * Lanes, bStep: 512, rows: rows}
			for _, path := range paths()[1:] {
				b.Run(fmt.Sprintf("%dpixels/%drows/%s", pixels, rows, isaNames[path]), func(b *testing.B) {
					use(b, path)
					for b.Loop() {
						runTileT(&t)
					}
					b.ReportMetric(2*2*256*float64(rows*pixels*b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}

// One example in pixels; its layers' weights are warm here, in a network they are not.
func BenchmarkPixelConv(b *testing.B) {
	for _, s := range convLayers[:12] {
		s.N = 1
		for _, path := range paths()[1:] {
			b.Run(fmt.Sprintf("%dto%d_%dx%d_k%d_s%d%s/%s", s.Ci, s.Co, s.H, s.W, s.Kernel[0], s.Stride[0], map[bool]string{true: "_direct"}[s.Exact], isaNames[path]), func(b *testing.B) {
				use(b, path)
				c, err := NewPixelConv(s)
				if err != nil {
					b.Fatal(err)
				}
				oh, ow := c.Out()
				x, y := random(1, s.Ci*s.H*s.W), make([]float32, s.Co*oh*ow)
				packed, scratch := make([]float32, c.Packed()), make([]float32, c.Scratch())
				c.Pack(packed, random(2, s.Co*s.Ci*s.Kernel[0]*s.Kernel[1]), nil)
				for b.Loop() {
					c.Forward(y, x, packed, nil, scratch, true)
				}
				b.ReportMetric(2*float64(s.Ci*s.Kernel[0]*s.Kernel[1])*float64(len(y))*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
