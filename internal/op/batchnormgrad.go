package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Diff splits the gradient by the flow of data, so that nothing is computed twice
// and dx can lie over dy:
//
//	sums = (Σ dŷ·x̂, Σ dŷ)            (Groups, 2, C)
//	dγ, dβ = sums, added over groups    (C), (C)
//	dx = f(x, stats, γ, sums, dŷ)       (B, H, W, C, 16)
//
// with dŷ = dy where the ReLU let y through. Sums and dx find that out from x again,
// which is cheaper than to read y. A residual is part of y, and needs dŷ itself, so
// then the mask is taken once and for all.
func (f norm) Diff(in gorgonia.Nodes, y, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, stats, gamma, beta := in[0], in[1], in[2], in[3]
	g := normGrad{f.s, f.relu && !f.residual}
	var err error
	if f.relu && f.residual {
		if dy, err = reluGrad(y, dy); err != nil {
			return nil, err
		}
	}
	sums, err := g.sums(x, stats, gamma, beta, dy)
	if err != nil {
		return nil, err
	}
	var dx *gorgonia.Node
	if f.frozen {
		dx, err = g.dataEval(x, stats, gamma, beta, dy)
	} else {
		dx, err = g.data(x, stats, gamma, beta, sums, dy)
	}
	if err != nil {
		return nil, err
	}
	dgamma, dbeta, err := g.rows(sums)
	grads := gorgonia.Nodes{dx, nil, dgamma, dbeta}
	if f.residual {
		grads = append(grads, dy)
	}
	return grads, err
}

// A normGrad makes the parts of a batch norm's gradient.
type normGrad struct {
	s    kernel.Norm
	relu bool // between the norm and dy
}

func (g normGrad) sig(part string) string { return fmt.Sprintf("batch_norm_%s%+v", part, g) }

// sums is Σ dŷ·x̂ and Σ dŷ of each group and channel (Groups, 2, C).
func (g normGrad) sums(x, stats, gamma, beta, dy *gorgonia.Node) (*gorgonia.Node, error) {
	return fixed{sig: g.sig("sums"), shape: tensor.Shape{g.s.Groups, 2, g.s.C},
		run: func(sums kernel.Array, in []kernel.Array, _ []float32) {
			g.s.Sums(sums.Data, in[0].Data, in[1].Data, in[2].Data, in[3].Data, in[4].Data, g.relu)
		}}.apply(x, stats, gamma, beta, dy)
}

// data is dx, over dy if that is not needed any more.
func (g normGrad) data(x, stats, gamma, beta, sums, dy *gorgonia.Node) (*gorgonia.Node, error) {
	return fixed{sig: g.sig("data"), shape: x.Shape(),
		run: func(dx kernel.Array, in []kernel.Array, _ []float32) {
			g.s.Data(dx.Data, in[0].Data, in[1].Data, in[2].Data, in[3].Data, in[4].Data, in[5].Data, g.relu)
		}}.over(5, x, stats, gamma, beta, sums, dy)
}

// dataEval is dx where the statistics are constants.
func (g normGrad) dataEval(x, stats, gamma, beta, dy *gorgonia.Node) (*gorgonia.Node, error) {
	return fixed{sig: g.sig("data_eval"), shape: dy.Shape(),
		run: func(dx kernel.Array, in []kernel.Array, _ []float32) {
			g.s.DataEval(dx.Data, in[0].Data, in[1].Data, in[2].Data, in[3].Data, in[4].Data, g.relu)
		}}.over(4, x, stats, gamma, beta, dy)
}

// rows are dγ and dβ (C), from the sums.
func (g normGrad) rows(sums *gorgonia.Node) (dgamma, dbeta *gorgonia.Node, err error) {
	if dgamma, err = g.row(sums, 0); err != nil {
		return nil, nil, err
	}
	dbeta, err = g.row(sums, 1)
	return dgamma, dbeta, err
}

// row is row 0 (dγ) or 1 (dβ) of the sums, added over the groups in their order → (C).
func (g normGrad) row(sums *gorgonia.Node, row int) (*gorgonia.Node, error) {
	groups, c := g.s.Groups, g.s.C
	if groups == 1 {
		return Apply(window{row * c, tensor.Shape{c}, false}, sums)
	}
	return fixed{sig: fmt.Sprintf("sum_groups{row %d}", row), shape: tensor.Shape{c},
		run: func(out kernel.Array, in []kernel.Array, _ []float32) {
			for i := range out.Data {
				var s float64
				for g := range groups {
					s += float64(in[0].Data[(2*g+row)*c+i])
				}
				out.Data[i] = float32(s)
			}
		}}.apply(sums)
}
