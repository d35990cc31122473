package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// ConvOptions are rows first, then columns. A stride or dilation of 0 is 1. Exact
// forbids minimal filtering, which rounds a little more (see kernel.Conv).
type ConvOptions struct {
	Stride, Pad, Dilation [2]int
	Exact                 bool
}

// Conv correlates n maps x (B, H, W, Ci, 16) with w (Co, Ci, KH, KW), PyTorch's
// layout, without a bias → (B, H', W', Co, 16). x in pixels, (N, H, W, Ci), gives
// (N, H', W', Co), without a gradient.
func Conv(x, w *gorgonia.Node, n int, o ConvOptions) (*gorgonia.Node, error) {
	m, _, err := eitherOf("conv", x, n)
	if err != nil {
		return nil, err
	}
	s := w.Shape()
	if len(s) != 4 || s[1] != m.C {
		return nil, fmt.Errorf("op: conv: weights %v do not fit maps %v; want (Co, %d, KH, KW)", s, x.Shape(), m.C)
	}
	if inPixels(x) {
		return convPixels("conv", x, w, o.shape(m, s), nil, nil, false)
	}
	return applyConv("conv", x, w, o.shape(m, s))
}

// shape is the convolution of n maps m with weights of shape w.
func (o ConvOptions) shape(m maps, w tensor.Shape) kernel.ConvShape {
	return kernel.ConvShape{N: m.N, Ci: m.C, H: m.H, W: m.W, Co: w[0],
		Kernel: [2]int{w[2], w[3]}, Stride: orOne(o.Stride), Pad: o.Pad, Dilation: orOne(o.Dilation), Exact: o.Exact}
}

// Linear is x·wᵀ for each pixel of n maps x (B, H, W, D, 16), which of embeddings
// have one, and w (Out, D), PyTorch's layout, without a bias → (B, H, W, Out, 16).
func Linear(x, w *gorgonia.Node, n int) (*gorgonia.Node, error) {
	m, err := mapsOf("linear", x, n)
	if err != nil {
		return nil, err
	}
	s := w.Shape()
	if len(s) != 2 || s[1] != m.C {
		return nil, fmt.Errorf("op: linear: weights %v do not fit %v; want (Out, %d)", s, x.Shape(), m.C)
	}
	one := [2]int{1, 1}
	return applyConv("linear", x, w, kernel.ConvShape{N: n, Ci: m.C, H: m.H, W: m.W, Co: s[0],
		Kernel: one, Stride: one, Dilation: one})
}

func orOne(v [2]int) [2]int {
	for i := range v {
		if v[i] == 0 {
			v[i] = 1
		}
	}
	return v
}

func applyConv(name string, x, w *gorgonia.Node, s kernel.ConvShape) (*gorgonia.Node, error) {
	plan, err := kernel.NewConv(s)
	if err != nil {
		return nil, fmt.Errorf("op: %s over %v, %v: %w", name, x.Shape(), w.Shape(), err)
	}
	f := conv{name, s, plan}
	packed, err := fixed{sig: f.Sig() + " packed", shape: tensor.Shape{plan.PackedForward()},
		run: func(packed kernel.Array, in []kernel.Array, _ []float32) {
			plan.PackForward(packed.Data, in[0].Data)
		}}.apply(w)
	if err != nil {
		return nil, err
	}
	return Apply(f, x, w, packed)
}

// conv is y over (x, w, packed), packed being w as the kernel reads it, made from
// w, which is there for its gradient. A linear layer is a convolution of one
// pixel.
type conv struct {
	name  string
	shape kernel.ConvShape
	plan  *kernel.Conv
}

func (f conv) out() maps {
	h, w := f.plan.Out()
	return maps{f.shape.N, f.shape.Co, h, w}
}

func (f conv) Sig() string                                 { return fmt.Sprintf("%s%+v", f.name, f.shape) }
func (f conv) DiffWRT() []bool                             { return []bool{true, true, false} }
func (f conv) Infer(...tensor.Shape) (tensor.Shape, error) { return f.out().lanes(), nil }
func (f conv) Scratch(...tensor.Shape) int                 { return f.plan.ScratchForward() }

// Diff makes dw first: if x dies there, dx can take its place.
func (f conv) Diff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, w := in[0], in[1]
	dw, err := fixed{sig: f.Sig() + " weight gradient", shape: w.Shape(), scratch: f.plan.ScratchWeights(),
		run: func(dw kernel.Array, in []kernel.Array, scratch []float32) {
			f.plan.BackwardWeights(dw.Data, in[0].Data, in[1].Data, scratch)
		}}.apply(x, dy)
	if err != nil {
		return nil, err
	}
	packed, err := fixed{sig: f.Sig() + " packed for data gradient", shape: tensor.Shape{f.plan.PackedData()},
		run: func(packed kernel.Array, in []kernel.Array, _ []float32) {
			f.plan.PackData(packed.Data, in[0].Data)
		}}.apply(w)
	if err != nil {
		return nil, err
	}
	dx, err := fixed{sig: f.Sig() + " data gradient", shape: x.Shape(), scratch: f.plan.ScratchData(),
		run: func(dx kernel.Array, in []kernel.Array, scratch []float32) {
			f.plan.BackwardData(dx.Data, in[1].Data, in[0].Data, scratch)
		}}.apply(packed, dy)
	return gorgonia.Nodes{dx, dw, nil}, err
}

func (f conv) Run(out kernel.Array, in []kernel.Array, scratch []float32) error {
	f.plan.Forward(out.Data, in[0].Data, in[2].Data, scratch)
	return nil
}
