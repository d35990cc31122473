package pipeline

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/rundir"
)

// strictly makes a doctor who finds healthy runs collapsed: of the small config
// he says so at the third measurement, and at the second that the loss is high.
var strictly = []string{"health.every=2", "health.grace=0", "health.std=1", "health.apart=0", "health.patience=1", "health.chance=0.5"}

// warned are the warnings among what was said.
func warned(said string) (lines []string) {
	for _, l := range strings.Split(said, "\n") {
		if strings.HasPrefix(l, "warning: ") {
			lines = append(lines, l)
		}
	}
	return lines
}

// A queue that the tower which learns fills has an age too, and nothing of it is turned.
func TestQueuesOfOneTowerAge(t *testing.T) {
	dir := tones(t, 20)
	for name, method := range map[string]string{
		"nnclr": "method={name: nnclr, queue: 20, projector: {hidden: [8], out: 4}, predictor: {hidden: [8], out: 4}}",
		"swav":  "method={name: swav, queue: 20, queue_start: 2, prototypes: 6, projector: {hidden: [8], out: 4}}",
	} {
		run := filepath.Join(dir, name)
		pretrain(t, load(t, dir, method, "health.every=1"), PretrainOptions{Run: run})
		lines, err := rundir.ReadHealth(run)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			age := min(l.Step, 4) // of batches of 5 and 6
			if l.Queue == nil || l.Queue.Age != age || l.Queue.Turned != 0 || math.Abs(l.Queue.Epochs-float64(age)*float64(l.Z.Pairs)/16) > 1e-9 {
				t.Errorf("%s: step %d: %+v", name, l.Step, l.Queue)
			}
		}
	}
}

// What is logged, and what is warned of, is that of a run without a stop,
// wherever the run is stopped: a resumed run's doctor remembers.
func TestHealthIsThatOfARunWithoutAStop(t *testing.T) {
	dir := tones(t, 20)
	set := append(slices.Clone(strictly), "method={name: moco, momentum_schedule: cosine, queue: 20, bn_groups: 1, projector: {hidden: [8], out: 4}}", "schedule.epochs=20", "health.knn.every=3")
	straight := filepath.Join(dir, "straight")
	con, said := silent()
	if err := Pretrain(t.Context(), load(t, dir, set...), PretrainOptions{Run: straight}, con); err != nil {
		t.Fatal(err)
	}
	want := warned(said.String())
	if len(want) == 0 {
		t.Fatal("there is nothing to forget: no warnings")
	}
	for _, l := range want {
		if !strings.Contains(l, "; what to try: ") {
			t.Errorf("no remedy in %q", l)
		}
	}
	lines, err := rundir.ReadHealth(straight)
	if err != nil {
		t.Fatal(err)
	}
	var at, asked []int
	told := 0
	for _, l := range lines {
		at = append(at, l.Step)
		told += len(l.Warnings)
		if l.KNN != nil {
			asked = append(asked, l.Step)
			if l.KNN.Train+l.KNN.Test != 16 || l.KNN.Test != 4 { // no test clip
				t.Errorf("step %d: %+v", l.Step, *l.KNN)
			}
		}
		if l.Drift == nil || l.Queue == nil || len(l.Layers) == 0 || l.Chance != math.Log(21) || l.Z.Pairs < 5 || l.Epoch != l.Step/3 {
			t.Errorf("step %d: %+v", l.Step, l)
		}
		for _, n := range l.Layers {
			if n.Weight == 0 || n.Gradient == 0 || n.Update == 0 {
				t.Errorf("step %d: %+v", l.Step, n)
			}
		}
	}
	if told != len(want) || !slices.Contains(at, 1) || !slices.Contains(at, 59) || len(at) != 30+3 || !slices.Equal(asked, []int{8, 17, 26, 35, 44, 53}) {
		t.Errorf("looked at steps %v, asked at %v, %d warnings in the log and %d said", at, asked, told, len(want))
	}

	stopped := filepath.Join(dir, "stopped")
	var got []string
	for _, stop := range []int{1, 9, 10, 37, 0} {
		con, said := silent()
		if err := Pretrain(t.Context(), load(t, dir, append(set, "workers=3")...), PretrainOptions{Run: stopped, Resume: true, MaxSteps: stop}, con); err != nil {
			t.Fatal(err)
		}
		got = append(got, warned(said.String())...)
	}
	same(t, rundir.HealthFile, straight, stopped)
	if !slices.Equal(got, want) {
		t.Errorf("warned of\n%s\nwithout a stop of\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// Killed, it has lines that come after its checkpoint, and half a one.
	killed := filepath.Join(dir, "killed")
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: killed, MaxSteps: 9})
	put(t, filepath.Join(killed, rundir.HealthFile), append(slices.Clone(get(t, straight, rundir.HealthFile)), `{"step":`...))
	con, said = silent()
	if err := Pretrain(t.Context(), load(t, dir, set...), PretrainOptions{Run: killed, Resume: true}, con); err != nil {
		t.Fatal(err)
	}
	same(t, rundir.HealthFile, straight, killed)
	if strings.Contains(said.String(), "was changed since") {
		t.Errorf("said %q", said)
	}

	// Looking changes nothing.
	blind := filepath.Join(dir, "blind")
	pretrain(t, load(t, dir, append(set, "health.every=0", "health.knn.every=0")...), PretrainOptions{Run: blind})
	same(t, rundir.LastFile, straight, blind)
	if b := get(t, blind, rundir.HealthFile); len(b) != 0 {
		t.Errorf("nobody looks, and there is %.80q", b)
	}
}

