package pipeline

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/rundir"
)

// What other tools are handed is what was logged, to the last digit.
func TestMetrics(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "split.by=room", "schedule.epochs=2"), PretrainOptions{Run: run})
	con, said := silent()
	out := filepath.Join(dir, "metrics.csv")
	if err := Metrics(MetricsOptions{Runs: []string{run}, Format: "csv", Out: out}, con); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(get(t, dir, "metrics.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) int {
		i := slices.Index(rows[0], name)
		if i < 0 {
			t.Fatalf("no %s in %v", name, rows[0])
		}
		return i
	}
	at := 1
	for _, fold := range []string{"x", "y"} {
		lines, err := rundir.ReadLog(rundir.FoldDir(run, fold))
		if err != nil || len(lines) == 0 {
			t.Fatal(err)
		}
		looks, err := rundir.ReadHealth(rundir.FoldDir(run, fold))
		if err != nil || len(looks) == 0 {
			t.Fatal(err)
		}
		for _, l := range lines {
			row := rows[at]
			at++
			for name, want := range map[string]string{"run": run, "fold": fold, "step": strconv.Itoa(l.Step), "epoch": strconv.Itoa(l.Epoch), "loss": fmt.Sprint(l.Loss), "lr": fmt.Sprint(l.LR)} {
				if got := row[column(name)]; got != want {
					t.Errorf("step %d: %s is %s, want %s", l.Step, name, got, want)
				}
			}
			want := ""
			for _, h := range looks {
				if h.Step == l.Step {
					want = fmt.Sprint(h.Z.PositiveCos)
				}
			}
			if got := row[column("cosine_of_positives")]; got != want {
				t.Errorf("step %d: cosine %q, want %q", l.Step, got, want)
			}
		}
	}
	if at != len(rows) {
		t.Errorf("%d lines, want %d", len(rows), at)
	}

	// To the console it is the same.
	stdout := bytes.Buffer{}
	con.Out = &stdout
	if err := Metrics(MetricsOptions{Runs: []string{run}, Format: "csv"}, con); err != nil || !bytes.Equal(stdout.Bytes(), get(t, dir, "metrics.csv")) {
		t.Error(err)
	}

	// TensorBoard's are a folder a fold, and a second call writes the same.
	logs := filepath.Join(dir, "logs")
	for range 2 {
		if err := Metrics(MetricsOptions{Runs: []string{run}, Format: "tfevents", Out: logs}, con); err != nil {
			t.Fatal(err)
		}
		for _, fold := range []string{"fold-x", "fold-y"} {
			b := get(t, filepath.Join(logs, "run", fold), eventsFile)
			if n := bytes.Count(b, []byte("train/loss")); n != (len(rows)-1)/2 || !bytes.Contains(b, []byte("health/cosine_of_positives")) || !bytes.Contains(b[:64], []byte("brain.Event:2")) {
				t.Errorf("%s: %d losses", fold, n)
			}
		}
	}
	said.Reset()
	os.Remove(filepath.Join(run, "fold-x", rundir.MetricsFile))
	if err := Metrics(MetricsOptions{Runs: []string{run}, Format: "tfevents", Out: logs}, con); err != nil || !strings.Contains(said.String(), "fold-x has logged no step yet") {
		t.Errorf("%v, %s", err, said)
	}
}

// MLflow's store has a file for each parameter and metric, and one run stays one.
func TestMLflow(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "schedule.epochs=2"), PretrainOptions{Run: run})
	con, _ := silent()
	r, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := rundir.ReadLog(run)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "mlruns")
	for range 2 {
		if err := Metrics(MetricsOptions{Runs: []string{run}, Format: "mlflow", Out: out}, con); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(filepath.Join(out, "0"))
	if err != nil || len(entries) != 2 || entries[1].Name() != "meta.yaml" {
		t.Fatalf("%v, %v", entries, err)
	}
	id := entries[0].Name()
	at := filepath.Join(out, "0", id)
	if meta := string(get(t, at, "meta.yaml")); !strings.Contains(meta, "run_id: "+id+"\n") || !strings.Contains(meta, "run_uuid: "+id+"\n") || !strings.Contains(meta, "status: 3\n") || strings.Contains(meta, "%!") {
		t.Errorf("%s", meta)
	}
	losses := strings.Split(strings.TrimSpace(string(get(t, at, "metrics", "train", "loss"))), "\n")
	if len(losses) != len(lines) {
		t.Fatalf("%d losses of %d steps", len(losses), len(lines))
	}
	for i, l := range lines {
		if f := strings.Fields(losses[i]); len(f) != 3 || f[1] != fmt.Sprint(l.Loss) || f[2] != strconv.Itoa(l.Step) {
			t.Errorf("step %d: %s", l.Step, losses[i])
		}
	}
	if f := strings.Fields(string(get(t, at, "metrics", "linear_probe", "accuracy"))); len(f) != 3 || f[1] != fmt.Sprint(r.Rows[0].Mean.Accuracy) {
		t.Errorf("%v", f)
	}
	if v := string(get(t, at, "params", "schedule.epochs")); v != "2" {
		t.Errorf("schedule.epochs is %q", v)
	}
}

func TestMetricsRefuses(t *testing.T) {
	dir := tones(t, 20)
	a, b := filepath.Join(dir, "a", "run"), filepath.Join(dir, "b", "run")
	for _, run := range []string{a, b} {
		pretrain(t, load(t, dir, "schedule.epochs=1"), PretrainOptions{Run: run})
	}
	con, _ := silent()
	for _, c := range []struct {
		o    MetricsOptions
		says string
	}{
		{MetricsOptions{Runs: []string{a}, Format: "xlsx"}, `there is no format "xlsx"`},
		{MetricsOptions{Format: "csv"}, "takes one run folder or more"},
		{MetricsOptions{Runs: []string{a}, Format: "tfevents"}, "tfevents is no single file"},
		{MetricsOptions{Runs: []string{a, b}, Format: "tfevents", Out: filepath.Join(dir, "logs")}, "would both be written to"},
		{MetricsOptions{Runs: []string{a}, Format: "csv", Out: filepath.Join(dir, "manifest.csv")}, "is no earlier metrics"},
		{MetricsOptions{Runs: []string{filepath.Join(dir, "a")}, Format: "csv"}, "is not a run folder"},
	} {
		err := Metrics(c.o, con)
		says(t, err, c.says)
		if fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("%v: kind %d", err, fault.KindOf(err))
		}
	}
}

// Names of columns and tags are each one's own.
func TestMetricsKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range logged {
		seen[v.key] = true
	}
	for _, g := range gauges[1:] {
		if k := g.key(); k == "" || seen[k] {
			t.Errorf("%s has the key %q", g.name, k)
		}
		seen[g.key()] = true
	}
}
