package method

import (
	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// Contrastive is the Siamese network of Hadsell, Chopra and LeCun 2006,
// "Dimensionality reduction by learning an invariant mapping": projections of
// pairs that belong together come together, those of other pairs part until they
// are a margin from each other. All pairs of a batch's views are taken.
type Contrastive struct {
	Margin    float64   `yaml:"margin" doc:"how far pairs that do not belong together have to be apart"`
	By        string    `yaml:"by" doc:"what belongs together: clip, the two views of one; or label, all views of clips of one label, which is supervised"`
	Projector model.MLP `yaml:"projector" doc:"from embedding to unit projection; thrown away after pretraining"`
	Groups    int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o Contrastive) Doc() string {
	return "pairwise Siamese network (Hadsell et al. 2006): pairs together, or a margin apart"
}

func (o Contrastive) projects() model.MLP { return o.Projector }

func (o Contrastive) Check() error {
	if err := checkBy(o.By); err != nil {
		return err
	}
	if !(o.Margin > 0 && o.Margin <= 2) {
		return fault.New(fault.Usage, "projections have unit length", "margin is %g, must be above 0 and at most 2", o.Margin)
	}
	return checkProjector(o.Projector, o.Groups)
}

// Needs asks for labelled clips where they say what belongs together.
func (o Contrastive) Needs() Needs { return needsBy(o.By) }

// Unit implements Options: the tower sees both views at once.
func (o Contrastive) Unit() int { return unitOf(o.Groups, 2) }

func (o Contrastive) New(s Setup) (Method, error) {
	return newSiamese("contrastive", s, o.Needs(), o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		z := s.tower(b, p, o.Projector, in.x) // (2N, P)
		return outputs{z: z, loss: b.Try(loss.ContrastivePairs(z, in.by(b), o.Margin))}
	})
}
