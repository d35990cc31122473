package model

import (
	G "gorgonia.org/gorgonia"
)

// Headed is an encoder that keeps the first hidden layers of the projector it was
// trained with, as SimCLR v2 does (Chen et al. 2020, "Big self-supervised models are
// strong semi-supervised learners", section 2). The projector's weights have the name
// projector, beside the encoder's.
type Headed struct {
	Encoder
	Projector MLP
	Layers    int // 1 to the hidden ones
}

func (e Headed) Dim(Input) int { return e.Projector.Hidden[e.Layers-1] }

func (e Headed) Build(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	return e.Projector.After(b, p, "projector", e.Encoder.Build(b, p, name, x), e.Layers)
}
