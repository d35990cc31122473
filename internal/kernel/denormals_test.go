package kernel

import (
	"fmt"
	"testing"
)

// A network that has almost died, or that learns with tiny gradients, makes
// values below 1e-38, which some processors handle slowly. Each pass of direct
// and of filtered layers, with values of 1, with factors whose products are so
// small, and with one side so small.
func BenchmarkConvDenormals(b *testing.B) {
	for _, s := range []ConvShape{layer(64, 128, 16, 24, 3, 2), layer(64, 64, 16, 24, 3, 1), layer(256, 256, 4, 6, 3, 1), layer(512, 512, 2, 3, 3, 1)} {
		c, err := NewConv(s)
		if err != nil {
			b.Fatal(err)
		}
		oh, ow := c.Out()
		scratch := make([]float32, max(forwardScratch(c), dataScratch(c), c.ScratchWeights()))
		x, y := make([]float32, s.N*s.Ci*s.H*s.W), make([]float32, s.N*s.Co*oh*ow)
		w, dw := make([]float32, s.Co*s.Ci*9), make([]float32, s.Co*s.Ci*9)
		for _, pass := range []struct {
			name string
			run  func()
		}{
			{"Forward", func() { forward(c, y, x, w, scratch) }},
			{"Data", func() { backwardData(c, x, y, w, scratch) }},
			{"Weights", func() { c.BackwardWeights(dw, x, y, scratch) }},
		} {
			for _, size := range []struct {
				name    string
				maps, w float32
			}{{"normal", 1, 1}, {"products", 1e-20, 1e-20}, {"maps", 1e-40, 1}} {
				b.Run(fmt.Sprintf("%s/%dto%d_%dx%d_s%d/%s", pass.name, s.Ci, s.Co, s.H, s.W, s.Stride[0], size.name), func(b *testing.B) {
					copy(x, scaled(random(1, len(x)), size.maps))
					copy(y, scaled(random(2, len(y)), size.maps))
					copy(w, scaled(random(3, len(w)), size.w))
					for b.Loop() {
						pass.run()
					}
				})
			}
		}
	}
}

func scaled(x []float32, by float32) []float32 {
	for i := range x {
		x[i] *= by
	}
	return x
}
