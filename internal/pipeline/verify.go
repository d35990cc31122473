package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// VerifyOptions are what the command line says of a verification.
type VerifyOptions struct {
	Run   string // the run folder
	Fold  string // only this fold; empty: all
	Steps int    // of each fold; 0: all that were logged
}

// A Verification is what came of executing a run again.
type Verification struct {
	Run         string         `json:"run"`
	Identical   bool           `json:"identical"`
	Folds       []FoldVerified `json:"folds"`
	Environment []string       `json:"environment"` // what is not as it was when the run was made
}

// A FoldVerified is what came of executing a fold again.
type FoldVerified struct {
	Fold    string      `json:"fold"`
	Steps   int         `json:"steps"`            // executed again
	Logged  int         `json:"logged"`           // in metrics.jsonl
	Total   int         `json:"total"`            // that the run comes to
	Digests int         `json:"digests"`          // of the weights, compared on the way
	Saved   int         `json:"checkpoint_step"`  // of the newest checkpoint; -1 if there is none
	Older   bool        `json:"checkpoint_older"` // the newest cannot be used: this is one before it
	Reached bool        `json:"checkpoint_compared"`
	First   *Difference `json:"first_difference,omitempty"`
}

// A Difference is a value that did not come out again.
type Difference struct {
	Step int    `json:"step"`
	What string `json:"what"` // a field of metrics.jsonl, or an array of the checkpoint
	Then string `json:"then"`
	Now  string `json:"now"`
}

func (d Difference) String() string {
	return fmt.Sprintf("step %d: %s was %s, now it is %s", d.Step, d.What, d.Then, d.Now)
}

// Verify executes a run again from its recorded config, without writing in its
// folder, and compares each step with what was logged, to the last bit: the
// scores, the digests of the weights, and the newest checkpoint where its step
// is reached. The error, of kind Mismatch, tells the first difference.
func Verify(ctx context.Context, o VerifyOptions, ov Overrides, con Console) (*Verification, error) {
	c, err := runConfig(o.Run, ov)
	if err != nil {
		return nil, err
	}
	c.Log.Digest = 0 // they are taken where the log has one
	made, sessions, err := rundir.Read(o.Run)
	if err != nil {
		return nil, err
	}
	here, err := rundir.Here()
	if err != nil {
		return nil, err
	}
	v := &Verification{Run: o.Run}
	for _, s := range sessions {
		for _, differs := range s.Environment.Differs(here) {
			if !slices.Contains(v.Environment, differs) {
				v.Environment = append(v.Environment, differs)
			}
		}
	}
	d, err := openData(ctx, c, con, o.Steps == 0 || len(c.waves()) > 0) // all of a run: its recordings too
	if err != nil {
		return nil, err
	}
	defer d.Close()
	for _, h := range []struct{ what, then, now string }{{"corpus", made.Corpus, d.hash}, {"background", made.Background, d.heard}, {"feature store", made.Store, d.store.Digest()}} {
		if h.then != h.now {
			v.Environment = append(v.Environment, fmt.Sprintf("%s: %.12s then, %.12s now", h.what, h.then, h.now))
		}
	}
	first, err := d.initHash()
	if err == nil {
		err = otherInit(o.Run, made.Init, first)
	}
	if err != nil {
		return nil, err
	}
	splits, err := d.splitsOf(o.Fold)
	if err != nil {
		return nil, err
	}
	for _, s := range splits {
		f, err := d.verifyFold(ctx, s, o, con)
		if err != nil {
			return v, d.inFold(s, err)
		}
		v.Folds = append(v.Folds, f)
	}
	v.Identical = !slices.ContainsFunc(v.Folds, func(f FoldVerified) bool { return f.First != nil })
	return v, v.mismatch()
}

// mismatch is the error of a run that did not come out again.
func (v *Verification) mismatch() error {
	for _, f := range v.Folds {
		if f.First == nil {
			continue
		}
		remedy := "nothing of what should matter has changed: please report it, with the run folder and what clr version --verbose says"
		if len(v.Environment) > 0 {
			remedy = "what has changed since:\n" + strings.Join(v.Environment, "\n")
		}
		where := v.Run
		if f.Fold != "" {
			where += ", fold " + f.Fold
		}
		return fault.New(fault.Mismatch, remedy, "%s: %s", where, *f.First)
	}
	return nil
}

