package kernel

import (
	"fmt"
	"testing"
)

// The layers of ResNet-18 over 128 views of 64 × 96 (bins × frames).
var resnetLayers = []ConvShape{
	{N: 128, Ci: 1, Co: 64, H: 64, W: 96, Kernel: square(7), Stride: square(2), Pad: square(3)},
	{N: 128, Ci: 64, Co: 64, H: 16, W: 24, Kernel: square(3), Stride: square(1), Pad: square(1)},
	{N: 128, Ci: 64, Co: 128, H: 16, W: 24, Kernel: square(3), Stride: square(2), Pad: square(1)},
	{N: 128, Ci: 64, Co: 128, H: 16, W: 24, Kernel: square(1), Stride: square(2)},
	{N: 128, Ci: 128, Co: 128, H: 8, W: 12, Kernel: square(3), Stride: square(1), Pad: square(1)},
	{N: 128, Ci: 256, Co: 256, H: 4, W: 6, Kernel: square(3), Stride: square(1), Pad: square(1)},
	{N: 128, Ci: 512, Co: 512, H: 2, W: 3, Kernel: square(3), Stride: square(1), Pad: square(1)},
	{N: 128, Ci: 512, Co: 512, H: 1, W: 1, Kernel: square(1), Stride: square(1)},
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
	for _, s := range resnetLayers {
		for _, path := range paths()[1:] {
			b.Run(fmt.Sprintf("%dto%d_%dx%d_k%d_s%d/%s", s.Ci, s.Co, s.H, s.W, s.Kernel[0], s.Stride[0], isaNames[path]), func(b *testing.B) {
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
		{"Sums", 3, func() { s.Sums(sums, x, y, stats, dy, true) }},
		{"Data", 4, func() { s.Data(dx, x, y, stats, gamma, sums, dy, true) }},
		{"ReLUGrad", 3, func() { ReLUGrad(dx, y, dy) }},
		{"Axpy", 3, func() { Axpy(1e-9, x, dx) }},
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

// One example in pixels; its layers' weights are warm here, in a network they are not.
func BenchmarkPixelConv(b *testing.B) {
	for _, s := range resnetLayers {
		s.N = 1
		for _, path := range paths()[1:] {
			b.Run(fmt.Sprintf("%dto%d_%dx%d_k%d_s%d/%s", s.Ci, s.Co, s.H, s.W, s.Kernel[0], s.Stride[0], isaNames[path]), func(b *testing.B) {
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
