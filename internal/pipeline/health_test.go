package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/health"
	"clr/internal/rundir"
)

// A report has each fold's measures, last and worst, and its warnings; a
// collapse makes it the error's exit code 4.
func TestHealthReport(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	set := append(slices.Clone(strictly), "split.by=room", "health.grace=3", "health.knn.every=5", "schedule.epochs=20", smallMethods["moco"])
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: run})
	r, err := Health(run)
	if r == nil || r.Healthy || fault.KindOf(err) != fault.Diverged || fault.Remedy(err) == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	says(t, err, filepath.Join(run, "fold-x"), "collapse.complete")
	if len(r.Folds) != 2 || r.Grace != 3 {
		t.Fatalf("%+v", r)
	}
	for _, f := range r.Folds {
		lines, err := rundir.ReadHealth(rundir.FoldDir(run, f.Fold))
		if err != nil {
			t.Fatal(err)
		}
		last := lines[len(lines)-1]
		if f.Looks != len(lines) || f.Step != last.Step || len(f.Measures) != len(gauges)-1 || // it learns no temperature
			len(f.Warnings) == 0 || f.Diverged != nil || !reflect.DeepEqual(*f.Last, last.Sample) {
			t.Errorf("fold %s: %d looks, step %d, %d measures of %d, %d warnings", f.Fold, f.Looks, f.Step, len(f.Measures), len(gauges)-1, len(f.Warnings))
		}
		for _, m := range f.Measures { // by hand
			worst, at := math.NaN(), -1
			for _, l := range lines {
				var v float64
				switch m.Name {
				case "loss":
					v = -l.Loss
				case "deviation of z / even spread":
					v = l.Z.Std / l.Z.StdSpread
				case "contrastive top-1":
					v = l.Z.Top1
				default:
					continue
				}
				if l.Step >= 3 && (at < 0 || v < worst) {
					worst, at = v, l.Step
				}
			}
			if at >= 0 && (math.Abs(m.Worst) != math.Abs(worst) || m.At != at) {
				t.Errorf("%s: worst %g at step %d, want %g at %d", m.Name, m.Worst, m.At, worst, at)
			}
		}
	}
	var text, again bytes.Buffer
	if err := r.Write(Console{Out: &text}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{filepath.Join(run, "fold-y") + ": looked at ", "since step 3, at step", "k-NN accuracy", "\ncosines at the last step         -1        0        1  of ", "\nnorms at the last step ", "\nencoder.conv1  ", "\nprojector.2  ", "collapse.complete (collapse)\n", "\n  try: "} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	if err := r.Write(Console{Out: &again, JSON: true}); err != nil {
		t.Fatal(err)
	}
	var back HealthReport
	if err := json.Unmarshal(again.Bytes(), &back); err != nil || back.Healthy || len(back.Folds[1].Measures) != len(r.Folds[1].Measures) || back.Folds[0].Warnings[0] != r.Folds[0].Warnings[0] {
		t.Errorf("%v, %+v", err, back)
	}
}

// A histogram shows each bin that is not empty, and the largest at full height.
func TestBars(t *testing.T) {
	for want, counts := range map[string][]int{"▁ █▅": {1, 0, 100, 60}, "    ": {0, 0, 0, 0}, "▁▂▃▄▅▆▇█": {1, 2, 3, 4, 5, 6, 7, 8}} {
		if got := bars(counts); got != want {
			t.Errorf("%v: %q, want %q", counts, got, want)
		}
	}
}

// Of many layers those at even distances are shown, both ends, and what stands out; of
// few all.
func TestLayersShown(t *testing.T) {
	for _, n := range []int{1, 2, 12, 13, 100} {
		layers := make([]health.Norms, n)
		for i := range layers {
			layers[i] = health.Norms{Name: fmt.Sprint("layer.", i), Weight: 1, Gradient: 1, Update: 0.1}
		}
		for i, change := range []func(*health.Norms){
			func(l *health.Norms) { l.Gradient = 3 }, func(l *health.Norms) { l.Gradient = 0.5 }, func(l *health.Norms) { l.Update = 0.2 },
		} {
			change(&layers[min(n-1, 41+i)])
		}
		var b strings.Builder
		writeLayers(&b, layers)
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		want := 1 + n
		if n > shownLayers {
			want = 1 + shownLayers + 1
		}
		if n == 100 {
			want += 3
		}
		if len(lines) != want || !strings.HasPrefix(lines[1], "layer.0 ") || n <= shownLayers && !strings.HasPrefix(lines[n], fmt.Sprintf("layer.%d ", n-1)) {
			t.Errorf("of %d layers it shows\n%s", n, &b)
		}
		if n < 100 {
			continue
		}
		for _, want := range []string{"\nlayer.41 .* largest gradient\n", "\nlayer.42 .* least gradient\n", "\nlayer.43  +1 +1 +0.2 +0.2  moved farthest\n", "\nlayer.99 ", "\n85 more layers: --json\n$"} {
			if !regexp.MustCompile(want).MatchString(b.String()) {
				t.Errorf("no %q in\n%s", want, &b)
			}
		}
	}
}

// Runs that are healthy, have not begun, were killed while they wrote, stopped
// being finite, or are damaged.
func TestHealthOfAnyRun(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run})
	log := filepath.Join(run, rundir.HealthFile)
	whole := get(t, log)
	said := func() string {
		t.Helper()
		r, err := Health(run)
		if err != nil || !r.Healthy {
			t.Fatalf("%+v, %v", r, err)
		}
		var b bytes.Buffer
		if err := r.Write(Console{Out: &b}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if s := said(); !strings.Contains(s, "looked at 4 times, the last at step 7, epoch 2") || !strings.Contains(s, "\nno warnings\n") {
		t.Error(s)
	}
	put(t, log, whole[:len(whole)-9]) // it writes its last line
	if s := said(); !strings.Contains(s, "looked at 3 times") {
		t.Error(s)
	}
	put(t, log, nil)
	if s := said(); s != run+": no step was looked at yet\n" {
		t.Error(s)
	}
	os.Remove(log) // an older clr's run
	if s := said(); s != run+": no step was looked at yet\n" {
		t.Error(s)
	}
	put(t, log, slices.Concat(whole[:40], []byte("\n"), whole))
	if _, err := Health(run); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), log+": line 1") || fault.Remedy(err) == "" {
		t.Errorf("%v", err)
	}
	if _, err := Health(t.TempDir()); fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}

	con, _ := silent()
	lost := filepath.Join(dir, "lost")
	err := Pretrain(t.Context(), load(t, dir, "optimizer.lr=1e30", "schedule.warmup_epochs=0"), PretrainOptions{Run: lost}, con)
	if fault.KindOf(err) != fault.Diverged {
		t.Fatal(err)
	}
	r, err := Health(lost)
	if r == nil || r.Healthy || fault.KindOf(err) != fault.Diverged || !strings.Contains(fault.Remedy(err), "clr replay "+filepath.Join(lost, divergedFile)) || *r.Folds[0].Diverged != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}
