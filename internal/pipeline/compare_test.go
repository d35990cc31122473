package pipeline

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/rundir"
)

// Folds are compared each, and clips lined up within them.
func TestCompareFolds(t *testing.T) {
	dir := tones(t, 20)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	con, _ := silent()
	for run, set := range map[string]string{a: "seed=1", b: "seed=2"} {
		pretrain(t, load(t, dir, "split.by=room", "schedule.epochs=1", set), PretrainOptions{Run: run})
		for _, kind := range []string{"linear", "mlp", "knn"} {
			if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: kind}, Overrides{}, con); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, err := Compare([]string{a, b})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Config) != 1 || c.Config[0].Key != "seed" || !slices.Equal(c.Config[0].Values, []string{"1", "2"}) || len(c.MadeBy) != 0 {
		t.Errorf("%+v, %+v", c.Config, c.MadeBy)
	}
	if len(c.Folds) != 2 || c.Folds[0].Fold != "x" || c.Folds[1].Runs[1].Steps == 0 || c.Folds[1].Runs[1].Same || c.Folds[0].Runs[1].Parts == nil || c.Folds[0].Runs[1].Parts.Step != 0 {
		t.Errorf("%+v", c.Folds)
	}
	if len(c.Probes) != 3 || c.Probes[2].Probe != "knn" {
		t.Fatalf("%+v", c.Probes)
	}
	for _, p := range c.Probes {
		s := p.Runs[1]
		if s.Test == nil || s.Test.Clips != 20 || s.Why != "" {
			t.Fatalf("%+v", s)
		}
		if d := float64(s.Score - p.Runs[0].Score); s.Test.Difference-d > 1e-9 || d-s.Test.Difference > 1e-9 {
			t.Errorf("%s: the accuracies differ by %g, the clips by %g", p.Probe, d, s.Test.Difference)
		}
	}

	// Predictions that are not the report's are not used, nor are scores of an
	// encoder that has learnt since; a fold without a log has no steps.
	kept := get(t, b, kindOf("mlp").predictions())
	put(t, filepath.Join(b, kindOf("mlp").predictions()), get(t, b, kindOf("linear").predictions()))
	if c, err = Compare([]string{a, b}); err != nil || c.Probes[1].Runs[1].Test != nil || !strings.Contains(c.Probes[1].Runs[1].Why, "the report beside it is of another probe") {
		t.Errorf("%+v, %v", c, err)
	}
	put(t, filepath.Join(b, kindOf("mlp").predictions()), kept)
	pretrain(t, load(t, dir, "split.by=room", "schedule.epochs=2", "seed=1"), PretrainOptions{Run: a, Resume: true, Fold: "y"})
	os.Remove(filepath.Join(a, "fold-x", rundir.MetricsFile))
	c, err = Compare([]string{a, b})
	if err != nil || c.Folds[0].Runs[0].Steps != 0 || !c.Probes[0].Runs[0].Stale || c.Probes[0].Runs[1].Stale {
		t.Fatalf("%+v, %v", c, err)
	}
	if s := c.Probes[0].Runs[1]; s.Test != nil || !strings.Contains(s.Why, "has learnt since") || !strings.Contains(s.Why, a) {
		t.Errorf("%+v", s)
	}

	// Over another corpus, nothing is tested.
	edit := strings.Replace(string(get(t, b, rundir.ProvenanceFile)), `"corpus_sha256": "`, `"corpus_sha256": "0`, 1)
	put(t, filepath.Join(b, rundir.ProvenanceFile), []byte(edit))
	if c, err = Compare([]string{a, b}); err != nil || c.Probes[0].Runs[1].Test != nil || c.Probes[0].Runs[1].Why == "" {
		t.Errorf("%+v, %v", c, err)
	}
	// A report that cannot be read is named.
	put(t, filepath.Join(b, kindOf("mlp").report()), []byte("{"))
	if _, err = Compare([]string{a, b}); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), kindOf("mlp").report()) {
		t.Errorf("%v", err)
	}
}

