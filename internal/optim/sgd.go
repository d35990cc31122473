package optim

import "clr/internal/kernel"

// SGD is stochastic gradient descent as in torch.optim.SGD (dampening 0):
//
//	g = g + weight_decay·w;  v = momentum·v + g;  w = w - lr·v
//	(nesterov: w = w - lr·(g + momentum·v))
type SGD struct {
	LR          float64 `yaml:"lr" doc:"learning rate after the warm-up"`
	Momentum    float64 `yaml:"momentum" doc:"how much of the last update is kept, 0 to below 1"`
	Nesterov    bool    `yaml:"nesterov" doc:"look ahead along the momentum"`
	WeightDecay float64 `yaml:"weight_decay" doc:"L2 penalty, added to the gradient as weight_decay·w"`
	Spare       `yaml:",inline"`
}

// Doc implements Options.
func (SGD) Doc() string { return "gradient descent with momentum, as torch.optim.SGD" }

// LearningRate implements Options.
func (o SGD) LearningRate() float64 { return o.LR }

// Check implements Options.
func (o SGD) Check() error {
	if err := checkRate("sgd", o.LR); err != nil {
		return err
	}
	if err := within("sgd", "momentum", o.Momentum, 0, 1, true); err != nil {
		return err
	}
	if o.Nesterov && o.Momentum == 0 {
		return usage("set momentum above 0 or nesterov to false", "sgd: nesterov needs momentum, which is 0")
	}
	return firstOf(within("sgd", "weight_decay", o.WeightDecay, 0, inf, true), o.Spare.check("sgd"))
}

// New implements Options.
func (o SGD) New(params []*Param) Optimizer {
	s := &sgd{SGD: o, slots: newSlots(params, o.Spare)}
	if o.Momentum > 0 {
		s.v = s.add("momentum", params)
	}
	return s
}

type sgd struct {
	SGD
	slots
	v  [][]float32
	lr float32
}

func (s *sgd) Step(params []*Param, lr float64) {
	s.match(params)
	s.lr = float32(lr)
	s.each(params, s)
}

// Do implements kernel.Task for one piece.
func (s *sgd) Do(item int) {
	c, p, w, g := s.piece(item)
	if p.Rate == 0 {
		return
	}
	m := kernel.Momentum{Decay: float32(s.decayOf(c.param, s.WeightDecay)), Into: 1, Keep: float32(s.Momentum), Along: 1, Rate: p.Rate * s.lr}
	if s.Momentum == 0 {
		m.Move(w, nil, g)
		return
	}
	if s.Nesterov {
		m.Along, m.Ahead = m.Keep, 1
	}
	m.Move(w, s.v[c.param][c.from:c.to], g)
}
