package method

import (
	"math"

	"clr/internal/fault"
	"clr/internal/loss"
	"clr/internal/model"
)

// CLAR is Al-Tahan and Mohsenzadeh 2021, "CLAR: contrastive learning of auditory
// representations", section 3: SimCLR's loss over all views, and with it, over
// those whose clip has a label, the cross entropy of a classifier beside the
// projector. The paper's inputs are features: stack for its three channels,
// waveform for raw audio.
type CLAR struct {
	Temperature float64   `yaml:"temperature" doc:"divides the cosines; the paper's tau"`
	Learn       bool      `yaml:"learn_temperature" doc:"the optimiser moves the temperature too, which begins as that one and does not fall below 0.01"`
	Weight      float64   `yaml:"weight" doc:"of the cross entropy, added to the contrastive loss; 0 learns without labels"`
	Projector   model.MLP `yaml:"projector" doc:"from embedding to projection; thrown away after pretraining"`
	Groups      int       `yaml:"bn_groups" doc:"groups of rows with batch statistics of their own; 2 keeps the two views apart"`
}

func (o CLAR) Doc() string {
	return "CLAR (Al-Tahan and Mohsenzadeh 2021): SimCLR, and the cross entropy of clips that have labels"
}

func (o CLAR) projects() model.MLP { return o.Projector }

func (o CLAR) Check() error {
	if !(o.Weight >= 0 && o.Weight <= maxWeight) {
		return fault.New(fault.Usage, "the paper's is 1", "weight is %g, must be between 0 and %g", o.Weight, maxWeight)
	}
	return checkHead(o.Temperature, o.Learn, o.Projector, o.Groups)
}

// Needs asks for labels, where they weigh something.
func (o CLAR) Needs() Needs { return Needs{Labels: o.Weight > 0} }

// Unit implements Options: the tower sees both views at once.
func (o CLAR) Unit() int { return unitOf(o.Groups, 2) }

func (o CLAR) New(s Setup) (Method, error) {
	return newSiamese("clar", s, o.Needs(), o.Groups, func(b *model.Builder, p *model.Params, in inputs) outputs {
		h := s.Encoder.Build(b, p, "encoder", in.x)                                  // (2N, D)
		z := b.Normalize(o.Projector.Build(b, p, "projector", h))                    // (2N, P)
		contrast := b.Try(loss.NTXent(z, temperature(b, p, o.Temperature, o.Learn))) // scalar
		out := outputs{z: z, loss: contrast, chance: math.Log(float64(2*in.n - 1))}
		if o.Weight > 0 {
			named := b.Try(loss.CrossEntropy(s.classify(b, p, h), in.labels)) // scalar
			out.loss = b.Add(contrast, b.Times(named, o.Weight))
			out.chance += o.Weight * math.Log(float64(s.Classes))
		}
		return out
	})
}
