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
	var err error
	masks := f.relu
	if f.relu && f.residual {
		if dy, err = Apply(reluGrad{}, y, dy); err != nil {
			return nil, err
		}
		masks = false
	}
	with := func(in ...*gorgonia.Node) []*gorgonia.Node {
		if masks {
			return append(in, y)
		}
		return in
	}
	sums, err := Apply(normSums{s: f.s, masked: masked{masks}}, with(x, stats, dy)...)
	if err != nil {
		return nil, err
	}
	dgamma, err := f.ofSums(sums, 0)
	if err != nil {
		return nil, err
	}
	dbeta, err := f.ofSums(sums, 1)
	if err != nil {
		return nil, err
	}
	var dx *gorgonia.Node
	if f.frozen {
		dx, err = Apply(normDataEval{s: f.s, masked: masked{masks}}, with(dy, stats, gamma)...)
	} else {
		dx, err = Apply(normData{s: f.s, masked: masked{masks}}, with(dy, x, stats, gamma, sums)...)
	}
	grads := gorgonia.Nodes{dx, nil, dgamma, dbeta}
	if f.residual {
		grads = append(grads, dy)
	}
	return grads, err
}

// ofSums is row 0 (dγ) or 1 (dβ) of the sums.
func (f norm) ofSums(sums *gorgonia.Node, row int) (*gorgonia.Node, error) {
	if f.s.Groups == 1 {
		return Apply(window{row * f.s.C, tensor.Shape{f.s.C}, false}, sums)
	}
	return Apply(sumGroups{row: row}, sums)
}

// masked functions take y as their last input when they have to mask dy by it.
type masked struct{ relu bool }

func (m masked) y(in []kernel.Array) []float32 {
	if m.relu {
		return in[len(in)-1].Data
	}
	return nil
}

func (m masked) constants(inputs int) []bool {
	if m.relu {
		inputs++
	}
	return make([]bool, inputs)
}

// normSums is over (x, stats, dy[, y]).
type normSums struct {
	constant
	masked
	s kernel.Norm
}

func (f normSums) Sig() string     { return fmt.Sprintf("batch_norm_sums%+v%+v", f.s, f.masked) }
func (f normSums) DiffWRT() []bool { return f.constants(3) }

func (f normSums) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{f.s.Groups, 2, f.s.C}, want("dy", in[2], in[0]...)
}

func (f normSums) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	f.s.Sums(out.Data, in[0].Data, f.y(in), in[1].Data, in[2].Data, f.relu)
	return nil
}

// sumGroups adds one row of sums (Groups, 2, C) over the groups, in their order → (C).
type sumGroups struct {
	constant
	row int
}

func (f sumGroups) Sig() string     { return fmt.Sprintf("sum_groups{%d}", f.row) }
func (f sumGroups) DiffWRT() []bool { return []bool{false} }

func (f sumGroups) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{in[0][2]}, nil
}

func (f sumGroups) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	groups, c := in[0].Shape[0], in[0].Shape[2]
	for i := range out.Data {
		var s float64
		for g := range groups {
			s += float64(in[0].Data[(2*g+f.row)*c+i])
		}
		out.Data[i] = float32(s)
	}
	return nil
}

// normData is dx over (dy, x, stats, gamma, sums[, y]).
type normData struct {
	constant
	masked
	s kernel.Norm
}

func (f normData) Sig() string     { return fmt.Sprintf("batch_norm_data%+v%+v", f.s, f.masked) }
func (f normData) DiffWRT() []bool { return f.constants(5) }
func (f normData) InPlace() int    { return 0 }

func (f normData) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	return in[1], want("dy", in[0], in[1]...)
}

func (f normData) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	f.s.Data(out.Data, in[1].Data, f.y(in), in[2].Data, in[3].Data, in[4].Data, in[0].Data, f.relu)
	return nil
}

// normDataEval is dx over (dy, stats, gamma[, y]), the statistics constant.
type normDataEval struct {
	constant
	masked
	s kernel.Norm
}

func (f normDataEval) Sig() string {
	return fmt.Sprintf("batch_norm_data_eval%+v%+v", f.s, f.masked)
}
func (f normDataEval) DiffWRT() []bool                                { return f.constants(3) }
func (f normDataEval) InPlace() int                                   { return 0 }
func (f normDataEval) Infer(in ...tensor.Shape) (tensor.Shape, error) { return in[0], nil }

func (f normDataEval) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	f.s.DataEval(out.Data, f.y(in), in[1].Data, in[2].Data, in[0].Data, f.relu)
	return nil
}
