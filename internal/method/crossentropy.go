package method

import (
	"math"

	"gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// CrossEntropy is the supervised baseline that others are compared with, as in
// Khosla et al. 2020, section 4: encoder and linear classifier learn to name the
// label of each view. Only labelled clips are trained on.
type CrossEntropy struct {
	Smoothing float64 `yaml:"smoothing" doc:"part of the target that all classes share alike (Szegedy et al. 2016)"`
	Groups    int     `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o CrossEntropy) Doc() string {
	return "cross-entropy of labels (as in Khosla et al. 2020): the supervised baseline, a linear classifier on the encoder"
}

func (o CrossEntropy) Check() error {
	if err := checkSmoothing(o.Smoothing); err != nil {
		return err
	}
	return checkGroups(o.Groups)
}

// Needs asks for labels, and for no clip without.
func (o CrossEntropy) Needs() Needs { return Needs{Labels: true, Labelled: true} }

// Unit implements Options: the encoder sees both views at once.
func (o CrossEntropy) Unit() int { return unitOf(o.Groups, 2) }

func (o CrossEntropy) New(s Setup) (Method, error) {
	return newSiamese("cross_entropy", s, o.Needs(), o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		h := s.Encoder.Build(b, p, "encoder", in.x) // (2N, D)
		ce, chance := s.classify(b, p, h, in.labels, o.Smoothing)
		return outputs{z: b.Normalize(h), loss: ce, chance: chance}
	})
}

// classify lays a linear classifier over embeddings h (M, D): the cross-entropy of
// labels (M), and what guessing costs.
func (s Setup) classify(b *model.Builder, p *model.Params, h, labels *gorgonia.Node, smoothing float64) (ce *gorgonia.Node, chance float64) {
	logits := b.Rows(b.Linear(p, "classifier", b.Lanes(h), s.Classes, true, false)) // (M, classes)
	return b.Try(loss.CrossEntropySmooth(logits, labels, smoothing)), math.Log(float64(s.Classes))
}

func checkSmoothing(epsilon float64) error {
	if !(epsilon >= 0 && epsilon <= 1) {
		return fault.New(fault.Usage, "0.1 is usual, 0 is none", "smoothing is %g, must be between 0 and 1", epsilon)
	}
	return nil
}
