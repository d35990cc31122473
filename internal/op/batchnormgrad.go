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
// with dŷ = dy where the ReLU let y through. A residual needs dŷ itself, so then the
// mask is taken once and for all; otherwise sums and dx take it as they go.
func (f norm) Diff(in gorgonia.Nodes, y, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, stats, gamma := in[0], in[1], in[2]
	masks := f.relu
	var err error
	if f.relu && f.residual {
		if dy, err = reluGrad(y, dy); err != nil {
			return nil, err
		}
		masks = false
	}
	g := normGrad{f.s, masks, y}
	sums, err := g.sums(x, stats, dy)
	if err != nil {
		return nil, err
	}
	dgamma, err := g.row(sums, 0)
	if err != nil {
		return nil, err
	}
	dbeta, err := g.row(sums, 1)
	if err != nil {
		return nil, err
	}
	var dx *gorgonia.Node
	if f.frozen {
		dx, err = g.dataEval(stats, gamma, dy)
	} else {
		dx, err = g.data(x, stats, gamma, sums, dy)
	}
	grads := gorgonia.Nodes{dx, nil, dgamma, dbeta}
	if f.residual {
		grads = append(grads, dy)
	}
	return grads, err
}

// A normGrad makes the parts of a batch norm's gradient. If it masks, y is the last
// input of those that read dy; if not, none of them keeps y alive.
type normGrad struct {
	s     kernel.Norm
	masks bool
	y     *gorgonia.Node
}

func (g normGrad) sig(part string) string {
	return fmt.Sprintf("batch_norm_%s%+v masked %v", part, g.s, g.masks)
}

func (g normGrad) withY(in ...*gorgonia.Node) []*gorgonia.Node {
	if g.masks {
		return append(in, g.y)
	}
	return in
}

func (g normGrad) yOf(in []kernel.Array) []float32 {
	if g.masks {
		return in[len(in)-1].Data
	}
	return nil
}

// sums is Σ dŷ·x̂ and Σ dŷ of each group and channel (Groups, 2, C).
func (g normGrad) sums(x, stats, dy *gorgonia.Node) (*gorgonia.Node, error) {
	return fixed{sig: g.sig("sums"), shape: tensor.Shape{g.s.Groups, 2, g.s.C},
		run: func(sums kernel.Array, in []kernel.Array, _ []float32) {
			g.s.Sums(sums.Data, in[0].Data, g.yOf(in), in[1].Data, in[2].Data, g.masks)
		}}.apply(g.withY(x, stats, dy)...)
}

// data is dx, over dy if that is not needed any more.
func (g normGrad) data(x, stats, gamma, sums, dy *gorgonia.Node) (*gorgonia.Node, error) {
	return fixed{sig: g.sig("data"), shape: x.Shape(),
		run: func(dx kernel.Array, in []kernel.Array, _ []float32) {
			g.s.Data(dx.Data, in[0].Data, g.yOf(in), in[1].Data, in[2].Data, in[3].Data, in[4].Data, g.masks)
		}}.over(4, g.withY(x, stats, gamma, sums, dy)...)
}

// dataEval is dx where the statistics are constants.
func (g normGrad) dataEval(stats, gamma, dy *gorgonia.Node) (*gorgonia.Node, error) {
	return fixed{sig: g.sig("data_eval"), shape: dy.Shape(),
		run: func(dx kernel.Array, in []kernel.Array, _ []float32) {
			g.s.DataEval(dx.Data, g.yOf(in), in[0].Data, in[1].Data, in[2].Data, g.masks)
		}}.over(2, g.withY(stats, gamma, dy)...)
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
