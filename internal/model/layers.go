package model

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/op"
)

// few is the largest batch that inference computes in pixels, that is with
// channels side by side: sixteen lanes would be half empty, and as slow as full.
const few = 10

// Lanes turns rows (N, C, H, W) or (N, D) into a feature map: in lanes, or for
// inference over a few examples (N, C, H, W) in pixels. The two layouts round
// differently.
func (b *Builder) Lanes(x *G.Node) *G.Node {
	return b.lay("lanes", func() (*G.Node, error) {
		s := x.Shape()
		to := op.ToLanes
		if b.mode == Inference && len(s) == 4 && s[0] <= few {
			to = op.ToPixels
		}
		y, err := to(x)
		if err == nil {
			b.rows[y] = s[0]
		}
		return y, err
	})
}

// inLanes brings feature maps into lanes, for layers that know no pixels. A nil
// stays.
func (b *Builder) inLanes(maps ...**G.Node) error {
	for _, x := range maps {
		if *x == nil || len((*x).Shape()) == 5 {
			continue
		}
		y, err := op.PixelsToLanes(*x, b.n(*x))
		if err != nil {
			return err
		}
		b.rows[y] = b.n(*x)
		*x = y
	}
	return nil
}

// Rows turns a feature map of one value a channel into rows (N, D).
func (b *Builder) Rows(x *G.Node) *G.Node {
	return b.lay("rows", func() (*G.Node, error) { return op.ToRows(x, b.n(x)) })
}

// Conv is a convolution to out channels without bias, weight (Co, Ci, KH, KW)
// name.weight; square kernel, the same stride and padding both ways.
func (b *Builder) Conv(p *Params, name string, x *G.Node, out, size, stride, pad int) *G.Node {
	return b.lay(name, func() (*G.Node, error) {
		w, err := b.weight(p, name+".weight", he, out, channels(x), size, size)
		if err != nil {
			return nil, err
		}
		y, err := op.Conv(x, w, b.n(x), b.convOptions(stride, pad))
		return b.keep(y, err, x, Layer{Name: name, Kind: "conv", Kernel: size, Stride: stride, Pad: pad, Weights: op.Size(w.Shape())})
	})
}

func (b *Builder) convOptions(stride, pad int) op.ConvOptions {
	return op.ConvOptions{Stride: [2]int{stride, stride}, Pad: [2]int{pad, pad}, Exact: b.exact}
}

// A Norm says what goes with a batch normalisation.
type Norm struct {
	Residual *G.Node // added before the ReLU, or nil
	ReLU     bool
	Zero     bool // the scale γ begins as 0 instead of 1
	Pool     Pool // a max pool after all that; not with a residual
}

// A Pool is square windows; of size 0, none.
type Pool struct{ Size, Stride, Pad int }

func (p Pool) options() op.PoolOptions {
	return op.PoolOptions{Kernel: [2]int{p.Size, p.Size}, Stride: [2]int{p.Stride, p.Stride}, Pad: [2]int{p.Pad, p.Pad}}
}

// BatchNorm normalises each channel, name.weight being the scale γ and
// name.bias the shift β: PyTorch's, with eps 1e-5. In training the statistics
// are the batch's (a group's, see Groups), and Machine.UpdateStats moves
// name.running_mean and name.running_var; in inference they are those.
func (b *Builder) BatchNorm(p *Params, name string, x *G.Node, o Norm) *G.Node {
	return b.lay(name, func() (*G.Node, error) {
		if o.Residual != nil && o.Pool.Size > 0 {
			panic("a residual and a pool")
		}
		c := channels(x)
		if b.mode == Inference {
			f, err := b.fixedNorm(p, name, c, o.Zero)
			if err != nil {
				return nil, err
			}
			if err := b.inLanes(&x, &o.Residual); err != nil {
				return nil, err
			}
			options := op.NormOptions{Eps: eps, ReLU: o.ReLU}
			var y *G.Node
			if o.Pool.Size > 0 {
				y, err = op.BatchNormPoolEval(x, f.Mean, f.Variance, f.Gamma, f.Beta, b.n(x), options, o.Pool.options())
			} else {
				y, err = op.BatchNormEval(x, f.Mean, f.Variance, f.Gamma, f.Beta, o.Residual, b.n(x), options)
			}
			return b.keep(y, err, x, normLayer(name, c, o))
		}
		gamma, beta, s, err := b.normParams(p, name, c, o.Zero)
		if err != nil {
			return nil, err
		}
		return b.normBatch(name, x, gamma, beta, s, o)
	})
}

// eps keeps the deviation of a constant channel from 0, as in PyTorch.
const eps = 1e-5

