package method

import (
	"math"

	"clr/internal/loss"
	"clr/internal/model"
)

// SimCLR is Chen et al. 2020, "A simple framework for contrastive learning of
// visual representations", algorithm 1: the two views of a clip attract, all
// other views of the batch repel. Version 2 (Chen et al. 2020, "Big self-supervised
// models are strong semi-supervised learners") has a deeper projector, of which
// the first layers may stay with the encoder (embed.head_layers).
type SimCLR struct {
	Temperature float64   `yaml:"temperature" doc:"divides the cosines; the paper's tau"`
	Learn       bool      `yaml:"learn_temperature" doc:"the optimiser moves the temperature too, which begins as that one and does not fall below 0.01"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining, but for embed.head_layers"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o SimCLR) Doc() string { return "SimCLR (Chen et al. 2020): the batch is its own negatives" }

func (o SimCLR) projects() model.MLP { return o.Projector }

func (o SimCLR) Check() error {
	return checkHead(o.Temperature, o.Learn, o.Projector, o.Groups)
}

// Unit implements Options: a tower sees both views at once.
func (o SimCLR) Unit() int { return unitOf(o.Groups, 2) }

func (o SimCLR) New(s Setup) (Method, error) {
	return newSiamese("simclr", s, Needs{}, o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		z := s.tower(b, p, o.Projector, in.x) // (2N, P)
		l := b.Try(loss.NTXent(z, temperature(b, p, o.Temperature, o.Learn)))
		return outputs{z: z, loss: l, chance: math.Log(float64(2*in.n - 1))}
	})
}
