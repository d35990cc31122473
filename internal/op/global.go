package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// GlobalMean is the mean of each channel of n maps over their pixels →
// (B, 1, 1, C, 16). With keepRows it is taken along each row only, and feature
// c*H + h is the mean of row h of channel c → (B, 1, 1, C*H, 16).
func GlobalMean(x *gorgonia.Node, n int, keepRows bool) (*gorgonia.Node, error) {
	return applyGlobal("global_mean", x, n, keepRows, false)
}

// GlobalMax is as GlobalMean, of the largest pixel.
func GlobalMax(x *gorgonia.Node, n int, keepRows bool) (*gorgonia.Node, error) {
	return applyGlobal("global_max", x, n, keepRows, true)
}

func applyGlobal(name string, x *gorgonia.Node, n int, keepRows, largest bool) (*gorgonia.Node, error) {
	m, err := mapsOf(name, x, n)
	if err != nil {
		return nil, err
	}
	return Apply(global{kernel.Global{N: n, C: m.C, H: m.H, W: m.W, KeepRows: keepRows}, largest}, x)
}

type global struct {
	g       kernel.Global
	largest bool
}

func (f global) in() maps  { return maps{f.g.N, f.g.C, f.g.H, f.g.W} }
func (f global) out() maps { return maps{f.g.N, f.g.Features(), 1, 1} }

func (f global) Sig() string                                 { return fmt.Sprintf("global%+v", f) }
func (f global) DiffWRT() []bool                             { return []bool{true} }
func (f global) Infer(...tensor.Shape) (tensor.Shape, error) { return f.out().lanes(), nil }

func (f global) Diff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	var dx *gorgonia.Node
	var err error
	if f.largest {
		dx, err = Apply(globalGrad{global: f}, grad, in[0])
	} else {
		dx, err = Apply(globalGrad{global: f}, grad)
	}
	return gorgonia.Nodes{dx}, err
}

func (f global) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	if f.largest {
		f.g.Max(out.Data, in[0].Data)
	} else {
		f.g.Mean(out.Data, in[0].Data)
	}
	return nil
}

// globalGrad is over (dy, x) for the maximum, over dy alone for the mean.
type globalGrad struct {
	constant
	global global
}

func (f globalGrad) Sig() string { return f.global.Sig() + " gradient" }

func (f globalGrad) DiffWRT() []bool {
	if f.global.largest {
		return []bool{false, false}
	}
	return []bool{false}
}

func (f globalGrad) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	return f.global.in().lanes(), want("dy", in[0], f.global.out().lanes()...)
}

func (f globalGrad) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	if f.global.largest {
		f.global.g.MaxGrad(out.Data, in[1].Data, in[0].Data)
	} else {
		f.global.g.MeanGrad(out.Data, in[0].Data)
	}
	return nil
}
