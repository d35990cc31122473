package method

import (
	"math"

	"gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
	"clr/internal/op"
)

// Contrastive is Hadsell, Chopra and LeCun 2006, "Dimensionality reduction by
// learning an invariant mapping": the two of a similar pair are pulled together,
// those of a dissimilar one pushed a margin apart. A clip's two views are similar;
// the rest are pairs of rows that follow each other in the batch, whose order is
// random, so there are about twice as many. The means over both are added.
//
// Projections are of unit length here, so that a margin is the same for every
// network; the paper's are not.
type Contrastive struct {
	Margin    float64   `yaml:"margin" doc:"distance up to which rows of dissimilar pairs are pushed apart; those of unit length are at most 2 apart"`
	Pairs     string    `yaml:"pairs" doc:"which rows are similar beside a clip's two views: views: none; labels: those of one label"`
	Projector model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Groups    int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o Contrastive) Doc() string {
	return "pairwise contrastive loss (Hadsell et al. 2006): similar pairs together, others a margin apart"
}

func (o Contrastive) projects() model.MLP { return o.Projector }

func (o Contrastive) Check() error {
	if !(o.Margin > 0) || math.IsInf(o.Margin, 0) {
		return fault.New(fault.Usage, "1 is the distance of rows 60 degrees apart", "margin is %g, must be positive", o.Margin)
	}
	if o.Pairs != "views" && o.Pairs != "labels" {
		return fault.New(fault.Usage, "views needs no labels", "pairs is %q, must be views or labels", o.Pairs)
	}
	return checkProjector(o.Projector, o.Groups)
}

// Needs asks for labels where pairs go by them.
func (o Contrastive) Needs() Needs { return Needs{Labels: o.Pairs == "labels"} }

// Unit implements Options: a tower sees both views at once.
func (o Contrastive) Unit() int { return unitOf(o.Groups, 2) }

func (o Contrastive) New(s Setup) (Method, error) {
	return newSiamese("contrastive", s, o.Needs(), o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		z, clips, n := s.tower(b, p, o.Projector, in.x), in.clips(b), in.n // (2N, P), (2N)
		labels := in.labels
		if labels == nil {
			labels = clips
		}
		views := o.pairs(b, z, clips, n, n)       // rows i and N+i
		others := o.pairs(b, z, labels, 2*n-1, 1) // rows i and i+1
		return outputs{z: z, loss: b.Try(op.Add(views, others))}
	})
}

// pairs is the loss of n pairs, each row i with row i+next: similar where their
// labels are the same.
func (o Contrastive) pairs(b *model.Builder, z, labels *gorgonia.Node, n, next int) *gorgonia.Node {
	if b.Err() != nil {
		return nil
	}
	two := func(x *gorgonia.Node) (first, second *gorgonia.Node) {
		return b.Try(op.Rows(x, 0, n)), b.Try(op.Rows(x, next, next+n))
	}
	za, zb := two(z)
	la, lb := two(labels)
	return b.Try(loss.Contrastive(za, zb, b.Try(op.Same(la, lb)), o.Margin))
}
