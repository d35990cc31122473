package eval

import "slices"

// A LinearHead is a head of one layer as other programs compute it: probabilities,
// by Link, of z = W·((x - Mean)·Factor) + B.
type LinearHead struct {
	Logistic
	Mean, Factor []float64 // (D)
}

// LinearOf is what a head computes, if it has no hidden layers.
func LinearOf(h Head) (LinearHead, bool) {
	var l LinearHead
	var scale scaler
	switch h := h.(type) {
	case linearHead:
		l.Logistic, scale = *h.model, h.scale
	case *trainedHead:
		if len(h.net.head.Hidden) > 0 {
			return LinearHead{}, false
		}
		l.Logistic, scale = h.net.linear(), h.scale
	default:
		return LinearHead{}, false
	}
	l.Mean, l.Factor = scale.mean, scale.factor
	if l.Mean == nil {
		l.Mean, l.Factor = make([]float64, l.D), make([]float64, l.D)
		for i := range l.Factor {
			l.Factor[i] = 1
		}
	}
	return l, true
}

// linear is a network of one layer.
func (n *network) linear() Logistic {
	l := Logistic{K: n.k, D: n.d}
	if n.multi {
		l.Link = Sigmoid
	}
	for i, to := range []*[]float64{&l.W, &l.B} {
		for _, v := range n.params.All()[i].Value.Data {
			*to = append(*to, float64(v))
		}
	}
	return l
}

// links are the names of Links.
var links = []string{"softmax", "sigmoid", "normalized_sigmoid"}

func (l Link) String() string { return links[l] }

// LinkOf is the Link of a name.
func LinkOf(name string) (Link, bool) {
	i := slices.Index(links, name)
	return Link(max(i, 0)), i >= 0
}
