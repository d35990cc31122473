package method

import (
	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// BarlowTwins is Zbontar et al. 2021, "Barlow Twins: self-supervised learning via
// redundancy reduction", algorithm 1: over the batch, each dimension of one
// view's projections should follow the same dimension of the other's, and no
// other dimension.
type BarlowTwins struct {
	Lambda    float64   `yaml:"lambda" doc:"weight of the products of different dimensions"`
	Projector model.MLP `yaml:"projector" doc:"from embedding to projection, wide as in the paper; thrown away after pretraining"`
	Groups    int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o BarlowTwins) Doc() string {
	return "Barlow Twins (Zbontar et al. 2021): dimensions of the two views agree, and do not repeat each other"
}

func (o BarlowTwins) projects() model.MLP { return o.Projector }

func (o BarlowTwins) Check() error {
	if !(o.Lambda >= 0 && o.Lambda <= 1) {
		return fault.New(fault.Usage, "the paper's is 0.005", "lambda is %g, must be between 0 and 1", o.Lambda)
	}
	return checkProjector(o.Projector, o.Groups)
}

// Unit implements Options: the tower sees both views at once.
func (o BarlowTwins) Unit() int { return unitOf(o.Groups, 2) }

func (o BarlowTwins) New(s Setup) (Method, error) {
	return newSiamese("barlow_twins", s, Needs{}, o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		z := s.project(b, p, o.Projector, in.x) // (2N, P)
		return outputs{z: b.Normalize(z), loss: b.Try(loss.BarlowTwins(z, o.Lambda))}
	})
}
