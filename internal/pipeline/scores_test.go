package pipeline

import (
	"path/filepath"
	"slices"
	"testing"

	"clr/internal/fault"
)

// A run's scores are those of its reports and logs, by names that are known before.
func TestScores(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	con, _ := silent()
	pretrain(t, load(t, dir, "split.by=room", "schedule.epochs=3", "health.every=1", "linear_probe.c_steps=3"), PretrainOptions{Run: run, MaxEpochs: 2})
	r, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con)
	if err != nil {
		t.Fatal(err)
	}
	folds, err := Scores(run)
	if err != nil {
		t.Fatal(err)
	}
	if len(folds) != 2 || folds[0].Fold != "x" || folds[1].Fold != "y" || folds[0].Epochs != 2 {
		t.Fatalf("%+v", folds)
	}
	row := r.Rows[0]
	for i, f := range folds {
		log, err := trainingScore(filepath.Join(run, "fold-"+f.Fold))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]float64{"loss": log.Loss, "z_std": log.ZStd, "linear.accuracy": row.Folds[i].Accuracy,
			"linear.log_loss": row.Folds[i].LogLoss, "linear.valid_accuracy": row.Folds[i].Choice.ValidAccuracy} {
			if got, ok := f.Scores[name]; !ok || got != want {
				t.Errorf("fold %s: %s is %g, %v; want %g", f.Fold, name, got, ok, want)
			}
		}
		for name := range f.Scores {
			if _, known, _ := ScoreProbe(name); !known {
				t.Errorf("nobody knows %s", name)
			}
		}
		if _, ok := f.Scores["health.alignment"]; !ok {
			t.Errorf("there is no health.alignment: %v", f.Scores)
		}
	}
	for name, want := range map[string][3]any{"loss": {"", true, true}, "mlp.valid_map": {"mlp", true, true}, "knn.accuracy": {"knn", true, false},
		"svm.accuracy": {"", false, false}, "linear.precision": {"linear", false, false}, "health.k_nn_accuracy": {"", true, true}} {
		if kind, known, unseen := ScoreProbe(name); kind != want[0] || known != want[1] || unseen != want[2] {
			t.Errorf("%s: %q, %v, %v", name, kind, known, unseen)
		}
	}

	test, why := PairRuns("linear", []string{run}, []string{run, run})
	if why != "" || test.Difference != 0 || test.P != 1 || test.Clips == 0 {
		t.Errorf("%+v, %s", test, why)
	}
	if _, why := PairRuns("mlp", []string{run}, []string{run}); why == "" {
		t.Error("runs are paired by a probe that nobody asked")
	}
}

// A training that stops at an epoch goes on to the bytes of one that does not.
func TestMaxEpochs(t *testing.T) {
	dir := tones(t, 20)
	whole, parts := filepath.Join(dir, "whole"), filepath.Join(dir, "parts")
	c := load(t, dir, "split.by=room", "schedule.epochs=3")
	pretrain(t, c, PretrainOptions{Run: whole})
	for epochs := range 3 {
		pretrain(t, c, PretrainOptions{Run: parts, MaxEpochs: epochs + 1, Resume: epochs > 0})
		if f, err := Scores(parts); err != nil || f[0].Epochs != epochs+1 {
			t.Errorf("%+v, %v", f, err)
		}
	}
	for _, fold := range []string{"fold-x", "fold-y"} {
		if string(get(t, filepath.Join(whole, fold), "last.safetensors")) != string(get(t, filepath.Join(parts, fold), "last.safetensors")) {
			t.Errorf("%s: a training in parts comes to other bytes", fold)
		}
	}
}

// Variables that are settings are not handed on, others are.
func TestWithoutSettings(t *testing.T) {
	env := []string{"HOME=/", "CLR_SEED=2", "CLR_BATCH=3", "CLR_CPU=avx2"}
	if got := WithoutSettings(env); !slices.Equal(got, []string{"HOME=/", "CLR_CPU=avx2"}) {
		t.Error(got)
	}
	if got := Settings(env); !slices.Equal(got, []string{"CLR_BATCH=3", "CLR_SEED=2"}) {
		t.Error(got)
	}
}

func TestNoRunHasNoScores(t *testing.T) {
	if _, err := Scores(filepath.Join(t.TempDir(), "none")); fault.KindOf(err) != fault.Data {
		t.Error(err)
	}
}
