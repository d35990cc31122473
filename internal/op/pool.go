package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// PoolOptions are rows first, then columns. A stride of 0 is the kernel's size.
type PoolOptions struct{ Kernel, Stride, Pad [2]int }

// MaxPool is the maximum under each window of n maps; padding never wins.
func MaxPool(x *gorgonia.Node, n int, o PoolOptions) (*gorgonia.Node, error) {
	return applyPool("max_pool", x, n, o, true)
}

// AvgPool is the mean under each window of n maps; padding counts as zeros, as in
// PyTorch's default.
func AvgPool(x *gorgonia.Node, n int, o PoolOptions) (*gorgonia.Node, error) {
	return applyPool("avg_pool", x, n, o, false)
}

func applyPool(name string, x *gorgonia.Node, n int, o PoolOptions, largest bool) (*gorgonia.Node, error) {
	m, err := mapsOf(name, x, n)
	if err != nil {
		return nil, err
	}
	for i := range o.Stride {
		if o.Stride[i] == 0 {
			o.Stride[i] = o.Kernel[i]
		}
		if o.Kernel[i] < 1 || o.Stride[i] < 1 || o.Pad[i] < 0 || 2*o.Pad[i] > o.Kernel[i] {
			return nil, fmt.Errorf("op: %s over %v: kernel %v, stride %v, pad %v; a window is at least 1 and twice its padding at most its size",
				name, x.Shape(), o.Kernel, o.Stride, o.Pad)
		}
	}
	if m.H+2*o.Pad[0] < o.Kernel[0] || m.W+2*o.Pad[1] < o.Kernel[1] {
		return nil, fmt.Errorf("op: %s: a window of %v does not fit maps %v padded by %v", name, o.Kernel, x.Shape(), o.Pad)
	}
	return Apply(pool{kernel.Pool{N: n, C: m.C, H: m.H, W: m.W, Kernel: o.Kernel, Stride: o.Stride, Pad: o.Pad}, largest}, x)
}

type pool struct {
	p       kernel.Pool
	largest bool
}

func (f pool) in() maps { return maps{f.p.N, f.p.C, f.p.H, f.p.W} }

func (f pool) out() maps {
	h, w := f.p.Out()
	return maps{f.p.N, f.p.C, h, w}
}

func (f pool) Sig() string                                 { return fmt.Sprintf("pool%+v", f) }
func (f pool) DiffWRT() []bool                             { return []bool{true} }
func (f pool) Infer(...tensor.Shape) (tensor.Shape, error) { return f.out().lanes(), nil }

func (f pool) Diff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	var dx *gorgonia.Node
	var err error
	if f.largest {
		dx, err = Apply(poolGrad{pool: f}, grad, in[0])
	} else {
		dx, err = Apply(poolGrad{pool: f}, grad)
	}
	return gorgonia.Nodes{dx}, err
}

func (f pool) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	if f.largest {
		f.p.MaxForward(out.Data, in[0].Data)
	} else {
		f.p.AvgForward(out.Data, in[0].Data)
	}
	return nil
}

// poolGrad is over (dy, x) for the maximum, over dy alone for the mean.
type poolGrad struct {
	constant
	pool pool
}

func (f poolGrad) Sig() string { return f.pool.Sig() + " gradient" }

func (f poolGrad) DiffWRT() []bool {
	if f.pool.largest {
		return []bool{false, false}
	}
	return []bool{false}
}

func (f poolGrad) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	return f.pool.in().lanes(), want("dy", in[0], f.pool.out().lanes()...)
}

func (f poolGrad) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	if f.pool.largest {
		f.pool.p.MaxBackward(out.Data, in[1].Data, in[0].Data)
	} else {
		f.pool.p.AvgBackward(out.Data, in[0].Data)
	}
	return nil
}
