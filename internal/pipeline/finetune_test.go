package pipeline

import (
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// tune are settings that finetune the small config quickly.
var tune = []string{"finetune.schedule={epochs: 12, warmup_epochs: 1}", "finetune.batch=6", "finetune.optimizer.lr=0.01", "finetune.augment=false"}

func finetune(t *testing.T, o FinetuneCommand, set ...string) *eval.Report {
	t.Helper()
	if o.From == "" {
		o.From = "pretrained"
	}
	con, said := silent()
	r, err := Finetune(t.Context(), o, Overrides{Set: slices.Concat(tune, set)}, con)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return r
}

// files are those below a folder, with what is in them.
func filesBelow(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(dir, path)
			all[name] = string(get(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Labels are learnt, better than by guessing; again and stopped on the way it
// comes to the same bytes; what it leaves are runs like any other.
func TestFinetune(t *testing.T) {
	dir := tones(t, 40)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run})
	before := filesBelow(t, run)
	r := finetune(t, FinetuneCommand{Run: run}, "finetune.fractions=[0.25, 1]")
	if len(r.Rows) != 3 || r.Rows[0].Name != "pretrained 100 %" || r.Rows[1].Name != "pretrained 25 %" || r.Rows[2].Name != eval.RowMajority {
		t.Fatalf("%+v", r.Rows)
	}
	all, part, guess := r.Rows[0], r.Rows[1], r.Rows[2]
	if all.Folds[0].Train != 32 || part.Folds[0].Train != 8 || all.Clips != 8 || all.Mean.Accuracy < 0.9 || guess.Mean.Accuracy > 0.6 {
		t.Errorf("%+v\n%+v\n%+v", all.Mean, part.Mean, guess.Mean)
	}
	tuned := filepath.Join(run, "finetune")
	for name, text := range before {
		if name != rundir.ProvenanceFile && string(get(t, run, name)) != text {
			t.Errorf("%s of the pretrained run has changed", name)
		}
	}

	// Each part begins with the pretrained encoder, and moves all of it.
	con, said := silent()
	one := filepath.Join(tuned, "labels-1")
	if v, err := Verify(t.Context(), VerifyOptions{Run: one}, Overrides{}, con); err != nil || !v.Identical || !v.Folds[0].Reached {
		t.Errorf("%+v, %v", v, err)
	}
	first, err := checkpoint.Load(filepath.Join(run, rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	if !equalArrays(encoderIn(begun(t, load(t, one))), encoderIn(first.Arrays)) {
		t.Error("it does not begin with the pretrained encoder")
	}
	last, err := checkpoint.Load(filepath.Join(one, rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range encoderIn(last.Arrays) {
		if slices.Equal(a.Data, first.Arrays[name].Data) {
			t.Errorf("%s was not trained", name)
		}
	}

	// A clip's prediction is the mean of its windows' logits.
	if got, want := all.Mean.LogLoss, logLossByHand(t, load(t, one), last); math.Abs(got-want) > 1e-6 {
		t.Errorf("log loss %g, by hand %g", got, want)
	}
	rows, err := csv.NewReader(strings.NewReader(string(get(t, tuned, finetunePredictions)))).ReadAll()
	if err != nil || len(rows) != 1+8+8 || !slices.Equal(rows[0], append([]string{"row"}, predictionColumns...)) {
		t.Fatalf("%v, %v", rows, err)
	}
	wrong := 0
	for _, row := range rows[1:9] {
		if row[0] != "pretrained 100 %" {
			t.Errorf("%v", row)
		}
		if row[7] != row[8] {
			wrong++
		}
	}
	if got := all.Mean.Accuracy; math.Abs(got-float64(8-wrong)/8) > 1e-9 {
		t.Errorf("accuracy %g, %d predictions are wrong", got, wrong)
	}

	// In another folder, and stopped in between, all files are the same.
	again, stopped := filepath.Join(dir, "again"), filepath.Join(dir, "stopped")
	finetune(t, FinetuneCommand{Run: run, Out: again}, "finetune.fractions=[1, 0.25]", "workers=5")
	o := FinetuneCommand{Run: run, Out: stopped, From: "pretrained"}
	for i, at := range []string{"pretrain 22/72", "pretrain 51/72", "pretrain 12/24"} {
		ctx, cancel := context.WithCancel(t.Context())
		o.Resume = i > 0
		_, err := Finetune(ctx, o, Overrides{Set: append(tune, "finetune.fractions=[0.25, 1]")}, Console{Err: trap{at, cancel}})
		if fault.KindOf(err) != fault.Interrupted {
			t.Fatalf("at %s: %v", at, err)
		}
	}
	o.Resume = true
	finetune(t, o, "finetune.fractions=[0.25, 1]")
	want := filesBelow(t, tuned)
	for _, other := range []string{again, stopped} {
		got := filesBelow(t, other)
		for name, text := range want {
			switch filepath.Base(name) {
			case rundir.LastFile, finetuneReport, finetunePredictions:
				if got[name] != text {
					t.Errorf("%s differs in %s", name, other)
				}
			}
		}
	}

	// It is not done twice in one folder; resumed, nothing is left to do.
	_, err = Finetune(t.Context(), FinetuneCommand{Run: run, From: "pretrained"}, Overrides{Set: tune}, con)
	says(t, err, one+" already holds a run")
	if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.Remedy(err), "--out") {
		t.Errorf("%v, remedy %q", err, fault.Remedy(err))
	}
	said.Reset()
	if s := finetune(t, FinetuneCommand{Run: run, Resume: true}); s.Rows[0].Mean != all.Mean {
		t.Errorf("%+v", s.Rows[0].Mean)
	}
	if _, err := Finetune(t.Context(), FinetuneCommand{Run: run, From: "pretrained", Resume: true}, Overrides{Set: append(tune, "finetune.optimizer.lr=0.1")}, con); fault.KindOf(err) != fault.Usage {
		t.Errorf("another learning rate: %v", err)
	}
}

// logLossByHand puts each window of each test clip through a checkpoint's network.
func logLossByHand(t *testing.T, c *Config, cp *checkpoint.Checkpoint) float64 {
	t.Helper()
	d := open(t, c)
	e, err := d.trained(cp)
	if err != nil {
		t.Fatal(err)
	}
	net, err := d.embedder(e, embedBatch)
	if err != nil {
		t.Fatal(err)
	}
	known, err := d.labels()
	if err != nil {
		t.Fatal(err)
	}
	views, hop, total, several := d.views(e.norm), c.View.Frames/2, 0.0, false
	w, b := cp.Arrays["classifier.0.weight"].Data, cp.Arrays["classifier.0.bias"].Data
	for _, clip := range d.splits[0].Test {
		s, err := d.store.Spectrogram(clip)
		if err != nil {
			t.Fatal(err)
		}
		n, mean := views.Count(s.Frames, hop), make([]float64, len(b))
		several = several || n > 1
		for i := range n {
			x, h := make([]float32, d.input.Values()), make([]float32, net.Dim())
			if err := views.Window(x, &s, hop, i); err != nil {
				t.Fatal(err)
			}
			if err := net.Embed(t.Context(), h, x); err != nil {
				t.Fatal(err)
			}
			for k := range mean {
				logit := float64(b[k])
				for j, v := range h {
					logit += float64(v) * float64(w[k*len(h)+j])
				}
				mean[k] += logit / float64(n)
			}
		}
		sum := 0.0
		for _, z := range mean {
			sum += math.Exp(z)
		}
		total += math.Log(sum) - mean[known.Labels[clip]]
	}
	if !several {
		t.Error("no clip has two windows")
	}
	return total / float64(len(d.splits[0].Test))
}

// Every fold is trained from its own encoder, on its own training clips, or from
// random weights, or from what the run itself began with.
func TestFinetuneStarts(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "split.by=room"), PretrainOptions{Run: run, MaxSteps: 2})
	r := finetune(t, FinetuneCommand{Run: run}, "finetune.schedule.epochs=1")
	if len(r.Rows[0].Folds) != 2 || r.Rows[0].Clips != 20 {
		t.Errorf("%+v", r.Rows[0])
	}
	for _, fold := range []string{"x", "y"} {
		cp, err := checkpoint.Load(filepath.Join(run, "finetune", "labels-1", "fold-"+fold, rundir.LastFile))
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := hashOf(filepath.Join(run, "fold-"+fold, rundir.LastFile)); err != nil || cp.Meta["init"] != sum {
			t.Errorf("fold %s begins with %q, want %q; %v", fold, cp.Meta["init"], sum, err)
		}
	}
	if r := finetune(t, FinetuneCommand{Run: run, Out: filepath.Join(dir, "y"), Fold: "y"}, "finetune.schedule.epochs=1"); len(r.Rows[0].Folds) != 1 || !exists(filepath.Join(dir, "y", "fold-y", finetuneReport)) {
		t.Errorf("%+v", r.Rows[0])
	}
	finetune(t, FinetuneCommand{Run: run, From: "random"}, "finetune.schedule.epochs=1")
	if c := load(t, filepath.Join(run, "finetune-random", "labels-1")); c.Init != "" || made(t, filepath.Join(run, "finetune-random", "labels-1")).Init != "" {
		t.Errorf("random begins with %q", c.Init)
	}
	con, _ := silent()
	_, err := Finetune(t.Context(), FinetuneCommand{Run: run, From: "init"}, Overrides{Set: tune}, con)
	if says(t, err, "names no init"); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
	warm := filepath.Join(dir, "warm")
	pretrain(t, load(t, dir, "split.by=room", "init="+run), PretrainOptions{Run: warm, MaxSteps: 1})
	finetune(t, FinetuneCommand{Run: warm, From: "init"}, "finetune.schedule.epochs=1")
	if a, b := made(t, filepath.Join(warm, "finetune-init", "labels-1")).Init, made(t, warm).Init; a != b || a == "" {
		t.Errorf("init is %q, the run's was %q", a, b)
	}
}

func TestFinetuneRefused(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	con, _ := silent()
	for set, words := range map[string]string{
		"finetune.fractions=[0.5, 0.5]":     "fractions names 0.5 twice",
		"finetune.fractions=[]":             "names no part",
		"finetune.fractions=[0.5, 0]":       "fraction is 0",
		"finetune.fractions=[2]":            "fraction is 2",
		"finetune.batch=1":                  "batch is 1",
		"finetune.schedule.epochs=0":        "epochs is 0",
		"finetune.optimizer.lr=-1":          "lr is -1",
		"finetune.schedule.min_lr=1":        "min_lr is 1",
		"finetune.method.label_smoothing=1": "label_smoothing is 1",
		"finetune.method.bn_groups=0":       "bn_groups is 0",
		"finetune.method.temperature=0.5":   "unknown key finetune.method.temperature",
		"finetune.epochs=3":                 "unknown key finetune.epochs",
		"finetune.method.bn_groups=100":     "10 % of the labels are 2 training clips",
		"finetune.method={name: simclr}":    "",
	} {
		out := filepath.Join(dir, "out")
		_, err := Finetune(t.Context(), FinetuneCommand{Run: run, Out: out, From: "pretrained"}, Overrides{Set: []string{"finetune.fractions=[0.1]", set}}, con)
		if says(t, err, words); fault.KindOf(err) != fault.Usage || exists(out) {
			t.Errorf("%s: %v", set, err)
		}
	}
	if _, err := Finetune(t.Context(), FinetuneCommand{Run: run, From: "nowhere"}, Overrides{}, con); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
	if _, err := Finetune(t.Context(), FinetuneCommand{Run: run, From: "pretrained", Fold: "z"}, Overrides{}, con); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
	os.Remove(filepath.Join(run, rundir.LastFile))
	_, err := Finetune(t.Context(), FinetuneCommand{Run: run, From: "pretrained"}, Overrides{Set: tune}, con)
	if says(t, err, "init: ", rundir.LastFile); fault.KindOf(err) != fault.Data {
		t.Error(err)
	}

	put(t, filepath.Join(dir, "manifest.csv"), []byte(strings.ReplaceAll(string(get(t, dir, "manifest.csv")), "label", "kind")))
	_, err = Finetune(t.Context(), FinetuneCommand{Run: run, From: "pretrained"}, Overrides{Set: tune}, con)
	if says(t, err, "has no labels"); fault.KindOf(err) != fault.Data {
		t.Error(err)
	}
}

// A step of a method with labels that diverges is kept with them.
func TestReplayWithLabels(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	con, _ := silent()
	err := Pretrain(t.Context(), load(t, dir, "method={name: cross_entropy}", "optimizer={name: sgd, lr: 1e30}", "schedule.warmup_epochs=0"), PretrainOptions{Run: run}, con)
	if fault.KindOf(err) != fault.Diverged {
		t.Fatal(err)
	}
	path := filepath.Join(run, divergedFile)
	r, err := Replay(t.Context(), path)
	if fault.KindOf(err) != fault.Diverged || !r.Same {
		t.Errorf("%+v, %v", r, err)
	}
	cp, err := checkpoint.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []float32{-2, 2, 0.5, float32(math.NaN())} {
		changed := *cp
		changed.Arrays = maps.Clone(cp.Arrays)
		labels := changed.Arrays[labelsKey]
		labels.Data = slices.Clone(labels.Data)
		labels.Data[1] = bad
		changed.Arrays[labelsKey] = labels
		if err := checkpoint.Save(path, &changed); err != nil {
			t.Fatal(err)
		}
		_, err := Replay(t.Context(), path)
		if says(t, err, path, fmt.Sprintf("the label of clip 1 is %v", bad)); fault.KindOf(err) != fault.Data {
			t.Error(err)
		}
	}
	delete(cp.Arrays, labelsKey)
	if err := checkpoint.Save(path, cp); err != nil {
		t.Fatal(err)
	}
	_, err = Replay(t.Context(), path)
	if says(t, err, path, "0 labels of 2 classes"); fault.KindOf(err) != fault.Data {
		t.Error(err)
	}
}
