package optim

import (
	"math"

	"clr/internal/kernel"
)

// LARS scales each parameter's rate by the ratio of its norm to its
// gradient's, which lets very large batches train (You et al. 2017). Two
// readings of the paper are in use, and they differ as soon as the rate moves:
//
//	simclr: g = g + weight_decay·w;  trust = eta·‖w‖ / ‖g‖
//	        v = momentum·v + lr·trust·g;  w = w - v      (Chen et al. 2020)
//	you:    trust = eta·‖w‖ / (‖g‖ + weight_decay·‖w‖)
//	        v = momentum·v + trust·(g + weight_decay·w);  w = w - lr·v
//
// Where a norm is 0, trust is 1.
type LARS struct {
	LR          float64 `yaml:"lr" doc:"learning rate after the warm-up"`
	Momentum    float64 `yaml:"momentum" doc:"how much of the last update is kept, 0 to below 1"`
	WeightDecay float64 `yaml:"weight_decay" doc:"L2 penalty, added to the gradient as weight_decay·w"`
	Eta         float64 `yaml:"eta" doc:"trust coefficient: a layer moves by about lr·eta of its norm"`
	Kind        string  `yaml:"kind" doc:"simclr: lr joins before the momentum; you: after it, as in the paper"`
	Spare       `yaml:",inline"`
}

// Doc implements Options.
func (LARS) Doc() string { return "layer-wise adaptive rate scaling, for very large batches" }

// LearningRate implements Options.
func (o LARS) LearningRate() float64 { return o.LR }

// Check implements Options.
func (o LARS) Check() error {
	if err := checkRate("lars", o.LR); err != nil {
		return err
	}
	if err := within("lars", "momentum", o.Momentum, 0, 1, true); err != nil {
		return err
	}
	if err := within("lars", "weight_decay", o.WeightDecay, 0, inf, true); err != nil {
		return err
	}
	if o.Eta == 0 {
		return usage("set eta above 0, such as 0.001", "lars: eta is 0, no layer would move")
	}
	if err := within("lars", "eta", o.Eta, 0, inf, true); err != nil {
		return err
	}
	if o.Kind != "simclr" && o.Kind != "you" {
		return usage("set kind to simclr or you", "lars: kind is %q, it must be simclr or you", o.Kind)
	}
	return o.Spare.check("lars")
}

// New implements Options.
func (o LARS) New(params []*Param) Optimizer {
	l := &lars{LARS: o, slots: newSlots(params, o.Spare)}
	l.layers = newLayers(l.slots)
	l.v = l.add("momentum", params)
	return l
}

type lars struct {
	LARS
	slots
	layers
	v    [][]float32
	lr   float64
	move bool // the second pass
}

func (l *lars) Step(params []*Param, lr float64) {
	l.match(params)
	l.lr = lr
	l.move = false
	l.each(params, l)
	for i := range params {
		l.trust[i] = l.trustOf(i, l.sum(i))
	}
	l.move = true
	l.each(params, l)
}

// trustOf is the layer's own factor on the learning rate.
func (l *lars) trustOf(param int, n norms) float64 {
	if l.spared[param] {
		return 1
	}
	top := math.Sqrt(n.w)
	bottom := math.Sqrt(n.update)
	if l.Kind == "you" {
		bottom = math.Sqrt(n.g) + l.WeightDecay*top
	}
	if top == 0 || bottom == 0 {
		return 1
	}
	return l.Eta * top / bottom
}

// Do implements kernel.Task for one piece: first its norms, then its move.
func (l *lars) Do(item int) {
	c, p, w, g := l.piece(item)
	if p.Rate == 0 {
		return
	}
	decay := l.decayOf(c.param, l.WeightDecay)
	if !l.move {
		if !l.spared[c.param] {
			l.sums[item] = normsOf(w, g, decay)
		}
		return
	}
	// Into scales what enters the momentum, Rate what leaves it.
	lr := l.lr * float64(p.Rate)
	m := kernel.Momentum{Decay: float32(decay), Into: float32(lr * l.trust[c.param]), Keep: float32(l.Momentum), Along: 1, Rate: 1}
	if l.Kind == "you" {
		m.Into, m.Rate = float32(l.trust[c.param]), float32(lr)
	}
	m.Move(w, l.v[c.param][c.from:c.to], g)
}

// normsOf takes the third norm from three products: Σ(g + d·w)² = Σg² + 2d·Σgw
// + d²·Σw².
func normsOf(w, g []float32, decay float64) norms {
	n := norms{w: kernel.SumSquares(w), g: kernel.SumSquares(g)}
	n.update = max(0, n.g+2*decay*kernel.Dot(g, w)+decay*decay*n.w)
	return n
}
