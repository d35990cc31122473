package method

import (
	"math"

	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
	"clr/internal/op"
)

// CLAR is Al-Tahan and Mohsenzadeh 2021, "CLAR: contrastive learning of auditory
// representations": SimCLR's loss over all views, and at the same time the
// cross-entropy of a classifier over those of clips that have a label.
//
// What else the paper has comes from the config: its input of three channels is
// the feature stack (magnitude, phase, mel), raw sound the feature waveform, its
// augmentations are those of the waveform.
type CLAR struct {
	Temperature float64   `yaml:"temperature" doc:"divides the cosines; the paper's tau"`
	Weight      float64   `yaml:"weight" doc:"of the cross-entropy, that of the contrastive loss being 1"`
	Smoothing   float64   `yaml:"smoothing" doc:"part of the classifier's target that all classes share alike"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining, as is the classifier"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o CLAR) Doc() string {
	return "CLAR (Al-Tahan and Mohsenzadeh 2021): SimCLR, and cross-entropy where there are labels"
}

func (o CLAR) projects() model.MLP { return o.Projector }

func (o CLAR) Check() error {
	if !(o.Weight >= 0 && o.Weight <= 1e6) {
		return fault.New(fault.Usage, "1 is the paper's", "weight is %g, must be between 0 and 1e6", o.Weight)
	}
	if err := checkSmoothing(o.Smoothing); err != nil {
		return err
	}
	return checkHead(o.Temperature, o.Projector, o.Groups)
}

// Needs asks for labels.
func (o CLAR) Needs() Needs { return Needs{Labels: true} }

// Unit implements Options: a tower sees both views at once.
func (o CLAR) Unit() int { return unitOf(o.Groups, 2) }

func (o CLAR) New(s Setup) (Method, error) {
	return newSiamese("clar", s, o.Needs(), o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		h := s.Encoder.Build(b, p, "encoder", in.x)                     // (2N, D)
		z := b.Normalize(o.Projector.Build(b, p, "projector", h))       // (2N, P)
		ce, chance := s.classify(b, p, h, in.labels, o.Smoothing)       // scalar
		ce = b.Try(op.Scale(ce, o.Weight))                              //
		both := b.Try(op.Add(b.Try(loss.NTXent(z, o.Temperature)), ce)) // scalar
		return outputs{z: z, loss: both, chance: math.Log(float64(2*in.n-1)) + o.Weight*chance}
	})
}
