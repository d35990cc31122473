package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/report"
)

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
			if name := e.Name(); name == judgeReport {
				if err := r.addJudgement(i, dir); err != nil {
					return err
				}
			} else if strings.HasPrefix(name, "report-") && filepath.Ext(name) == ".json" {
				if err := r.addReport(i, filepath.Join(dir, name)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// addJudgement adds what clr judge found of a run.
func (r *reporter) addJudgement(i int, run string) error {
	var j eval.Judgement
	if _, err := readScores(filepath.Join(run, judgeReport), "clr judge --run "+run, &j, func() bool { return len(j.Rows) > 0 }); err != nil {
		return err
	}
	t := report.Table{Title: "Judged as they lie, run " + r.page.Runs[i].Name, About: "In percent, of test clips; nothing is fitted. docs/embeddings.md says what the measures are.",
		Head: []string{"measure", "score", "95 % interval", "random weights", "feature statistics", "by chance"}}
	for _, m := range j.Measured() {
		interval := "-"
		if m.Interval != nil {
			interval = fmt.Sprintf("%.1f..%.1f", 100*m.Interval[0], 100*m.Interval[1])
		}
		t.Rows = append(t.Rows, []string{m.Name, m.Score.Percent(), interval, m.RandomInit.Percent(), m.FeatureStats.Percent(), m.Chance.Percent()})
	}
	r.page.Tables = append(r.page.Tables, t)
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
		about := fmt.Sprintf("%d classes, %d test clips, split by %s", len(found.Classes), found.Rows[0].Clips, found.By)
		if found.Multi {
			about = "mAP; several labels a clip, " + about
		}
		r.page.Probes = append(r.page.Probes, report.Probe{Name: name, About: about})
	}
	p := &r.page.Probes[at]
	for k, row := range found.Rows {
		_, score, interval := found.First(row)
		if interval == nil {
			interval = &[2]float64{float64(score), float64(score)}
		}
		s := report.Score{Run: i, Name: strings.ReplaceAll(row.Name, "_", " "), Value: float64(score), Low: interval[0], High: interval[1],
			Baseline: row.Name == eval.RowRandomInit || row.Name == eval.RowStats || row.Name == eval.RowMajority}
		if !s.Baseline {
			s.Detail = fmt.Sprintf("macro-F1 %.1f %%, log loss %.3f", 100*row.Mean.MacroF1, row.Mean.LogLoss)
			if found.Multi {
				s.Detail += fmt.Sprintf(", all labels right %.1f %%", 100*row.Mean.Accuracy)
			}
			if n := len(row.Folds); n > 1 {
				_, deviation, _ := found.First(eval.Row{Mean: row.Std})
				s.Detail += fmt.Sprintf("; ± %s over %d folds and seeds", deviation.Percent(), n)
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
		if heard.Square() || found.Multi { // of several labels there are the classes' scores alone
			r.page.Heard = append(r.page.Heard, heard)
		} else {
			r.note("%s: its confusion matrix is not one of its %d classes.", path, len(found.Classes))
		}
	}
	return nil
}

// probeName is what a kind of probe is called.
func probeName(kind string) string {
	if i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.Name == kind }); i >= 0 {
		return Kinds[i].Title
	}
	if kind == eval.Finetuning {
		return "finetuning"
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
			if s.Test != nil {
				return s.tested(" beside " + r.compared.letter(p.Runs[0].Run))
			}
			if s.Stale {
				return s.Why
			}
		}
	}
	return ""
}
