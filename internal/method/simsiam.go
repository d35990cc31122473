package method

import (
	"clr/internal/loss"
	"clr/internal/model"
)

// SimSiam is Chen and He 2021, "Exploring simple Siamese representation
// learning", algorithm 1: a predictor guesses from one view the projection of the
// other, which is held still. There are no negatives, and no second tower; what
// keeps the projections from becoming one point is that no gradient passes
// through the target.
type SimSiam struct {
	Projector model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Predictor model.MLP `yaml:"predictor" doc:"from a view's projection to the other view's; out is the projector's"`
	Groups    int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o SimSiam) Doc() string {
	return "SimSiam (Chen and He 2021): a predictor and a stopped gradient, no negatives"
}

func (o SimSiam) projects() model.MLP { return o.Projector }

func (o SimSiam) Check() error { return checkPredictor(o.Projector, o.Predictor, o.Groups) }

// Unit implements Options: the tower sees both views at once.
func (o SimSiam) Unit() int { return unitOf(o.Groups, 2) }

func (o SimSiam) New(s Setup) (Method, error) {
	return newSiamese("simsiam", s, Needs{}, o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		z := s.project(b, p, o.Projector, in.x)                       // (2N, P)
		guess := b.Normalize(o.Predictor.Build(b, p, "predictor", z)) // (2N, P)
		z = b.Normalize(z)                                            // (2N, P)
		return outputs{z: z, loss: b.Try(loss.SimSiam(guess, b.StopGradient(z)))}
	})
}
