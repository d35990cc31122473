package method

import (
	"math"

	"clr/internal/loss"
	"clr/internal/model"
)

// SupCon is Khosla et al. 2020, "Supervised contrastive learning", equation 2: all
// views of all clips of a label attract each other, and repel the rest of the
// batch. Views of a clip without label are only repelled.
type SupCon struct {
	Temperature float64   `yaml:"temperature" doc:"divides the cosines; the paper's tau"`
	Learn       bool      `yaml:"learn_temperature" doc:"the optimiser moves the temperature too, which begins as that one and does not fall below 0.01"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o SupCon) Doc() string {
	return "SupCon (Khosla et al. 2020): clips of one label are each other's positives; supervised"
}

func (o SupCon) projects() model.MLP { return o.Projector }

func (o SupCon) Check() error { return checkHead(o.Temperature, o.Learn, o.Projector, o.Groups) }

// Needs asks for labels.
func (o SupCon) Needs() Needs { return Needs{Labels: true} }

// Unit implements Options: the tower sees both views at once.
func (o SupCon) Unit() int { return unitOf(o.Groups, 2) }

func (o SupCon) New(s Setup) (Method, error) {
	return newSiamese("supcon", s, o.Needs(), o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		z := s.tower(b, p, o.Projector, in.x) // (2N, P)
		l := b.Try(loss.SupCon(z, in.labels, temperature(b, p, o.Temperature, o.Learn)))
		return outputs{z: z, loss: l, chance: math.Log(float64(2*in.n - 1))}
	})
}