func (d *data) verifyFold(ctx context.Context, s eval.Split, o VerifyOptions, con Console) (f FoldVerified, err error) {
	f.Fold = d.foldName(s)
	dir := rundir.FoldDir(o.Run, f.Fold)
	log, err := rundir.ReadLog(dir)
	if err != nil {
		return f, err
	}
	f.Logged, f.Steps = len(log), len(log)
	if o.Steps > 0 {
		f.Steps = min(o.Steps, len(log))
	}
	for i, l := range log {
		if l.Step != i {
			return f, fault.New(fault.Data, "verify a run whose log is whole", "%s: line %d is step %d, the steps before are missing", filepath.Join(dir, rundir.MetricsFile), i+1, l.Step)
		}
	}
	t, err := newTrainer(d, s)
	if err != nil {
		return f, err
	}
	saved, cp, older, err := t.savedIn(dir, con)
	if err != nil {
		return f, err
	}
	f.Total = t.total()
	switch lines := filepath.Join(dir, rundir.MetricsFile); {
	case len(log) == 0:
		return f, fault.New(fault.Data, "verify a run that has made its first steps", "%s holds no steps: there is nothing to compare with", lines)
	case len(log) < saved:
		return f, fault.New(fault.Data, "verify a run whose log is whole", "%s ends before step %d, the checkpoint is of step %d: lines are missing", lines, len(log), saved)
	case f.Steps > f.Total:
		return f, fault.New(fault.Data, "verify a run whose config.yaml is the one it was made with", "%s: %d steps are logged, the config makes %d", dir, f.Steps, f.Total)
	}
	f.Saved, f.Older = saved, older
	load, err := startLoader(ctx, d, t.loaderOptions(0, f.Steps))
	if err != nil {
		return f, err
	}
	defer load.stop()
	show := con.Progress(strings.TrimSpace("verify "+f.Fold), 0, f.Steps)
	defer show.End()
	for step := range f.Steps {
		batch, err := load.next(ctx)
		if err != nil {
			return f, err
		}
		now, err := t.step(ctx, batch, step)
		if fault.KindOf(err) == fault.Diverged {
			f.First = differs(log[step], now)
			return f, nil
		}
		if err != nil {
			return f, err
		}
		if log[step].Digest != "" {
			f.Digests++
			now.Digest = checkpoint.Digest(t.method.State())
		}
		if f.First = differs(log[step], now); f.First != nil {
			return f, nil
		}
		if step+1 == saved {
			if f.First = unlike(cp, t, step); f.First != nil {
				return f, nil
			}
			f.Reached = true
		}
		show.At(step+1, "")
	}
	return f, nil
}

// savedIn is a fold's newest checkpoint and its step; -1 if there is none. The
// trainer's schedule is then the one that led there.
func (t *trainer) savedIn(dir string, con Console) (step int, cp *checkpoint.Checkpoint, older bool, err error) {
	cp, older, err = newestIn(dir, con)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil, false, nil
	}
	if err == nil {
		err = t.d.owns(cp, t.split, dir)
	}
	if err == nil {
		err = otherInit(dir+": the checkpoint", cp.Meta["init"], t.init)
	}
	if err != nil {
		return -1, nil, false, err
	}
	step, err = stepOf(cp, dir)
	if err == nil {
		err = t.stagesOf(cp, step)
	}
	return step, cp, older, err
}

// differs is the first field in which a step is not what was logged. How long
// it took is not compared.
func differs(then, now rundir.Line) *Difference {
	for _, v := range []struct {
		what      string
		then, now float64
	}{
		{"epoch", float64(then.Epoch), float64(now.Epoch)}, {"loss", then.Loss, now.Loss}, {"lr", then.LR, now.LR},
		{"grad_norm", then.GradNorm, now.GradNorm}, {"z_std", then.ZStd, now.ZStd}, {"temperature", then.Temperature, now.Temperature},
	} {
		if v.then != v.now {
			return &Difference{then.Step, v.what, exactly(v.then), exactly(v.now)}
		}
	}
	if then.Digest != now.Digest {
		return &Difference{then.Step, "digest", then.Digest, now.Digest}
	}
	return nil
}

func exactly(v float64) string { return fmt.Sprintf("%.17g", v) }

// unlike is the first value in which a trainer is not what a checkpoint holds.
func unlike(cp *checkpoint.Checkpoint, t *trainer, step int) *Difference {
	now := t.state()
	for _, name := range slices.Sorted(maps.Keys(now)) {
		a, b := cp.Arrays[name], now[name]
		if !slices.Equal(a.Shape, b.Shape) {
			return &Difference{step, name, fmt.Sprint("of shape ", a.Shape), fmt.Sprint("of shape ", b.Shape)}
		}
		for i := range a.Data {
			if math.Float32bits(a.Data[i]) != math.Float32bits(b.Data[i]) {
				return &Difference{step, fmt.Sprintf("%s[%d]", name, i), exactly(float64(a.Data[i])), exactly(float64(b.Data[i]))}
			}
		}
	}
	return nil
}

// Write shows a verification, as text or as JSON.
func (v *Verification) Write(con Console) error {
	if con.JSON {
		return con.Show(v)
	}
	for _, f := range v.Folds {
		steps := fmt.Sprintf("%d of %d steps", f.Steps, f.Total)
		if f.Logged < f.Total {
			steps = fmt.Sprintf("%d of %d steps logged so far, of %d", f.Steps, f.Logged, f.Total)
		}
		compared := []string{"scores", fmt.Sprintf("digests of the weights (%d)", f.Digests)}
		which := "checkpoint"
		if f.Older {
			which = "older checkpoint, for the newest cannot be used,"
		}
		switch {
		case f.Reached:
			compared = append(compared, fmt.Sprintf("%s of step %d", which, f.Saved))
		case f.Saved < 0:
			compared = append(compared, "no checkpoint, for there is none")
		case f.First == nil:
			compared = append(compared, fmt.Sprintf("not as far as the %s of step %d", which, f.Saved))
		}
		found := "identical"
		if f.First != nil {
			found = "different; " + f.First.String()
		}
		name := v.Run
		if f.Fold != "" {
			name += " fold " + f.Fold
		}
		if _, err := fmt.Fprintf(con.Out, "%s: %s executed again: %s: %s\n", name, steps, strings.Join(compared, ", "), found); err != nil {
			return err
		}
	}
	for _, e := range v.Environment {
		if _, err := fmt.Fprintln(con.Out, "  not as it was:", e); err != nil {
			return err
		}
	}
	return nil
}
