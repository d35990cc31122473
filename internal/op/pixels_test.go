package op_test

import (
	"strings"
	"testing"

	"clr/internal/op"

	"gorgonia.org/gorgonia"
)

// Maps in pixels that do not fit are refused by name and shape.
func TestPixelsRefuse(t *testing.T) {
	g := gorgonia.NewGraph()
	in := func(name string, shape ...int) *node {
		n, err := op.Input(g, name, shape...)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	x, w, c := in("x", 2, 5, 7, 3), in("w", 4, 3, 3, 3), in("c", 4)
	norm := op.FixedNorm{Mean: c, Variance: c, Gamma: c, Beta: c}
	for _, f := range []struct {
		run   func() (*node, error)
		wants string
	}{
		{func() (*node, error) { return op.Conv(x, w, 3, op.ConvOptions{}) }, "of 3 examples"},
		{func() (*node, error) { return op.Conv(x, in("w2", 4, 2, 3, 3), 2, op.ConvOptions{}) }, "want (Co, 3, KH, KW)"},
		{func() (*node, error) {
			return op.ConvNorm(x, w, 2, op.ConvOptions{}, norm, in("r", 2, 3, 5, 3), false)
		}, "the residual is (2, 3, 5, 3), not (2, 3, 5, 4)"},
		{func() (*node, error) { return op.MaxPool(x, 2, op.PoolOptions{Kernel: [2]int{6, 1}}) }, "does not fit"},
		{func() (*node, error) { return op.AvgPool(x, 2, op.PoolOptions{Kernel: [2]int{2, 2}}) }, "PixelsToLanes"},
		{func() (*node, error) { return op.ToRows(x, 2) }, "pool them first"},
		{func() (*node, error) { return op.ToPixels(c) }, "(N, C, H, W)"},
		{func() (*node, error) { return op.PixelsToLanes(x, 5) }, "of 5 examples"},
		{func() (*node, error) { return op.Linear(x, w, 2) }, "lanes shape"},
	} {
		if n, err := f.run(); err == nil || !strings.Contains(err.Error(), f.wants) {
			t.Errorf("got %v, %v; want an error with %q", n, err, f.wants)
		}
	}
}