// A log that was changed is kept aside, and said.
func TestHealthWasChanged(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, strictly...), PretrainOptions{Run: run, MaxSteps: 6})
	log := filepath.Join(run, rundir.HealthFile)
	lines := bytes.SplitAfter(get(t, log), []byte("\n"))
	put(t, log, slices.Concat(lines[0], []byte("{}\n"), lines[1]))
	con, said := silent()
	if err := Pretrain(t.Context(), load(t, dir, strictly...), PretrainOptions{Run: run, Resume: true}, con); err != nil {
		t.Fatal(err)
	}
	if want := "goes on with its first 1 lines; line 2 is no step after the one before it, and the file as it was is kept as " + filepath.Join(run, "health-changed.jsonl"); !strings.Contains(said.String(), want) {
		t.Errorf("no %q in %q", want, said)
	}
	os.Remove(log)
	pretrain(t, load(t, dir, strictly...), PretrainOptions{Run: run, Resume: true})
}

// on_collapse: stop ends the run with exit code 4 and leaves the checkpoint that
// there was before anything looked collapsed; resumed, it ends there again, and
// goes on where it is told to.
func TestCollapseStops(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	set := append(slices.Clone(strictly), "health.patience=2", "health.grace=5", "checkpoint.steps=1", "health.on_collapse=stop", "schedule.epochs=40")
	for range 2 {
		con, said := silent()
		err := Pretrain(t.Context(), load(t, dir, set...), PretrainOptions{Run: run, Resume: true}, con)
		if fault.KindOf(err) != fault.Diverged || fault.Remedy(err) == "" {
			t.Fatalf("%v", err)
		}
		says(t, err, "collapse.complete at step ", "deviation", rundir.LastFile+" holds step ")
		if exists(filepath.Join(run, divergedFile)) {
			t.Error("there is a replay file of a step that is finite")
		}
		lines, err := rundir.ReadHealth(run)
		if err != nil {
			t.Fatal(err)
		}
		last := lines[len(lines)-1]
		if saved := stepIn(t, run, rundir.LastFile); saved >= last.Step || len(last.Warnings) != 1 || !strings.Contains(said.String(), last.Warnings[0].Text) {
			t.Errorf("step %d is saved, the collapse is of step %d; said %q", saved, last.Step, said)
		}
	}
	pretrain(t, load(t, dir, append(set, "health.on_collapse=warn")...), PretrainOptions{Run: run, Resume: true})

	con, _ := silent()
	set = append(set, "health.patience=1", "health.grace=0", "checkpoint.steps=1000", "batch=16")
	err := Pretrain(t.Context(), load(t, dir, set...), PretrainOptions{Run: filepath.Join(dir, "early")}, con)
	says(t, err, "nothing was saved before")
}

