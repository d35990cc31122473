package eval

import (
	"context"
	"slices"

	"clr/internal/fault"
)

// An MLPProbe is a multilayer perceptron on frozen embeddings, trained by Adam
// with a decoupled weight decay, stopped early on validation clips. It follows
// EVAR's protocol (linear.py of nttcslab/eval-audio-repr) but for dropout.
type MLPProbe struct {
	Hidden      []int     `yaml:"hidden" doc:"sizes of the hidden layers; [] trains a linear layer by gradient descent"`
	Epochs      int       `yaml:"epochs" doc:"passes over the training clips at most"`
	Batch       int       `yaml:"batch" doc:"clips a step; all of them if there are fewer"`
	LR          []float64 `yaml:"lr" doc:"learning rates; one head is trained with each and the best on validation clips is kept"`
	WeightDecay float64   `yaml:"weight_decay" doc:"decoupled weight decay of AdamW"`
	Patience    int       `yaml:"patience" doc:"epochs without a better validation accuracy before training stops"`
	Valid       float64   `yaml:"valid" doc:"share of the training clips to validate on where no validation clips are given; groups stay whole"`
	Standardize bool      `yaml:"standardize" doc:"bring each feature to mean 0 and deviation 1, as measured on the training clips"`
	Seeds       []uint64  `yaml:"seeds" doc:"one head is trained for each seed; the report gives mean and deviation"`
}

var mlpDefaults = MLPProbe{Hidden: []int{512}, Epochs: 200, Batch: 200, LR: []float64{3e-4, 1e-3, 3e-3}, WeightDecay: 1e-4, Patience: 20, Valid: 0.1, Standardize: true, Seeds: []uint64{42, 43, 44}}

// Doc says in one line what this is.
func (MLPProbe) Doc() string {
	return "multilayer perceptron, stopped early on validation clips; several seeds"
}

// Check refuses settings that cannot work.
func (p MLPProbe) Check() error {
	switch {
	case len(p.Hidden) > 0 && slices.Min(p.Hidden) < 1:
		return fault.New(fault.Usage, "", "hidden is %v, every layer needs at least one unit", p.Hidden)
	case p.Epochs < 1 || p.Batch < 1 || p.Patience < 1:
		return fault.New(fault.Usage, "", "epochs is %d, batch %d and patience %d; each must be at least 1", p.Epochs, p.Batch, p.Patience)
	case len(p.LR) == 0 || !(slices.Min(p.LR) > 0):
		return fault.New(fault.Usage, "", "lr is %v, at least one positive learning rate is needed", p.LR)
	case !(p.WeightDecay >= 0):
		return fault.New(fault.Usage, "", "weight_decay is %v, it must not be negative", p.WeightDecay)
	case !(p.Valid > 0 && p.Valid < 1):
		return fault.New(fault.Usage, "", "valid is %v, it must be between 0 and 1", p.Valid)
	case len(p.Seeds) == 0:
		return fault.New(fault.Usage, "", "seeds is empty, at least one seed is needed")
	}
	return nil
}

// Repeats gives one head a seed.
func (p MLPProbe) Repeats() []uint64 { return p.Seeds }

// Fit trains a head with each learning rate and keeps the best on validation.
func (p MLPProbe) Fit(ctx context.Context, t Training) (Head, error) {
	return nil, fault.New(fault.Usage, "use the linear probe", "the mlp probe cannot be trained in this build")
}
