package pipeline

import (
	"bytes"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/rundir"
)

// Weights that are no longer numbers do not take the place of good ones.
func TestSaveRefusesWhatIsNotFinite(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	log, _, err := rundir.OpenLog(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	saver := rundir.NewSaver(dir, d.c.Checkpoint, log, -1, nil)
	save := func(step int) error { return errors.Join(tr.save(step, saver), saver.Wait()) }
	if err := save(0); err != nil {
		t.Fatal(err)
	}
	good := get(t, dir, rundir.LastFile)
	tr.state()["encoder.bn1.running_var"].Data[1] = float32(math.Inf(1))
	err = save(1)
	says(t, err, "encoder.bn1.running_var", "+Inf", "1 steps")
	if fault.KindOf(err) != fault.Diverged || !bytes.Equal(get(t, dir, rundir.LastFile), good) {
		t.Errorf("%v", err)
	}
}

// What is in the state is live: restoring it restores the trainer.
func TestRestore(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	con, _ := silent()
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	if step, saved, err := tr.restore(dir, con); step != 0 || saved != -1 || err != nil {
		t.Errorf("from nothing: step %d, saved %d, %v", step, saved, err)
	}
	cp := &checkpoint.Checkpoint{Meta: map[string]string{"step": "5", "fold": d.splits[0].Name, "corpus": d.hash, "config": string(tr.d.c.learnt()), "epochs": `[{"epochs":3}]`}, Arrays: map[string]kernel.Array{}}
	for name, a := range tr.state() {
		b := kernel.New(a.Shape...)
		for i := range b.Data {
			b.Data[i] = float32(len(name)) + float32(i)
		}
		cp.Arrays[name] = b
	}
	write := func(key, value string) {
		t.Helper()
		old := cp.Meta[key]
		cp.Meta[key] = value
		if err := checkpoint.Save(filepath.Join(dir, rundir.LastFile), cp); err != nil {
			t.Fatal(err)
		}
		cp.Meta[key] = old
	}
	write("step", "5")
	if step, saved, err := tr.restore(dir, con); step != 5 || saved != 5 || err != nil {
		t.Errorf("step %d, saved %d, %v", step, saved, err)
	}
	for name, a := range tr.state() {
		if !slices.Equal(a.Data, cp.Arrays[name].Data) {
			t.Errorf("%s is not what the checkpoint holds", name)
		}
	}
	for _, m := range [][2]string{{"fold", "other"}, {"corpus", "other"}, {"step", "x"}, {"step", "-1"}, {"config", "seed: 7\nother\n"}, {"epochs", "3"}, {"epochs", "[]"}, {"epochs", `[{"epochs":-1}]`}} {
		write(m[0], m[1])
		if _, _, err := tr.restore(dir, con); fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%s %s: %v", m[0], m[1], err)
		}
	}
}
