package model

import (
	G "gorgonia.org/gorgonia"

	"clr/internal/op"
)

// Layers over rows (N, D), which are in no lanes.

// Concat puts rows (N, D1) and (N, D2) side by side: (N, D1+D2).
func (b *Builder) Concat(x, y *G.Node) *G.Node {
	return b.lay("concat", func() (*G.Node, error) { return op.Concat(x, y) })
}

// Stack puts rows (N1, D) and (N2, D) below each other: (N1+N2, D).
func (b *Builder) Stack(x, y *G.Node) *G.Node {
	return b.lay("stack", func() (*G.Node, error) { return op.Stack(x, y) })
}

// Slice is the rows [from, to).
func (b *Builder) Slice(x *G.Node, from, to int) *G.Node {
	return b.lay("slice", func() (*G.Node, error) { return op.Rows(x, from, to) })
}

// Normalize scales each row to unit length.
func (b *Builder) Normalize(x *G.Node) *G.Node {
	return b.lay("normalize", func() (*G.Node, error) { return op.Normalize(x) })
}

// Softmax turns each row into exp(x) over its sum.
func (b *Builder) Softmax(x *G.Node) *G.Node {
	return b.lay("softmax", func() (*G.Node, error) {
		d := [3]int{x.Shape()[1], 1, 1}
		b.layers = append(b.layers, Layer{Name: "softmax", Kind: "softmax", In: d, Out: d})
		return op.Softmax(x)
	})
}

// LayerNorm normalises each row by its own mean and variance, name.weight being the
// scale (D) and name.bias the shift (D): PyTorch's, with eps 1e-5.
func (b *Builder) LayerNorm(p *Params, name string, x *G.Node) *G.Node {
	return b.lay(name, func() (*G.Node, error) {
		d := x.Shape()[1]
		gamma, err := b.weight(p, name+".weight", constant(1), d)
		if err != nil {
			return nil, err
		}
		beta, err := b.weight(p, name+".bias", constant(0), d)
		if err != nil {
			return nil, err
		}
		return op.LayerNorm(x, gamma, beta, eps)
	})
}

// Nearest is for each row the one of queue (K, D) whose product with it is largest,
// the first of equal ones, as a constant.
func (b *Builder) Nearest(x, queue *G.Node) *G.Node {
	return b.lay("nearest", func() (*G.Node, error) { return op.Nearest(x, queue) })
}

// StopGradient is x, through which no gradient passes.
func (b *Builder) StopGradient(x *G.Node) *G.Node {
	return b.lay("stop gradient", func() (*G.Node, error) { return op.StopGradient(x) })
}

// Times is x multiplied by a number.
func (b *Builder) Times(x *G.Node, by float64) *G.Node {
	return b.lay("times", func() (*G.Node, error) { return op.Times(x, by) })
}
