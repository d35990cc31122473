package pipeline

import (
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"testing"
	"time"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/rundir"
)

// A line of metrics.jsonl has these fields and no others: sweeps read them.
func TestMetricsFields(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	c := load(t, dir)
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 5})
	lines := bytes.Split(bytes.TrimSpace(get(t, run, rundir.MetricsFile)), []byte("\n"))
	if len(lines) != 5 {
		t.Fatalf("%d lines for 5 steps", len(lines))
	}
	for step, line := range lines {
		var l map[string]float64
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if len(l) != 8 {
			t.Errorf("fields %v, want 8", l)
		}
		want := c.Schedule.At(c.Optimizer.LearningRate(), step, 3) // an epoch has 3 steps
		for field, ok := range map[string]bool{
			"step": l["step"] == float64(step), "epoch": l["epoch"] == float64(step/3), "lr": l["lr"] == want,
			"loss": l["loss"] > 0 && !math.IsInf(l["loss"], 0), "grad_norm": l["grad_norm"] > 0,
			"z_std": l["z_std"] > 0 && l["z_std"] <= 1, "clips_per_s": l["clips_per_s"] > 0, "wait_s": l["wait_s"] >= 0,
		} {
			if _, there := l[field]; !there || !ok {
				t.Errorf("step %d: %s is %v", step, field, l[field])
			}
		}
	}
}

// A temperature that is learnt is in each line, as the step had it, and in what was
// looked at.
func TestLearntTemperatureIsLogged(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "method={name: simclr, temperature: 0.25, learn_temperature: true, projector: {hidden: [8], out: 4}}", "optimizer.lr=0.01"), PretrainOptions{Run: run})
	lines, err := rundir.ReadLog(run)
	if err != nil {
		t.Fatal(err)
	}
	last := lines[len(lines)-1].Temperature
	if first := lines[0].Temperature; math.Abs(first-0.25) > 1e-6 || math.Abs(last-0.25) < 1e-3 {
		t.Errorf("the temperature goes from %g to %g", first, last)
	}
	looks, err := rundir.ReadHealth(run)
	if err != nil || len(looks) == 0 {
		t.Fatalf("%d looks, %v", len(looks), err)
	}
	for _, l := range looks {
		if l.Temperature != lines[l.Step].Temperature {
			t.Errorf("step %d had the temperature %g, and was seen with %g", l.Step, lines[l.Step].Temperature, l.Temperature)
		}
	}
	r, err := Health(run)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Folds[0].Measures {
		if m.Name == "temperature that is learnt" && m.Last == looks[len(looks)-1].Temperature {
			return
		}
	}
	t.Errorf("no temperature in %+v", r.Folds[0].Measures)
}

// Waiting for views is measured, and is part of the step's time.
func TestWaitIsMeasured(t *testing.T) {
	dir := tones(t, 20)
	augment.Table["late"] = late{} // a checkpoint holds the names of its config
	defer delete(augment.Table, "late")
	c := load(t, dir, "workers=2")
	c.Augment = []augment.Augmentation{late{}}
	run := filepath.Join(dir, "run")
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 3})
	for _, line := range bytes.Split(bytes.TrimSpace(get(t, run, rundir.MetricsFile)), []byte("\n")) {
		var l rundir.Line
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		// Two workers make five views and more each; the network's turn hides some.
		if least := pause.Seconds(); l.Wait < least || l.ClipsPS > 6/least {
			t.Errorf("step %d waited %g s for views of %v each, at %g clips/s", l.Step, l.Wait, pause, l.ClipsPS)
		}
	}
}

// late takes its time.
type late struct{}

const pause = 40 * time.Millisecond

func (late) Doc() string                                 { return "slow" }
func (late) Check() error                                { return nil }
func (late) Spec(*audio.Spectrogram, augment.Draw) error { time.Sleep(pause); return nil }
