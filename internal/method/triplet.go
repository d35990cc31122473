package method

import (
	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// Triplet is the Siamese network of Schroff, Kalenichenko and Philbin 2015,
// "FaceNet", with the ways to choose triplets of it and of Hermans, Beyer and
// Leibe 2017: an anchor is nearer to a positive than to a negative, by a margin.
type Triplet struct {
	loss.TripletOptions `yaml:",inline"`
	By                  string    `yaml:"by" doc:"what is positive: clip, the other view of one; or label, all views of clips of one label, which is supervised"`
	Projector           model.MLP `yaml:"projector" doc:"from embedding to unit projection; thrown away after pretraining"`
	Groups              int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o Triplet) Doc() string {
	return "triplet Siamese network (Schroff et al. 2015): positives nearer than negatives by a margin"
}

func (o Triplet) projects() model.MLP { return o.Projector }

func (o Triplet) Check() error {
	if err := checkBy(o.By); err != nil {
		return err
	}
	if err := o.TripletOptions.Check(); err != nil {
		return fault.New(fault.Usage, "", "%w", err)
	}
	if o.Margin > 4 {
		return fault.New(fault.Usage, "projections have unit length", "margin is %g, must be above 0 and at most 4", o.Margin)
	}
	return checkProjector(o.Projector, o.Groups)
}

// Needs asks for labelled clips where they say what is positive.
func (o Triplet) Needs() Needs { return needsBy(o.By) }

// Unit implements Options: the tower sees both views at once.
func (o Triplet) Unit() int { return unitOf(o.Groups, 2) }

func (o Triplet) New(s Setup) (Method, error) {
	return newSiamese("triplet", s, o.Needs(), o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		z := s.tower(b, p, o.Projector, in.x) // (2N, P)
		return outputs{z: z, loss: b.Try(loss.Triplet(z, in.by(b), o.TripletOptions))}
	})
}
