package pipeline

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"clr/internal/disk"
	"clr/internal/eval"
)

// The files of a suite's results, beside the answers.
const (
	suiteJSON     = "suite.json"
	suiteCSV      = "suite.csv"
	suiteMarkdown = "suite.md"
)

// meanTask is the task of rows that are means over tasks.
const meanTask = "mean"

// A SuiteResult is a suite's one table.
type SuiteResult struct {
	Rows []SuiteRow `json:"rows"`
}

// A SuiteRow is one number. Rows of the task mean are means of what reports put
// first, over the tasks that a probe was asked of, if these are several.
type SuiteRow struct {
	Run   string `json:"run"`
	Task  string `json:"task"`
	Probe string `json:"probe"` // title
	eval.Measured
	Clips  int  `json:"test_clips"`
	Splits int  `json:"splits"`
	Heard  *int `json:"heard"` // test clips that were heard in pretraining; null: nobody can tell
	Tasks  int  `json:"tasks"` // that a mean is of; else 1
	Of     int  `json:"of"`    // tasks that the suite has the probe asked of: more than Tasks where some failed or were left out; else 1
	first  bool // of its report
}

// rows are an answer's lines.
func (a *answer) rows(run, task, probe string) []SuiteRow {
	row := SuiteRow{Run: run, Task: task, Probe: probe, Splits: len(a.Asked.Splits), Heard: a.Heard, Tasks: 1, Of: 1}
	if a.Report != nil {
		row.Measured, row.Clips, row.first = a.Report.Measured(), a.Report.Rows[0].Clips, true
		return []SuiteRow{row}
	}
	var all []SuiteRow
	row.Clips = a.Judgement.Rows[0].Clips
	for _, m := range a.Judgement.Measured() {
		row.Measured = m
		all = append(all, row)
	}
	return all
}

// addMeans adds the means over a suite's tasks.
func (r *SuiteResult) addMeans(s *Suite) {
	type key struct{ run, probe string }
	var order []key
	of := map[key][]SuiteRow{}
	for _, row := range r.Rows {
		if row.first {
			k := key{row.Run, row.Probe}
			if of[k] == nil {
				order = append(order, k)
			}
			of[k] = append(of[k], row)
		}
	}
	for _, k := range order {
		n := eval.Score(len(of[k]))
		if n < 2 {
			continue
		}
		mean := SuiteRow{Run: k.run, Task: meanTask, Probe: k.probe, Measured: eval.Measured{Name: "mean"}, Tasks: len(of[k]), Of: s.asks(k.probe)}
		for _, row := range of[k] {
			mean.Score, mean.RandomInit, mean.FeatureStats, mean.Chance = mean.Score+row.Score/n, mean.RandomInit+row.RandomInit/n, mean.FeatureStats+row.FeatureStats/n, mean.Chance+row.Chance/n
			mean.Clips, mean.Splits = mean.Clips+row.Clips, mean.Splits+row.Splits
		}
		r.Rows = append(r.Rows, mean)
	}
}

// write keeps the table in a folder, in the three forms.
func (r *SuiteResult) write(dir string) error {
	var csvText, markdown bytes.Buffer
	if err := r.csv(&csvText); err != nil {
		return err
	}
	lines := r.lines()
	for i, line := range lines {
		for _, cell := range line {
			markdown.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
		}
		markdown.WriteString("|\n")
		if i == 0 {
			markdown.WriteString(strings.Repeat("|---", len(line)) + "|\n")
		}
	}
	text, err := r.text()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{{suiteJSON, text}, {suiteCSV, csvText.Bytes()}, {suiteMarkdown, markdown.Bytes()}} {
		if err := disk.WriteBytes(filepath.Join(dir, f.name), f.text); err != nil {
			return err
		}
	}
	return nil
}

// text is the table as JSON.
func (r *SuiteResult) text() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", " ")
	return append(b, '\n'), err
}

// csv writes fractions to the last digit, and nothing where nothing is known.
func (r *SuiteResult) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	out.Write([]string{"run", "task", "probe", "measure", "score", "ci95_low", "ci95_high", "random_init", "feature_stats", "chance", "test_clips", "splits", "heard", "tasks", "of"})
	number := func(s eval.Score) string {
		if s != s {
			return ""
		}
		return strconv.FormatFloat(float64(s), 'g', -1, 64)
	}
	for _, row := range r.Rows {
		low, high, heard := "", "", ""
		if i := row.Interval; i != nil {
			low, high = number(eval.Score(i[0])), number(eval.Score(i[1]))
		}
		if row.Heard != nil {
			heard = strconv.Itoa(*row.Heard)
		}
		out.Write([]string{row.Run, row.Task, row.Probe, row.Name, number(row.Score), low, high, number(row.RandomInit), number(row.FeatureStats), number(row.Chance), strconv.Itoa(row.Clips), strconv.Itoa(row.Splits), heard, strconv.Itoa(row.Tasks), strconv.Itoa(row.Of)})
	}
	out.Flush()
	return out.Error()
}

// lines are the table in percent, for people; the runs' names stand there where they
// are several.
func (r *SuiteResult) lines() [][]string {
	several := slices.ContainsFunc(r.Rows, func(row SuiteRow) bool { return row.Run != r.Rows[0].Run })
	all := [][]string{{"task", "probe", "measure", "score", "95 % interval", "random", "stats", "chance"}}
	for _, row := range r.Rows {
		interval := "-"
		if i := row.Interval; i != nil {
			interval = fmt.Sprintf("%.1f..%.1f", 100*i[0], 100*i[1])
		}
		task := row.Task
		switch {
		case row.Tasks < row.Of:
			task = fmt.Sprintf("%s of %d of %d tasks", task, row.Tasks, row.Of)
		case row.Tasks > 1:
			task = fmt.Sprintf("%s of %d tasks", task, row.Tasks)
		}
		all = append(all, []string{task, row.Probe, row.Name, row.Score.Percent(), interval, row.RandomInit.Percent(), row.FeatureStats.Percent(), row.Chance.Percent()})
	}
	if several {
		for i := range all {
			run := "run"
			if i > 0 {
				run = r.Rows[i-1].Run
			}
			all[i] = append([]string{run}, all[i]...)
		}
	}
	return all
}

// Write shows the table, as text or as JSON.
func (r *SuiteResult) Write(con Console) error {
	if con.JSON {
		text, err := r.text()
		if err == nil {
			_, err = con.Out.Write(text)
		}
		return err
	}
	var b strings.Builder
	eval.Align(&b, r.lines(), -1)
	_, err := io.WriteString(con.Out, b.String())
	return err
}
