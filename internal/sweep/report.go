package sweep

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"clr/internal/disk"
	"clr/internal/pipeline"
	"clr/internal/report"
	"clr/internal/rundir"
)

// What one page has room for.
const (
	pointsShown = 40
	curvesShown = 120
)

// A Written is what a report came to.
type Written struct {
	Page   string `json:"page"`
	Points int    `json:"points"` // whose scores are shown
	Trials int    `json:"trials"` // that have a score
	Curves int    `json:"curves"`
	Failed int    `json:"failed"`
	Bytes  int    `json:"bytes"`
}

// Write shows what was written, as a line or as JSON.
func (w *Written) Write(con pipeline.Console) error {
	if con.JSON {
		return con.Show(w)
	}
	_, err := fmt.Fprintf(con.Out, "%s: scores of %d trials at %d points, %d learning curves, %d failures, %.2f MB\n", w.Page, w.Trials, w.Points, w.Curves, w.Failed, float64(w.Bytes)/1e6)
	return err
}

// Report writes one page that shows the sweep as it is now; out is empty for
// report.html in its folder. Equal trials are equal pages.
func (s *Sweep) Report(out string) (*Written, error) {
	if out == "" {
		out = filepath.Join(s.Dir, pipeline.ReportFile)
	}
	if err := pipeline.Replaceable(out, "report", report.IsPage); err != nil {
		return nil, err
	}
	page, err := s.page()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := page.Write(&text); err != nil {
		return nil, err
	}
	if err := disk.WriteBytes(out, text.Bytes()); err != nil {
		return nil, err
	}
	w := &Written{Page: out, Points: len(page.Points) + page.More, Trials: len(page.Marks), Bytes: text.Len()}
	for _, c := range page.Curves.Charts {
		w.Curves = max(w.Curves, len(c.Lines))
	}
	for _, t := range page.Ends {
		if t.Title == failedTitle {
			w.Failed = len(t.Rows)
		}
	}
	return w, nil
}

const failedTitle = "Failed"

// page gathers what is shown.
func (s *Sweep) page() (*report.Sweep, error) {
	states, err := s.States()
	if err != nil {
		return nil, err
	}
	p := &report.Sweep{Title: "clr sweep: " + s.folder(), Metric: s.Metric.Name, Least: s.Metric.Goal == minimize, File: string(s.text)}
	if p.Metric == "" {
		p.Metric, p.Least = "loss", true
	}
	s.addFacts(p, states)
	s.addBest(p, states)
	s.addPoints(p, states)
	s.addMarks(p, states)
	p.Shares, p.Rest = s.shares(states, p.Metric)
	if err := s.addCurves(p, states); err != nil {
		return nil, err
	}
	s.addEnds(p, states)
	return p, nil
}

// folder is the last part of the sweep's path.
func (s *Sweep) folder() string {
	if whole, err := filepath.Abs(s.Dir); err == nil {
		return filepath.Base(whole)
	}
	return filepath.Base(s.Dir)
}

func (s *Sweep) addFacts(p *report.Sweep, states []State) {
	counts := map[string]int{}
	for _, st := range states {
		counts[st.Status]++
	}
	var parts []string
	for _, status := range []string{Done, Pruned, Failed, Running, Stopped, Waiting} {
		if n := counts[status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, status))
		}
	}
	points := fmt.Sprintf("%s, %d points", s.Method, s.Points())
	if s.Seeds > 1 {
		points += fmt.Sprintf(" of %d seeds each", s.Seeds)
	}
	p.Facts = []report.Fact{{Name: "method", Value: points}, {Name: "trials", Value: strings.Join(parts, ", ")}}
	if s.Metric.Name != "" {
		p.Facts = append(p.Facts, report.Fact{Name: "chosen by", Value: s.Metric.Name + ", " + s.Metric.Goal})
	}
	var fixed []string
	for _, q := range s.Parameters {
		if len(q.values) == 1 {
			fixed = append(fixed, q.Path+"="+q.values[0].Text())
		}
	}
	if len(fixed) > 0 {
		p.Facts = append(p.Facts, report.Fact{Name: "the same in all", Value: strings.Join(fixed, ", ")})
	}
	if left := counts[Running] + counts[Stopped] + counts[Waiting]; left > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d of %d trials are not finished.", left, len(states)))
	}
	if n := counts[Pruned]; n > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("Trials that were stopped early, %d, are among the curves alone: their scores are of shorter trainings.", n))
	}
}

