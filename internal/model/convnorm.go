package model

import (
	G "gorgonia.org/gorgonia"

	"clr/internal/op"
)

// ConvNorm is Conv, named conv, and BatchNorm, named norm, over it. For inference
// both are one pass, the norm's scale being part of the weights.
func (b *Builder) ConvNorm(p *Params, conv, norm string, x *G.Node, out, size, stride, pad int, o Norm) *G.Node {
	if b.mode == Training {
		return b.BatchNorm(p, norm, b.Conv(p, conv, x, out, size, stride, pad), o)
	}
	return b.lay(conv, func() (*G.Node, error) {
		w, err := b.weight(p, conv+".weight", he, out, channels(x), size, size)
		if err != nil {
			return nil, err
		}
		n, err := b.fixedNorm(p, norm, out, o.Zero)
		if err != nil {
			return nil, err
		}
		if o.Residual != nil && len(o.Residual.Shape()) != len(x.Shape()) { // one in lanes, one in pixels
			if err := b.inLanes(&x, &o.Residual); err != nil {
				return nil, err
			}
		}
		c := op.ConvOptions{Stride: [2]int{stride, stride}, Pad: [2]int{pad, pad}}
		y, err := op.ConvNorm(x, w, b.n(x), c, n, o.Residual, o.ReLU)
		return b.keep(y, err, x)
	})
}
