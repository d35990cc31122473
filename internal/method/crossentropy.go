package method

import (
	"math"

	"gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// CrossEntropy is the supervised baseline: a linear classifier of the embedding,
// trained with the encoder to name the class of each view. Its targets may be
// smoothed (Szegedy et al. 2016, section 7).
type CrossEntropy struct {
	Smoothing float64 `yaml:"label_smoothing" doc:"part of a target that is shared out over all classes"`
	Groups    int     `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o CrossEntropy) Doc() string {
	return "supervised, to compare with: cross entropy of a linear classifier, smoothed as in Szegedy et al. 2016"
}

func (o CrossEntropy) Check() error {
	if !(o.Smoothing >= 0 && o.Smoothing < 1) {
		return fault.New(fault.Usage, "0.1 is usual, 0 is none", "label_smoothing is %g, must be at least 0 and below 1", o.Smoothing)
	}
	return checkGroups(o.Groups)
}

// Needs asks for labelled clips.
func (o CrossEntropy) Needs() Needs { return Needs{Labels: true, Labelled: true} }

// Unit implements Options: the encoder sees both views at once.
func (o CrossEntropy) Unit() int { return unitOf(o.Groups, 2) }

func (o CrossEntropy) New(s Setup) (Method, error) {
	if err := s.checkClasses(); err != nil {
		return nil, err
	}
	return newSiamese("cross_entropy", s, o.Needs(), o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		h := s.Encoder.Build(b, p, "encoder", in.x) // (2N, D)
		logits := s.classify(b, p, h)               // (2N, classes)
		return outputs{z: b.Normalize(h), loss: b.Try(loss.CrossEntropySmooth(logits, in.labels, o.Smoothing)), chance: math.Log(float64(s.Classes))}
	})
}

// classify is the linear classifier of embeddings h (N, D): logits (N, classes).
func (s Setup) classify(b *model.Builder, p *model.Params, h *gorgonia.Node) *gorgonia.Node {
	return model.MLP{Out: s.Classes}.Build(b, p, "classifier", h)
}
