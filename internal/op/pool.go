package op

import (
	"fmt"

	"clr/internal/kernel"
	"clr/internal/onnx"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// PoolOptions are rows first, then columns. A stride of 0 is the kernel's size.
type PoolOptions struct{ Kernel, Stride, Pad [2]int }

// MaxPool is the maximum under each window of n maps; padding never wins. This and
// the global pools take maps in pixels too, (N, H, W, C), without a gradient.
func MaxPool(x *gorgonia.Node, n int, o PoolOptions) (*gorgonia.Node, error) {
	p, out, err := poolOf("max_pool", x, n, o)
	if err != nil {
		return nil, err
	}
	if inPixels(x) {
		return pixelPool(fmt.Sprintf("max_pool in pixels%+v", p), out, p.MaxPixels, x)
	}
	return Apply(pooling{fmt.Sprintf("max_pool%+v", p), out, p.MaxForward, p.MaxBackward, true, sayPool("MaxPool", p)}, x)
}

// AvgPool is the mean under each window of n maps; padding counts as zeros, as in
// PyTorch's default.
func AvgPool(x *gorgonia.Node, n int, o PoolOptions) (*gorgonia.Node, error) {
	p, out, err := poolOf("avg_pool", x, n, o)
	if err != nil {
		return nil, err
	}
	if inPixels(x) {
		return nil, fmt.Errorf("op: avg_pool: %v is in pixels; use PixelsToLanes", x.Shape())
	}
	backward := func(dx, _, dy []float32) { p.AvgBackward(dx, dy) }
	return Apply(pooling{fmt.Sprintf("avg_pool%+v", p), out, p.AvgForward, backward, false, sayPool("AveragePool", p, onnx.Attr{Name: "count_include_pad", Value: 1})}, x)
}

// GlobalMean is the mean of each channel of n maps over their pixels →
// (B, 1, 1, C, 16). With keepRows it is taken along each row only, and feature
// c*H + h is the mean of row h of channel c → (B, 1, 1, C*H, 16).
func GlobalMean(x *gorgonia.Node, n int, keepRows bool) (*gorgonia.Node, error) {
	g, out, err := globalOf("global_mean", x, n, keepRows)
	if err != nil {
		return nil, err
	}
	if inPixels(x) {
		return pixelPool(fmt.Sprintf("global_mean in pixels%+v", g), out, g.MeanPixels, x)
	}
	backward := func(dx, _, dy []float32) { g.MeanGrad(dx, dy) }
	return Apply(pooling{fmt.Sprintf("global_mean%+v", g), out, g.Mean, backward, false, sayGlobal("ReduceMean", g)}, x)
}

// GlobalMax is as GlobalMean, of the largest pixel.
func GlobalMax(x *gorgonia.Node, n int, keepRows bool) (*gorgonia.Node, error) {
	g, out, err := globalOf("global_max", x, n, keepRows)
	if err != nil {
		return nil, err
	}
	if inPixels(x) {
		return pixelPool(fmt.Sprintf("global_max in pixels%+v", g), out, g.MaxPixels, x)
	}
	return Apply(pooling{fmt.Sprintf("global_max%+v", g), out, g.Max, g.MaxGrad, true, sayGlobal("ReduceMax", g)}, x)
}

func poolOf(name string, x *gorgonia.Node, n int, o PoolOptions) (kernel.Pool, tensor.Shape, error) {
	m, shape, err := eitherOf(name, x, n)
	if err != nil {
		return kernel.Pool{}, nil, err
	}
	for i, side := range [2]int{m.H, m.W} {
		if o.Stride[i] == 0 {
			o.Stride[i] = o.Kernel[i]
		}
		if o.Kernel[i] < 1 || o.Stride[i] < 1 || o.Pad[i] < 0 || 2*o.Pad[i] > o.Kernel[i] {
			return kernel.Pool{}, nil, fmt.Errorf("op: %s over %v: kernel %v, stride %v, pad %v; a window is at least 1 and twice its padding at most its size",
				name, x.Shape(), o.Kernel, o.Stride, o.Pad)
		}
		if side+2*o.Pad[i] < o.Kernel[i] {
			return kernel.Pool{}, nil, fmt.Errorf("op: %s: a window of %v does not fit maps %v padded by %v", name, o.Kernel, x.Shape(), o.Pad)
		}
	}
	p := kernel.Pool{N: n, C: m.C, H: m.H, W: m.W, Kernel: o.Kernel, Stride: o.Stride, Pad: o.Pad}
	m.H, m.W = p.Out()
	return p, shape(m), nil
}

func globalOf(name string, x *gorgonia.Node, n int, keepRows bool) (kernel.Global, tensor.Shape, error) {
	m, shape, err := eitherOf(name, x, n)
	if err != nil {
		return kernel.Global{}, nil, err
	}
	g := kernel.Global{N: n, C: m.C, H: m.H, W: m.W, KeepRows: keepRows}
	return g, shape(maps{n, g.Features(), 1, 1}), nil
}

// pixelPool is a pool of maps in pixels.
func pixelPool(sig string, out tensor.Shape, forward func(y, x []float32), x *gorgonia.Node) (*gorgonia.Node, error) {
	return fixed{sig: sig, shape: out,
		run: func(y kernel.Array, in []kernel.Array, _ []float32) { forward(y.Data, in[0].Data) }}.apply(x)
}

// pooling is any of the four: a kernel and its gradient.
type pooling struct {
	sig      string
	out      tensor.Shape
	forward  func(y, x []float32)
	backward func(dx, x, dy []float32)
	usesX    bool // backward does, to find the maxima again
	say      func(t *translation, x onnx.Value) onnx.Value
}

func (f pooling) Sig() string                                 { return f.sig }
func (f pooling) DiffWRT() []bool                             { return []bool{true} }
func (f pooling) Infer(...tensor.Shape) (tensor.Shape, error) { return f.out, nil }

func (f pooling) Diff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	grad := fixed{sig: f.sig + " gradient", shape: in[0].Shape()}
	var dx *gorgonia.Node
	var err error
	if f.usesX {
		grad.run = func(dx kernel.Array, in []kernel.Array, _ []float32) { f.backward(dx.Data, in[1].Data, in[0].Data) }
		dx, err = grad.apply(dy, in[0])
	} else {
		grad.run = func(dx kernel.Array, in []kernel.Array, _ []float32) { f.backward(dx.Data, nil, in[0].Data) }
		dx, err = grad.apply(dy)
	}
	return gorgonia.Nodes{dx}, err
}

