package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/method"
	"clr/internal/optim"
)

// PretrainOptions are what the command line says beside the config.
type PretrainOptions struct {
	Run      string // the run folder
	Resume   bool   // go on from the newest checkpoint
	MaxSteps int    // stop after so many steps of each fold, with a good checkpoint; 0: all
	Fold     string // only this fold; empty: all
}

// CheckpointOptions say how often a run is saved.
type CheckpointOptions struct {
	Every int `yaml:"every" doc:"epochs between checkpoints; the last step always has one"`
}

// Check refuses what cannot be done.
func (o CheckpointOptions) Check() error {
	if o.Every < 1 {
		return fault.New(fault.Usage, "save every epoch with 1", "every is %d: it must be at least 1", o.Every)
	}
	return nil
}

// Pretrain learns an encoder without labels, once per split of the corpus: no
// fold's training ever sees its test clips.
func Pretrain(ctx context.Context, c *Config, o PretrainOptions, con Console) error {
	d, err := openData(ctx, c, con)
	if err != nil {
		return err
	}
	defer d.Close()
	splits, err := d.splitsOf(o.Fold)
	if err != nil {
		return err
	}
	if o.Resume {
		err = resumeRun(o.Run, c, d.hash)
	} else {
		err = createRun(o.Run, c, d.hash)
	}
	if err != nil {
		return err
	}
	for _, s := range splits {
		if err := pretrainFold(ctx, d, s, o, con); err != nil {
			return d.inFold(s, err)
		}
	}
	return nil
}

// inFold names the fold in an error, where there is more than one.
func (d *data) inFold(s eval.Split, err error) error {
	if d.foldName(s) == "" {
		return err
	}
	return fmt.Errorf("fold %s: %w", s.Name, err)
}

// pretrainFold trains on one split's training and validation clips.
func pretrainFold(ctx context.Context, d *data, s eval.Split, o PretrainOptions, con Console) error {
	dir := foldDir(o.Run, d.foldName(s))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	t, err := newTrainer(d, s)
	if err != nil {
		return err
	}
	start, err := t.restore(dir, con)
	if err != nil {
		return err
	}
	total := t.schedule.Steps(t.stepsPerEpoch)
	stop := total
	if o.MaxSteps > 0 {
		stop = min(total, o.MaxSteps)
	}
	if start >= stop {
		con.Say("%s: %d of %d steps are done", dir, start, total)
		return nil
	}
	log, err := openMetrics(dir, start)
	if err != nil {
		return err
	}
	defer log.close()
	load, err := startLoader(ctx, d, t.loaderOptions(start, stop))
	if err != nil {
		return err
	}
	defer load.stop()

	show := con.Progress(strings.TrimSpace("pretrain "+d.foldName(s)), stop)
	saved := start
	for step := start; step < stop; step++ {
		began := time.Now()
		batch, err := load.next(ctx)
		if errors.Is(err, context.Canceled) {
			return t.interrupted(dir, step, saved)
		}
		if err != nil {
			return err
		}
		wait := time.Since(began)
		r, err := t.method.Step(context.WithoutCancel(ctx), batch.Batch) // a step that has begun is finished
		if err != nil {
			return err
		}
		line := stepLine{Step: step, Epoch: step / t.stepsPerEpoch, Loss: float64(r.Loss), LR: t.lr(step),
			GradNorm: optim.GradNorm(t.method.Params()), ZStd: spread(r.Z)}
		if err := finite(line, batch.names); err != nil {
			return err
		}
		t.opt.Step(t.method.Params(), line.LR)
		t.method.Advance(float64(step+1) / float64(total))
		line.Wait = wait.Seconds()
		line.ClipsPS = float64(batch.N) / time.Since(began).Seconds()
		if err := log.write(line); err != nil {
			return err
		}
		if done := step + 1; done == stop || done%(t.stepsPerEpoch*d.c.Checkpoint.Every) == 0 || ctx.Err() != nil {
			if err := t.save(dir, done); err != nil {
				return err
			}
			saved = done
		}
		show.At(step+1, fmt.Sprintf("loss %.4f  z std %.4f  %.0f clips/s", line.Loss, line.ZStd, line.ClipsPS))
	}
	return nil
}

