package pipeline

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"clr/internal/fault"
	"clr/internal/health"
	"clr/internal/rundir"
)

// A HealthReport is what was seen of a run while it was trained.
type HealthReport struct {
	Run     string       `json:"run"`
	Healthy bool         `json:"healthy"` // no collapse was found, and every step was finite
	Grace   int          `json:"grace"`   // steps that are not judged: of them nothing is the worst, unless there are no others
	Folds   []FoldHealth `json:"folds"`
}

// A FoldHealth is what was seen of a fold.
type FoldHealth struct {
	Fold     string           `json:"fold"`
	Looks    int              `json:"looks"`    // steps that were measured
	Step     int              `json:"step"`     // the last of them
	Epoch    int              `json:"epoch"`    // and its epoch
	Measures []Course         `json:"measures"` // of those
	Last     *health.Sample   `json:"last"`     // all that was measured last, each layer and the histograms too; null: nothing was
	Warnings []health.Warning `json:"warnings"`
	Diverged *int             `json:"diverged_at"` // the step that was not finite; null: none was
}

// A Course is how a measure went.
type Course struct {
	Name  string  `json:"name"`
	Last  float64 `json:"last"`
	Worst float64 `json:"worst"`    // since the grace was over
	At    int     `json:"worst_at"` // the first step that had it
}

// A gauge reads one measure from a sample.
type gauge struct {
	name string
	high bool                                     // the highest is the worst
	of   func(health.Sample) (v float64, ok bool) // not ok: the sample does not have it
}

// gauges are what a report shows, in its order.
var gauges = []gauge{
	{"loss", true, func(s health.Sample) (float64, bool) { return s.Loss, true }},
	{"loss / that of guessing", true, func(s health.Sample) (float64, bool) { return s.Loss / s.Chance, s.Chance > 0 }},
	{"temperature that is learnt", false, func(s health.Sample) (float64, bool) { return s.Temperature, s.Temperature > 0 }},
	{"deviation of z / even spread", false, func(s health.Sample) (float64, bool) { return s.Z.Std / s.Z.StdSpread, compared(s) }},
	{"RankMe / directions there are", false, func(s health.Sample) (float64, bool) {
		return s.Z.RankMe / float64(min(s.Z.Pairs, s.Z.Dimensions)), compared(s)
	}},
	{"dead dimensions", true, func(s health.Sample) (float64, bool) { return float64(s.Z.Dead), compared(s) }},
	{"alignment", true, func(s health.Sample) (float64, bool) { return s.Z.Alignment, compared(s) }},
	{"uniformity", true, func(s health.Sample) (float64, bool) { return s.Z.Uniformity, compared(s) }},
	{"cosine of positives", false, func(s health.Sample) (float64, bool) { return s.Z.PositiveCos, compared(s) }},
	{"cosine of negatives", true, func(s health.Sample) (float64, bool) { return s.Z.NegativeCos, compared(s) }},
	{"contrastive top-1", false, func(s health.Sample) (float64, bool) { return s.Z.Top1, compared(s) }},
	{"gradient, all layers", true, func(s health.Sample) (float64, bool) { return health.FlowOf(s.Layers).Gradient, len(s.Layers) > 0 }},
	{"gradient, least layer / largest", false, func(s health.Sample) (float64, bool) {
		f := health.FlowOf(s.Layers)
		return f.Least.Gradient / f.Largest.Gradient, f.Largest.Gradient > 0
	}},
	{"update / weight, largest layer", true, func(s health.Sample) (float64, bool) {
		f := health.FlowOf(s.Layers)
		return f.Moved.Share(), f.Weight > 0
	}},
	{"queue's age in epochs", true, func(s health.Sample) (float64, bool) {
		if s.Queue == nil {
			return 0, false
		}
		return s.Queue.Epochs, true
	}},
	{"drift of the following tower", true, func(s health.Sample) (float64, bool) {
		if s.Drift == nil {
			return 0, false
		}
		return s.Drift.WorstBy, true
	}},
	{"k-NN accuracy", false, func(s health.Sample) (float64, bool) {
		if s.KNN == nil {
			return 0, false
		}
		return s.KNN.Accuracy, true
	}},
}

// compared says whether there were projections to compare.
func compared(s health.Sample) bool { return s.Z.Pairs > 1 && s.Z.Dimensions > 0 && s.Z.StdSpread > 0 }

