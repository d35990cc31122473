package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// FoldScores are a fold's scores by name, as far as its run has them: loss, z_std
// and grad_norm, means over the last epoch; health.*, the last measure; and of each
// probe KIND.*, means over its heads, where KIND.valid_* are of the clips that
// settings were chosen on and the others of the test clips.
type FoldScores struct {
	Fold   string             `json:"fold"` // as a probe calls it; empty where none was asked and there is one split
	Epochs int                `json:"epochs"`
	Steps  int                `json:"steps"`
	Scores map[string]float64 `json:"scores"`
}

// The names of scores that training gives.
var trained = []struct {
	name string
	of   func(TrainingScore) float64
}{
	{"loss", func(t TrainingScore) float64 { return t.Loss }},
	{"z_std", func(t TrainingScore) float64 { return t.ZStd }},
	{"grad_norm", func(t TrainingScore) float64 { return t.GradNorm }},
}

// The names of scores that a probe gives of the clips it chose settings on.
var validScores = []struct {
	name string
	of   func(eval.Choice) float64
}{
	{"valid_accuracy", func(c eval.Choice) float64 { return c.ValidAccuracy }},
	{"valid_map", func(c eval.Choice) float64 { return c.ValidMAP }},
}

// ScoreProbe is the probe that gives a score: empty, where training alone does.
// known: there is such a score. unseen: no test clip has a part in it, so that
// something may be chosen by it.
func ScoreProbe(name string) (kind string, known, unseen bool) {
	if slices.Contains(TrainingScores(), name) {
		return "", true, true
	}
	kind, rest, _ := strings.Cut(name, ".")
	if _, probe := eval.Table[kind]; !probe {
		return "", false, false
	}
	for _, v := range validScores {
		if v.name == rest {
			return kind, true, true
		}
	}
	return kind, slices.Contains(testScores(), rest), false
}

// TrainingScores are the names of the scores that training gives.
func TrainingScores() (names []string) {
	for _, t := range trained {
		names = append(names, t.name)
	}
	for _, g := range gauges[1:] { // the loss is there already
		names = append(names, "health."+g.key())
	}
	return names
}

// testScores are the keys of eval.Metrics.
func testScores() (names []string) {
	t := reflect.TypeFor[eval.Metrics]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// Scores are those of a run's folds, in the folders' order.
func Scores(run string) ([]FoldScores, error) {
	folds, err := rundir.Folds(run)
	if err != nil {
		return nil, err
	}
	all := make([]FoldScores, len(folds))
	for i, fold := range folds {
		if all[i], err = trainingScores(rundir.FoldDir(run, fold), fold); err != nil {
			return nil, err
		}
	}
	for kind := range eval.Table {
		if err := addProbeScores(all, run, kind); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func trainingScores(dir, fold string) (FoldScores, error) {
	f := FoldScores{Fold: fold, Scores: map[string]float64{}}
	t, err := trainingScore(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a fold that has not begun has no log
		return f, err
	}
	f.Epochs, f.Steps = t.Epochs, t.Steps
	if t.Steps > 0 {
		for _, s := range trained {
			f.Scores[s.name] = s.of(t)
		}
	}
	looks, err := rundir.ReadHealth(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	for _, h := range looks {
		for _, g := range gauges[1:] {
			if v, ok := g.of(h.Sample); ok {
				f.Scores["health."+g.key()] = v
			}
		}
	}
	return f, nil
}

// addProbeScores adds what a probe's report says of each fold, if there is one.
func addProbeScores(all []FoldScores, run, kind string) error {
	r, err := readReport(run, kind)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	heads := map[int]float64{} // of a fold
	sums := map[int]map[string]float64{}
	for _, f := range r.Rows[0].Folds {
		at := slices.IndexFunc(all, func(s FoldScores) bool { return s.Fold == f.Fold })
		if len(all) == 1 {
			at, all[0].Fold = 0, f.Fold
		}
		if at < 0 {
			return fault.New(fault.Data, "the probe makes it anew", "%s: it has a fold %q, and the run has none", filepath.Join(run, reportFile(kind)), f.Fold)
		}
		if sums[at] == nil {
			sums[at] = map[string]float64{}
		}
		heads[at]++
		for name, v := range metricsOf(f) {
			sums[at][kind+"."+name] += v
		}
	}
	for at, of := range sums {
		for name, sum := range of {
			all[at].Scores[name] = sum / heads[at]
		}
	}
	return nil
}

// metricsOf are a head's scores by name, those that its test clips define.
func metricsOf(f eval.FoldScore) map[string]float64 {
	b, err := json.Marshal(f.Metrics)
	of := map[string]*float64{}
	if err == nil {
		err = json.Unmarshal(b, &of)
	}
	if err != nil {
		panic(fmt.Sprintf("pipeline: scores of a fold: %v", err))
	}
	all := map[string]float64{}
	for name, v := range of {
		if v != nil {
			all[name] = *v
		}
	}
	for _, v := range validScores {
		if x := v.of(f.Choice); x > 0 { // 0 is what was not chosen by
			all[v.name] = x
		}
	}
	return all
}