// Neighbours are asked about validation clips where there are some, and not at
// all where labels are missing, which is said.
func TestWhoIsAsked(t *testing.T) {
	for what, c := range map[string]struct {
		change      func(manifest string) string
		train, test int
		says        string
	}{
		"held out":          {func(m string) string { return m }, 12, 4, ""},
		"validation":        {func(m string) string { return strings.Replace(m, "high,train", "high,valid", 3) }, 13, 3, ""},
		"rooms":             {func(m string) string { return strings.Replace(m, "room", "group", 1) }, 8, 8, ""},
		"some labels":       {func(m string) string { return strings.Replace(m, ",high,", ",,", 4) }, 9, 3, ""},
		"no column":         {func(m string) string { return strings.Replace(m, "label", "lapel", 1) }, 0, 0, "no training clip has a label"},
		"several in a cell": {func(m string) string { return strings.Replace(m, ",high,", ",high;low,", 1) }, 0, 0, "several labels"},
		"one clip": {func(m string) string {
			return strings.ReplaceAll(strings.Replace(strings.ReplaceAll(m, ",high,", ",,"), ",low,", ",first,", 1), ",low,", ",,")
		}, 0, 0, "no labelled clip can be spared"},
	} {
		dir := tones(t, 20)
		put(t, filepath.Join(dir, "manifest.csv"), []byte(c.change(string(get(t, dir, "manifest.csv")))))
		con, said := silent()
		run := filepath.Join(dir, "run")
		if err := Pretrain(t.Context(), load(t, dir, "health.every=0", "health.knn={every: 2, k: 3}", "batch=5"), PretrainOptions{Run: run}, con); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		lines, err := rundir.ReadHealth(run)
		if err != nil {
			t.Fatal(err)
		}
		if c.says != "" {
			if len(lines) != 0 || !strings.Contains(said.String(), "health.knn: ") || !strings.Contains(said.String(), c.says) {
				t.Errorf("%s: %d lines, said %q", what, len(lines), said)
			}
			continue
		}
		if len(lines) == 0 || lines[0].KNN == nil || lines[0].KNN.Train != c.train || lines[0].KNN.Test != c.test || lines[0].KNN.Accuracy < 0.5 {
			t.Errorf("%s: %+v; said %q", what, lines, said)
		}
	}
}

// The neighbours' answer is that of the encoder that is saved at that step, and
// of its embeddings as a probe would take them.
func TestNeighborsAskTheEncoderAsItIs(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	c := load(t, dir, "health.every=0", "health.knn.every=1")
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 3})
	lines, err := rundir.ReadHealth(run)
	if err != nil || len(lines) != 1 {
		t.Fatalf("%+v, %v", lines, err)
	}
	d := open(t, c)
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	con, _ := silent()
	n, err := newNeighbors(tr, con)
	if err != nil {
		t.Fatal(err)
	}
	fresh := n.e.hash()
	if _, _, err := tr.restore(run, con); err != nil {
		t.Fatal(err)
	}
	got, err := n.measure(t.Context())
	if err != nil || *got != *lines[0].KNN {
		t.Errorf("%+v, %v; the log has %+v", got, err, *lines[0].KNN)
	}
	cp, err := d.saved(run, d.splits[0], con)
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.trained(cp)
	if err != nil {
		t.Fatal(err)
	}
	if n.e.hash() != e.hash() || n.e.hash() == fresh {
		t.Error("another encoder was asked")
	}
	x, dim := embedded(t, d, e)
	some, _, err := d.windows(t.Context(), n.e, n.clips, con.Progress("", 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for row, i := range n.clips {
		if !slices.Equal(some[row*dim:(row+1)*dim], x[i*dim:(i+1)*dim]) {
			t.Errorf("clip %d has another embedding than in a probe", i)
		}
	}
}

func TestHealthOptionsCheck(t *testing.T) {
	for want, set := range map[string]string{
		"health: every is -1, must be 0 or more":          "health.every=-1",
		"health: knn: every is -2, must be 0 to 1000000":  "health.knn.every=-2",
		"knn: every is 4611686018427387904, must be 0 to": "health.knn.every=4611686018427387904", // times four steps is 0
		"health: knn: k is 0, must be 1 or more":          "health.knn.k=0",
		"health: knn: temperature is 0, must be positive": "health.knn.temperature=0",
		"health: on_collapse is \"end\"":                  "health.on_collapse=end",
		"health: std is 2, must be 0 to 1":                "health.std=2",
	} {
		_, err := LoadConfig(filepath.Join(tones(t, 20), "config.yaml"), Overrides{Set: []string{set}})
		says(t, err, strings.TrimPrefix(want, "health: "))
		if fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: kind %d", set, fault.KindOf(err))
		}
	}
}
