package model

import (
	G "gorgonia.org/gorgonia"

	"clr/internal/op"
)

// ConvNorm is Conv, named conv, and BatchNorm, named norm, over it. For inference
// both are one pass, the norm's scale being part of the weights, unless a pool
// follows, which reads the map anyway.
func (b *Builder) ConvNorm(p *Params, conv, norm string, x *G.Node, out int, f Filter, o Norm) *G.Node {
	if b.mode == Training || o.pools() && x != nil && len(x.Shape()) == 5 {
		return b.BatchNorm(p, norm, b.Conv(p, conv, x, out, f), o)
	}
	return b.lay(conv, func() (*G.Node, error) {
		w, bias, err := b.filter(p, conv, x, out, f)
		if err != nil {
			return nil, err
		}
		n, err := b.fixedNorm(p, norm, out, o.Zero)
		if err != nil {
			return nil, err
		}
		n.Bias = bias
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