// Health reads what was logged of a run, which may be going on, or broken. The
// error, of kind Diverged, is of a run that is not healthy.
func Health(run string) (*HealthReport, error) {
	c, err := runConfig(run, Overrides{})
	if err != nil {
		return nil, err
	}
	folds, err := rundir.Folds(run)
	if err != nil {
		return nil, err
	}
	r := &HealthReport{Run: run, Grace: c.Health.Grace}
	var ill error
	for _, name := range folds {
		f, err := foldHealth(rundir.FoldDir(run, name), name, c.Health.Grace)
		if err != nil {
			return nil, err
		}
		r.Folds = append(r.Folds, f)
		if ill == nil {
			ill = f.illness(r.where(f))
		}
	}
	r.Healthy = ill == nil
	return r, ill
}

func foldHealth(dir, name string, grace int) (FoldHealth, error) {
	f := FoldHealth{Fold: name, Measures: []Course{}, Warnings: []health.Warning{}}
	lines, err := rundir.ReadHealth(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // none: an older clr's, or killed before its first step
		return f, err
	}
	if found := lookForReplay(dir); found.step >= 0 {
		f.Diverged = &found.step
	}
	if f.Looks = len(lines); f.Looks > 0 {
		f.Last = &lines[f.Looks-1].Sample
		f.Step, f.Epoch = f.Last.Step, f.Last.Epoch
	}
	for _, l := range lines {
		f.Warnings = append(f.Warnings, l.Warnings...)
	}
	for _, g := range gauges {
		if c, ok := g.course(lines, grace); ok {
			f.Measures = append(f.Measures, c)
		}
	}
	return f, nil
}

// course follows a measure through a run, as far as it is finite.
func (g gauge) course(lines []rundir.Health, grace int) (c Course, ok bool) {
	c.Name = g.name
	for _, l := range lines {
		v, has := g.of(l.Sample)
		if !has || !isFinite(v) {
			continue
		}
		c.Last = v
		worse := v < c.Worst
		if g.high {
			worse = v > c.Worst
		}
		if !ok || worse || c.At < grace && l.Step >= grace {
			c.Worst, c.At = v, l.Step
		}
		ok = true
	}
	return c, ok
}

// illness is the error of a fold that is not healthy, nil of others.
func (f FoldHealth) illness(where string) error {
	for _, w := range f.Warnings {
		if w.Severity == health.Collapse {
			return fault.New(fault.Diverged, w.Try, "%s: step %d: %s: %s", where, w.Step, w.Code, w.Text)
		}
	}
	if f.Diverged != nil {
		return fault.New(fault.Diverged, "clr replay "+filepath.Join(where, divergedFile)+" shows where it went wrong", "%s: step %d was not finite", where, *f.Diverged)
	}
	return nil
}

// where is a fold's folder, which names it too.
func (r *HealthReport) where(f FoldHealth) string { return rundir.FoldDir(r.Run, f.Fold) }

// Write shows a report, as text or as JSON.
func (r *HealthReport) Write(con Console) error {
	if con.JSON {
		return con.Show(r)
	}
	var b strings.Builder
	for i, f := range r.Folds {
		if i > 0 {
			b.WriteByte('\n')
		}
		r.write(&b, f)
	}
	_, err := io.WriteString(con.Out, b.String())
	return err
}

func (r *HealthReport) write(b *strings.Builder, f FoldHealth) {
	where := r.where(f)
	if f.Looks == 0 {
		fmt.Fprintf(b, "%s: no step was looked at yet\n", where)
	} else {
		fmt.Fprintf(b, "%s: looked at %d times, the last at step %d, epoch %d\n\n", where, f.Looks, f.Step, f.Epoch)
		fmt.Fprintf(b, "%-32s %10s %10s  since step %d, at step\n", "measure", "last", "worst", r.Grace)
	}
	for _, c := range f.Measures {
		fmt.Fprintf(b, "%-32s %10.4g %10.4g  %d\n", c.Name, c.Last, c.Worst, c.At)
	}
	if f.Last != nil {
		writeCosines(b, f.Last.Z)
		writeLayers(b, f.Last.Layers)
	}
	if f.Looks > 0 && len(f.Warnings) == 0 {
		fmt.Fprintln(b, "\nno warnings")
	}
	for _, w := range f.Warnings {
		fmt.Fprintf(b, "\nstep %d: %s (%s)\n  %s\n  try: %s\n", w.Step, w.Code, w.Severity, w.Text, w.Try)
	}
	if f.Diverged != nil {
		fmt.Fprintf(b, "\nstep %d was not finite: clr replay %s shows where\n", *f.Diverged, filepath.Join(where, divergedFile))
	}
}
