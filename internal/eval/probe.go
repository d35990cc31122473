package eval

import (
	"context"
	"fmt"
)

// A Training is all that a probe may learn from.
type Training struct {
	Train, Valid Set      // Valid.N == 0: none is given, the probe takes its own out of Train
	Groups       []string // (Train.N) or nil: clips of one group validate together
	Fold         string   // name of the split
	Seed         uint64
}

// A Probe is a kind of small classifier with its settings.
type Probe interface {
	Doc() string // one line for clr list
	Check() error
	// Repeats are the seeds of the heads that are trained for each split.
	Repeats() []uint64
	// Fit chooses what there is to choose on validation clips and trains a
	// head. It returns ctx's error when ctx is done.
	Fit(ctx context.Context, t Training) (Head, error)
}

// Table names the probes that a person can ask for, with their defaults.
var Table = map[string]Probe{"linear": linearDefaults, "mlp": mlpDefaults}

// A Head is a fitted classifier.
type Head interface {
	LogProba(s Set) []float64 // (N, K), rows of log-probabilities
	Choice() Choice
}

// A Choice is what was chosen on validation clips, and how the fit ended.
// Fields that a probe does not have are zero.
type Choice struct {
	C             float64 `json:"c,omitempty"`              // inverse weight of the penalty
	LearningRate  float64 `json:"lr,omitempty"`             //
	Epoch         int     `json:"epoch,omitempty"`          // whose weights were kept, counted from 1
	ValidAccuracy float64 `json:"valid_accuracy,omitempty"` // of the choice
	Iterations    int     `json:"iterations,omitempty"`     // of the last fit
	Gradient      float64 `json:"gradient,omitempty"`       // its length at the end
	Note          string  `json:"note,omitempty"`           // what a reader should know, e.g. a fit that did not converge
}

// Evaluate trains the probe on each split, for each of its seeds, and tests
// the finished heads. Errors name the split; they are those of Set.Check,
// Split.Check and the probe's Check and Fit.
func Evaluate(ctx context.Context, name string, p Probe, s Set, splits []Split) (Row, error) {
	return EvaluateEach(ctx, name, p, func(Split) Set { return s }, splits)
}

// EvaluateEach is Evaluate where each split has embeddings of its own, of the
// same clips: those of an encoder that was trained without its test clips.
func EvaluateEach(ctx context.Context, name string, p Probe, of func(Split) Set, splits []Split) (Row, error) {
	if err := p.Check(); err != nil {
		return Row{}, err
	}
	row := Row{Name: name}
	for _, split := range splits {
		s := of(split)
		if err := s.Check(); err != nil {
			return Row{}, err
		}
		if err := split.Check(s); err != nil {
			return Row{}, err
		}
		row.Dim, row.classes = s.D, s.Classes
		test := s.Rows(split.Test)
		for _, seed := range p.Repeats() {
			t := Training{Train: s.Rows(split.Train), Valid: s.Rows(split.Valid), Groups: split.Groups, Fold: split.Name, Seed: seed}
			head, err := p.Fit(ctx, t)
			if err != nil {
				return Row{}, fmt.Errorf("%s, split %s: %w", name, split.Name, err)
			}
			row.add(split, seed, test.Labels, head.LogProba(test), head.Choice())
		}
	}
	row.finish()
	return row, nil
}
