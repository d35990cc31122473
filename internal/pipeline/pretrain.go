package pipeline

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/host"
	"clr/internal/kernel"
	"clr/internal/optim"
)

// PretrainOptions are what the command line says beside the config.
type PretrainOptions struct {
	Run      string // the run folder
	Resume   bool   // go on from the newest checkpoint
	MaxSteps int    // stop after so many steps of each fold, with a good checkpoint; 0: all
	Fold     string // only this fold; empty: all

	memory *host.Limit // that must not be exceeded; nil: the machine's
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
	// Every refusal comes before anything is written: what is refused can be mended
	// and started again. What needs no features is refused before they are made.
	var err error
	if o.Resume && !exists(filepath.Join(o.Run, configFile)) {
		o.Resume = false // so that one command line starts a job and requeues it
		con.Say("%s holds no run to resume: starting it", o.Run)
	}
	if o.Resume {
		err = resumable(o.Run, c)
	} else {
		err = unused(o.Run)
	}
	if err != nil {
		return err
	}
	if o.memory == nil {
		limit := host.MemoryLimit()
		o.memory = &limit
	}
	if err := fits(c, *o.memory); err != nil {
		return err
	}
	d, err := openData(ctx, c, con, len(c.waves()) > 0) // where recordings are read again, they are those of the store
	if err != nil {
		return err
	}
	defer d.Close()
	splits, err := d.splitsOf(o.Fold)
	if err != nil {
		return err
	}
	trainers := make([]*trainer, len(splits))
	for i, s := range splits {
		if trainers[i], err = planTrainer(d, s); err != nil {
			return d.inFold(s, err)
		}
	}
	if err := trainers[0].build(); err != nil { // the other folds' networks are the same
		return d.inFold(splits[0], err)
	}
	if o.Resume {
		err = resumeRun(o.Run, c, d.hash, con)
	} else {
		err = createRun(o.Run, c, d.hash)
	}
	if err != nil {
		return err
	}
	for i := range trainers {
		if err := pretrainFold(ctx, trainers[i], o, con); err != nil {
			return d.inFold(splits[i], err)
		}
		trainers[i] = nil
		debug.FreeOSMemory() // before the next fold takes as much
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
func pretrainFold(ctx context.Context, t *trainer, o PretrainOptions, con Console) error {
	d := t.d
	fold := d.foldName(t.split)
	dir := foldDir(o.Run, fold)
	if err := makeDir(dir); err != nil {
		return err
	}
	if err := t.build(); err != nil {
		return err
	}
	start, saved := 0, false
	if o.Resume {
		var err error
		if start, saved, err = t.restore(dir, con); err != nil {
			return err
		}
	}
	total := t.schedule.Steps(t.batches.steps)
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

	show := con.Progress(strings.TrimSpace("pretrain "+fold), start, stop)
	defer show.End()
	for step := start; step < stop; step++ {
		began := time.Now()
		batch, err := load.next(ctx)
		if ctx.Err() != nil {
			return t.interrupted(dir, step, saved, log)
		}
		if err != nil {
			return err
		}
		wait := time.Since(began)
		saved = false
		line, err := t.step(ctx, batch, step, total)
		if err != nil {
			return t.diverged(dir, batch, line, err, con)
		}
		line.Wait = wait.Seconds()
		line.ClipsPS = float64(batch.N) / time.Since(began).Seconds()
		if err := log.write(line); err != nil {
			return err
		}
		if done := step + 1; done == stop || done%(t.batches.steps*d.c.Checkpoint.Every) == 0 {
			if err := t.save(dir, done, log); err != nil {
				return t.diverged(dir, batch, line, err, con)
			}
			passed(dir, done, con)
			saved = true
		}
		show.At(step+1, fmt.Sprintf("loss %.4f  z std %.4f  %.0f clips/s", line.Loss, line.ZStd, line.ClipsPS))
	}
	return nil
}

// step learns from one batch.
func (t *trainer) step(ctx context.Context, batch *views, step, total int) (stepLine, error) {
	r, err := t.method.Step(context.WithoutCancel(ctx), batch.Batch) // a step that has begun is finished
	if err != nil {
		return stepLine{}, err
	}
	line := stepLine{Step: step, Epoch: t.batches.epoch(step), Loss: float64(r.Loss), LR: t.lr(step),
		GradNorm: optim.GradNorm(t.method.Params()), ZStd: spread(r.Z)}
	if err := finite(line, batch.names); err != nil {
		return line, err
	}
	t.opt.Step(t.method.Params(), line.LR)
	t.method.Advance(float64(step+1) / float64(total))
	return line, nil
}

const remedyDiverged = "lower optimizer.lr or lengthen schedule.warmup_epochs; what was saved before is intact"

// finite stops a run whose loss or gradient is no longer a number.
func finite(l stepLine, clips []string) error {
	for _, v := range []struct {
		what  string
		value float64
	}{{"loss", l.Loss}, {"gradient norm", l.GradNorm}} {
		if math.IsNaN(v.value) || math.IsInf(v.value, 0) {
			return fault.New(fault.Diverged, remedyDiverged,
				"the %s is %v at step %d (learning rate %g; clips %s)", v.what, v.value, l.Step, l.LR, firstOf(clips))
		}
	}
	return nil
}

// firstOf lists the first few of a batch's clips.
func firstOf(clips []string) string {
	const few = 8
	if len(clips) <= few {
		return strings.Join(clips, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(clips[:few], ", "), len(clips)-few)
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