// Of several labels a clip, runs are compared by the mAP, and what is tested is said.
func TestCompareSeveralLabels(t *testing.T) {
	dir := tones(t, 20)
	put(t, filepath.Join(dir, "manifest.csv"), []byte(strings.ReplaceAll(string(get(t, dir, "manifest.csv")), "4.wav,low", "4.wav,high;low")))
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	con, said := silent()
	for run, set := range map[string]string{a: "seed=1", b: "seed=2"} {
		pretrain(t, load(t, dir, "schedule.epochs=1", set), PretrainOptions{Run: run})
		if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "knn"}, Overrides{}, con); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Compare([]string{a, b})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range c.Probes[0].Runs {
		r, err := kindOf("knn").read(s.Run)
		if err != nil || s.Measure != "map" || s.Score != r.Rows[0].Mean.MAP || s.Interval == nil || *s.Interval != r.Rows[0].Intervals["map"] || (s.Test != nil) != (i > 0) {
			t.Errorf("%+v, %v", s, err)
		}
	}
	if c.Write(con) != nil || !strings.Contains(said.String(), "        map %") || !strings.Contains(said.String(), "  all labels right ") {
		t.Errorf("%s", said)
	}
}

// Training that parts late is found there, and a checkpoint that is not there
// is no mistake.
func TestCompareTraining(t *testing.T) {
	dir := tones(t, 20)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	pretrain(t, load(t, dir, "log.digest=2"), PretrainOptions{Run: a})
	pretrain(t, load(t, dir, "log.digest=3"), PretrainOptions{Run: b, MaxSteps: 7})
	c, err := Compare([]string{a, b})
	if err != nil || c.Folds[0].Runs[1].Parts != nil || c.Folds[0].Runs[1].Same {
		t.Errorf("%+v, %v", c.Folds, err)
	}
	log := strings.Split(string(get(t, b, rundir.MetricsFile)), "\n")
	log[5] = strings.Replace(log[5], `"grad_norm":`, `"grad_norm":1`, 1)
	put(t, filepath.Join(b, rundir.MetricsFile), []byte(strings.Join(log, "\n")))
	os.Remove(filepath.Join(b, rundir.LastFile))
	c, err = Compare([]string{a, b})
	if err != nil || c.Folds[0].Runs[1].Parts == nil || c.Folds[0].Runs[1].Parts.Step != 5 || c.Folds[0].Runs[1].Parts.What != "grad_norm" || c.Folds[0].Runs[1].SHA256 != "" {
		t.Errorf("%+v, %v", c.Folds, err)
	}
}

func TestPredictionsPair(t *testing.T) {
	k := func(fold, clip string) tested { return tested{fold, clip, "low"} }
	p := &predictions{folds: []string{"x", "y"}, clips: []tested{k("x", "3"), k("y", "3"), k("x", "5")}, heads: 2,
		shares: map[tested]float64{k("x", "3"): 2, k("y", "3"): 0, k("x", "5"): 1}}
	q := &predictions{folds: []string{"y", "x"}, clips: []tested{k("y", "3"), k("x", "5"), k("x", "3")}, heads: 1,
		shares: map[tested]float64{k("y", "3"): 1, k("x", "5"): 0, k("x", "3"): 1}}
	a, b, why := p.pair(q)
	if why != "" || !slices.Equal(a[0], []float64{1, 0.5}) || !slices.Equal(a[1], []float64{0}) || !slices.Equal(b[0], []float64{1, 0}) || !slices.Equal(b[1], []float64{1}) {
		t.Errorf("%v, %v, %s", a, b, why)
	}
	q.shares[k("x", "7")] = q.shares[k("x", "5")]
	delete(q.shares, k("x", "5"))
	if _, _, why := p.pair(q); !strings.Contains(why, "clip 5") {
		t.Errorf("%q", why)
	}
	q.clips = q.clips[:2]
	if _, _, why := p.pair(q); !strings.Contains(why, "3 and 2 clips") {
		t.Errorf("%q", why)
	}
}
