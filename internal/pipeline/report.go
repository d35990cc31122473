package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/audio"
	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/report"
	"clr/internal/rundir"
)

// ReportFile is where a run's report stands if nobody says otherwise.
const ReportFile = "report.html"

// ReportOptions are what the command line says of a report.
type ReportOptions struct {
	Runs  []string // the first is looked into, the others are compared with it
	Out   string   // page; empty: ReportFile in the first run's folder
	Fold  string   // whose embeddings are mapped; empty: the first that has a checkpoint
	Clips int      // on the map, at most
	Seed  uint64   // of t-SNE
}

// What ReportOptions are if nobody says otherwise.
const (
	ReportClips = 600
	ReportSeed  = 1
)

// mostMapped is how many clips t-SNE, which takes time by their square, is asked
// to lay out.
const mostMapped = 2000

// Check refuses what cannot be done.
func (o ReportOptions) Check() error {
	if len(o.Runs) == 0 {
		return fault.New(fault.Usage, "such as clr report runs/first", "clr report takes one run folder or more")
	}
	if o.Clips < 0 || o.Clips > mostMapped {
		return fault.New(fault.Usage, "600 is usual, 0 leaves the map out", "--clips is %d, it must be 0 to %d", o.Clips, mostMapped)
	}
	return nil
}

// A Written is what a report came to.
type Written struct {
	Page   string   `json:"page"`
	Runs   []string `json:"runs"`
	Probes []string `json:"probes"` // whose scores are shown
	Clips  int      `json:"clips"`  // on the map
	Sounds int      `json:"sounds"` // of those that can be heard
	Bytes  int      `json:"bytes"`
}

// Report writes one page that shows runs as they are now.
func Report(ctx context.Context, o ReportOptions, con Console) (*Written, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	c, err := Compare(o.Runs)
	if err != nil {
		return nil, err
	}
	if o.Out == "" {
		o.Out = filepath.Join(o.Runs[0], ReportFile)
	}
	if err := Replaceable(o.Out, "report", report.IsPage); err != nil {
		return nil, err
	}
	r := &reporter{o: o, compared: c, page: &report.Page{Title: "clr report"}, con: con}
	for i, run := range o.Runs {
		if err := r.addRun(i, run); err != nil {
			return nil, err
		}
	}
	r.addDifferences()
	if err := r.addCourses(); err != nil {
		return nil, err
	}
	if len(r.page.Probes) == 0 {
		r.note("There are no scores yet: clr linear-probe --run %s asks what the embeddings are worth.", o.Runs[0])
	}
	if o.Clips > 0 {
		if err := r.addMap(ctx); ctx.Err() != nil {
			return nil, err
		} else if err != nil { // the rest can be shown
			r.page.Map, r.page.Matches = nil, nil
			r.note("There is no map of the embeddings: %v.", err)
			con.Warn("the report has no map of the embeddings: %v", err)
		}
	}
	var text bytes.Buffer
	if err := r.page.Write(&text); err != nil {
		return nil, err
	}
	if err := disk.WriteBytes(o.Out, text.Bytes()); err != nil {
		return nil, err
	}
	w := &Written{Page: o.Out, Runs: o.Runs, Probes: []string{}, Bytes: text.Len()}
	for _, p := range r.page.Probes {
		w.Probes = append(w.Probes, p.Name)
	}
	if m := r.page.Map; m != nil {
		w.Clips = len(m.Points)
		for _, p := range m.Points {
			if p.Sound != nil {
				w.Sounds++
			}
		}
	}
	return w, nil
}

// Write shows what was written, as a line or as JSON.
func (w *Written) Write(con Console) error {
	if con.JSON {
		return con.Show(w)
	}
	scores := "no scores"
	if len(w.Probes) > 0 {
		scores = "scores of " + strings.Join(w.Probes, ", ")
	}
	_, err := fmt.Fprintf(con.Out, "%s: %s, a map of %d clips of which %d can be heard, %.2f MB\n", w.Page, scores, w.Clips, w.Sounds, float64(w.Bytes)/1e6)
	return err
}

// PrintPath prints where a page is, so that it is found from any folder: for what
// opens it.
func PrintPath(con Console, page string) error {
	whole, err := filepath.Abs(page)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(con.Out, whole)
	return err
}

// A reporter gathers a page.
type reporter struct {
	o        ReportOptions
	compared *Comparison
	page     *report.Page
	con      Console
}

func (r *reporter) note(format string, args ...any) {
	r.page.Notes = append(r.page.Notes, fmt.Sprintf(format, args...))
}