// finite stops a run whose loss or gradient is no longer a number.
func finite(l stepLine, clips []string) error {
	for _, v := range []struct {
		what  string
		value float64
	}{{"loss", l.Loss}, {"gradient norm", l.GradNorm}} {
		if math.IsNaN(v.value) || math.IsInf(v.value, 0) {
			return fault.New(fault.Diverged,
				"lower optimizer.lr or lengthen schedule.warmup_epochs; the checkpoint before this step is intact",
				"the %s is %v at step %d (learning rate %g; clips %v)", v.what, v.value, l.Step, l.LR, clips)
		}
	}
	return nil
}

// spread is the deviation over a batch of each dimension of z, averaged over
// dimensions: 1/√P for unit vectors that fill the sphere, 0 for collapsed ones
// (Chen & He, "Exploring Simple Siamese Representation Learning", §4.1).
func spread(z kernel.Array) float64 {
	n, p := z.Shape[0], z.Shape[1]
	sum, squares := make([]float64, p), make([]float64, p)
	for i, v := range z.Data[:n*p] {
		x := float64(v)
		sum[i%p] += x
		squares[i%p] += x * x
	}
	total := 0.0
	for k := range p {
		mean := sum[k] / float64(n)
		total += math.Sqrt(max(0, squares[k]/float64(n)-mean*mean))
	}
	return total / float64(p)
}

// A trainer is all that moves while a fold is trained.
type trainer struct {
	d             *data
	split         eval.Split
	clips         []int // what it may hear
	norm          normalization
	method        method.Method
	opt           optim.Optimizer
	schedule      optim.Schedule
	base          float64 // learning rate at the top of the schedule
	stepsPerEpoch int
}

func newTrainer(d *data, s eval.Split) (*trainer, error) {
	c := d.c
	t := &trainer{d: d, split: s, clips: hears(s), schedule: c.Schedule, base: c.Optimizer.LearningRate()}
	if c.Batch > len(t.clips) {
		return nil, fault.New(fault.Usage, fmt.Sprintf("set batch to at most %d", len(t.clips)),
			"batch %d is larger than the corpus: %d clips to pretrain on", c.Batch, len(t.clips))
	}
	t.stepsPerEpoch = stepsPerEpoch(len(t.clips), c.Batch)
	var err error
	if t.norm, err = d.normalization(t.clips); err != nil {
		return nil, err
	}
	t.method, err = c.Method.New(method.Setup{Encoder: c.Encoder, Batch: c.Batch, Bins: d.bins, Frames: c.View.Frames, Seed: c.Seed})
	if err != nil {
		return nil, err
	}
	t.opt = c.Optimizer.New(t.method.Params())
	return t, nil
}

func (t *trainer) lr(step int) float64 { return t.schedule.At(t.base, step, t.stepsPerEpoch) }

func (t *trainer) loaderOptions(start, stop int) loaderOptions {
	return loaderOptions{clips: t.clips, norm: t.norm, start: start, stop: stop, batch: t.d.c.Batch, stepsPerEpoch: t.stepsPerEpoch}
}

// state is everything that a resumed run needs beside the step; the arrays are live.
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

func (t *trainer) save(dir string, step int) error {
	return checkpoint.SaveRotating(dir, lastFile, &checkpoint.Checkpoint{
		Meta:   map[string]string{"step": strconv.Itoa(step), "fold": t.split.Name, "config": string(t.d.c.identity()), "corpus": t.d.hash},
		Arrays: t.state(),
	})
}

// restore loads the newest good checkpoint, if there is one, and says at which
// step to go on.
func (t *trainer) restore(dir string, con Console) (int, error) {
	cp, err := loadCheckpoint(dir, con)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if err := cp.Restore(t.state()); err != nil {
		return 0, err
	}
	return stepOf(cp, dir)
}

func stepOf(cp *checkpoint.Checkpoint, dir string) (int, error) {
	step, err := strconv.Atoi(cp.Meta["step"])
	if err != nil {
		return 0, fault.New(fault.Data, "use a checkpoint that clr pretrain wrote", "%s: the checkpoint's step is %q, not a number", dir, cp.Meta["step"])
	}
	return step, nil
}

// interrupted reports a stop by signal. A checkpoint of this very step exists.
func (t *trainer) interrupted(dir string, step, saved int) error {
	if saved != step {
		if err := t.save(dir, step); err != nil {
			return err
		}
	}
	return fault.New(fault.Interrupted, "the same command with --resume goes on from there",
		"interrupted; %s holds step %d", filepath.Join(dir, lastFile), step)
}
