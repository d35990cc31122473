package eval

import (
	"slices"

	"clr/internal/model"
)

// A PlainHead is a head as other programs compute it: logits z of (x - Mean)·Factor by
// linear layers with a ReLU between them, and by Link their probabilities.
type PlainHead struct {
	Link
	Mean, Factor []float64 // (D)
	Layers       []model.Affine
}

// PlainOf is what a head computes, if it has layers.
func PlainOf(h Head) (PlainHead, bool) {
	var p PlainHead
	var scale scaler
	switch h := h.(type) {
	case linearHead:
		m := h.model
		p.Link, p.Layers, scale = m.Link, []model.Affine{{In: m.D, Out: m.K, W: m.W, B: m.B}}, h.scale
	case *trainedHead:
		if h.net.multi {
			p.Link = Sigmoid
		}
		p.Layers, scale = h.net.head.Folded(h.net.params, "head", h.net.d), h.scale
	default:
		return p, false
	}
	p.Mean, p.Factor = scale.mean, scale.factor
	if p.Mean == nil {
		d := p.Layers[0].In
		p.Mean, p.Factor = make([]float64, d), slices.Repeat([]float64{1}, d)
	}
	return p, true
}

// links are the names of Links.
var links = []string{"softmax", "sigmoid", "normalized_sigmoid"}

func (l Link) String() string { return links[l] }

// LinkOf is the Link of a name.
func LinkOf(name string) (Link, bool) {
	i := slices.Index(links, name)
	return Link(max(i, 0)), i >= 0
}
