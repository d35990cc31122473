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

// around is everything that can stand around an optimiser.
const around = "update={clip_norm: 0.5, accumulate: 2, lr_scale: sqrt, ema: 0.9, layer_decay: 0.8}"

// A run that stops between two moves of the weights goes on to the same bytes: sums
// of gradients, their count and the average are in the checkpoint.
func TestUpdateResumes(t *testing.T) {
	dir := tones(t, 20)
	for _, optimizer := range []string{"adamw", "sgd", "lars", "lamb"} {
		set := []string{around, "optimizer={name: " + optimizer + "}"}
		whole, stopped := filepath.Join(dir, optimizer), filepath.Join(dir, optimizer+"-stopped")
		pretrain(t, load(t, dir, set...), PretrainOptions{Run: whole})
		for _, step := range []int{3, 4, 9} { // of 9: between two moves, after one, the end
			pretrain(t, load(t, dir, set...), PretrainOptions{Run: stopped, MaxSteps: step, Resume: step > 3})
			if got := stepIn(t, stopped, rundir.LastFile); got != step {
				t.Fatalf("stopped at step %d, not %d", got, step)
			}
		}
		same(t, rundir.LastFile, whole, stopped)
	}
}

// A frozen weight keeps its bytes, and the norm that it belongs to its statistics;
// the others move.
func TestFrozenWeightsKeepTheirBytes(t *testing.T) {
	dir := tones(t, 20)
	before := begun(t, load(t, dir))
	for _, optimizer := range []string{"adamw", "sgd", "lars", "lamb"} {
		run := filepath.Join(dir, optimizer)
		pretrain(t, load(t, dir, "optimizer={name: "+optimizer+", weight_decay: 0.1}", "update.freeze=[encoder.conv1.*, encoder.bn1.*, encoder.layer1.*]"), PretrainOptions{Run: run})
		cp, err := checkpoint.Load(filepath.Join(run, rundir.LastFile))
		if err != nil {
			t.Fatal(err)
		}
		kept, moved := 0, 0
		for name, a := range before {
			if !strings.HasPrefix(name, "encoder.") {
				continue
			}
			frozen := strings.HasPrefix(name, "encoder.conv1.") || strings.HasPrefix(name, "encoder.bn1.") || strings.HasPrefix(name, "encoder.layer1.")
			switch equal := slices.Equal(cp.Arrays[name].Data, a.Data); {
			case frozen && !equal:
				t.Errorf("%s: %s is frozen and moved", optimizer, name)
			case !frozen && equal:
				t.Errorf("%s: %s did not move", optimizer, name)
			case frozen:
				kept++
			default:
				moved++
			}
		}
		if kept == 0 || moved == 0 {
			t.Errorf("%s: %d arrays were kept, %d moved", optimizer, kept, moved)
		}
	}
}

// Probes and exports take the average where there is one, and embed.weights: raw
// takes the last weights.
func TestAverageEmbeds(t *testing.T) {
	dir := tones(t, 20)
	_, d, e := trainedOn(t, dir, "update.ema=0.5")
	averaged, _ := embedded(t, d, e)
	d.c.Embed.Weights = "raw"
	con, _ := silent()
	cp, err := d.saved(filepath.Join(dir, "run"), d.splits[0], con)
	if err != nil {
		t.Fatal(err)
	}
	if e, err = d.trained(cp); err != nil {
		t.Fatal(err)
	}
	raw, _ := embedded(t, d, e)
	if slices.Equal(raw, averaged) {
		t.Error("the average of the weights embeds like the weights")
	}
	plain := tones(t, 20)
	_, d, e = trainedOn(t, plain)
	want, _ := embedded(t, d, e)
	if !slices.Equal(raw, want) {
		t.Error("an average that is kept changes what is trained")
	}
}

// What names no weight is refused before anything is written, with the nearest name.
func TestUpdateIsRefused(t *testing.T) {
	dir := tones(t, 20)
	for set, words := range map[string]string{
		"update.freeze=[encoder.cnv1.*]":           `no weight of the network fits "encoder.cnv1.*"; the nearest is encoder.conv1.weight`,
		"optimizer.exclude=[classifier.*]":         `no weight of the network fits "classifier.*"`,
		"update.freeze=['[']":                      `"[" is no pattern of names`,
		"update.freeze=['*']":                      "freeze names all",
		"update.accumulate=0":                      "accumulate is 0",
		"update.lr_scale=cubic":                    `lr_scale is "cubic"`,
		"update.ema=1":                             "ema is 1",
		"update.layer_decay=0":                     "layer_decay is 0",
		"schedule.shape=stairs":                    `shape is "stairs"`,
		"schedule={shape: step}":                   "step.milestones holds 0",
		"schedule={shape: one_cycle, min_lr: 0.1}": "min_lr is 0.1, which the shape one_cycle does not come to",
		"embed.weights=old":                        `weights is "old"`,
	} {
		run := filepath.Join(dir, "run")
		c, err := LoadConfig(filepath.Join(dir, "config.yaml"), Overrides{Set: []string{set}})
		if err == nil {
			con, _ := silent()
			err = Pretrain(t.Context(), c, PretrainOptions{Run: run}, con)
		}
		if says(t, err, words); fault.KindOf(err) != fault.Usage || exists(run) && exists(filepath.Join(run, rundir.LastFile)) {
			t.Errorf("%s: %v", set, err)
		}
	}
}

// Each shape of the schedule trains, resumes and tells its rates.
func TestScheduleShapes(t *testing.T) {
	dir := tones(t, 20)
	for _, set := range []string{"schedule={shape: constant}", "schedule={shape: step, step: {milestones: [0.5, 2]}}", "schedule={shape: one_cycle, warmup_epochs: 0}"} {
		whole, stopped := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "stopped")
		pretrain(t, load(t, dir, set), PretrainOptions{Run: whole})
		pretrain(t, load(t, dir, set), PretrainOptions{Run: stopped, MaxSteps: 4})
		pretrain(t, load(t, dir, set), PretrainOptions{Run: stopped, Resume: true})
		same(t, rundir.LastFile, whole, stopped)
	}
}