// varied are the parameters that take more than one value.
func (s *Sweep) varied() (at []int) {
	for k, q := range s.Parameters {
		if len(q.values) != 1 {
			at = append(at, k)
		}
	}
	return at
}

// called is a point in a few words: what is the same in all is left out, and so is
// of a key what stands before the last dot, if no other key ends the same.
func (s *Sweep) called(params Params) string {
	ends := map[string]int{}
	for _, k := range s.varied() {
		ends[tail(s.Parameters[k].Path)]++
	}
	var parts []string
	for _, k := range s.varied() {
		if k >= len(params) {
			continue
		}
		name := params[k].Path
		if ends[tail(name)] == 1 {
			name = tail(name)
		}
		parts = append(parts, name+"="+params[k].Text)
	}
	return strings.Join(parts, ", ")
}

func (s *Sweep) addBest(p *report.Sweep, states []State) {
	best, err := s.best(states)
	if err != nil {
		p.Notes = append(p.Notes, fmt.Sprintf("No best point is shown: %v.", err))
		return
	}
	p.Best = &report.Chosen{
		Point:  s.called(best.Params),
		About:  fmt.Sprintf("Point %d of %d that are done, by %s (%s). Its config: %s.", best.Point, best.Among, best.Metric, best.Goal, s.within(s.ConfigPath(best.Trials[0]))),
		Scores: []report.Fact{{Name: best.Metric + ", which it was chosen by", Value: best.Chosen.String()}},
		Says:   strings.ToUpper(best.Says[:1]) + best.Says[1:] + ".",
	}
	for _, then := range s.Then {
		kind, _ := probeOf(then)
		t := best.Tests[kind]
		p.Best.Scores = append(p.Best.Scores, report.Fact{Name: kind + "." + t.Score + ", on test clips", Value: t.Best.String()})
		if t.Nested != t.Best.Mean {
			p.Best.Scores = append(p.Best.Scores, report.Fact{Name: "the same, nested", Value: fmt.Sprintf("%.4f", t.Nested)})
		}
	}
}

// within is a path as it stands in the sweep's folder.
func (s *Sweep) within(path string) string {
	if rel, err := filepath.Rel(s.Dir, path); err == nil {
		return rel
	}
	return path
}

func (s *Sweep) addPoints(p *report.Sweep, states []State) {
	for at := range s.Points() {
		done := s.trialsOf(states, at)
		v := values(done, "", p.Metric)
		if len(v) == 0 {
			continue
		}
		of := spread(v)
		scores := report.PointScores{Name: s.called(done[0].Params), Values: v, Mean: of.Mean}
		if of.Interval != nil {
			scores.Interval, scores.Low, scores.High = true, of.Interval[0], of.Interval[1]
		}
		p.Points = append(p.Points, scores)
	}
	slices.SortStableFunc(p.Points, func(a, b report.PointScores) int {
		if p.Least {
			return cmp.Compare(a.Mean, b.Mean)
		}
		return cmp.Compare(b.Mean, a.Mean)
	})
	if more := len(p.Points) - pointsShown; more > 0 {
		p.Points, p.More = p.Points[:pointsShown], more
	}
}

// addMarks adds the trials that are done, and the axes of what they differ in.
func (s *Sweep) addMarks(p *report.Sweep, states []State) {
	var done []State
	for _, st := range states {
		if st.Status == Done {
			if v, ok := st.Result.Scores[p.Metric]; ok {
				done = append(done, st)
				p.Marks = append(p.Marks, report.Mark{Name: fmt.Sprintf("trial %d, seed %d: %s; %s %.4g", st.Index, st.Seed, s.called(st.Params), p.Metric, v), Score: v})
			}
		}
	}
	for _, k := range s.varied() {
		axis, at := axisOf(s.Parameters[k], k, done)
		p.Axes = append(p.Axes, axis)
		for i, v := range at {
			p.Marks[i].At = append(p.Marks[i].At, v)
		}
	}
}

// axisOf is a parameter's, and where trials are on it: numbers, where all are, and in
// logarithms where they go over a power of ten; else words, in the order of the file.
func axisOf(q Parameter, k int, trials []State) (a report.Axis, at []float64) {
	a.Name = q.Path
	numbers := true
	least, most := 0.0, 0.0
	for i, st := range trials {
		v, err := strconv.ParseFloat(st.Params[k].Text, 64)
		numbers = numbers && err == nil && v-v == 0
		if at = append(at, v); i == 0 {
			least, most = v, v
		}
		least, most = min(least, v), max(most, v)
	}
	if numbers {
		a.Log = least > 0 && most/least >= 10
		return a, at
	}
	for _, v := range q.values {
		a.Names = append(a.Names, v.Text())
	}
	for i, st := range trials {
		at[i] = float64(slices.Index(a.Names, st.Params[k].Text))
	}
	return a, at
}