// addRun adds what was run, and what probes found.
func (r *reporter) addRun(i int, run string) error {
	c, err := runConfig(run, Overrides{})
	if err != nil {
		return err
	}
	made, sessions, err := rundir.Read(run)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(run, rundir.ConfigFile))
	if err != nil {
		return fault.New(fault.Data, "bring back the file as clr pretrain wrote it", "%w", err)
	}
	shown := report.Run{Name: string('A' + rune(i%26)), Path: run, Config: string(text)}
	fact := func(name, format string, args ...any) {
		shown.Facts = append(shown.Facts, report.Fact{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	fact("learnt by", "%s, %d epochs in batches of %d, seed %d", nameIn(method.Table, c.Method), c.Schedule.Epochs, c.Batch, made.Seed)
	fact("encoder", "%s on %s views of %d frames", nameIn(model.Encoders, c.Encoder), nameIn(audio.Features, c.Feature), c.View.Frames)
	fact("corpus", "%s", c.Corpus)
	if len(sessions) > 0 {
		first, last := sessions[0], sessions[len(sessions)-1]
		end := "it was killed, or still runs"
		if last.End != nil {
			end = fmt.Sprintf("%s; %s", last.End.Format("2006-01-02 15:04:05"), last.Outcome)
		}
		fact("trained", "%s to %s", first.Start.Format("2006-01-02 15:04:05"), end)
	}
	fact("by", "clr %s, %s, %s", made.Version, made.Go, made.CPU)
	for _, f := range r.compared.Folds {
		if t := f.Runs[i]; t.SHA256 != "" {
			fact(strings.TrimSpace("weights "+f.Fold), "step %d, sha256 %s", t.Steps, t.SHA256)
		}
	}
	fact("run's digest", "%s", made.Hash())
	fact("corpus's digest", "%s", made.Corpus)
	fact("binary's digest", "%s", made.Binary)
	r.page.Runs = append(r.page.Runs, shown)
	r.page.Title += map[bool]string{true: ": ", false: ", "}[i == 0] + folderName(run)
	return r.addReports(i, run)
}

// folderName is the last part of a run's path.
func folderName(run string) string {
	if whole, err := filepath.Abs(run); err == nil {
		run = whole
	}
	return filepath.Base(run)
}

// addReports adds the scores of all report-*.json of a run, and of what clr
// finetune made of it.
func (r *reporter) addReports(i int, run string) error {
	for _, dir := range []string{run, filepath.Join(run, "finetune")} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fault.New(fault.Data, "see that the folder may be read", "%w", err)
		}
		for _, e := range entries {
			if name := e.Name(); strings.HasPrefix(name, "report-") && filepath.Ext(name) == ".json" {
				if err := r.addReport(i, filepath.Join(dir, name)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r *reporter) addReport(i int, path string) error {
	b, err := os.ReadFile(path)
	var found eval.Report
	if err == nil {
		err = json.Unmarshal(b, &found)
	}
	if err != nil {
		return fault.New(fault.Data, "the command that wrote it writes it anew; without it, the report leaves it out", "%s: %w", path, err)
	}
	if len(found.Rows) == 0 || found.Probe == "" {
		r.note("%s holds no table of scores that could be shown.", path)
		return nil
	}
	name := probeName(found.Probe)
	at := slices.IndexFunc(r.page.Probes, func(p report.Probe) bool { return p.Name == name })
	if at < 0 {
		at = len(r.page.Probes)
		first := found.Rows[0]
		r.page.Probes = append(r.page.Probes, report.Probe{Name: name, About: fmt.Sprintf("%d classes, %d test clips, split by %s", len(found.Classes), first.Clips, found.By)})
	}
	p := &r.page.Probes[at]
	for k, row := range found.Rows {
		s := report.Score{Run: i, Name: strings.ReplaceAll(row.Name, "_", " "), Value: row.Mean.Accuracy, Low: row.Interval[0], High: row.Interval[1],
			Baseline: row.Name == eval.RowRandomInit || row.Name == eval.RowStats || row.Name == eval.RowMajority}
		if !s.Baseline {
			s.Detail = fmt.Sprintf("macro-F1 %.1f %%, log loss %.3f", 100*row.Mean.MacroF1, row.Mean.LogLoss)
			if len(row.Folds) > 1 {
				s.Detail += fmt.Sprintf("; ± %.1f over %d folds and seeds", 100*row.Std.Accuracy, len(row.Folds))
			}
		}
		if k == 0 {
			s.Beside = r.beside(i, found.Probe)
		}
		p.Scores = append(p.Scores, s)
	}
	slices.SortStableFunc(p.Scores, func(a, b report.Score) int { // rows of one name together, what was learnt first
		first := func(s report.Score) int {
			return slices.IndexFunc(p.Scores, func(o report.Score) bool { return o.Name == s.Name })
		}
		return first(a) - first(b)
	})
	if i == 0 {
		row := found.Rows[0]
		about := ""
		if n := len(row.Folds); n > 1 {
			about = fmt.Sprintf("Over %d folds and seeds; a clip counts once for each that tested it.", n)
		}
		heard := report.Confusion{Title: strings.ReplaceAll(row.Name, "_", " ") + ", " + name, About: about, Classes: found.Classes, Counts: row.Confusion}
		for _, c := range row.PerClass {
			heard.Scores = append(heard.Scores, report.ClassScore{Class: c.Class, Precision: c.Precision, Recall: c.Recall, F1: c.F1, Clips: c.Support})
		}
		if heard.Square() {
			r.page.Heard = append(r.page.Heard, heard)
		} else {
			r.note("%s: its confusion matrix is not one of its %d classes.", path, len(found.Classes))
		}
	}
	return nil
}

// probeName is what a kind of probe is called.
func probeName(kind string) string {
	switch kind {
	case eval.Finetuning:
		return "finetuning"
	case "mlp":
		return "MLP probe"
	}
	return kind + " probe"
}

// beside tells how a run's probe did beside the first run's.
func (r *reporter) beside(i int, probe string) string {
	for _, p := range r.compared.Probes {
		for _, s := range p.Runs {
			if p.Probe != probe || s.Run != r.o.Runs[i] {
				continue
			}
			if t := s.Test; t != nil {
				return fmt.Sprintf("%+.1f beside %s (%+.1f to %+.1f), p = %s", 100*t.Difference, r.compared.letter(p.Runs[0].Run), 100*t.Interval[0], 100*t.Interval[1], pValue(t.P))
			}
			if s.Stale {
				return s.Why
			}
		}
	}
	return ""
}

// addDifferences adds the configs' and the makers'.
func (r *reporter) addDifferences() {
	if len(r.o.Runs) < 2 {
		return
	}
	for _, t := range []struct {
		title string
		all   []Values
	}{{"Config", r.compared.Config}, {"Made by", r.compared.MadeBy}} {
		table := report.Table{Title: t.title, Head: []string{"key"}}
		for _, run := range r.page.Runs {
			table.Head = append(table.Head, run.Name)
		}
		for _, v := range t.all {
			table.Rows = append(table.Rows, append([]string{v.Key}, v.Values...))
		}
		if len(table.Rows) == 0 {
			table.About, table.Head = "The same.", nil
		}
		r.page.Tables = append(r.page.Tables, table)
	}
	table := report.Table{Title: "Training", About: "Means over the first and the last epoch.", Head: []string{"run", "steps", "first loss", "last loss", "z std", "gradient norm", "clips/s"}}
	for _, f := range r.compared.Folds {
		for i, t := range f.Runs {
			if t.Steps > 0 {
				table.Rows = append(table.Rows, []string{strings.TrimSpace(r.page.Runs[i].Name + " " + f.Fold), fmt.Sprint(t.Steps), fmt.Sprintf("%.4f", t.FirstLoss), fmt.Sprintf("%.4f", t.Loss),
					fmt.Sprintf("%.4f", t.ZStd), fmt.Sprintf("%.3f", t.GradNorm), fmt.Sprintf("%.0f", t.ClipsPS)})
			}
		}
	}
	r.page.Tables = append(r.page.Tables, table)
}

// addCourses adds the curves of each step, those of the steps that were looked
// at, and what was warned of.
func (r *reporter) addCourses() error {
	steps := report.Courses{Title: "Training", About: "A line is a mean where steps share a place, the band around it goes from the least to the greatest."}
	for _, v := range logged {
		steps.Charts = append(steps.Charts, report.Chart{Title: v.name, X: "steps"})
	}
	looks := report.Courses{Title: "Health", About: "What was measured of the steps that were looked at; docs/health.md says what the measures are."}
	for _, g := range gauges[1:] { // the loss is there already
		looks.Charts = append(looks.Charts, report.Chart{Title: g.name, X: "steps"})
	}
	for _, f := range r.compared.Folds {
		for i, t := range f.Runs {
			name := strings.TrimSpace(r.page.Runs[i].Name + " " + f.Fold)
			for k, v := range logged {
				l := report.Line{Run: i, Name: name}
				for _, line := range t.lines {
					l.X, l.Y = append(l.X, float64(line.Step)), append(l.Y, v.of(line))
				}
				steps.Charts[k].Add(l)
			}
			dir := rundir.FoldDir(r.o.Runs[i], f.Fold)
			seen, err := rundir.ReadHealth(dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			for k, g := range gauges[1:] {
				l := report.Line{Run: i, Name: name}
				for _, line := range seen {
					if v, ok := g.of(line.Sample); ok {
						l.X, l.Y = append(l.X, float64(line.Step)), append(l.Y, v)
					}
				}
				looks.Charts[k].Add(l)
			}
			for _, line := range seen {
				for _, w := range line.Warnings {
					r.page.Warned = append(r.page.Warned, report.Warning{Where: fmt.Sprintf("%s, step %d", dir, w.Step), Code: w.Code, Text: w.Text, Try: w.Try})
				}
			}
		}
	}
	for _, c := range []report.Courses{steps, looks} {
		c.Charts = slices.DeleteFunc(c.Charts, func(c report.Chart) bool { return len(c.Lines) == 0 })
		if len(c.Charts) > 0 {
			r.page.Courses = append(r.page.Courses, c)
		}
	}
	return nil
}
