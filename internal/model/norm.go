package model

import (
	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/op"
)

// A Norm says what goes with a batch normalisation.
type Norm struct {
	Residual *G.Node // added before the ReLU, or nil
	ReLU     bool
	Zero     bool      // the scale γ begins as 0 instead of 1
	Pool     Window    // of a max pool after all that; none without a kernel; not with a residual
	bias     []float32 // of the convolution before, which is left out
	bare     bool      // has no γ and β
}

// pools tells whether a max pool follows.
func (o Norm) pools() bool { return o.Pool.Kernel[0] > 0 }

// BatchNorm normalises each channel, name.weight being the scale γ and
// name.bias the shift β: PyTorch's, with eps 1e-5. In training the statistics
// are the batch's (a group's, see Groups), and Machine.UpdateStats moves
// name.running_mean and name.running_var; in inference they are those.
func (b *Builder) BatchNorm(p *Params, name string, x *G.Node, o Norm) *G.Node {
	return b.lay(name, func() (*G.Node, error) {
		if o.Residual != nil && o.pools() {
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
			if o.pools() {
				y, err = op.BatchNormPoolEval(x, f.Mean, f.Variance, f.Gamma, f.Beta, b.n(x), options, o.Pool.pool())
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
	s, err = p.statistics(name, c)
	s.gamma, s.beta = p.weight[name+".weight"], p.weight[name+".bias"]
	return gamma, beta, s, err
}

// statistics are the buffers of a batch norm over c channels.
func (p *Params) statistics(name string, c int) (s statistics, err error) {
	for _, buffer := range []struct {
		name  string
		first float32
		shape []int
		data  *[]float32
	}{{".running_mean", 0, []int{c}, &s.mean}, {".running_var", 1, []int{c}, &s.variance}, {".num_batches_tracked", 0, nil, &s.steps}} {
		a, err := p.getBuffer(name+buffer.name, buffer.first, buffer.shape...)
		if err != nil {
			return s, err
		}
		*buffer.data = a.Data
	}
	return s, nil
}

// Standardize is BatchNorm without weights: each channel gets mean 0 and
// deviation 1.
func (b *Builder) Standardize(p *Params, name string, x *G.Node) *G.Node {
	return b.lay(name, func() (*G.Node, error) {
		c := channels(x)
		s, err := p.statistics(name, c)
		if err != nil {
			return nil, err
		}
		ones := make([]float32, c)
		for i := range ones {
			ones[i] = 1
		}
		scale, err := b.channelLeaf(p, name+" scale", c, ones)
		if err != nil {
			return nil, err
		}
		shift, err := b.channelLeaf(p, name+" shift", c, make([]float32, c))
		if err != nil {
			return nil, err
		}
		if b.mode == Training {
			return b.normBatch(name, x, scale, shift, s, Norm{bare: true})
		}
		mean, variance, err := b.running(p, name, c, s)
		if err != nil {
			return nil, err
		}
		b.buffers = append(b.buffers, scale, shift)
		if err := b.inLanes(&x); err != nil {
			return nil, err
		}
		y, err := op.BatchNormEval(x, mean, variance, scale, shift, nil, b.n(x), op.NormOptions{Eps: eps})
		return b.keep(y, err, x, normLayer(name, c, Norm{bare: true}))
	})
}

// fixedNorm is a batch norm by its running statistics.
func (b *Builder) fixedNorm(p *Params, name string, c int, zero bool) (op.FixedNorm, error) {
	gamma, beta, s, err := b.normParams(p, name, c, zero)
	if err != nil {
		return op.FixedNorm{}, err
	}
	mean, variance, err := b.running(p, name, c, s)
	if err != nil {
		return op.FixedNorm{}, err
	}
	return op.FixedNorm{Mean: mean, Variance: variance, Gamma: gamma, Beta: beta, Eps: eps}, nil
}

// running are the nodes of the running statistics of a norm over c channels.
func (b *Builder) running(p *Params, name string, c int, s statistics) (mean, variance *G.Node, err error) {
	if mean, err = b.channelLeaf(p, name+".running_mean", c, s.mean); err != nil {
		return nil, nil, err
	}
	if variance, err = b.channelLeaf(p, name+".running_var", c, s.variance); err != nil {
		return nil, nil, err
	}
	b.buffers = append(b.buffers, mean, variance)
	return mean, variance, nil
}

// channelLeaf is a node without inputs, of a value for each of c channels.
func (b *Builder) channelLeaf(p *Params, name string, c int, values []float32) (*G.Node, error) {
	return b.leaf(b.named(p, name), kernel.Array{Shape: []int{c}, Data: values})
}

func normLayer(name string, c int, o Norm) Layer {
	l := Layer{Name: name, Kind: "batch_norm", Weights: 2 * c, ReLU: o.ReLU, Residual: o.Residual != nil, Window: o.Pool}
	if o.bare {
		l.Weights = 0
	}
	return l
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
	if o.pools() {
		y, stats, err = op.BatchNormPool(x, gamma, beta, n, options, o.Pool.pool())
	} else {
		y, stats, err = op.BatchNorm(x, gamma, beta, o.Residual, n, options)
	}
	if err != nil {
		return nil, err
	}
	s.node, s.bias = stats, o.bias
	b.stats = append(b.stats, s)
	return b.keep(y, nil, x, normLayer(name, channels(x), o))
}
