package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// ConvOptions are rows first, then columns. A stride or dilation of 0 is 1.
type ConvOptions struct{ Stride, Pad, Dilation [2]int }

// Conv correlates n maps x (B, H, W, Ci, 16) with w (Co, Ci, KH, KW), PyTorch's
// layout, without a bias → (B, H', W', Co, 16).
func Conv(x, w *gorgonia.Node, n int, o ConvOptions) (*gorgonia.Node, error) {
	m, err := mapsOf("conv", x, n)
	if err != nil {
		return nil, err
	}
	s := w.Shape()
	if len(s) != 4 || s[1] != m.C {
		return nil, fmt.Errorf("op: conv: weights %v do not fit maps %v; want (Co, %d, KH, KW)", s, x.Shape(), m.C)
	}
	return applyConv("conv", x, w, kernel.ConvShape{N: n, Ci: m.C, H: m.H, W: m.W, Co: s[0],
		Kernel: [2]int{s[2], s[3]}, Stride: orOne(o.Stride), Pad: o.Pad, Dilation: orOne(o.Dilation)})
}

// Linear is x·wᵀ for n embeddings x (B, 1, 1, D, 16) and w (Out, D), PyTorch's
// layout, without a bias → (B, 1, 1, Out, 16).
func Linear(x, w *gorgonia.Node, n int) (*gorgonia.Node, error) {
	m, err := mapsOf("linear", x, n)
	if err != nil {
		return nil, err
	}
	s := w.Shape()
	if len(s) != 2 || s[1] != m.C || m.H != 1 || m.W != 1 {
		return nil, fmt.Errorf("op: linear: weights %v do not fit %v; want (Out, %d) and maps of one pixel", s, x.Shape(), m.C)
	}
	one := [2]int{1, 1}
	return applyConv("linear", x, w, kernel.ConvShape{N: n, Ci: m.C, H: 1, W: 1, Co: s[0],
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
	return Apply(conv{name, s, plan}, x, w)
}

// conv is a linear layer as well, which is a convolution of one pixel.
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
func (f conv) DiffWRT() []bool                             { return []bool{true, true} }
func (f conv) Infer(...tensor.Shape) (tensor.Shape, error) { return f.out().lanes(), nil }
func (f conv) Scratch(...tensor.Shape) int                 { return f.plan.ScratchForward() }

// Diff makes dw first: if x dies there, dx can take its place.
func (f conv) Diff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	dw, err := fixed{sig: f.Sig() + " weight gradient", shape: in[1].Shape(), scratch: f.plan.ScratchWeights(),
		run: func(dw kernel.Array, in []kernel.Array, scratch []float32) {
			f.plan.BackwardWeights(dw.Data, in[0].Data, in[1].Data, scratch)
		}}.apply(in[0], dy)
	if err != nil {
		return nil, err
	}
	dx, err := fixed{sig: f.Sig() + " data gradient", shape: in[0].Shape(), scratch: f.plan.ScratchData(),
		run: func(dx kernel.Array, in []kernel.Array, scratch []float32) {
			f.plan.BackwardData(dx.Data, in[1].Data, in[0].Data, scratch)
		}}.apply(in[1], dy)
	return gorgonia.Nodes{dx, dw}, err
}

func (f conv) Run(out kernel.Array, in []kernel.Array, scratch []float32) error {
	f.plan.Forward(out.Data, in[0].Data, in[1].Data, scratch)
	return nil
}
