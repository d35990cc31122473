package op

import (
	"errors"
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
	if stats, err = normStats(s, x); err != nil {
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
	stats, err := runningStats("batch_norm_eval", s, x, mean, variance)
	if err != nil {
		return nil, err
	}
	return applyNorm(norm{s: s, relu: o.ReLU, residual: residual != nil, frozen: true}, x, stats, gamma, beta, residual)
}

// normStats are the statistics of x (Groups, 3, C).
func normStats(s kernel.Norm, x *gorgonia.Node) (*gorgonia.Node, error) {
	return fixed{sig: fmt.Sprintf("batch_norm_stats%+v", s), shape: tensor.Shape{s.Groups, 3, s.C},
		run: func(stats kernel.Array, in []kernel.Array, _ []float32) { s.Stats(stats.Data, in[0].Data) }}.apply(x)
}

// runningStats are the same (1, 3, C) from constants.
func runningStats(name string, s kernel.Norm, x, mean, variance *gorgonia.Node) (*gorgonia.Node, error) {
	if s.Groups != 1 {
		return nil, fmt.Errorf("op: %s over %v: %d groups cannot share running statistics", name, x.Shape(), s.Groups)
	}
	if err := errors.Join(want("the running mean", mean.Shape(), s.C), want("the running variance", variance.Shape(), s.C)); err != nil {
		return nil, fmt.Errorf("op: %s over %v: %w", name, x.Shape(), err)
	}
	return fixed{sig: fmt.Sprintf("batch_norm_running%+v", s), shape: tensor.Shape{1, 3, s.C},
		run: func(stats kernel.Array, in []kernel.Array, _ []float32) {
			s.RunningStats(stats.Data, in[0].Data, in[1].Data)
		}}.apply(mean, variance)
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

// norm is y over (x, stats, gamma, beta[, residual]).
type norm struct {
	s                      kernel.Norm
	relu, residual, frozen bool
}

func (f norm) Sig() string { return fmt.Sprintf("batch_norm%+v", f) }

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
