package eval

import (
	"context"
	"fmt"
	"time"

	"clr/internal/fault"
)

// A Training is all that a probe may learn from.
type Training struct {
	Train, Valid Set      // Valid.N == 0: none is given, the probe takes its own out of Train
	Groups       []string // (Train.N) or nil: clips of one group validate together
	Fold         string   // name of the split, i.e. of the values left out
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
var Table = map[string]Probe{"linear": linearDefaults, "mlp": mlpDefaults, "knn": knnDefaults}

// A Head is a fitted classifier.
type Head interface {
	LogProba(s Set) []float64 // (N, K), rows of log-probabilities; where the set is Multi each class's by itself
	Choice() Choice
}

// A Choice is what was chosen on validation clips, and how the fit ended.
// Fields that a probe does not have are zero.
type Choice struct {
	C             float64 `json:"c,omitempty"`              // inverse weight of the penalty
	K             int     `json:"k,omitempty"`              // neighbours
	LearningRate  float64 `json:"lr,omitempty"`             //
	Epoch         int     `json:"epoch,omitempty"`          // whose weights were kept, counted from 1
	Head          string  `json:"head,omitempty"`           // its layers, where a protocol chooses among several
	ValidAccuracy float64 `json:"valid_accuracy,omitempty"` // of the choice
	ValidMAP      float64 `json:"valid_map,omitempty"`      // likewise, where clips have several labels
	Iterations    int     `json:"iterations,omitempty"`     // of the last fit
	Gradient      float64 `json:"gradient,omitempty"`       // its length at the end
	Note          string  `json:"note,omitempty"`           // what a reader should know, e.g. a fit that did not converge
}

// validated notes the score on validation clips that it was chosen by.
func (c *Choice) validated(multi bool, score float64) {
	if multi {
		c.ValidMAP = score
	} else {
		c.ValidAccuracy = score
	}
}

// Evaluate trains the probe on each split, for each of its seeds, and tests
// the finished heads. Errors name the split; they are those of Set.Check,
// Split.Check and the probe's Check and Fit.
func Evaluate(ctx context.Context, name string, p Probe, s Set, splits []Split) (Row, error) {
	return EvaluateEach(ctx, name, p, func(Split) Set { return s }, splits)
}

// EvaluateEach is Evaluate where each split has an encoder of its own, and
// hence embeddings of its own.
func EvaluateEach(ctx context.Context, name string, p Probe, set func(Split) Set, splits []Split) (Row, error) {
	if err := p.Check(); err != nil {
		return Row{}, err
	}
	if len(splits) == 0 {
		return Row{}, fault.New(fault.Usage, "", "eval: %s has no splits to be tested on", name)
	}
	row := Row{Name: name}
	if c, ok := p.(chooser); ok {
		first, s := splits[0], set(splits[0])
		t, _, err := first.divide(s)
		if err == nil {
			t.Seed = p.Repeats()[0]
			begun := time.Now()
			p, err = c.choose(ctx, t)
			row.Fitting += time.Since(begun)
		}
		if err != nil {
			return Row{}, fmt.Errorf("%s, split %s: %w", name, first.Name, err)
		}
	}
	for _, split := range splits {
		s := set(split)
		if err := row.split(ctx, p, s, split); err != nil {
			return Row{}, fmt.Errorf("%s, split %s: %w", name, split.Name, err)
		}
	}
	row.finish()
	return row, nil
}

// divide gives what a probe may learn from, without a seed, and the test clips.
func (split Split) divide(s Set) (Training, Set, error) {
	if err := s.Check(); err != nil {
		return Training{}, Set{}, err
	}
	if err := split.Check(s); err != nil {
		return Training{}, Set{}, err
	}
	return Training{Train: s.Rows(split.Train), Valid: s.Rows(split.Valid), Groups: split.Groups, Fold: split.Name}, s.Rows(split.Test), nil
}

func (r *Row) split(ctx context.Context, p Probe, s Set, split Split) error {
	t, test, err := split.divide(s)
	if err != nil {
		return err
	}
	if r.classes == nil {
		r.classes, r.multi, r.Dim = s.Classes, s.Multi(), s.D
		if _, deaf := p.(Majority); deaf {
			r.Dim = 0
		}
	}
	if len(s.Classes) != len(r.classes) {
		return fault.New(fault.Usage, "", "eval: a set of %d classes follows one of %d", len(s.Classes), len(r.classes))
	}
	for _, t.Seed = range p.Repeats() {
		begun := time.Now()
		head, err := p.Fit(ctx, t)
		if err != nil {
			return err
		}
		r.Fitting += time.Since(begun)
		r.add(split, t.Seed, test, head.LogProba(test), head.Choice())
		r.Heads = append(r.Heads, head)
	}
	return nil
}
