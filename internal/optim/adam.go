package optim

import (
	"math"

	"clr/internal/kernel"
)

// AdamW is Adam with decoupled weight decay (Loshchilov & Hutter 2019,
// algorithm 2), as in torch.optim.AdamW:
//
//	w = w·(1 - lr·weight_decay)
//	m = β1·m + (1-β1)·g;  v = β2·v + (1-β2)·g²
//	w = w - lr·(m/(1-β1ᵗ)) / (√(v/(1-β2ᵗ)) + eps)
type AdamW struct {
	LR          float64    `yaml:"lr" doc:"learning rate after the warm-up"`
	Betas       [2]float64 `yaml:"betas" doc:"how much of the running mean of the gradient, and of its square, is kept"`
	Eps         float64    `yaml:"eps" doc:"added to the root of the mean square"`
	WeightDecay float64    `yaml:"weight_decay" doc:"each step shrinks the weights by lr·weight_decay"`
	Spare       `yaml:",inline"`
}

// Doc implements Options.
func (AdamW) Doc() string { return "Adam with decoupled weight decay, as torch.optim.AdamW" }

// LearningRate implements Options.
func (o AdamW) LearningRate() float64 { return o.LR }

// Check implements Options.
func (o AdamW) Check() error { return checkAdam("adamw", o) }

// New implements Options.
func (o AdamW) New(params []*Param) Optimizer { return newAdam(o, true, params) }

// Adam is Kingma & Ba 2015 as in torch.optim.Adam: like AdamW, but the decay
// is an L2 penalty that joins the gradient, so it passes through the division.
type Adam struct {
	LR          float64    `yaml:"lr" doc:"learning rate after the warm-up"`
	Betas       [2]float64 `yaml:"betas" doc:"how much of the running mean of the gradient, and of its square, is kept"`
	Eps         float64    `yaml:"eps" doc:"added to the root of the mean square"`
	WeightDecay float64    `yaml:"weight_decay" doc:"L2 penalty, added to the gradient as weight_decay·w"`
	Spare       `yaml:",inline"`
}

// Doc implements Options.
func (Adam) Doc() string { return "Adam, decay as an L2 penalty, as torch.optim.Adam" }

// LearningRate implements Options.
func (o Adam) LearningRate() float64 { return o.LR }

// Check implements Options.
func (o Adam) Check() error { return checkAdam("adam", AdamW(o)) }

// New implements Options.
func (o Adam) New(params []*Param) Optimizer { return newAdam(AdamW(o), false, params) }

func checkAdam(name string, o AdamW) error {
	if err := checkRate(name, o.LR); err != nil {
		return err
	}
	if err := within(name, "betas[0]", o.Betas[0], 0, 1, true); err != nil {
		return err
	}
	if err := within(name, "betas[1]", o.Betas[1], 0, 1, true); err != nil {
		return err
	}
	// Below 1e-30 the sum with a float32 root of 0 may vanish, and 0/0 is NaN.
	if err := within(name, "eps", o.Eps, 1e-30, 1, false); err != nil {
		return err
	}
	return firstOf(within(name, "weight_decay", o.WeightDecay, 0, inf, true), o.Spare.check(name))
}

type adam struct {
	AdamW
	slots
	decoupled bool
	m, v      [][]float32
	step      []float32 // (1): t, so that a checkpoint holds it

	lr         float64
	rate, root float32 // of this step
}

func newAdam(o AdamW, decoupled bool, params []*Param) *adam {
	a := &adam{AdamW: o, decoupled: decoupled, slots: newSlots(params, o.Spare)}
	a.m, a.v = a.add("exp_avg", params), a.add("exp_avg_sq", params)
	t := kernel.New(1)
	a.arrays["step"], a.step = t, t.Data
	return a
}

func (a *adam) Step(params []*Param, lr float64) {
	a.match(params)
	a.step[0]++ // stops at 2²⁴, where β2ᵗ has long been 0: no harm
	t := float64(a.step[0])
	// w -= rate·m / (root·√v + eps), with the two corrections pulled out.
	a.lr = lr
	a.rate = float32(lr / (1 - math.Pow(a.Betas[0], t)))
	a.root = float32(1 / math.Sqrt(1-math.Pow(a.Betas[1], t)))
	a.each(params, a)
}

// Do implements kernel.Task for one piece.
func (a *adam) Do(item int) {
	c, p, w, g := a.piece(item)
	if p.Rate == 0 {
		return
	}
	decay := a.decayOf(c.param, a.WeightDecay)
	r := kernel.Adam{L2: float32(decay), Keep: 1, B1: float32(1 - a.Betas[0]), B2: float32(1 - a.Betas[1]), Rate: p.Rate * a.rate, Root: a.root, Eps: float32(a.Eps)}
	if a.decoupled {
		r.L2, r.Keep = 0, float32(1-a.lr*float64(p.Rate)*decay)
	}
	r.Move(w, a.m[c.param][c.from:c.to], a.v[c.param][c.from:c.to], g)
}
