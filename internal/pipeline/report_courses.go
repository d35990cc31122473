package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"clr/internal/report"
	"clr/internal/rundir"
)

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
