package method

import (
	"math"

	"clr/internal/loss"
	"clr/internal/model"
)

// MoCo is He et al. 2020, "Momentum contrast for unsupervised visual
// representation learning", algorithm 1. A query attracts its key, which a slowly
// following tower makes from the other view, and is repelled by a queue of earlier
// keys. Version 1 has a linear projector (hidden: []) and temperature 0.07; version 2
// (Chen et al. 2020, "Improved baselines with momentum contrastive learning"), which
// is the default here, a hidden layer and 0.2. Version 3 is MoCoV3.
//
// The paper keeps query and key from knowing each other by their batch
// statistics: it splits the batch over devices, and shuffles the keys before.
// Here groups of rows (bn_groups) are the devices.
type MoCo struct {
	Temperature float64 `yaml:"temperature" doc:"divides the cosines, the paper's tau: version 1 has 0.07, version 2 0.2"`
	Learn       bool    `yaml:"learn_temperature" doc:"the optimiser moves the temperature too, which begins as that one and does not fall below 0.01"`
	Momentum    `yaml:",inline"`
	Queue       int       `yaml:"queue" doc:"earlier keys that serve as negatives; any size"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining. Version 1's is linear, hidden: []"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; the keys are shuffled over them"`
}

func (o MoCo) Doc() string {
	return "MoCo v1, v2 (He et al. 2020, Chen et al. 2020): a queue of keys from a slowly following tower"
}

func (o MoCo) projects() model.MLP { return o.Projector }

func (o MoCo) Check() error {
	if err := checkHead(o.Temperature, o.Learn, o.Projector, o.Groups); err != nil {
		return err
	}
	if err := o.Momentum.Check(); err != nil {
		return err
	}
	return checkQueue(o.Queue, 1)
}

// Unit implements Options: each tower sees one view.
func (o MoCo) Unit() int { return unitOf(o.Groups, 1) }

func (o MoCo) New(s Setup) (Method, error) {
	return paper{
		name: "moco", groups: o.Groups, queue: s.ring(1, o.Queue, o.Projector.Out),
		second: &second{first: "query", name: "key", projector: o.Projector, momentum: o.Momentum, apart: true},
		lay: func(b *model.Builder, p *model.Params, in inputs) outputs {
			q := s.tower(b, p, o.Projector, in.x) // (N, P)
			k := in.targets                       // (N, P)
			l := b.Try(loss.InfoNCE(q, k, in.queue, temperature(b, p, o.Temperature, o.Learn)))
			return outputs{z: b.Stack(q, k), loss: l, chance: math.Log(float64(1 + o.Queue)), push: k}
		},
	}.over(s)
}
