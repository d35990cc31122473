package pipeline

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// The demo's page as a browser shows it: with its figures and sounds, and small.
func TestReportInABrowser(t *testing.T) {
	t.Chdir(t.TempDir())
	var out bytes.Buffer
	set := []string{"schedule.epochs=1", "schedule.warmup_epochs=0", "encoder.width=4", "view.frames=24", "batch=512", "feature.n_mels=24", "feature.n_fft=256",
		"feature.hop_length=160", "health.every=1", "linear_probe.c_steps=1", "linear_probe.max_iterations=5", "mlp_probe.epochs=1"}
	if err := Demo(t.Context(), DemoOptions{Overrides: Overrides{Set: set}, Open: true}, Console{Out: &out, Err: io.Discard}); err != nil {
		t.Fatal(err)
	}
	page := strings.TrimSuffix(out.String(), "\n")
	info, err := os.Stat(page)
	if err != nil || !filepath.IsAbs(page) || info.Size() > 2e6 {
		t.Fatalf("the demo prints %q: %v, %v", &out, info, err)
	}
	lookAt(t, page, 480, 2)
}

// Runs with folds are laid over each other, and the first one's is mapped.
func TestReportComparesFolds(t *testing.T) {
	dir := tones(t, 20)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	con, log := silent()
	for run, set := range map[string]string{a: "seed=1", b: "seed=2"} {
		pretrain(t, load(t, dir, "split.by=room", "schedule.epochs=1", set), PretrainOptions{Run: run})
		if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Judge(t.Context(), Asked{Run: a}, Overrides{Set: []string{"judge.few_shot.episodes=5"}}, con); err != nil {
		t.Fatal(err)
	}
	o := ReportOptions{Runs: []string{a, b}, Out: filepath.Join(dir, "both.html"), Clips: 600, Seed: 1}
	w, err := Report(t.Context(), o, con)
	if err != nil {
		t.Fatal(err)
	}
	if w.Clips != 10 || w.Sounds != 10 || len(w.Probes) != 1 || w.Bytes != len(get(t, dir, "both.html")) {
		t.Errorf("%+v", w)
	}
	page := string(get(t, dir, "both.html"))
	for _, s := range []string{"<td>seed</td><td>1</td><td>2</td>", " beside A (", "Fold x: 10 test clips", ">loss</b>", "B y</title>", "± ", "Judged as they lie, run A", "<td>map_at_10</td>"} {
		if !strings.Contains(page, s) {
			t.Errorf("no %q", s)
		}
	}
	if strings.Contains(page, "There is no map") || strings.Count(page, "<circle") != 20 {
		t.Errorf("%d points", strings.Count(page, "<circle"))
	}

	// Equal runs are equal pages, whoever counts; another seed is another map.
	o.Out = filepath.Join(dir, "again.html")
	if _, err := Report(t.Context(), o, con); err != nil || string(get(t, dir, "again.html")) != page {
		t.Errorf("again it is another page: %v", err)
	}
	o.Seed, o.Fold, o.Clips = 2, "y", 7
	if w, err := Report(t.Context(), o, con); err != nil || w.Clips != 7 || !strings.Contains(string(get(t, dir, "again.html")), "Fold y: 7 of 10 test clips") {
		t.Errorf("%+v, %v", w, err)
	}

	// What cannot be shown is said, and the rest is shown.
	log.Reset()
	o = ReportOptions{Runs: []string{b}, Clips: 600}
	os.Remove(filepath.Join(b, "fold-x", rundir.LastFile))
	os.Remove(filepath.Join(b, "fold-y", rundir.LastFile))
	os.Remove(filepath.Join(b, kindOf("linear").report()))
	if w, err := Report(t.Context(), o, con); err != nil || w.Clips != 0 || len(w.Probes) != 0 || w.Page != filepath.Join(b, ReportFile) {
		t.Errorf("%+v, %v", w, err)
	}
	page = string(get(t, b, ReportFile))
	for _, s := range []string{"There are no scores yet: clr linear-probe --run " + b, "There is no map of the embeddings: ", "holds no checkpoint yet", ">loss</b>"} {
		if !strings.Contains(page, s) {
			t.Errorf("no %q", s)
		}
	}
	if !strings.Contains(log.String(), "warning: the report has no map of the embeddings") {
		t.Errorf("it says %s", log)
	}
}

// Recordings that are gone leave their points without a sound.
func TestReportWithoutRecordings(t *testing.T) {
	dir := tones(t, 20)
	con, log := silent()
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "schedule.epochs=1"), PretrainOptions{Run: run})
	put(t, filepath.Join(dir, "09.wav"), wav(999, 0.3, 1))
	w, err := Report(t.Context(), ReportOptions{Runs: []string{run}, Clips: 600}, con)
	if err != nil || w.Clips != 4 || w.Sounds != 3 {
		t.Fatalf("%+v, %v", w, err)
	}
	if !strings.Contains(log.String(), "warning: 1 of 4 clips cannot be heard in the report: ") || !strings.Contains(string(get(t, run, ReportFile)), "1 of 4 clips cannot be heard") {
		t.Errorf("%s", log)
	}
}

