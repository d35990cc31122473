package eval

import (
	"context"
	"math"
	"slices"

	"clr/internal/fault"
	"clr/internal/model"
	"clr/internal/optim"
)

// An MLPProbe is a multilayer perceptron on frozen embeddings, trained by AdamW
// at a constant learning rate and stopped early on validation clips, whose best
// weights are kept; or as a named protocol trains one.
type MLPProbe struct {
	Protocol    string    `yaml:"protocol" doc:"how it is trained: adamw, by the keys below; evar or hear, by their own constants (docs/evaluation.md), then only protocol_lr is heeded"`
	ProtocolLR  float64   `yaml:"protocol_lr" doc:"learning rate of the protocol evar, where a task has one of its own; 0 is the usual"`
	Hidden      []int     `yaml:"hidden" doc:"sizes of the hidden layers; [] trains a linear layer by gradient descent"`
	Epochs      int       `yaml:"epochs" doc:"passes over the training clips at most"`
	Batch       int       `yaml:"batch" doc:"clips a step; all of them if there are fewer"`
	LR          []float64 `yaml:"lr" doc:"learning rates; one head is trained with each and the best on validation clips is kept"`
	WeightDecay float64   `yaml:"weight_decay" doc:"decoupled weight decay of AdamW"`
	Patience    int       `yaml:"patience" doc:"epochs without a better validation accuracy (mAP where clips have several labels), or the same with a lower loss, before training stops"`
	Valid       float64   `yaml:"valid" doc:"share of the training clips to validate on where no validation clips are given; groups stay whole"`
	Windows     string    `yaml:"windows" doc:"as linear_probe's"`
	Standardize bool      `yaml:"standardize" doc:"bring each feature to mean 0 and deviation 1, as measured on the training clips"`
	Seeds       []uint64  `yaml:"seeds" doc:"one head is trained for each seed; the report gives mean and deviation"`
}

var mlpDefaults = MLPProbe{Protocol: "adamw", Hidden: []int{512}, Epochs: 100, Batch: 200, LR: []float64{3e-4, 1e-3}, WeightDecay: 1e-4, Patience: 10, Valid: 0.1, Windows: "embeddings", Standardize: true, Seeds: []uint64{42, 43, 44}}

// Doc says in one line what this is.
func (MLPProbe) Doc() string {
	return "multilayer perceptron, stopped early on validation clips; several seeds"
}

// Check refuses settings that cannot work.
func (p MLPProbe) Check() error {
	if err := checkProtocol("mlp", p.Protocol, p.ProtocolLR); err != nil {
		return err
	}
	switch {
	case len(p.Hidden) > 0 && (slices.Min(p.Hidden) < 1 || slices.Max(p.Hidden) > 1<<16):
		return fault.New(fault.Usage, "", "hidden is %v, every layer needs 1 to %d units", p.Hidden, 1<<16)
	case p.Epochs < 1 || p.Batch < 1 || p.Patience < 1:
		return fault.New(fault.Usage, "", "epochs is %d, batch %d and patience %d; each must be at least 1", p.Epochs, p.Batch, p.Patience)
	case len(p.LR) == 0 || !(slices.Min(p.LR) > 0) || math.IsInf(slices.Max(p.LR), 1):
		return fault.New(fault.Usage, "", "lr is %v, at least one positive learning rate is needed", p.LR)
	case !(p.WeightDecay >= 0) || math.IsInf(p.WeightDecay, 1):
		return fault.New(fault.Usage, "", "weight_decay is %v, it must be 0 or more", p.WeightDecay)
	case !(p.Valid > 0 && p.Valid < 1):
		return fault.New(fault.Usage, "", "valid is %v, it must be between 0 and 1", p.Valid)
	case len(p.Seeds) == 0:
		return fault.New(fault.Usage, "", "seeds is empty, at least one seed is needed")
	}
	return over(p.Windows).check("embeddings", "logits", "vote")
}

// Repeats gives one head a seed.
func (p MLPProbe) Repeats() []uint64 { return p.protocol().seeds }

// Fit trains a head with each learning rate and keeps the best on validation
// clips, the smaller rate where two are equal.
func (p MLPProbe) Fit(ctx context.Context, t Training) (Head, error) {
	return p.protocol().Fit(ctx, t)
}

func (p MLPProbe) choose(ctx context.Context, first Training) (Probe, error) {
	return p.protocol().choose(ctx, first)
}

// protocol is what the settings come to.
func (p MLPProbe) protocol() protocol {
	if p.Protocol != "adamw" {
		return protocolOf("mlp", p.Protocol, p.ProtocolLR)
	}
	own := protocol{name: p.Protocol, seeds: p.Seeds}
	for _, lr := range slices.Sorted(slices.Values(p.LR)) {
		own.recipes = append(own.recipes, recipe{
			head:      model.Classifier{Hidden: p.Hidden, Init: "pytorch"},
			optimizer: optim.AdamW{LR: lr, Betas: [2]float64{0.9, 0.999}, Eps: 1e-8, WeightDecay: p.WeightDecay, Spare: optim.Spare{Exclude1D: true}},
			epochs:    p.Epochs, batch: p.Batch, standardize: p.Standardize,
			every: 1, patience: p.Patience, ties: lowerLoss, hold: wholeGroups, share: p.Valid, over: over(p.Windows),
		})
	}
	return own
}
