package method

import (
	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// VICReg is Bardes et al. 2022, "VICReg: variance-invariance-covariance
// regularization for self-supervised learning", algorithm 1: the two views'
// projections should be near each other, while over the batch every dimension
// keeps a deviation of 1 and different dimensions do not vary together.
type VICReg struct {
	loss.VICRegOptions `yaml:",inline"`
	Projector          model.MLP `yaml:"projector" doc:"from embedding to projection, wide as in the paper; thrown away after pretraining"`
	Groups             int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o VICReg) Doc() string {
	return "VICReg (Bardes et al. 2022): views agree, dimensions keep their variance and do not covary"
}

func (o VICReg) projects() model.MLP { return o.Projector }

func (o VICReg) Check() error {
	if err := o.VICRegOptions.Check(); err != nil {
		return fault.New(fault.Usage, "the paper's are 25, 25 and 1", "%w", err)
	}
	if most := max(o.Sim, o.Var, o.Cov); most > maxWeight {
		return fault.New(fault.Usage, "the paper's are 25, 25 and 1", "a weight of the loss is %g, must be between 0 and %g", most, maxWeight)
	}
	return checkProjector(o.Projector, o.Groups)
}

// Unit implements Options: the tower sees both views at once.
func (o VICReg) Unit() int { return unitOf(o.Groups, 2) }

func (o VICReg) New(s Setup) (Method, error) {
	return newSiamese("vicreg", s, Needs{}, o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		z := s.project(b, p, o.Projector, in.x) // (2N, P)
		return outputs{z: b.Normalize(z), loss: b.Try(loss.VICReg(z, o.VICRegOptions))}
	})
}
