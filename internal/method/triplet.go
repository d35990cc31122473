package method

import (
	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// Triplet is Schroff, Kalenichenko and Philbin 2015, "FaceNet: a unified embedding
// for face recognition and clustering": an anchor should be nearer to its positive
// than to a negative, by a margin, in triplets that are mined in the batch. Rows
// are of unit length; by clip, a positive is the clip's other view.
type Triplet struct {
	loss.TripletOptions `yaml:",inline"`
	By                  string    `yaml:"by" doc:"what belongs together: clip, a clip's two views; or label, all views of a label"`
	Projector           model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Groups              int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o Triplet) Doc() string {
	return "triplet loss (Schroff et al. 2015): a negative is farther than a positive, by a margin"
}

func (o Triplet) projects() model.MLP { return o.Projector }

func (o Triplet) Check() error {
	if err := o.TripletOptions.Check(); err != nil {
		return fault.New(fault.Usage, "the paper's are margin 0.2, squared and semi_hard", "%w", err)
	}
	if o.By != "clip" && o.By != "label" {
		return fault.New(fault.Usage, "clip needs no labels", "by is %q, must be clip or label", o.By)
	}
	return checkProjector(o.Projector, o.Groups)
}

// Needs asks for labels where triplets go by them.
func (o Triplet) Needs() Needs { return Needs{Labels: o.By == "label"} }

// Unit implements Options: a tower sees both views at once.
func (o Triplet) Unit() int { return unitOf(o.Groups, 2) }

func (o Triplet) New(s Setup) (Method, error) {
	return newSiamese("triplet", s, o.Needs(), o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		z, labels := s.tower(b, p, o.Projector, in.x), in.labels // (2N, P), (2N)
		if labels == nil {
			labels = in.clips(b)
		}
		return outputs{z: z, loss: b.Try(loss.Triplet(z, labels, o.TripletOptions))}
	})
}