// normParams are the weights and buffers of a batch norm over c channels.
func (b *Builder) normParams(p *Params, name string, c int, zero bool) (gamma, beta *G.Node, s statistics, err error) {
	first := float32(1)
	if zero {
		first = 0
	}
	if gamma, err = b.weight(p, name+".weight", constant(first), c); err != nil {
		return nil, nil, s, err
	}
	if beta, err = b.weight(p, name+".bias", constant(0), c); err != nil {
		return nil, nil, s, err
	}
	for _, buffer := range []struct {
		name  string
		first float32
		shape []int
		data  *[]float32
	}{{".running_mean", 0, []int{c}, &s.mean}, {".running_var", 1, []int{c}, &s.variance}, {".num_batches_tracked", 0, nil, &s.steps}} {
		a, err := p.getBuffer(name+buffer.name, buffer.first, buffer.shape...)
		if err != nil {
			return nil, nil, s, err
		}
		*buffer.data = a.Data
	}
	return gamma, beta, s, nil
}

// fixedNorm is a batch norm by its running statistics.
func (b *Builder) fixedNorm(p *Params, name string, c int, zero bool) (op.FixedNorm, error) {
	gamma, beta, s, err := b.normParams(p, name, c, zero)
	if err != nil {
		return op.FixedNorm{}, err
	}
	mean, err := b.leaf(b.named(p, name+".running_mean"), kernel.Array{Shape: []int{c}, Data: s.mean})
	if err != nil {
		return op.FixedNorm{}, err
	}
	variance, err := b.leaf(b.named(p, name+".running_var"), kernel.Array{Shape: []int{c}, Data: s.variance})
	if err != nil {
		return op.FixedNorm{}, err
	}
	b.buffers = append(b.buffers, mean, variance)
	return op.FixedNorm{Mean: mean, Variance: variance, Gamma: gamma, Beta: beta, Eps: eps}, nil
}

func normLayer(name string, c int, o Norm) Layer {
	return Layer{Name: name, Kind: "batch_norm", Weights: 2 * c, ReLU: o.ReLU, Residual: o.Residual != nil,
		Kernel: o.Pool.Size, Stride: o.Pool.Stride, Pad: o.Pool.Pad}
}

func (b *Builder) normBatch(name string, x, gamma, beta *G.Node, s statistics, o Norm) (*G.Node, error) {
	n, hw := b.n(x), x.Shape()[1]*x.Shape()[2]
	if s.count = n / b.groups * hw; s.count < 2 {
		return nil, fault.New(fault.Usage, "make the batch larger or use fewer bn_groups",
			"batch normalisation over a single value of a channel: %d row(s) in %d group(s)", n, b.groups)
	}
	options := op.NormOptions{Groups: b.groups, Eps: eps, ReLU: o.ReLU}
	var y, stats *G.Node
	var err error
	if o.Pool.Size > 0 {
		y, stats, err = op.BatchNormPool(x, gamma, beta, n, options, o.Pool.options())
	} else {
		y, stats, err = op.BatchNorm(x, gamma, beta, o.Residual, n, options)
	}
	if err != nil {
		return nil, err
	}
	s.node = stats
	b.stats = append(b.stats, s)
	return b.keep(y, nil, x, normLayer(name, channels(x), o))
}

// Linear maps a feature map of one value a channel to out channels: weight
// (Out, D) name.weight and, with bias, (Out) name.bias. ReLU needs a bias.
func (b *Builder) Linear(p *Params, name string, x *G.Node, out int, bias, relu bool) *G.Node {
	return b.lay(name, func() (*G.Node, error) {
		d := channels(x)
		w, err := b.weight(p, name+".weight", uniform(d), out, d)
		if err != nil {
			return nil, err
		}
		if err := b.inLanes(&x); err != nil {
			return nil, err
		}
		y, err := op.Linear(x, w, b.n(x))
		l := Layer{Name: name, Kind: "linear", Kernel: 1, Stride: 1, Weights: op.Size(w.Shape())}
		if err != nil || !bias {
			return b.keep(y, err, x, l)
		}
		v, err := b.weight(p, name+".bias", uniform(d), out)
		if err != nil {
			return nil, err
		}
		y, err = op.Bias(y, v, b.n(x), relu)
		l.Weights += out
		l.ReLU = relu
		return b.keep(y, err, x, l)
	})
}

// GlobalMean is the mean over frequency and time, or with keepRows over time
// only, as rows: (N, C), or (N, C·F) with C outside.
func (b *Builder) GlobalMean(x *G.Node, keepRows bool) *G.Node {
	return b.Rows(b.lay("global mean", func() (*G.Node, error) {
		y, err := op.GlobalMean(x, b.n(x), keepRows)
		return b.keep(y, err, x, Layer{Name: "global mean", Kind: "global_mean"})
	}))
}

// GlobalMax is GlobalMean's shape with the maximum.
func (b *Builder) GlobalMax(x *G.Node, keepRows bool) *G.Node {
	return b.Rows(b.lay("global max", func() (*G.Node, error) {
		y, err := op.GlobalMax(x, b.n(x), keepRows)
		return b.keep(y, err, x, Layer{Name: "global max", Kind: "global_max"})
	}))
}

// channels of a feature map (⌈N/16⌉, H, W, C, 16) or (N, H, W, C).
func channels(x *G.Node) int {
	s := x.Shape()
	if len(s) != 5 && len(s) != 4 {
		panic(fmt.Sprintf("model: %v is not a feature map", s))
	}
	return s[3]
}
