package sweep

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"clr/internal/pipeline/strict"
)

// A Hyperband stops trials that come off badly at some of their epochs.
type Hyperband struct {
	Type string  `yaml:"type" doc:"hyperband"`
	Min  int     `yaml:"min_iter" doc:"first epoch at which trials are compared; the others are eta times the one before"`
	Max  int     `yaml:"max_iter" doc:"instead of min_iter: the epochs of a whole run, of which the last comparison is eta times before"`
	S    int     `yaml:"s" doc:"with max_iter: how many comparisons"`
	Eta  float64 `yaml:"eta" doc:"one of so many trials goes on"`
}

func hyperband(t strict.Tree) (*Hyperband, strict.Problems) {
	if !t.Given() {
		return nil, nil
	}
	h := Hyperband{Eta: 3}
	schema := strict.New().Foreign(map[string]string{"early_terminate.strict": "leave it out: a trial is always compared before it goes on"})
	if problems := schema.DecodeTree("early_terminate", t, &h); len(problems) > 0 {
		return nil, problems
	}
	wrong := func(key, hint, format string, args ...any) (*Hyperband, strict.Problems) {
		at := t
		branches, _ := t.Branches()
		for _, b := range branches {
			if b.Key == key {
				at = b.Value
			}
		}
		return nil, strict.Problems{at.WrongKey(hint, "early_terminate: "+format, args...)}
	}
	switch {
	case h.Type != "hyperband":
		return wrong("type", "write type: hyperband", "type is %q", h.Type)
	case h.Eta < 2 || h.Eta > 100:
		return wrong("eta", "3 is usual", "eta is %g, it must be 2 to 100", h.Eta)
	case h.Min < 0 || h.Max < 0 || h.S < 0:
		return wrong("min_iter", "", "min_iter, max_iter and s must be 1 or more")
	case (h.Min > 0) == (h.Max > 0):
		return wrong("type", "min_iter: 3, or max_iter: 27 and s: 2", "it needs one of min_iter and max_iter")
	case h.Max > 0 && h.S == 0:
		return wrong("max_iter", "s: 2 compares at a third and at a ninth", "max_iter needs s")
	case h.Min > 0 && h.S > 0:
		return wrong("s", "leave it out", "s belongs to max_iter")
	}
	return &h, nil
}

// Rungs are the epochs at which trials of so many epochs are compared, rising; none
// is the last.
func (h *Hyperband) Rungs(epochs int) (all []int) {
	if h == nil {
		return nil
	}
	if h.Max > 0 {
		at := float64(h.Max)
		for range h.S {
			if at /= h.Eta; int(at) >= 1 && int(at) < epochs {
				all = append([]int{int(at)}, all...)
			}
		}
		return all
	}
	for at := float64(h.Min); int(at) < epochs; at *= h.Eta {
		all = append(all, int(at))
	}
	return all
}

// before are the values that the trials before one had at an epoch, and those of
// these trials of which that is not known yet. The caller holds the lock.
func (w *worker) before(i, epoch int) (values []float64, unknown []int, err error) {
	for j := range i {
		at := [2]int{j, epoch}
		v, known := w.rungs[at]
		if !known {
			if v, known, err = w.rungOf(j, epoch); err != nil {
				return nil, nil, err
			}
		}
		switch {
		case !known:
			unknown = append(unknown, j)
			continue
		case v != nil:
			values = append(values, *v)
		}
		w.rungs[at] = v
	}
	return values, unknown, nil
}

// rungOf is a trial's value at an epoch: nil, where it ends before, has failed or
// was stopped earlier.
func (w *worker) rungOf(j, epoch int) (v *float64, known bool, err error) {
	r, err := w.result(j)
	if err != nil {
		return nil, false, err
	}
	var rungs []Rung
	if r != nil {
		rungs, known = r.Rungs, true
	} else {
		p, err := w.progress(j)
		if err != nil {
			return nil, false, err
		}
		if rungs = p.Rungs; w.short(j, epoch) {
			known = true
		}
	}
	if k := slices.IndexFunc(rungs, func(r Rung) bool { return r.Epoch == epoch }); k >= 0 {
		return &rungs[k].Value, true, nil
	}
	return nil, known, nil
}

// short says whether a trial is never compared at an epoch.
func (w *worker) short(j, epoch int) bool {
	if !slices.ContainsFunc(w.Parameters, func(p Parameter) bool { return within(p.Path, "schedule.epochs") }) {
		return false // all have the same
	}
	p, known, err := w.point(j / w.Seeds)
	if err != nil || !known {
		return false
	}
	c, err := w.config(w.File.trial(j, p), p)
	return err == nil && !slices.Contains(w.Stop.Rungs(c.Schedule.Epochs), epoch)
}

// compare says why a trial goes no further than an epoch; empty: it goes on. It goes
// on where it is among the best of those trials that were as far and stand before it
// in the sweep, itself among them: one of Eta, and at least one. Later trials have no
// part in it, so the same file stops the same trials, whoever works on them when.
// Its price is that the first trials are compared with few.
func (w *worker) compare(i, epoch int) (reason string, wait bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	values, unknown, err := w.before(i, epoch)
	if err != nil || len(unknown) > 0 {
		return "", true, err
	}
	own, _, err := w.rungOf(i, epoch)
	if err == nil && own == nil {
		err = damaged(filepath.Join(w.TrialDir(i), progressFile), "it does not tell %s after epoch %d", w.Metric.Name, epoch)
	}
	if err != nil {
		return "", false, err
	}
	better := 0
	for _, v := range values {
		if !w.Metric.Better(*own, v) {
			better++
		}
	}
	if places := int(math.Ceil(float64(len(values)+1) / w.Stop.Eta)); better >= places {
		return fmt.Sprintf("after epoch %d its %s is %.4g, and %d of the %d trials before it that came as far are no worse: %d go on", epoch, w.Metric.Name, *own, better, len(values), places), false, nil
	}
	return "", false, nil
}
