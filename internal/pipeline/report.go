package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"clr/internal/audio"
	"clr/internal/disk"
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
