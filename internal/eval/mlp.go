package eval

import (
	"context"
	"math"
	"slices"

	"clr/internal/fault"
)

// An MLPProbe is a multilayer perceptron on frozen embeddings, trained by AdamW
// at a constant learning rate and stopped early on validation clips, whose best
// weights are kept. It follows EVAR's protocol (nttcslab/eval-audio-repr,
// linear.py) but for dropout, which it has not, and for equal accuracies: there
// the lower validation loss is better.
type MLPProbe struct {
	Hidden      []int     `yaml:"hidden" doc:"sizes of the hidden layers; [] trains a linear layer by gradient descent"`
	Epochs      int       `yaml:"epochs" doc:"passes over the training clips at most"`
	Batch       int       `yaml:"batch" doc:"clips a step; all of them if there are fewer"`
	LR          []float64 `yaml:"lr" doc:"learning rates; one head is trained with each and the best on validation clips is kept"`
	WeightDecay float64   `yaml:"weight_decay" doc:"decoupled weight decay of AdamW"`
	Patience    int       `yaml:"patience" doc:"epochs without a better validation accuracy (or the same with a lower loss) before training stops"`
	Valid       float64   `yaml:"valid" doc:"share of the training clips to validate on where no validation clips are given; groups stay whole"`
	Standardize bool      `yaml:"standardize" doc:"bring each feature to mean 0 and deviation 1, as measured on the training clips"`
	Seeds       []uint64  `yaml:"seeds" doc:"one head is trained for each seed; the report gives mean and deviation"`
}

var mlpDefaults = MLPProbe{Hidden: []int{512}, Epochs: 100, Batch: 200, LR: []float64{3e-4, 1e-3}, WeightDecay: 1e-4, Patience: 10, Valid: 0.1, Standardize: true, Seeds: []uint64{42, 43, 44}}

// Doc says in one line what this is.
func (MLPProbe) Doc() string {
	return "multilayer perceptron, stopped early on validation clips; several seeds"
}

// Check refuses settings that cannot work.
func (p MLPProbe) Check() error {
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
	return nil
}

// Repeats gives one head a seed.
func (p MLPProbe) Repeats() []uint64 { return p.Seeds }

// Fit trains a head with each learning rate and keeps the best on validation
// clips, the smaller rate where two are equal.
func (p MLPProbe) Fit(ctx context.Context, t Training) (Head, error) {
	data, note := t.holdOut(p.Valid), ""
	if data.valid.N == 0 {
		data.valid, note = data.train, "no clip to spare for validation: stopped on training clips"
	}
	scale := scaler{}
	if p.Standardize {
		scale = newScaler(data.train)
	}
	data.train, data.valid = scale.apply(data.train), scale.apply(data.valid)
	var best *mlpHead
	for _, lr := range slices.Sorted(slices.Values(p.LR)) {
		h, err := p.train(ctx, data, lr, t.Seed)
		if err != nil {
			return nil, err
		}
		if best == nil || h.score.better(best.score) {
			best = h
		}
	}
	best.scale, best.choice.Note = scale, note
	return best, nil
}

// A validation is how good weights are on validation clips.
type validation struct{ accuracy, loss float64 }

func (v validation) better(than validation) bool {
	return v.accuracy > than.accuracy || v.accuracy == than.accuracy && v.loss < than.loss
}

// train moves a fresh head's weights until validation says stop.
func (p MLPProbe) train(ctx context.Context, data part, lr float64, seed uint64) (*mlpHead, error) {
	n := data.train.N
	net, err := newNetwork(p.Hidden, data.train.D, len(data.train.Classes), min(p.Batch, n), seed)
	if err != nil {
		return nil, err
	}
	net.optimize(lr, p.WeightDecay)
	h := &mlpHead{net: net, choice: Choice{LearningRate: lr}}
	for epoch, stale := 1, 0; epoch <= p.Epochs && stale < p.Patience; epoch++ {
		order := shuffled(n, seed, epoch)
		for at := 0; at < n; at += net.batch {
			if err := net.step(ctx, data.train, order[at:min(n, at+net.batch)]); err != nil {
				return nil, err
			}
		}
		now, err := net.validate(ctx, data.valid)
		if err != nil {
			return nil, err
		}
		if math.IsNaN(now.loss) {
			return nil, fault.New(fault.Diverged, "use smaller values of lr, or standardize the features",
				"the mlp probe's validation loss is not a number after epoch %d with lr %v", epoch, lr)
		}
		stale++
		if epoch == 1 || now.better(h.score) {
			h.score, stale = now, 0
			h.choice.Epoch, h.choice.ValidAccuracy = epoch, now.accuracy
			net.keep()
		}
	}
	net.restore()
	return h, nil
}

// An mlpHead is a trained network behind its scaler.
type mlpHead struct {
	net    *network
	scale  scaler
	score  validation
	choice Choice
}

func (h *mlpHead) LogProba(s Set) []float64 {
	// The machines ran on validation clips before; what failed there is no
	// input's fault.
	out, err := h.net.logProba(context.Background(), h.scale.apply(s))
	if err != nil {
		panic("eval: mlp probe: " + err.Error())
	}
	return out
}

func (h *mlpHead) Choice() Choice { return h.choice }
