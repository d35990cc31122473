package optim

import (
	"math"

	"clr/internal/fault"
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

func usage(remedy, format string, args ...any) error {
	return fault.New(fault.Usage, remedy, format, args...)
}

// New implements Options.
func (o LARS) New(params []*Param) Optimizer {
	l := &lars{LARS: o, slots: newSlots(params)}
	l.v = l.add("momentum", params)
	return l
}

type lars struct {
	LARS
	slots
	v buffers
}

func (l *lars) Step(params []*Param, lr float64) {
	l.match(params)
	mu := float32(l.Momentum)
	for i, p := range params {
		decay := decayOf(p, l.WeightDecay, l.Exclude1D)
		trust := 1.0
		if !(l.Exclude1D && oneD(p)) {
			trust = l.trust(p, decay)
		}
		// into scales what enters the momentum, out what leaves it.
		into, out := float32(lr*trust), float32(1)
		if l.Kind == "you" {
			into, out = float32(trust), float32(lr)
		}
		w, g, v := p.Value.Data, p.Grad.Data, l.v.of[i]
		for j := range w {
			v[j] = mu*v[j] + into*(g[j]+float32(decay)*w[j])
			w[j] -= out * v[j]
		}
	}
}

// trust is the layer's own factor on the learning rate.
func (l *lars) trust(p *Param, decay float64) float64 {
	w, g := p.Value.Data, p.Grad.Data
	norm := math.Sqrt(sumSquares(w))
	bottom := 0.0
	if l.Kind == "simclr" {
		bottom = math.Sqrt(sumSquaresDecayed(g, w, decay))
	} else {
		bottom = math.Sqrt(sumSquares(g)) + decay*norm
	}
	if norm == 0 || bottom == 0 {
		return 1
	}
	return l.Eta * norm / bottom
}