func (f pooling) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	f.forward(out.Data, in[0].Data)
	return nil
}

func (f pooling) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	return f.say(t, t.value(in[0]))
}

// sayPool is a pool by windows, in ONNX.
func sayPool(op string, p kernel.Pool, more ...onnx.Attr) func(*translation, onnx.Value) onnx.Value {
	return func(t *translation, x onnx.Value) onnx.Value {
		h, w := p.Out()
		attrs := append(more[:len(more):len(more)], sides("kernel_shape", p.Kernel), sides("strides", p.Stride), padding(p.Pad))
		return t.Do(op, perN(p.C, h, w), []onnx.Value{x}, attrs...)
	}
}

// sayGlobal is a pool over all pixels, or over those of a row, in ONNX → (N, D).
func sayGlobal(op string, g kernel.Global) func(*translation, onnx.Value) onnx.Value {
	return func(t *translation, x onnx.Value) onnx.Value {
		over := func(left []int, axes ...int) onnx.Value {
			return t.Do(op, left, []onnx.Value{x}, onnx.Attr{Name: "axes", Value: axes}, onnx.Attr{Name: "keepdims", Value: 0})
		}
		if !g.KeepRows {
			return over(perN(g.C), 2, 3)
		}
		return t.Reshape(over(perN(g.C, g.H), 3), perN(g.Features())...)
	}
}
