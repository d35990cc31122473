package optim

import (
	"math"

	"clr/internal/kernel"
)

// LAMB is Adam with a rate of each layer's own, in proportion to the norm of its
// weights (You et al. 2020, "Large batch optimization for deep learning: training
// BERT in 76 minutes", algorithm 2, φ being the identity):
//
//	m = β1·m + (1-β1)·g;  v = β2·v + (1-β2)·g²
//	u = (m/(1-β1ᵗ)) / (√(v/(1-β2ᵗ)) + eps) + weight_decay·w
//	w = w - lr·(‖w‖/‖u‖)·u
//
// Where a norm is 0, the ratio is 1, and so it is where a weight is spared.
type LAMB struct {
	LR             float64    `yaml:"lr" doc:"learning rate after the warm-up: a layer moves by lr of its norm"`
	Betas          [2]float64 `yaml:"betas" doc:"how much of the running mean of the gradient, and of its square, is kept"`
	Eps            float64    `yaml:"eps" doc:"added to the root of the mean square"`
	WeightDecay    float64    `yaml:"weight_decay" doc:"joins the update as weight_decay·w, before its norm is taken"`
	BiasCorrection bool       `yaml:"bias_correction" doc:"divide both running means by how far they have filled, as the paper; its authors' code does not"`
	Spare          `yaml:",inline"`
}

// Doc implements Options.
func (LAMB) Doc() string { return "Adam with a rate of each layer's own, for very large batches" }

// LearningRate implements Options.
func (o LAMB) LearningRate() float64 { return o.LR }

// Check implements Options.
func (o LAMB) Check() error {
	return checkAdam("lamb", AdamW{LR: o.LR, Betas: o.Betas, Eps: o.Eps, WeightDecay: o.WeightDecay, Spare: o.Spare})
}

// New implements Options.
func (o LAMB) New(params []*Param) Optimizer {
	l := &lamb{LAMB: o, slots: newSlots(params, o.Spare)}
	l.layers = newLayers(l.slots)
	l.m, l.v = l.add("exp_avg", params), l.add("exp_avg_sq", params)
	t := kernel.New(1)
	l.arrays["step"], l.step = t, t.Data
	return l
}

type lamb struct {
	LAMB
	slots
	layers
	m, v [][]float32
	step []float32 // (1): t, so that a checkpoint holds it

	lr   float64
	adam kernel.Adam // of this step, but for rate and decay
	fill float64     // 1-β1ᵗ, which m is divided by
	move bool        // the second pass
}

func (l *lamb) Step(params []*Param, lr float64) {
	l.match(params)
	l.step[0]++
	l.lr, l.fill = lr, 1
	l.adam = kernel.Adam{Keep: 1, B1: float32(1 - l.Betas[0]), B2: float32(1 - l.Betas[1]), Root: 1, Eps: float32(l.Eps)}
	if l.BiasCorrection {
		t := float64(l.step[0])
		l.fill = 1 - math.Pow(l.Betas[0], t)
		l.adam.Root = float32(1 / math.Sqrt(1-math.Pow(l.Betas[1], t)))
	}
	l.move = false
	l.each(params, l)
	for i := range params {
		l.trust[i] = 1
		if n := l.sum(i); !l.spared[i] && n.w > 0 && n.update > 0 {
			l.trust[i] = math.Sqrt(n.w / n.update)
		}
	}
	l.move = true
	l.each(params, l)
}

// Do implements kernel.Task for one piece: first its means and norms, then its
// move, by the same kernel. In the first pass the rate is 0, which leaves w; in
// the second B1 and B2 are, which leave the means.
func (l *lamb) Do(item int) {
	c, p, w, g := l.piece(item)
	if p.Rate == 0 {
		return
	}
	m, v := l.m[c.param][c.from:c.to], l.v[c.param][c.from:c.to]
	decay := l.decayOf(c.param, l.WeightDecay)
	if !l.move {
		l.adam.Move(w, m, v, g)
		if !l.spared[c.param] {
			l.sums[item] = norms{w: kernel.SumSquares(w), update: l.updateNorm(w, m, v, decay)}
		}
		return
	}
	r, rate := l.adam, l.lr*float64(p.Rate)*l.trust[c.param]
	r.B1, r.B2 = 0, 0
	r.Keep, r.Rate = float32(1-rate*decay), float32(rate/l.fill)
	r.Move(w, m, v, m)
}

// updateNorm is Σu².
func (l *lamb) updateNorm(w, m, v []float32, decay float64) float64 {
	root, eps, sum := l.adam.Root, l.adam.Eps, 0.0
	for i, x := range w {
		bottom := float32(root*float32(math.Sqrt(float64(v[i])))) + eps
		u := float64(float64(m[i]/bottom)/l.fill) + float64(decay*float64(x))
		sum += float64(u * u)
	}
	return sum
}
