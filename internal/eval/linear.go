package eval

import (
	"context"
	"fmt"
	"math"
	"slices"

	"clr/internal/fault"
)

// A LinearProbe is multinomial logistic regression on frozen embeddings. C,
// the inverse weight of the penalty, is chosen by accuracy on validation clips
// (the given ones, or inner folds of the training clips), the smaller C where
// two are equal, and the head is fitted again on training and validation clips
// together.
type LinearProbe struct {
	CMin          float64 `yaml:"c_min" doc:"smallest C to try; C is the inverse weight of the L2 penalty, as in scikit-learn"`
	CMax          float64 `yaml:"c_max" doc:"largest C to try"`
	CSteps        int     `yaml:"c_steps" doc:"values of C to try, evenly spaced in log C; 1 takes c_min"`
	Standardize   bool    `yaml:"standardize" doc:"bring each feature to mean 0 and deviation 1, as measured on the training clips"`
	Tolerance     float64 `yaml:"tolerance" doc:"a fit ends when the gradient of the mean loss and its penalty is no longer than this"`
	MaxIterations int     `yaml:"max_iterations" doc:"a fit that has not ended by then is kept and marked in the report"`
	InnerFolds    int     `yaml:"inner_folds" doc:"parts of the training clips that take turns as validation where no validation clips are given; groups stay whole"`
	Seed          uint64  `yaml:"seed" doc:"deals clips to inner folds where no groups are known"`
}

var linearDefaults = LinearProbe{CMin: 1e-5, CMax: 10, CSteps: 13, Standardize: true, Tolerance: 1e-4, MaxIterations: 1000, InnerFolds: 5, Seed: 1}

// Doc says in one line what this is.
func (LinearProbe) Doc() string {
	return "multinomial logistic regression, C chosen on validation clips; fast, deterministic"
}

// Check refuses settings that cannot work.
func (p LinearProbe) Check() error {
	switch {
	case !(p.CMin > 0) || !(p.CMax >= p.CMin) || math.IsInf(p.CMax, 1):
		return fault.New(fault.Usage, "", "c_min is %v and c_max %v; 0 < c_min <= c_max is needed", p.CMin, p.CMax)
	case p.CSteps < 1 || p.CSteps > 1000:
		return fault.New(fault.Usage, "", "c_steps is %d, it must be 1 to 1000", p.CSteps)
	case p.CSteps > 1 && p.CMin == p.CMax:
		return fault.New(fault.Usage, "set c_steps to 1", "c_steps is %d, but c_min and c_max are both %v", p.CSteps, p.CMin)
	case !(p.Tolerance > 0):
		return fault.New(fault.Usage, "", "tolerance is %v, it must be positive", p.Tolerance)
	case p.MaxIterations < 1:
		return fault.New(fault.Usage, "", "max_iterations is %d, it must be at least 1", p.MaxIterations)
	case p.InnerFolds < 2:
		return fault.New(fault.Usage, "", "inner_folds is %d, it must be at least 2", p.InnerFolds)
	}
	return nil
}

// Repeats gives one head a split: nothing is random but inner folds.
func (p LinearProbe) Repeats() []uint64 { return []uint64{p.Seed} }

// grid is the values of C, smallest first.
func (p LinearProbe) grid() []float64 {
	out := make([]float64, p.CSteps)
	lo, hi := math.Log10(p.CMin), math.Log10(p.CMax)
	for i := range out {
		out[i] = p.CMin
		if i > 0 {
			out[i] = math.Pow(10, lo+(hi-lo)*float64(i)/float64(p.CSteps-1))
		}
	}
	return out
}

// Fit chooses C and fits the head.
func (p LinearProbe) Fit(ctx context.Context, t Training) (Head, error) {
	cs := p.grid()
	hits, of := make([]int, len(cs)), 0
	if len(cs) > 1 {
		for _, part := range t.parts(p.InnerFolds) {
			of += part.valid.N
			if err := p.path(ctx, hits, cs, part.train, part.valid); err != nil {
				return nil, err
			}
		}
	}
	best := 0
	for i, h := range hits {
		if h > hits[best] {
			best = i
		}
	}
	all := join(t.Train, t.Valid)
	scale := p.scaler(all)
	model, end, err := FitLogistic(ctx, scale.apply(all), cs[best], Solver{p.Tolerance, p.MaxIterations}, nil)
	if err != nil {
		return nil, err
	}
	choice := Choice{C: cs[best], ValidAccuracy: ratio(hits[best], of), Iterations: end.Iterations, Gradient: end.Gradient}
	switch {
	case !end.Converged:
		choice.Note = fmt.Sprintf("did not converge: gradient %.1e after %d iterations", end.Gradient, end.Iterations)
	case best > 0 && best == len(cs)-1:
		choice.Note = "the largest C was best; c_max may be too small"
	case best == 0 && hits[0] > slices.Min(hits):
		choice.Note = "the smallest C was best; c_min may be too large"
	}
	return linearHead{scale, model, choice}, nil
}

// path adds to hits[i] the validation clips that are right with cs[i]. Each
// fit starts from the one before.
func (p LinearProbe) path(ctx context.Context, hits []int, cs []float64, train, valid Set) error {
	scale := p.scaler(train)
	x, v := scale.apply(train), scale.apply(valid)
	r := newRegression(x)
	var last *Logistic
	for i, c := range cs {
		m, _, err := r.fit(ctx, c, Solver{p.Tolerance, p.MaxIterations}, last)
		if err != nil {
			return err
		}
		for j, y := range Predict(m.LogProba(v), len(v.Classes)) {
			if y == v.Labels[j] {
				hits[i]++
			}
		}
		last = m
	}
	return nil
}

func (p LinearProbe) scaler(train Set) scaler {
	if !p.Standardize {
		return scaler{}
	}
	return newScaler(train)
}

type linearHead struct {
	scale  scaler
	model  *Logistic
	choice Choice
}

func (h linearHead) LogProba(s Set) []float64 { return h.model.LogProba(h.scale.apply(s)) }
func (h linearHead) Choice() Choice           { return h.choice }