// Where clips have several labels, the mAP is what counts, and there is a table of
// classes instead of a matrix.
func TestReportOfSeveralLabels(t *testing.T) {
	dir := tones(t, 20)
	con, _ := silent()
	put(t, filepath.Join(dir, "manifest.csv"), bytes.ReplaceAll(get(t, dir, "manifest.csv"), []byte(",high,train,x"), []byte(",high;low,train,x")))
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "schedule.epochs=1"), PretrainOptions{Run: run})
	asked, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Report(t.Context(), ReportOptions{Runs: []string{run}}, con); err != nil {
		t.Fatal(err)
	}
	page, first := string(get(t, run, ReportFile)), asked.Rows[0].Mean
	for _, s := range []string{"mAP; several labels a clip, 2 classes", fmt.Sprintf("<b>%.1f %%</b>", 100*first.MAP), fmt.Sprintf("all labels right %.1f %%", 100*first.Accuracy), `<table class="classes">`} {
		if !strings.Contains(page, s) {
			t.Errorf("no %q", s)
		}
	}
	if strings.Contains(page, `<table class="matrix`) || strings.Contains(page, "its confusion matrix") || first.MAP == eval.Score(first.Accuracy) {
		t.Errorf("there is a matrix, or it is missed: %+v", first)
	}
	if r, err := resultOf(run); err != nil || r.Probes["linear"].MAP != first.MAP {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestReportRefuses(t *testing.T) {
	dir := tones(t, 20)
	con, _ := silent()
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "schedule.epochs=1"), PretrainOptions{Run: run})
	for _, c := range []struct {
		o    ReportOptions
		kind fault.Kind
		says string
	}{
		{ReportOptions{}, fault.Usage, "takes one run folder or more"},
		{ReportOptions{Runs: []string{run}, Clips: mostMapped + 1}, fault.Usage, "--clips is 2001"},
		{ReportOptions{Runs: []string{run, run}}, fault.Usage, "are the same run"},
		{ReportOptions{Runs: []string{dir + "/nowhere"}}, fault.Usage, "is not a run folder"},
		{ReportOptions{Runs: []string{run}, Out: filepath.Join(dir, "manifest.csv")}, fault.Usage, "is no earlier report"},
	} {
		_, err := Report(t.Context(), c.o, con)
		says(t, err, c.says)
		if fault.KindOf(err) != c.kind {
			t.Errorf("%v: kind %d", err, fault.KindOf(err))
		}
	}
	put(t, filepath.Join(run, kindOf("linear").report()), []byte(`{"probe": "linear", "rows": [`))
	_, err := Report(t.Context(), ReportOptions{Runs: []string{run}}, con)
	says(t, err, kindOf("linear").report())
	if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
		t.Errorf("%v", err)
	}
	for name, text := range map[string]string{"report-other.json": `{"task": 3}`, "report-odd-probe.json": `{"probe": "odd", "classes": ["a", "b"], "rows": [{"name": "x", "confusion": [[1]]}]}`} {
		put(t, filepath.Join(run, kindOf("linear").report()), []byte(text))
		os.Rename(filepath.Join(run, kindOf("linear").report()), filepath.Join(run, name))
		if _, err := Report(t.Context(), ReportOptions{Runs: []string{run}}, con); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	page := string(get(t, run, ReportFile))
	for _, s := range []string{"holds no table of scores", "its confusion matrix is not one of its 2 classes", "odd probe"} {
		if !strings.Contains(page, s) {
			t.Errorf("no %q", s)
		}
	}
}
