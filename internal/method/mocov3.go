package method

import (
	"math"

	"gorgonia.org/gorgonia"

	"clr/internal/loss"
	"clr/internal/model"
)

// MoCoV3 is Chen, Xie and He 2021, "An empirical study of training self-supervised
// vision transformers", algorithm 1: MoCo without a queue. From one view, the
// online tower and its predictor make a query for the key that a slowly following
// tower makes of the other view; the batch's other keys are the negatives.
type MoCoV3 struct {
	Temperature float64   `yaml:"temperature" doc:"divides the cosines; the paper's tau"`
	Momentum    float64   `yaml:"momentum" doc:"of the key tower at the start: m in m*key + (1-m)*query; it rises to 1 over the run by a cosine"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Predictor   model.MLP `yaml:"predictor" doc:"from a view's projection to its query; out is the projector's"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart, as the paper does"`
}

func (o MoCoV3) Doc() string {
	return "MoCo v3 (Chen et al. 2021): the batch's keys from a slowly following tower, and a predictor"
}

func (o MoCoV3) Check() error {
	if err := checkMomentum(o.Momentum); err != nil {
		return err
	}
	if err := checkHead(o.Temperature, o.Projector, o.Groups); err != nil {
		return err
	}
	return checkPredictor(o.Projector, o.Predictor, o.Groups)
}

// Unit implements Options: each tower sees both views at once.
func (o MoCoV3) Unit() int { return unitOf(o.Groups, 2) }

func (o MoCoV3) New(s Setup) (Method, error) {
	return guess{"moco_v3", o.Momentum, o.Projector, o.Predictor, o.Groups, func(b *model.Builder, q, k *gorgonia.Node) (*gorgonia.Node, float64) {
		if b.Err() != nil {
			return nil, 0
		}
		n := q.Shape()[0] / 2
		ctr := func(q, k *gorgonia.Node) *gorgonia.Node { return b.Try(loss.MoCoV3(q, k, o.Temperature)) }
		l := b.Add(ctr(b.Slice(q, 0, n), b.Slice(k, n, 2*n)), ctr(b.Slice(q, n, 2*n), b.Slice(k, 0, n))) // ctr(q₁, k₂) + ctr(q₂, k₁)
		return l, 4 * o.Temperature * math.Log(float64(n))
	}}.new(s)
}
