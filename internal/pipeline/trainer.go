package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/method"
	"clr/internal/optim"
)

// A trainer is all that moves while a fold is trained.
type trainer struct {
	d        *data
	split    eval.Split
	clips    []int // what it may hear
	norm     normalization
	method   method.Method
	opt      optim.Optimizer
	schedule optim.Schedule
	base     float64 // learning rate at the top of the schedule
	batches  batches
}

func newTrainer(d *data, s eval.Split) (*trainer, error) {
	t, err := planTrainer(d, s)
	if err != nil {
		return nil, err
	}
	return t, t.build()
}

// planTrainer is a trainer without its network, which takes memory: that is
// for build.
func planTrainer(d *data, s eval.Split) (*trainer, error) {
	c := d.c
	t := &trainer{d: d, split: s, clips: hears(s), schedule: c.Schedule, base: c.Optimizer.LearningRate()}
	if c.Batch > len(t.clips) {
		return nil, fault.New(fault.Usage, fmt.Sprintf("set batch to at most %d", len(t.clips)),
			"batch %d is larger than the corpus: %d clips to pretrain on", c.Batch, len(t.clips))
	}
	t.batches = c.batches(len(t.clips))
	var err error
	t.norm, err = d.normalization(s.Train)
	return t, err
}

// build makes the network, where it is not made yet, and what moves its weights.
func (t *trainer) build() error {
	if t.method != nil {
		return nil
	}
	c := t.d.c
	m, err := c.Method.New(method.Setup{Encoder: c.Encoder, Batch: c.Batch, Bins: t.d.bins, Frames: c.View.Frames, Seed: c.Seed, ExactConv: c.Engine.ExactConv})
	if err != nil {
		return err
	}
	t.method, t.opt = m, c.Optimizer.New(m.Params())
	return nil
}

func (t *trainer) lr(step int) float64 { return t.schedule.At(t.base, step, t.batches.steps) }

func (t *trainer) loaderOptions(start, stop int) loaderOptions {
	return loaderOptions{clips: t.clips, norm: t.norm, start: start, stop: stop, batches: t.batches}
}

// state is everything that a resumed run needs beside the step. The arrays are
// live, but for the normalisation's.
func (t *trainer) state() map[string]kernel.Array {
	s := t.method.State()
	for name, a := range t.opt.State() {
		s["optimizer."+name] = a
	}
	for name, a := range t.norm.arrays() {
		s[name] = a
	}
	return s
}

// save writes the checkpoint of a step, after the log of what led there: the
// log never lacks a step that the checkpoint holds.
func (t *trainer) save(dir string, step int, log *metricsLog) error {
	if err := log.sync(); err != nil {
		return err
	}
	state := t.state()
	for _, name := range slices.Sorted(maps.Keys(state)) {
		for _, v := range state[name].Data {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return fault.New(fault.Diverged, remedyDiverged, "%s holds %v after %d steps; it is not saved", name, v, step)
			}
		}
	}
	return checkpoint.Rotate(dir, lastFile, 2, &checkpoint.Checkpoint{
		Meta:   map[string]string{"step": strconv.Itoa(step), "fold": t.split.Name, "config": string(t.d.c.identity()), "corpus": t.d.hash},
		Arrays: state,
	})
}

// restore loads the newest good checkpoint, if there is one, and says at which
// step to go on, and whether last.safetensors is of that step: where it is
// damaged and the one before is loaded, a stop has to save again.
func (t *trainer) restore(dir string, con Console) (step int, saved bool, err error) {
	cp, warning, err := checkpoint.LoadNewest(dir, lastFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	if warning != "" {
		con.Warn("%s", warning)
	}
	for _, m := range []struct{ what, have, want string }{
		{"fold", cp.Meta["fold"], t.split.Name}, {"corpus", cp.Meta["corpus"], t.d.hash},
	} {
		if m.have != m.want {
			return 0, false, fault.New(fault.Data, "bring back the run's own checkpoint, or start another run",
				"%s: the checkpoint was trained on %s %s, this run is on %s", dir, m.what, m.have, m.want)
		}
	}
	if err := cp.Restore(t.state()); err != nil {
		return 0, false, fmt.Errorf("%s: %w", dir, err)
	}
	if t.norm, err = normalizationOf(cp); err != nil {
		return 0, false, err
	}
	step, err = stepOf(cp, dir)
	return step, warning == "", err
}

func stepOf(cp *checkpoint.Checkpoint, dir string) (int, error) {
	step, err := strconv.Atoi(cp.Meta["step"])
	if err != nil || step < 0 {
		return 0, fault.New(fault.Data, "use a checkpoint that clr pretrain wrote", "%s: the checkpoint's step is %q, not a number of steps", dir, cp.Meta["step"])
	}
	return step, nil
}

// interrupted reports a stop by signal, and sees that there is a checkpoint of
// this very step.
func (t *trainer) interrupted(dir string, step int, saved bool, log *metricsLog) error {
	if !saved {
		if err := t.save(dir, step, log); err != nil {
			return err
		}
	}
	return fault.New(fault.Interrupted, "the same command with --resume goes on from there",
		"interrupted; %s holds step %d", filepath.Join(dir, lastFile), step)
}
