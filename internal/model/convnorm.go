package model

import (
	G "gorgonia.org/gorgonia"

	"clr/internal/kernel"
	"clr/internal/op"
)

// ConvNorm is Conv, named conv, and BatchNorm, named norm, over it. For inference
// both are one pass, the norm's scale being part of the weights, unless a pool
// follows, which reads the map anyway.
//
// A bias before a norm cannot be learnt, for the norm takes it away again, and
// its gradient is 0. So it is a buffer, which begins as 0, and which only the
// running mean ever meets: there for the networks of PyTorch that have one.
func (b *Builder) ConvNorm(p *Params, conv, norm string, x *G.Node, out int, f Filter, o Norm) *G.Node {
	biased := f.Bias
	f.Bias = false
	var bias kernel.Array
	if biased {
		b.lay(conv, func() (_ *G.Node, err error) {
			bias, err = p.getBuffer(conv+".bias", 0, out)
			return nil, err
		})
	}
	if b.mode == Training || o.pools() && !biased && x != nil && len(x.Shape()) == 5 {
		o.bias = bias.Data
		return b.BatchNorm(p, norm, b.Conv(p, conv, x, out, f), o)
	}
	return b.lay(conv, func() (*G.Node, error) {
		w, _, err := b.filter(p, conv, x, out, f)
		if err != nil {
			return nil, err
		}
		n, err := b.fixedNorm(p, norm, out, o.Zero)
		if err != nil {
			return nil, err
		}
		if biased {
			if n.Bias, err = b.leaf(b.named(p, conv+".bias"), bias); err != nil {
				return nil, err
			}
			b.buffers = append(b.buffers, n.Bias)
		}
		if o.Residual != nil && len(o.Residual.Shape()) != len(x.Shape()) { // one in lanes, one in pixels
			if err := b.inLanes(&x, &o.Residual); err != nil {
				return nil, err
			}
		}
		y, err := op.ConvNorm(x, w, b.n(x), b.convOptions(f), n, o.Residual, o.ReLU)
		y, err = b.keep(y, err, x, f.layer(conv, w))
		if err == nil && o.pools() {
			var pooled *G.Node
			pooled, err = op.MaxPool(y, b.n(y), o.Pool.pool())
			return b.keep(pooled, err, y, normLayer(norm, out, o))
		}
		return b.keep(y, err, y, normLayer(norm, out, o))
	})
}
