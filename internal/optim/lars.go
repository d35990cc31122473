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
	Exclude1D   bool    `yaml:"exclude_1d" doc:"spare biases and norm parameters from weight decay and scaling"`
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
	return nil
}

// New implements Options.
func (o LARS) New(params []*Param) Optimizer {
	l := &lars{LARS: o, slots: newSlots(params), trust: make([]float64, len(params))}
	l.v = l.add("momentum", params)
	l.sums = make([]norms, len(l.pieces))
	return l
}

type lars struct {
	LARS
	slots
	v     [][]float32
	sums  []norms   // by piece
	trust []float64 // by parameter
	lr    float64
	move  bool // the second pass
}

// norms are sums of squares.
type norms struct{ w, g, decayed float64 } // decayed: of g + weight_decay·w

func (l *lars) Step(params []*Param, lr float64) {
	l.match(params)
	l.lr = lr
	l.move = false
	l.each(params, l)
	for i, next := 0, 0; i < len(params); i++ {
		var n norms
		for ; next < len(l.pieces) && l.pieces[next].param == i; next++ {
			n.w += l.sums[next].w
			n.g += l.sums[next].g
			n.decayed += l.sums[next].decayed
		}
		l.trust[i] = l.trustOf(params[i], n)
	}
	l.move = true
	l.each(params, l)
}

// trustOf is the layer's own factor on the learning rate.
func (l *lars) trustOf(p *Param, n norms) float64 {
	if l.Exclude1D && oneD(p) {
		return 1
	}
	top := math.Sqrt(n.w)
	bottom := math.Sqrt(n.decayed)
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
	decay := decayOf(p, l.WeightDecay, l.Exclude1D)
	if !l.move {
		if !(l.Exclude1D && oneD(p)) {
			l.sums[item] = normsOf(w, g, decay)
		}
		return
	}
	// Into scales what enters the momentum, Rate what leaves it.
	m := kernel.Momentum{Decay: float32(decay), Into: float32(l.lr * l.trust[c.param]), Keep: float32(l.Momentum), Along: 1, Rate: 1}
	if l.Kind == "you" {
		m.Into, m.Rate = float32(l.trust[c.param]), float32(l.lr)
	}
	m.Move(w, l.v[c.param][c.from:c.to], g)
}

// normsOf takes the third norm from three products: Σ(g + d·w)² = Σg² + 2d·Σgw
// + d²·Σw².
func normsOf(w, g []float32, decay float64) norms {
	n := norms{w: kernel.SumSquares(w), g: kernel.SumSquares(g)}
	n.decayed = max(0, n.g+2*decay*kernel.Dot(g, w)+decay*decay*n.w)
	return n
}
