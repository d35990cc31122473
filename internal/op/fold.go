package op

import (
	"fmt"

	"clr/internal/kernel"
	"clr/internal/onnx"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Fold lays the rows of n maps into their channels: (B, H, W, C, 16) →
// (B, 1, W, H·C, 16), channel h·C + c; in pixels (N, H, W, C) → (N, 1, W, H·C).
func Fold(x *gorgonia.Node, n int) (*gorgonia.Node, error) {
	m, shape, err := eitherOf("fold", x, n)
	if err != nil {
		return nil, err
	}
	return Apply(swapPixels{m.H, m.W, Size(x.Shape()[3:]), shape(maps{n, m.H * m.C, 1, m.W})}, x)
}

// swapPixels makes maps of h × w pixels, of so many values, those of w × h.
type swapPixels struct {
	h, w, size int
	shape      tensor.Shape
}

func (f swapPixels) Sig() string                                 { return fmt.Sprintf("swap_pixels%+v", f) }
func (f swapPixels) DiffWRT() []bool                             { return []bool{true} }
func (f swapPixels) Infer(...tensor.Shape) (tensor.Shape, error) { return f.shape, nil }

func (f swapPixels) Diff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dx, err := Apply(swapPixels{f.w, f.h, f.size, in[0].Shape()}, dy)
	return gorgonia.Nodes{dx}, err
}

func (f swapPixels) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	kernel.SwapPixels(out.Data, in[0].Data, len(out.Data)/(f.h*f.w*f.size), f.h, f.w, f.size)
	return nil
}

// translate is of maps (N, C, H, W), in which C becomes the inner one.
func (f swapPixels) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	x := t.value(in[0])
	c := x.Shape[1]
	x = t.Do("Transpose", perN(f.h, c, f.w), []onnx.Value{x}, onnx.Attr{Name: "perm", Value: []int{0, 2, 1, 3}})
	return t.Reshape(x, onnx.Free, f.h*c, 1, f.w)
}
