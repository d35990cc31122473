package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// NormOptions of a batch norm. Groups splits the batch into that many equal runs of
// rows with statistics of their own (0 is 1); Eps of 0 is PyTorch's 1e-5.
type NormOptions struct {
	Groups int
	Eps    float32
	ReLU   bool // the result is max(…, 0)
}

// BatchNorm normalises n maps x (B, H, W, C, 16) by their own statistics, scales by
// gamma (C), shifts by beta (C), adds the residual unless that is nil, and takes the
// ReLU if asked to (Ioffe and Szegedy 2015). Stats is (Groups, 3, C): mean, biased
// variance, 1/√(variance+eps); whoever keeps running statistics reads it after a run.
//
// The whole gradient of the statistics is part of y's, so stats itself has none.
func BatchNorm(x, gamma, beta, residual *gorgonia.Node, n int, o NormOptions) (y, stats *gorgonia.Node, err error) {
	s, err := normOf("batch_norm", x, n, o)
	if err != nil {
		return nil, nil, err
	}
	if stats, err = Apply(normStats{s: s}, x); err != nil {
		return nil, nil, err
	}
	y, err = applyNorm(norm{s: s, relu: o.ReLU, residual: residual != nil}, x, stats, gamma, beta, residual)
	return y, stats, err
}

// BatchNormEval is BatchNorm by constant statistics, mean (C) and variance (C).
// Groups have no meaning here and must be 0 or 1.
func BatchNormEval(x, mean, variance, gamma, beta, residual *gorgonia.Node, n int, o NormOptions) (*gorgonia.Node, error) {
	s, err := normOf("batch_norm_eval", x, n, o)
	if err != nil {
		return nil, err
	}
	if s.Groups != 1 {
		return nil, fmt.Errorf("op: batch_norm_eval over %v: %d groups cannot share running statistics", x.Shape(), s.Groups)
	}
	stats, err := Apply(normRunning{s: s}, mean, variance)
	if err != nil {
		return nil, err
	}
	return applyNorm(norm{s: s, relu: o.ReLU, residual: residual != nil, frozen: true}, x, stats, gamma, beta, residual)
}

func normOf(name string, x *gorgonia.Node, n int, o NormOptions) (kernel.Norm, error) {
	m, err := mapsOf(name, x, n)
	if err != nil {
		return kernel.Norm{}, err
	}
	if o.Groups == 0 {
		o.Groups = 1
	}
	if o.Eps == 0 {
		o.Eps = 1e-5
	}
	if o.Groups < 1 || n%o.Groups != 0 {
		return kernel.Norm{}, fmt.Errorf("op: %s over %v: %d examples do not split into %d equal groups", name, x.Shape(), n, o.Groups)
	}
	return kernel.Norm{N: n, C: m.C, H: m.H, W: m.W, Groups: o.Groups, Eps: o.Eps}, nil
}

func applyNorm(f norm, x, stats, gamma, beta, residual *gorgonia.Node) (*gorgonia.Node, error) {
	if residual == nil {
		return Apply(f, x, stats, gamma, beta)
	}
	return Apply(f, x, stats, gamma, beta, residual)
}

// normStats is x's own statistics.
type normStats struct {
	constant
	s kernel.Norm
}

func (f normStats) Sig() string     { return fmt.Sprintf("batch_norm_stats%+v", f.s) }
func (f normStats) DiffWRT() []bool { return []bool{false} }

func (f normStats) Infer(...tensor.Shape) (tensor.Shape, error) {
	return tensor.Shape{f.s.Groups, 3, f.s.C}, nil
}

func (f normStats) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	f.s.Stats(out.Data, in[0].Data)
	return nil
}

// normRunning is the same array from a running mean and variance.
type normRunning struct {
	constant
	s kernel.Norm
}

func (f normRunning) Sig() string     { return fmt.Sprintf("batch_norm_running%+v", f.s) }
func (f normRunning) DiffWRT() []bool { return []bool{false, false} }

func (f normRunning) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if err := want("the running mean", in[0], f.s.C); err != nil {
		return nil, err
	}
	return tensor.Shape{1, 3, f.s.C}, want("the running variance", in[1], f.s.C)
}

func (f normRunning) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	f.s.RunningStats(out.Data, in[0].Data, in[1].Data)
	return nil
}

// norm is y over (x, stats, gamma, beta[, residual]).
type norm struct {
	s                      kernel.Norm
	relu, residual, frozen bool
}

func (f norm) maps() maps { return maps{f.s.N, f.s.C, f.s.H, f.s.W} }

func (f norm) Sig() string {
	return fmt.Sprintf("batch_norm%+v", f)
}

func (f norm) DiffWRT() []bool {
	if f.residual {
		return []bool{true, false, true, true, true}
	}
	return []bool{true, false, true, true}
}

// InPlace is of use without gradients, which need x.
func (f norm) InPlace() int { return 0 }

func (f norm) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if err := want("gamma", in[2], f.s.C); err != nil {
		return nil, err
	}
	if err := want("beta", in[3], f.s.C); err != nil {
		return nil, err
	}
	if f.residual {
		if err := want("the residual", in[4], in[0]...); err != nil {
			return nil, err
		}
	}
	return in[0], nil
}

func (f norm) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	var residual []float32
	if f.residual {
		residual = in[4].Data
	}
	f.s.Apply(out.Data, in[0].Data, in[1].Data, in[2].Data, in[3].Data, residual, f.relu)
	return nil
}
