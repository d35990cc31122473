package eval

import (
	"context"
	"fmt"
	"math"
	"slices"

	"clr/internal/fault"
)

// A LinearProbe is logistic regression on frozen embeddings. C, the inverse weight
// of the penalty, is chosen by accuracy on validation clips (the given ones, or
// inner folds of the training clips), of several labels by mAP, the smaller C
// where two are equal, and the head is fitted again on training and validation
// clips together. Or it is a linear layer as a named protocol trains one.
type LinearProbe struct {
	Protocol      string  `yaml:"protocol" doc:"how it is fitted: lbfgs, by the keys below; evar, cola or simclr, by their own constants (docs/evaluation.md), then only protocol_lr is heeded"`
	ProtocolLR    float64 `yaml:"protocol_lr" doc:"learning rate of a protocol other than lbfgs, where a task has one of its own; 0 is the protocol's"`
	Multi         string  `yaml:"multi" doc:"multinomial: all classes together; one_vs_rest: each against the others, by itself, as is always done where clips have several labels"`
	ClassWeight   string  `yaml:"class_weight" doc:"none: clips weigh alike; balanced: classes do, however many clips they have"`
	CMin          float64 `yaml:"c_min" doc:"smallest C to try; C is the inverse weight of the L2 penalty, as in scikit-learn"`
	CMax          float64 `yaml:"c_max" doc:"largest C to try"`
	CSteps        int     `yaml:"c_steps" doc:"values of C to try, evenly spaced in log C; 1 takes c_min"`
	Standardize   bool    `yaml:"standardize" doc:"bring each feature to mean 0 and deviation 1, as measured on the training clips"`
	Tolerance     float64 `yaml:"tolerance" doc:"a fit ends when the gradient of the mean loss and its penalty is no longer than this"`
	MaxIterations int     `yaml:"max_iterations" doc:"a fit that has not ended by then is kept and marked in the report"`
	Windows       string  `yaml:"windows" doc:"of clips longer than a view: embeddings, the mean of its windows is a clip; logits, a head learns from each window, and the mean of their logits is the clip's; vote, likewise, and what most windows say is"`
	InnerFolds    int     `yaml:"inner_folds" doc:"parts of the training clips that take turns as validation where no validation clips are given; groups stay whole"`
	Seed          uint64  `yaml:"seed" doc:"deals clips to inner folds where no groups are known"`
}

var linearDefaults = LinearProbe{Protocol: "lbfgs", Multi: "multinomial", ClassWeight: "none", CMin: 1e-5, CMax: 10, CSteps: 13, Standardize: true, Tolerance: 1e-4, MaxIterations: 1000, Windows: "embeddings", InnerFolds: 5, Seed: 1}

// Doc says in one line what this is.
func (LinearProbe) Doc() string {
	return "logistic regression, C chosen on validation clips; fast, deterministic"
}

// Check refuses settings that cannot work.
func (p LinearProbe) Check() error {
	if err := checkProtocol("linear", p.Protocol, p.ProtocolLR); err != nil {
		return err
	}
	switch {
	case p.Multi != "multinomial" && p.Multi != "one_vs_rest":
		return fault.New(fault.Usage, "use multinomial or one_vs_rest", "multi is %q", p.Multi)
	case p.ClassWeight != "none" && p.ClassWeight != "balanced":
		return fault.New(fault.Usage, "use none or balanced", "class_weight is %q", p.ClassWeight)
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
	return over(p.Windows).check("embeddings", "logits", "vote")
}

// Repeats gives one head a split: nothing is random but inner folds. Protocols of
// gradient descent have seeds of their own.
func (p LinearProbe) Repeats() []uint64 {
	if p.Protocol != "lbfgs" {
		return p.protocol().seeds
	}
	return []uint64{p.Seed}
}

func (p LinearProbe) protocol() protocol { return protocolOf("linear", p.Protocol, p.ProtocolLR) }

// settings are those of lbfgs in a line.
func (p LinearProbe) settings() string {
	s := fmt.Sprintf("%s, class weights %s, %d C from %g to %g, gradient %g", p.Multi, p.ClassWeight, p.CSteps, p.CMin, p.CMax, p.Tolerance)
	if p.Standardize {
		s += ", standardized"
	}
	if over(p.Windows).each() {
		s += ", windows by " + p.Windows
	}
	return s
}

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
	if p.Protocol != "lbfgs" {
		return p.protocol().Fit(ctx, t)
	}
	cs := p.grid()
	score, of := make([]float64, len(cs)), 0 // summed over validation clips
	if len(cs) > 1 {
		for _, part := range t.parts(p.InnerFolds) {
			of += part.valid.N
			if err := p.path(ctx, score, cs, part.train, part.valid); err != nil {
				return nil, err
			}
		}
	}
	best := 0
	for i, s := range score {
		if s > score[best] {
			best = i
		}
	}
	all := over(p.Windows).learn(join(t.Train, t.Valid))
	scale := p.scaler(all)
	model, end, err := p.logit().Fit(ctx, scale.apply(all), cs[best], Solver{p.Tolerance, p.MaxIterations}, nil)
	if err != nil {
		return nil, err
	}
	choice := Choice{C: cs[best], Iterations: end.Iterations, Gradient: end.Gradient}
	choice.validated(all.Multi(), score[best]/float64(max(1, of)))
	switch {
	case !end.Converged:
		choice.Note = fmt.Sprintf("did not converge: gradient %.1e after %d iterations", end.Gradient, end.Iterations)
	case best > 0 && best == len(cs)-1:
		choice.Note = "the largest C was best; c_max may be too small"
	case best == 0 && score[0] > slices.Min(score):
		choice.Note = "the smallest C was best; c_min may be too large"
	}
	return linearHead{scale, model, choice, over(p.Windows)}, nil
}

// path adds to score[i] the validation clips' score with cs[i]: how many are
// right, or of several labels the mAP times how many there are. Each fit starts
// from the one before.
func (p LinearProbe) path(ctx context.Context, score, cs []float64, train, valid Set) error {
	train = over(p.Windows).learn(train)
	scale := p.scaler(train)
	x, v := scale.apply(train), scale.apply(valid)
	r := newRegression(x, p.logit())
	var last *Logistic
	for i, c := range cs {
		m, _, err := r.fit(ctx, c, Solver{p.Tolerance, p.MaxIterations}, last)
		if err != nil {
			return err
		}
		score[i] += validScore(over(p.Windows).ask(v, m.LogProba), v)
		last = m
	}
	return nil
}

// validScore is by how many of a set's clips are right; of several labels it is the
// mAP times the number of clips.
func validScore(logp []float64, s Set) float64 {
	k := len(s.Classes)
	if s.Multi() {
		var precisions []Score
		for c := range k {
			precision, _ := rankBy(logp, c, k).curves(func(i int) bool { return slices.Contains(s.Tags[i], c) }, nil)
			precisions = append(precisions, precision)
		}
		if m := meanScore(precisions); m.known() {
			return float64(s.N) * float64(m)
		}
		return 0
	}
	hits := 0
	for i, y := range Predict(logp, k) {
		if y == s.Labels[i] {
			hits++
		}
	}
	return float64(hits)
}

func (p LinearProbe) logit() Logit {
	return Logit{OneVsRest: p.Multi == "one_vs_rest", Balanced: p.ClassWeight == "balanced"}
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
	over   over
}

func (h linearHead) LogProba(s Set) []float64 { return h.over.ask(h.scale.apply(s), h.model.LogProba) }
func (h linearHead) Choice() Choice           { return h.choice }
