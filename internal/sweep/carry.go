package sweep

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/pipeline"
	"clr/internal/rundir"
)

// trial does what there is left to do of a trial. An error is that of this
// worker; what goes wrong in the trial itself is its result.
func (w *worker) trial(ctx context.Context, i int) error {
	p, _, err := w.point(i / w.Seeds)
	if err != nil {
		return err
	}
	t := w.File.trial(i, p)
	c, err := w.config(t, p)
	if fault.KindOf(err) == fault.Usage {
		return w.finish(t, Result{Status: Failed, Reason: firstLine(err.Error()), Exit: int(fault.Usage)})
	}
	if err != nil {
		return err
	}
	done, err := w.progress(i)
	if err != nil {
		return err
	}
	if err := w.orphan(ctx, i); err != nil {
		return err
	}
	if err := disk.WriteBytes(w.ConfigPath(i), c.At(w.TrialDir(i)).Resolved()); err != nil {
		return err
	}
	done.begin()
	stages := w.stages(c, i)
	if done.Stages > len(stages) {
		return damaged(filepath.Join(w.TrialDir(i), progressFile), "%d commands are done of %d", done.Stages, len(stages))
	}
	for {
		if k := done.Stages; k > 0 && stages[k-1].rung > 0 {
			reason, wait, err := w.compare(i, stages[k-1].rung)
			if err != nil || wait { // it is gone on with when those before it are as far
				return err
			}
			if reason != "" {
				return w.finish(t, Result{Status: Pruned, Reason: reason, Rungs: done.Rungs})
			}
		}
		if done.Stages == len(stages) {
			return w.finish(t, Result{Status: Done, Rungs: done.Rungs})
		}
		if err := w.keep(i, done); err != nil {
			return err
		}
		st := stages[done.Stages]
		w.tell(i, st.name)
		code, reason, err := w.command(ctx, i, st.args)
		switch {
		case err != nil:
			return err
		case code == int(fault.Interrupted), code == 130, code == 143:
			return stopped
		case code != 0:
			return w.finish(t, Result{Status: Failed, Reason: st.name + ": " + reason, Exit: code, Rungs: done.Rungs})
		}
		if st.rung > 0 {
			v, err := w.measure(i)
			if err != nil {
				return w.finish(t, Result{Status: Failed, Reason: firstLine(err.Error()), Exit: int(fault.KindOf(err)), Rungs: done.Rungs})
			}
			done.Rungs = append(done.Rungs, Rung{st.rung, v})
		}
		done.Stages++
		done.end()
		if err := w.keep(i, done); err != nil {
			return err
		}
	}
}

// stopped is what ends a worker's time with a trial before the trial's end.
var stopped = fault.New(fault.Interrupted, "", "stopped")

// orphan waits until no process of a worker that has vanished writes the run.
func (w *worker) orphan(ctx context.Context, i int) error {
	if !rundir.Holds(w.RunDir(i)) {
		return nil
	}
	for told := false; ; told = true {
		lock, err := disk.TryLock(filepath.Join(w.RunDir(i), rundir.LockFile), w.RunDir(i))
		if lock.Release(); !errors.Is(err, disk.ErrLocked) {
			return err
		}
		if !told {
			w.con.Say("trial %d: %v; waiting for it", i, err)
		}
		select {
		case <-ctx.Done():
			return stopped
		case <-time.After(pause):
		}
	}
}

func (w *worker) keep(i int, p progress) error {
	return writeJSON(filepath.Join(w.TrialDir(i), progressFile), p)
}

// finish writes what a trial came to.
func (w *worker) finish(t Trial, r Result) error {
	if err := r.read(w.RunDir(t.Index)); err != nil {
		if r.Status != Failed { // what failed may have left anything
			r.Status, r.Reason, r.Exit = Failed, firstLine(err.Error()), int(fault.KindOf(err))
		}
		r.Scores, r.Folds = map[string]float64{}, []pipeline.FoldScores{}
	}
	r.Reason = strings.ReplaceAll(r.Reason, w.Dir+string(filepath.Separator), "")
	err := writeJSON(filepath.Join(w.TrialDir(t.Index), resultFile), struct {
		Trial
		Result
	}{t, r})
	if err != nil {
		return err
	}
	said := r.Status
	if v, ok := r.Scores[w.Metric.Name]; ok {
		said += fmt.Sprintf(", %s %.4g", w.Metric.Name, v)
	}
	if r.Reason != "" {
		said += ": " + r.Reason
	}
	w.con.Say("trial %d (%s): %s", t.Index, t.Params, said)
	return nil
}

// String is the values of a point, for a line.
func (p Params) String() string {
	var parts []string
	for _, v := range p {
		parts = append(parts, v.Path+"="+v.Text)
	}
	return strings.Join(parts, " ")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (p *progress) begin() {
	p.Sessions = append(p.Sessions, newSession())
}

func (p *progress) end() {
	p.Sessions[len(p.Sessions)-1].End = time.Now().UTC().Truncate(time.Millisecond)
}
