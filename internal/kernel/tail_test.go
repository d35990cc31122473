package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// A tail does what adding, a residual and a ReLU do one after the other, in
// every way to run a convolution, and leaves zeros in padded lanes.
func TestForwardTail(t *testing.T) {
	for i, s := range []ConvShape{
		{N: 17, Ci: 3, Co: 20, H: 9, W: 7, Kernel: square(3), Stride: square(2), Pad: square(1)},
		{N: 7, Ci: 16, Co: 40, H: 2, W: 3, Kernel: square(3), Stride: square(1), Pad: square(1), Exact: true},
		{N: 33, Ci: 16, Co: 32, H: 13, W: 11, Kernel: square(3), Stride: square(1), Pad: square(1)},
		{N: 3, Ci: 256, Co: 256, H: 2, W: 3, Kernel: square(3), Stride: square(1), Pad: square(1)},
		{N: 18, Ci: 16, Co: 40, H: 3, W: 150, Kernel: square(3), Stride: square(1), Pad: [2]int{0, 1}, Exact: true}, // lines of one row
	} {
		c, err := NewConv(s)
		if err != nil {
			t.Fatal(err)
		}
		oh, ow := c.Out()
		n := s.N * s.Co * oh * ow
		w, bias := random(uint64(i), s.Co*s.Ci*9), random(5, s.Co)
		x := lanesOf(random(6, s.N*s.Ci*s.H*s.W), s.N, s.Ci, s.H, s.W, 1e6)
		add := lanesOf(random(7, n), s.N, s.Co, oh, ow, 1e6)
		packed, scratch := make([]float32, c.PackedForward()), make([]float32, c.ScratchForward())
		for _, residual := range [][]float32{nil, add} {
			for _, relu := range []bool{false, true} {
				name := fmt.Sprintf("%+v residual %v relu %v", s, residual != nil, relu)
				sameOnAll(t, name, 1e-5, func() []float32 {
					c.PackForward(packed, w)
					y := guard(len(add))
					c.ForwardTail(y.data, x, packed, bias, residual, scratch, relu)
					y.check(t, name)
					paddingIs(t, name, y.data, s.N, 0)

					plain := make([]float32, len(add))
					c.Forward(plain, x, packed, scratch)
					AddBias(plain, plain, bias, s.N, s.Co, oh*ow, false)
					if residual != nil {
						Add(plain, plain, residual)
					}
					if relu {
						ReLU(plain, plain)
					}
					fillPadding(plain, s.N, 0)
					near(t, name, y.data, doublesOf(plain), 1e-6)
					return slices.Clone(y.data)
				})
			}
		}
	}
}

func doublesOf(x []float32) []float64 {
	d := make([]float64, len(x))
	for i, v := range x {
		d[i] = float64(v)
	}
	return d
}

// NaN and infinity pass.
func TestTailPassesNaN(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	onAll(t, func(t *testing.T) {
		y, add := make([]float32, 32), make([]float32, 32)
		y[3], y[20], add[5], add[6] = nan, inf, nan, -inf
		tail := newTail(Lanes, nil, nil, true)
		a := tailArgs{y: y, add: add, bias: []float32{1, -1}, pixels: 1, channels: 2, mask: &tail.mask[0], relu: true}
		runTail(&a)
		if y[3] == y[3] || y[20] != inf || y[5] == y[5] || y[6] != 0 || y[0] != 1 || y[16] != 0 {
			t.Errorf("got %v", y)
		}
	})
}
