package method

import (
	"math"

	"clr/internal/loss"
	"clr/internal/model"
)

// MoCoV3 is Chen, Xie and He 2021, "An empirical study of training self-supervised
// vision transformers", algorithm 1: from one view the first tower and its predictor
// make a query, which attracts the slowly following tower's key of the other view and
// is repelled by those of the batch's other clips. There is no queue.
type MoCoV3 struct {
	Temperature float64 `yaml:"temperature" doc:"divides the cosines; the paper's tau"`
	Learn       bool    `yaml:"learn_temperature" doc:"the optimiser moves the temperature too, which begins as that one and does not fall below 0.01; the factor before the paper's loss stays that one"`
	Momentum    `yaml:",inline"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Predictor   model.MLP `yaml:"predictor" doc:"from a view's projection to its query; out is the projector's"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart, as the paper does"`
}

func (o MoCoV3) Doc() string {
	return "MoCo v3 (Chen, Xie and He 2021): a slowly following tower's keys of the batch, guessed by a predictor"
}

func (o MoCoV3) projects() model.MLP { return o.Projector }

func (o MoCoV3) Check() error {
	if err := checkHead(o.Temperature, o.Learn, o.Projector, o.Groups); err != nil {
		return err
	}
	if err := o.Momentum.Check(); err != nil {
		return err
	}
	return checkPredictor(o.Projector, o.Predictor, o.Groups)
}

// Unit implements Options: each tower sees both views at once.
func (o MoCoV3) Unit() int { return unitOf(o.Groups, 2) }

func (o MoCoV3) New(s Setup) (Method, error) {
	return paper{
		name: "moco_v3", groups: o.Groups,
		second: &second{first: "query", name: "key", projector: o.Projector, momentum: o.Momentum},
		lay: func(b *model.Builder, p *model.Params, in inputs) outputs {
			z := s.project(b, p, o.Projector, in.x)                   // (2N, P)
			q := b.Normalize(o.Predictor.Build(b, p, "predictor", z)) // (2N, P)
			q1, q2 := in.halves(b, q)                                 // (N, P) each
			k1, k2 := in.halves(b, in.targets)                        // (N, P) each
			tau := temperature(b, p, o.Temperature, o.Learn)
			l1 := b.Try(loss.MoCoV3(q1, k2, tau)) // ctr(q₁, k₂)
			l2 := b.Try(loss.MoCoV3(q2, k1, tau)) // ctr(q₂, k₁)
			l := b.Add(l1, l2)                    // scalar
			return outputs{z: b.Normalize(z), loss: l, chance: 4 * o.Temperature * math.Log(float64(in.n))}
		},
	}.over(s)
}
