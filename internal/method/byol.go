package method

import (
	"clr/internal/loss"
	"clr/internal/model"
)

// BYOL is Grill et al. 2020, "Bootstrap your own latent", algorithm 1: from one
// view the online tower and its predictor guess what the target tower makes of
// the other. The target tower follows the online one slowly; there are no
// negatives.
type BYOL struct {
	Momentum  `yaml:",inline"`
	Projector model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Predictor model.MLP `yaml:"predictor" doc:"from a view's projection to the other view's target; out is the projector's"`
	Groups    int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart, as the paper does"`
}

func (o BYOL) Doc() string {
	return "BYOL (Grill et al. 2020): guess a slowly following tower's projection of the other view"
}

func (o BYOL) projects() model.MLP { return o.Projector }

func (o BYOL) Check() error {
	if err := o.Momentum.Check(); err != nil {
		return err
	}
	return checkPredictor(o.Projector, o.Predictor, o.Groups)
}

// Unit implements Options: each tower sees both views at once.
func (o BYOL) Unit() int { return unitOf(o.Groups, 2) }

func (o BYOL) New(s Setup) (Method, error) {
	return paper{
		name: "byol", groups: o.Groups,
		second: &second{first: "online", name: "target", projector: o.Projector, momentum: o.Momentum}, // ξ = τ ξ + (1-τ) θ
		lay: func(b *model.Builder, p *model.Params, in inputs) outputs {
			z := s.project(b, p, o.Projector, in.x)                       // (2N, P)
			guess := b.Normalize(o.Predictor.Build(b, p, "predictor", z)) // (2N, P)
			return outputs{z: b.Normalize(z), loss: b.Try(loss.BYOL(guess, in.targets))}
		},
	}.over(s)
}
