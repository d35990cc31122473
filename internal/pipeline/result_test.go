package pipeline

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"clr/internal/eval"
)

// What a run came to stands in one file with keys that stay, equal in equal runs.
func TestResult(t *testing.T) {
	dir := tones(t, 20)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	con, _ := silent()
	var reports []*eval.Report
	for _, run := range []string{a, b} {
		pretrain(t, load(t, dir, "split.by=room", "schedule.epochs=2"), PretrainOptions{Run: run})
		r, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con)
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, r)
		if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "knn"}, Overrides{}, con); err != nil {
			t.Fatal(err)
		}
		if _, err := Judge(t.Context(), Asked{Run: run}, Overrides{Set: []string{"judge.few_shot.episodes=5"}}, con); err != nil {
			t.Fatal(err)
		}
	}
	text := get(t, a, ResultFile)
	if string(text) != string(get(t, b, ResultFile)) {
		t.Error("equal runs come to other bytes")
	}
	var r RunResult
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	s, err := trainingScore(filepath.Join(a, "fold-x"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Folds) != 2 || r.Folds[0].Fold != "x" || r.Folds[0].Loss != s.Loss || r.Folds[0].Steps != s.Steps || r.Folds[0].SHA256 != s.SHA256 || r.Epochs != 2 || r.Folds[1].Epochs != 2 {
		t.Errorf("%+v", r)
	}
	if math.Abs(r.Loss-(r.Folds[0].Loss+r.Folds[1].Loss)/2) > 1e-12 {
		t.Errorf("the loss is %g", r.Loss)
	}
	p, rows := r.Probes["linear"], reports[0].Rows
	if len(r.Probes) != 2 || r.Probes["knn"].Accuracy <= 0 || r.Judge["nmi"].Score <= 0 || r.Judge["map_at_1"].Interval == nil || !(r.Judge["map_at_1"].RandomInit > 0) || p.Accuracy != rows[0].Mean.Accuracy || p.Interval != rows[0].Interval || p.RandomInit != rows[1].Mean.Accuracy || p.FeatureStats != rows[2].Mean.Accuracy || p.Majority != rows[3].Mean.Accuracy {
		t.Errorf("%+v, %+v", r.Probes, r.Judge)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"config_sha256", "corpus_sha256", "seed", "epochs", "loss", "z_std", "grad_norm", "healthy", "warnings", "folds", "probes", "judge"} {
		if _, ok := keys[k]; !ok {
			t.Errorf("no %s", k)
		}
		delete(keys, k)
	}
	if len(keys) > 0 {
		t.Errorf("%v are new: add them here", keys)
	}

	// A run that goes on has come to nothing yet.
	c := load(t, dir, "split.by=room", "schedule.epochs=3")
	c.MLPProbe.Epochs = 1
	con.Err = writerFunc(func(b []byte) (int, error) {
		if _, err := os.Stat(filepath.Join(a, ResultFile)); err == nil && string(b[:min(len(b), 8)]) == "pretrain" {
			t.Errorf("%s is there while the run goes on", ResultFile)
		}
		return len(b), nil
	})
	if err := Pretrain(t.Context(), c, PretrainOptions{Run: a, Resume: true}, con); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(get(t, a, ResultFile), &r); err != nil || r.Epochs != 3 || r.Folds[1].Epochs != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}
