package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// BatchNormPool is MaxPool of BatchNorm without a residual, and stats as there. The
// normalised map, most often a network's largest, is never stored: what the pool
// chooses is found from x, on the way back once more.
func BatchNormPool(x, gamma, beta *gorgonia.Node, n int, o NormOptions, p PoolOptions) (y, stats *gorgonia.Node, err error) {
	s, err := normOf("batch_norm_pool", x, n, o)
	if err != nil {
		return nil, nil, err
	}
	if stats, err = normStats(s, x); err != nil {
		return nil, nil, err
	}
	y, err = applyNormPool(s, o, p, false, x, stats, gamma, beta)
	return y, stats, err
}

// BatchNormPoolEval is BatchNormPool by constant statistics, as BatchNormEval.
func BatchNormPoolEval(x, mean, variance, gamma, beta *gorgonia.Node, n int, o NormOptions, p PoolOptions) (*gorgonia.Node, error) {
	s, err := normOf("batch_norm_pool_eval", x, n, o)
	if err != nil {
		return nil, err
	}
	stats, err := runningStats("batch_norm_pool_eval", s, x, mean, variance)
	if err != nil {
		return nil, err
	}
	return applyNormPool(s, o, p, true, x, stats, gamma, beta)
}

func applyNormPool(s kernel.Norm, o NormOptions, p PoolOptions, frozen bool, x, stats, gamma, beta *gorgonia.Node) (*gorgonia.Node, error) {
	pool, out, err := poolOf("batch_norm_pool", x, s.N, p)
	if err != nil {
		return nil, err
	}
	f := normPool{kernel.NormPool{Norm: s, Kernel: pool.Kernel, Stride: pool.Stride, Pad: pool.Pad, ReLU: o.ReLU}, frozen}
	if err := f.fits(gamma.Shape(), beta.Shape()); err != nil {
		return nil, fmt.Errorf("op: batch_norm_pool over %v: %w", x.Shape(), err)
	}
	chosen, err := fixed{sig: fmt.Sprintf("batch_norm_choose%+v", f.s), shape: out,
		run: func(chosen kernel.Array, in []kernel.Array, _ []float32) {
			f.s.Choose(chosen.Data, in[0].Data, in[1].Data, in[2].Data, in[3].Data)
		}}.apply(x, stats, gamma, beta)
	if err != nil {
		return nil, err
	}
	return Apply(f, chosen, stats, gamma, beta, x)
}

// normPool is y over (chosen, stats, gamma, beta, x). The values in x that the pool
// chooses make y; the gradient goes to x past them.
type normPool struct {
	s      kernel.NormPool
	frozen bool
}

func (f normPool) Sig() string     { return fmt.Sprintf("batch_norm_pool%+v", f) }
func (f normPool) DiffWRT() []bool { return []bool{false, false, true, true, true} }

// InPlace is of use without gradients, which need what was chosen.
func (f normPool) InPlace() int { return 0 }

func (f normPool) fits(gamma, beta tensor.Shape) error {
	if err := want("gamma", gamma, f.s.C); err != nil {
		return err
	}
	return want("beta", beta, f.s.C)
}

func (f normPool) Infer(in ...tensor.Shape) (tensor.Shape, error) { return in[0], f.fits(in[2], in[3]) }

func (f normPool) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	f.s.Pooled().Apply(out.Data, in[0].Data, in[1].Data, in[2].Data, in[3].Data, nil, f.s.ReLU)
	return nil
}

// Diff is norm.Diff, its sums over what was chosen.
func (f normPool) Diff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	chosen, stats, gamma, beta, x := in[0], in[1], in[2], in[3], in[4]
	g := normGrad{f.s.Pooled(), f.s.ReLU}
	sums, err := g.sums(chosen, stats, gamma, beta, dy)
	if err != nil {
		return nil, err
	}
	dgamma, dbeta, err := g.rows(sums)
	if err != nil {
		return nil, err
	}
	grad := fixed{sig: fmt.Sprintf("batch_norm_pool_data%+v", f), shape: x.Shape()}
	var dx *gorgonia.Node
	if f.frozen {
		grad.run = func(dx kernel.Array, in []kernel.Array, _ []float32) {
			f.s.DataEval(dx.Data, in[0].Data, in[1].Data, in[2].Data, in[3].Data, in[4].Data)
		}
		dx, err = grad.apply(x, stats, gamma, beta, dy)
	} else {
		grad.run = func(dx kernel.Array, in []kernel.Array, _ []float32) {
			f.s.Data(dx.Data, in[0].Data, in[1].Data, in[2].Data, in[3].Data, in[4].Data, in[5].Data)
		}
		dx, err = grad.apply(x, stats, gamma, beta, sums, dy)
	}
	return gorgonia.Nodes{nil, nil, dgamma, dbeta, dx}, err
}
