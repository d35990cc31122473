package pipeline

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// A run may be given more epochs, never fewer: the steps so far stay what they
// were, the rest follows the longer schedule.
func TestMoreEpochs(t *testing.T) {
	dir := tones(t, 20)
	r := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "schedule.epochs=2"), PretrainOptions{Run: r}) // 6 steps
	was := get(t, r, rundir.MetricsFile)
	long := load(t, dir, "schedule.epochs=4")
	pretrain(t, long, PretrainOptions{Run: r, Resume: true})
	if got := steps(t, r); !slices.Equal(got, upTo(12)) || !strings.HasPrefix(string(get(t, r, rundir.MetricsFile)), string(was)) {
		t.Errorf("steps %v", got)
	}
	lines, err := rundir.ReadLog(r)
	if err != nil {
		t.Fatal(err)
	}
	short := load(t, dir, "schedule.epochs=2").Schedule
	for i, l := range lines {
		want := long.Schedule.At(0.01, i, 3)
		if i < 6 {
			want = short.At(0.01, i, 3)
		}
		if l.LR != want {
			t.Errorf("step %d: learning rate %g, want %g", i, l.LR, want)
		}
	}

	con, _ := silent()
	err = Pretrain(t.Context(), load(t, dir, "schedule.epochs=3", "batch=4"), PretrainOptions{Run: r, Resume: true}, con)
	says(t, err, "schedule.epochs: the run has 4, the config 3", "batch: the run has 6, the config 4")
	if fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}

	// Killed and stopped on the way, it ends in the same bytes.
	again := filepath.Join(dir, "again")
	pretrain(t, load(t, dir, "schedule.epochs=2"), PretrainOptions{Run: again})
	for _, stop := range []int{7, 7, 8, 11, 0} {
		pretrain(t, load(t, dir, "schedule.epochs=4"), PretrainOptions{Run: again, Resume: true, MaxSteps: stop})
	}
	same(t, rundir.LastFile, r, again)

	// A checkpoint from beyond an edited config is refused.
	d := open(t, load(t, dir, "schedule.epochs=3"))
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := tr.restore(r, con); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "4 epochs") {
		t.Errorf("%v", err)
	}
}

// Given more epochs before its first step, a run is one of so many from the start.
func TestMoreEpochsAtOnce(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir, "schedule.epochs=7"))
	for _, c := range []struct {
		meta string
		step int
		want []stage
	}{
		{`[{"epochs":2}]`, 0, []stage{{7, 0}}},
		{`[{"epochs":2}]`, 6, []stage{{2, 6}, {7, 0}}},
		{`[{"epochs":7}]`, 6, []stage{{7, 0}}},
		{`[{"epochs":2,"until":6},{"epochs":4}]`, 6, []stage{{2, 6}, {7, 0}}},
		{`[{"epochs":2,"until":6},{"epochs":4}]`, 9, []stage{{2, 6}, {4, 9}, {7, 0}}},
	} {
		tr, err := planTrainer(d, d.splits[0])
		if err != nil {
			t.Fatal(err)
		}
		cp := &checkpoint.Checkpoint{Meta: map[string]string{"epochs": c.meta}}
		if err := tr.stagesOf(cp, c.step); err != nil || !slices.Equal(tr.stages, c.want) {
			t.Errorf("%s at step %d: %v, %v", c.meta, c.step, tr.stages, err)
		}
	}
}
