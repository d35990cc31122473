package method

import (
	"gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// VICReg is Bardes et al. 2022, "VICReg: variance-invariance-covariance
// regularization for self-supervised learning", algorithm 1: the two views'
// projections should be near each other, while over the batch every dimension
// keeps a deviation of 1 and different dimensions do not vary together.
type VICReg struct {
	Sim       float64   `yaml:"sim" doc:"weight of the distance between the two views; the paper's lambda"`
	Var       float64   `yaml:"var" doc:"weight of deviations below 1; the paper's mu"`
	Cov       float64   `yaml:"cov" doc:"weight of covariances; the paper's nu"`
	Projector model.MLP `yaml:"projector" doc:"from embedding to projection, wide as in the paper; thrown away after pretraining"`
	Groups    int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o VICReg) Doc() string {
	return "VICReg (Bardes et al. 2022): views agree, dimensions keep their variance and do not covary"
}

func (o VICReg) Check() error {
	for name, w := range map[string]float64{"sim": o.Sim, "var": o.Var, "cov": o.Cov} {
		if !(w >= 0 && w <= 1e6) {
			return fault.New(fault.Usage, "the paper's are 25, 25 and 1", "%s is %g, must be between 0 and 1e6", name, w)
		}
	}
	return checkProjector(o.Projector, o.Groups)
}

// Unit implements Options: the tower sees both views at once.
func (o VICReg) Unit() int { return unitOf(o.Groups, 2) }

func (o VICReg) New(s Setup) (Method, error) {
	return newSiamese("vicreg", s, o.Groups, func(b *model.Builder, p *model.Params, x *gorgonia.Node) (z, l *gorgonia.Node) {
		h := s.Encoder.Build(b, p, "encoder", x)                                                             // (2N, D)
		z = o.Projector.Build(b, p, "projector", h)                                                          // (2N, P)
		return b.Normalize(z), b.Try(loss.VICReg(z, loss.VICRegOptions{Sim: o.Sim, Var: o.Var, Cov: o.Cov})) // scalar
	})
}