// addCurves adds the loss over the epochs of each trial that has begun and, where
// trials were compared early, what they were compared by.
func (s *Sweep) addCurves(p *report.Sweep, states []State) error {
	scores := map[int]float64{}
	low, high := 0.0, 0.0
	for _, st := range states {
		if st.Status != Done {
			continue
		}
		if v, ok := st.Result.Scores[p.Metric]; ok {
			if len(scores) == 0 {
				low, high = v, v
			}
			scores[st.Index], low, high = v, min(low, v), max(high, v)
		}
	}
	loss := report.Chart{Title: "loss", X: "epochs"}
	rungs := report.Chart{Title: p.Metric, X: "epochs, at which trials were compared"}
	shown := 0
	for _, st := range states {
		if shown == curvesShown {
			p.Notes = append(p.Notes, fmt.Sprintf("Learning curves are of the first %d trials.", shown))
			break
		}
		l := report.Line{Name: fmt.Sprintf("trial %d (%s): %s", st.Index, st.Status, s.called(st.Params)), Shade: "var(--soft)"}
		if v, ok := scores[st.Index]; ok {
			share := (v - low) / max(high-low, 1e-300)
			if p.Least {
				share = 1 - share
			}
			l.Shade = report.Warmth(share)
		}
		compared := l
		var err error
		if l.X, l.Y, err = s.losses(st.Index); err != nil {
			return err
		}
		if len(l.X) > 0 {
			shown++
		}
		loss.Add(l)
		done, err := s.progress(st.Index)
		if err != nil {
			return err
		}
		if st.Result != nil {
			done.Rungs = st.Result.Rungs
		}
		for _, r := range done.Rungs {
			compared.X, compared.Y = append(compared.X, float64(r.Epoch)), append(compared.Y, r.Value)
		}
		rungs.Add(compared)
	}
	p.Curves = report.Courses{Title: "Learning curves", About: "A line is a trial: its mean loss of each epoch, over its folds. Colours are those of the scores; trials without a score are grey."}
	for _, c := range []report.Chart{loss, rungs} {
		if len(c.Lines) > 0 {
			p.Curves.Charts = append(p.Curves.Charts, c)
		}
	}
	return nil
}

// losses are a trial's means over the steps of each epoch and over the folds.
func (s *Sweep) losses(i int) (x, y []float64, err error) {
	run := s.RunDir(i)
	if !rundir.Holds(run) {
		return nil, nil, nil
	}
	folds, err := rundir.Folds(run)
	if err != nil {
		return nil, nil, err
	}
	var counts []int
	for _, fold := range folds {
		lines, err := rundir.ReadLog(rundir.FoldDir(run, fold))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a fold that has not begun has none
			return nil, nil, err
		}
		for _, l := range lines {
			for len(y) <= l.Epoch {
				x, y, counts = append(x, float64(len(y)+1)), append(y, 0), append(counts, 0)
			}
			y[l.Epoch] += l.Loss
			counts[l.Epoch]++
		}
	}
	for e, n := range counts {
		y[e] /= float64(n) // of nothing it is not a number: a gap
	}
	return x, y, nil
}

// addEnds adds the trials that failed or were stopped early, and why.
func (s *Sweep) addEnds(p *report.Sweep, states []State) {
	tables := []struct {
		status string
		report.Table
	}{
		{Failed, report.Table{Title: failedTitle, About: "Each is one trial; clr sweep retry lets them be tried again.", Head: []string{"trial", "seed", "point", "exit code", "reason"}}},
		{Pruned, report.Table{Title: "Stopped early", About: "By the file's early_terminate.", Head: []string{"trial", "seed", "point", "epochs", "reason"}}},
	}
	for _, t := range tables {
		for _, st := range states {
			if st.Status != t.status {
				continue
			}
			number := st.Result.Exit
			if t.status == Pruned {
				number = st.Result.Epochs
			}
			t.Rows = append(t.Rows, []string{strconv.Itoa(st.Index), strconv.FormatUint(st.Seed, 10), s.called(st.Params), strconv.Itoa(number), st.Result.Reason})
		}
		if len(t.Rows) > 0 {
			p.Ends = append(p.Ends, t.Table)
		}
	}
}
