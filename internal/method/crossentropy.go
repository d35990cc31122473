package method

import (
	"math"

	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// CrossEntropy learns the labels themselves: a linear layer over the embedding
// tells a view's class. It is what finetuning a pretrained encoder does, and from
// random weights what pretraining is compared with.
type CrossEntropy struct {
	Smoothing float64 `yaml:"label_smoothing" doc:"part of the target that is shared among all classes (Szegedy et al. 2016, section 7)"`
	Groups    int     `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o CrossEntropy) Doc() string {
	return "cross-entropy: the labels themselves, by a linear layer over the embedding"
}

func (o CrossEntropy) Check() error {
	if !(o.Smoothing >= 0 && o.Smoothing < 1) {
		return fault.New(fault.Usage, "0.1 is usual, 0 is none", "label_smoothing is %g, must be at least 0 and below 1", o.Smoothing)
	}
	if o.Groups < 1 {
		return fault.New(fault.Usage, "", "bn_groups is %d, must be 1 or more", o.Groups)
	}
	return nil
}

// Unit implements Options: the tower sees both views at once.
func (o CrossEntropy) Unit() int { return unitOf(o.Groups, 2) }

func (o CrossEntropy) Needs() Needs { return Needs{Labels: true} }

func (o CrossEntropy) New(s Setup) (Method, error) {
	if s.Classes < 2 {
		return nil, fault.New(fault.Data, "give clips of two classes or more", "there are %d classes to tell apart", s.Classes)
	}
	return newSiamese("cross_entropy", s, o.Needs(), o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		h := s.Encoder.Build(b, p, "encoder", in.x)                      // (2N, D)
		logits := model.MLP{Out: s.Classes}.Build(b, p, "classifier", h) // (2N, K)
		return outputs{z: b.Normalize(h), loss: b.Try(loss.CrossEntropySmooth(logits, in.labels, o.Smoothing)), chance: math.Log(float64(s.Classes))}
	})
}
