package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/host"
	"clr/internal/kernel"
	"clr/internal/optim"
	"clr/internal/rundir"
)

// PretrainOptions are what the command line says beside the config.
type PretrainOptions struct {
	Run       string // the run folder
	Resume    bool   // go on from the newest checkpoint
	MaxSteps  int    // stop after so many steps of each fold, with a good checkpoint; 0: all
	MaxEpochs int    // likewise
	Fold      string // only this fold; empty: all

	memory *host.Limit  // that must not be exceeded; nil: the machine's
	clock  rundir.Clock // nil: the machine's
}

// Pretrain learns an encoder without labels, once per split of the corpus: no
// fold's training ever sees its test clips.
func Pretrain(ctx context.Context, c *Config, o PretrainOptions, con Console) (err error) {
	if o.memory == nil {
		limit := host.MemoryLimit()
		o.memory = &limit
	}
	// Every refusal comes before anything is written: what is refused can be mended
	// and started again. What needs no features is refused before they are made.
	f, err := rundir.Open(o.Run, o.clock)
	if err != nil {
		return err
	}
	defer f.Close()
	if o.Resume && !rundir.Holds(o.Run) { // asked under the lock: another process may just have made it
		o.Resume = false // so that one command line starts a job and requeues it
		con.Say("%s holds no run to resume: starting it", o.Run)
	}
	if o.Resume {
		err = resumable(o.Run, c)
	} else {
		err = rundir.Unused(o.Run)
	}
	if err != nil {
		return err
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
	trainers[0].tellRate(con)
	if err := described(f, c, d, o.Resume, con); err != nil {
		return err
	}
	err = fault.Guard(func() error { // so that a panic is no session that is done
		if err := removeResult(o.Run); err != nil {
			return err
		}
		for i := range trainers {
			if err := pretrainFold(ctx, trainers[i], o, con); err != nil {
				return d.inFold(splits[i], err)
			}
			trainers[i] = nil
			debug.FreeOSMemory() // before the next fold takes as much
		}
		return writeResult(o.Run)
	})
	return errors.Join(err, f.End(err))
}

// inFold names the fold in an error, where there is more than one.
func (d *data) inFold(s eval.Split, err error) error {
	if err == nil || d.foldName(s) == "" {
		return err
	}
	return fmt.Errorf("fold %s: %w", s.Name, err)
}

// pretrainFold trains on one split's training and validation clips.
func pretrainFold(ctx context.Context, t *trainer, o PretrainOptions, con Console) (err error) {
	d := t.d
	fold := d.foldName(t.split)
	dir := rundir.FoldDir(o.Run, fold)
	if err := rundir.MakeDir(dir); err != nil {
		return err
	}
	if err := t.build(); err != nil {
		return err
	}
	start, saved := 0, -1
	if o.Resume {
		if start, saved, err = t.restore(dir, con); err != nil {
			return err
		}
		con.Say("%s: going on from step %d", dir, start)
	}
	total := t.total()
	stop := total
	if o.MaxSteps > 0 {
		stop = min(total, o.MaxSteps)
	}
	if o.MaxEpochs > 0 {
		stop = min(stop, o.MaxEpochs*t.batches.steps)
	}
	if start >= stop {
		con.Say("%s: %d of %d steps are done", dir, start, total)
		if _, err := os.Stat(filepath.Join(dir, rundir.MetricsFile)); errors.Is(err, fs.ErrNotExist) {
			con.Warn("%s has no %s any more", dir, rundir.MetricsFile)
		}
		return nil
	}
	log, missing, err := rundir.OpenLog(dir, start)
	if err != nil {
		return err
	}
	defer log.Close()
	if missing != "" {
		con.Warn("%s", missing)
	}
	if t.look, err = newCheckup(t, log, con); err != nil {
		return err
	}
	save := rundir.NewSaver(dir, d.c.Checkpoint, log, saved, o.clock)
	replay := lookForReplay(dir)
	defer func() {
		if err = errors.Join(err, save.Wait()); err == nil {
			replay.passed(save.Newest(), con)
		}
	}()
	load, err := startLoader(ctx, d, t.loaderOptions(start, stop))
	if err != nil {
		return err
	}
	defer load.stop()

	show := con.Progress(strings.TrimSpace("pretrain "+fold), start, stop)
	defer show.End()
	epoch := mean{}
	for step := start; step < stop; step++ {
		began := o.clock.Now()
		batch, err := load.next(ctx)
		if ctx.Err() != nil {
			return t.interrupted(dir, step, save)
		}
		if err != nil {
			return err
		}
		wait := o.clock.Now().Sub(began)
		line, err := t.step(ctx, batch, step)
		if err != nil {
			return t.diverged(dir, batch, line, err, con)
		}
		line.Wait, line.ClipsPS = max(0, wait.Seconds()), perSecond(batch.N, o.clock.Now().Sub(began))
		if err := log.Write(line); err != nil {
			return err
		}
		if err := t.look.after(ctx); err != nil {
			return t.collapsed(dir, err, save)
		}
		if done := step + 1; done == stop || !t.look.waits() && save.Due(done, t.batches.steps) {
			if err := t.save(done, save); err != nil {
				return t.diverged(dir, batch, line, err, con)
			}
		}
		if err := save.Check(); err != nil {
			return err
		}
		replay.passed(save.Newest(), con)
		if epoch.add(line.Loss); (step+1)%t.batches.steps == 0 {
			show.Mark(epoch.take())
		}
		show.At(step+1, fmt.Sprintf("loss %.4f  z std %.4f  %.0f clips/s", line.Loss, line.ZStd, line.ClipsPS))
	}
	con.Say("%s: %d of %d steps are done", dir, stop, total)
	return nil
}

// A mean is of the values since it was taken.
type mean struct {
	sum   float64
	count int
}

func (m *mean) add(v float64) { m.sum, m.count = m.sum+v, m.count+1 }

func (m *mean) take() float64 {
	v := m.sum / float64(m.count)
	*m = mean{}
	return v
}

// perSecond is a rate, or 0 where the clock cannot tell.
func perSecond(n int, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return float64(n) / took.Seconds()
}

// step learns from one batch.
func (t *trainer) step(ctx context.Context, batch *views, step int) (rundir.Line, error) {
	r, err := t.method.Step(context.WithoutCancel(ctx), batch.Batch) // a step that has begun is finished
	if err != nil {
		return rundir.Line{}, err
	}
	line := rundir.Line{Step: step, Epoch: t.batches.epoch(step), Loss: float64(r.Loss), LR: t.lr(step),
		GradNorm: optim.GradNorm(t.method.Params()), ZStd: spread(r.Z), Temperature: r.Temperature}
	if err := finite(line, batch.names); err != nil {
		return line, err
	}
	t.look.before(line, r)
	t.opt.Step(t.method.Params(), line.LR)
	t.method.Advance(t.progress(step))
	if t.average != nil && t.d.c.Update.Moves(step) {
		t.average.Follow()
	}
	if k := t.d.c.Log.Digest; k > 0 && (step+1)%k == 0 {
		line.Digest = checkpoint.Digest(t.method.State())
	}
	return line, nil
}

// finite stops a run whose loss or gradient is no longer a number.
func finite(l rundir.Line, clips []string) error {
	for _, v := range []struct {
		what  string
		value float64
	}{{"loss", l.Loss}, {"gradient norm", l.GradNorm}} {
		if math.IsNaN(v.value) || math.IsInf(v.value, 0) {
			return fault.New(fault.Diverged, rundir.RemedyDiverged,
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
