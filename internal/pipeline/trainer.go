package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
	"clr/internal/rundir"
)

// A trainer is all that moves while a fold is trained.
type trainer struct {
	d       *data
	split   eval.Split
	clips   []int // what it may hear
	labels  labelling
	norm    normalization
	init    string // SHA-256 of the file that the encoder begins with; empty: there is none
	method  method.Method
	opt     optim.Optimizer
	average *optim.Average // of the encoder; nil: none is kept
	base    float64        // learning rate at the top of the schedule
	stages  []stage        // of the schedule
	batches batches
	look    *checkup // nil: nobody looks
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
	t := &trainer{d: d, split: s, stages: []stage{{Epochs: c.Schedule.Epochs}}, base: c.learningRate()}
	var err error
	if t.clips, t.labels, err = d.learnsFrom(s); err != nil {
		return nil, err
	}
	if err := c.batchable(len(t.clips)); err != nil {
		return nil, err
	}
	t.batches = c.batches(len(t.clips))
	if _, t.init, err = d.firstWeights(s); err != nil {
		return nil, err
	}
	t.norm, err = d.normalization(s.Train)
	return t, err
}

// build makes the network, where it is not made yet, and what moves its weights.
func (t *trainer) build() error {
	if t.method != nil {
		return nil
	}
	c := t.d.c
	first, sum, err := t.d.firstWeights(t.split)
	if err == nil {
		err = otherInit("the run", t.init, sum) // read once more, so that not every fold's lie in memory
	}
	if err != nil {
		return err
	}
	m, err := c.Method.New(method.Setup{Encoder: c.Encoder, Batch: c.Batch, Input: t.d.input, Classes: len(t.labels.classes), Seed: c.Seed, Init: first, ExactConv: c.Engine.ExactConv})
	if err != nil {
		return err
	}
	if err := c.setRates(m.Params()); err != nil {
		return err
	}
	t.method, t.opt, t.average = m, c.moved().New(m.Params()), c.average(m) // of the weights as they begin
	return nil
}

// A stage is a stretch of a run with a number of epochs to come to. A run that
// is given more, on resuming, has another stage: the learning rates of its
// steps so far stay what they were.
type stage struct {
	Epochs int `json:"epochs"`
	Until  int `json:"until,omitempty"` // step that it ends before; 0 is the last
}

// schedule is the one that a step follows.
func (t *trainer) schedule(step int) optim.Schedule {
	s := t.d.c.Schedule
	for _, g := range t.stages {
		if s.Epochs = g.Epochs; step < g.Until {
			break
		}
	}
	return s
}

// total is how many steps the run comes to.
func (t *trainer) total() int { return t.schedule(math.MaxInt).Steps(t.batches.steps) }

func (t *trainer) lr(step int) float64 {
	return t.schedule(step).At(t.base, step, t.batches.steps)
}

// progress is the part of the run that a step completes.
func (t *trainer) progress(step int) float64 {
	return min(1, float64(step+1)/float64(t.schedule(step).Steps(t.batches.steps)))
}

// stagesOf takes the stages of a checkpoint, of a step, and goes on to the
// config's epochs where those are more than the run was to come to.
func (t *trainer) stagesOf(cp *checkpoint.Checkpoint, step int) error {
	want := t.d.c.Schedule.Epochs
	var stages []stage
	if err := json.Unmarshal([]byte(cp.Meta["epochs"]), &stages); err != nil || len(stages) == 0 || slices.ContainsFunc(stages, func(s stage) bool { return s.Epochs < 1 || s.Until < 0 }) {
		return fault.New(fault.Data, "use a checkpoint that clr pretrain wrote", "the checkpoint's epochs are %q", cp.Meta["epochs"])
	}
	t.stages = stages
	last := &t.stages[len(t.stages)-1]
	switch before := last.Epochs; {
	case want == before:
	case want < before:
		return fault.New(fault.Usage, fmt.Sprintf("set schedule.epochs to %d or more", before), "the run was to come to %d epochs; it cannot come to %d", before, want)
	case step == 0 || len(t.stages) > 1 && t.stages[len(t.stages)-2].Until == step: // nothing was learnt in this stage
		last.Epochs = want
	default:
		last.Until = step
		t.stages = append(t.stages, stage{Epochs: want})
	}
	return nil
}

func (t *trainer) loaderOptions(start, stop int) loaderOptions {
	return loaderOptions{clips: t.clips, labels: t.labels, norm: t.norm, start: start, stop: stop, batches: t.batches}
}

// state is everything that a resumed run needs beside the step. The arrays are
// live, but for the normalisation's.
func (t *trainer) state() map[string]kernel.Array {
	s := t.method.State()
	for name, a := range t.opt.State() {
		s["optimizer."+name] = a
	}
	if t.average != nil {
		for name, a := range t.average.State() {
			s[averaged+name] = a
		}
	}
	for name, a := range t.norm.arrays() {
		s[name] = a
	}
	return s
}

// save begins to write the checkpoint of a step.
func (t *trainer) save(step int, s *rundir.Saver) error {
	stages, err := json.Marshal(t.stages)
	if err != nil {
		return err
	}
	meta := map[string]string{"step": strconv.Itoa(step), "fold": t.split.Name, "epochs": string(stages),
		"config": string(t.d.c.learnt()), "corpus": t.d.hash}
	if t.d.heard != "" {
		meta["background"] = t.d.heard
	}
	if t.init != "" {
		meta["init"] = t.init
	}
	return s.Save(step, meta, t.state())
}

// restore loads the newest good checkpoint, if there is one, and says at which
// step to go on, and of which step last.safetensors is: -1 where it is missing
// or damaged and the one before is loaded, so that a stop has to save again.
func (t *trainer) restore(dir string, con Console) (step, saved int, err error) {
	cp, older, err := newestIn(dir, con)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, -1, nil
	}
	if err == nil {
		err = t.d.owns(cp, t.split, dir)
	}
	if err != nil {
		return 0, -1, err
	}
	if cp.Meta["corpus"] != t.d.hash {
		return 0, -1, fault.New(fault.Data, bringBack, "%s: the checkpoint was trained on corpus %.12s, this run is on corpus %.12s", dir, cp.Meta["corpus"], t.d.hash)
	}
	if cp.Meta["background"] != t.d.heard {
		return 0, -1, fault.New(fault.Data, bringBack, "%s: the checkpoint was trained with background recordings %.12s, this run has %.12s", dir, cp.Meta["background"], t.d.heard)
	}
	if err := otherInit(dir+": the checkpoint", cp.Meta["init"], t.init); err != nil {
		return 0, -1, err
	}
	if step, err = stepOf(cp, dir); err != nil {
		return 0, -1, err
	}
	if err := t.stagesOf(cp, step); err != nil {
		return 0, -1, fmt.Errorf("%s: %w", dir, err)
	}
	if err := cp.Restore(t.state()); err != nil {
		return 0, -1, fmt.Errorf("%s: %w", dir, err)
	}
	if t.norm, err = t.d.normalizationOf(cp); err != nil {
		return 0, -1, err
	}
	if saved = step; older {
		saved = -1
	}
	return step, saved, nil
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
func (t *trainer) interrupted(dir string, step int, s *rundir.Saver) error {
	if err := s.Wait(); err != nil {
		return err
	}
	if s.Newest() != step {
		if err := t.save(step, s); err != nil {
			return err
		}
		if err := s.Wait(); err != nil {
			return err
		}
	}
	return fault.New(fault.Interrupted, "the same command with --resume goes on from there",
		"interrupted; %s holds step %d", filepath.Join(dir, rundir.LastFile), step)
}
