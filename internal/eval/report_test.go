package eval

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func exampleReport(t *testing.T, p Probe, n, k int) Report {
	t.Helper()
	s := blobs(n, 6, k, 0.6, 0.5, 1)
	s.Classes[0] = "a class with quite a long name"
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprint(i / k % 4)
	}
	splits, err := Splits(values, SplitOptions{By: "fold"})
	if err != nil {
		t.Fatal(err)
	}
	return reportOf(t, p, s, splits)
}

func reportOf(t *testing.T, p Probe, s Set, splits []Split) Report {
	t.Helper()
	r := Report{Probe: "linear", Multi: s.Multi(), By: "fold", Classes: s.Classes, Encoders: map[string]string{"1": "b", "0": "a"}}
	r.Protocol, r.Settings = ProtocolOf(p)
	for _, row := range []struct {
		name string
		p    Probe
	}{{RowPretrained, p}, {RowMajority, Majority{}}} {
		got, err := Evaluate(context.Background(), row.name, row.p, s, splits)
		if err != nil {
			t.Fatal(err)
		}
		r.Rows = append(r.Rows, got)
	}
	return r
}

func (r Report) text(t *testing.T) (table, text string) {
	t.Helper()
	var a, b bytes.Buffer
	if err := r.WriteTable(&a); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	return a.String(), b.String()
}

func TestReport(t *testing.T) {
	r := exampleReport(t, coarse, 100, 4)
	table, text := r.text(t)
	t.Log("\n" + table)
	again, textAgain := exampleReport(t, coarse, 100, 4).text(t)
	if again != table || textAgain != text {
		t.Error("a second report differs")
	}
	var back Report
	if err := json.Unmarshal([]byte(text), &back); err != nil {
		t.Fatal(err)
	}
	row := back.Rows[0]
	if row.Clips != 100 || row.Dim != 6 || len(row.Folds) != 4 || row.Mean != r.Rows[0].Mean || row.Folds[2].Choice.C == 0 {
		t.Errorf("%+v", row)
	}
	// The parts agree with one another.
	total, hits, mean := 0, 0, 0.0
	for c, counts := range row.Confusion {
		for p, n := range counts {
			total += n
			if c == p {
				hits += n
			}
		}
	}
	for _, f := range row.Folds {
		mean += f.Accuracy / 4
	}
	near(t, "mean", row.Mean.Accuracy, mean)
	if total != 100 || row.Interval[0] > mean || row.Interval[1] < mean {
		t.Errorf("%d clips in the confusion matrix, %v not about %v", total, row.Interval, mean)
	}
	if len(r.Rows[0].Tested) != 100 || r.Rows[1].Dim != 0 {
		t.Errorf("%d tested clips, majority of %d features", len(r.Rows[0].Tested), r.Rows[1].Dim)
	}
	for _, key := range []string{`"probe"`, `"by"`, `"classes"`, `"accuracy_interval"`, `"intervals"`, `"macro_f1"`, `"roc_auc"`, `"ece"`, `"per_class"`, `"confusion"`, `"choice"`, `"encoders"`} {
		if !strings.Contains(text, key) {
			t.Errorf("no key %s", key)
		}
	}
}

func TestTableFitsTheTerminal(t *testing.T) {
	for _, r := range []Report{severalReport(t), exampleReport(t, coarse, 100, 4), exampleReport(t, quick, 100, 4), exampleReport(t, coarse, 120, 12), exampleReport(t, coarse, 400, 30), {Probe: "linear"}} {
		table, _ := r.text(t)
		for _, line := range strings.Split(table, "\n") {
			if n := utf8.RuneCountInString(line); n > tableWidth {
				t.Errorf("%d columns: %s", n, line)
			}
			if strings.TrimRight(line, " ") != line {
				t.Errorf("spaces at the end of %q", line)
			}
		}
		t.Log("\n" + table)
	}
}

// severalReport is of clips with several labels.
func severalReport(t *testing.T) Report {
	t.Helper()
	s := severalTags(96, 6, 4, 1)
	s.Classes[1] = "a class with quite a long name"
	splits, err := Splits(folds(96), SplitOptions{By: "fold"})
	if err != nil {
		t.Fatal(err)
	}
	return reportOf(t, trial, s, splits)
}

// TestReportOfSeveralLabels: the parts agree with one another, and mAP comes first.
func TestReportOfSeveralLabels(t *testing.T) {
	r := severalReport(t)
	table, text := r.text(t)
	for _, want := range []string{"4 classes, several a clip", "mAP %", "all labels right", "       AP "} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	var back Report
	if err := json.Unmarshal([]byte(text), &back); err != nil {
		t.Fatal(err)
	}
	row := back.Rows[0]
	if row.Confusion != nil || len(row.ByClass) != 4 || !back.Multi || row.Intervals["map"][0] >= row.Intervals["map"][1] {
		t.Errorf("%+v", row)
	}
	for c, m := range row.ByClass {
		p := row.PerClass[c]
		// Two heads a split are asked about each of 96 clips.
		if m[0][0]+m[0][1]+m[1][0]+m[1][1] != 2*96 || m[1][0]+m[1][1] != p.Support || p.Recall != ratio(m[1][1], p.Support) || p.Precision != ratio(m[1][1], m[0][1]+m[1][1]) {
			t.Errorf("class %d: %v, %+v", c, m, p)
		}
		if !(p.AP > 0 && p.AP <= 1 && p.AUC > 0 && p.AUC <= 1) {
			t.Errorf("class %d: %+v", c, p)
		}
	}
}

// TestSeedsAreHeads: several seeds give several heads a split, whose clips
// count once in Clips and each time in Confusion.
func TestSeedsAreHeads(t *testing.T) {
	r := exampleReport(t, quick, 48, 3).Rows[0]
	total := 0
	for _, c := range r.PerClass {
		total += c.Support
	}
	if len(r.Folds) != 8 || r.Clips != 48 || total != 96 || r.Folds[0].Seed != 1 || r.Folds[1].Seed != 2 || r.Folds[0].Fold != r.Folds[1].Fold {
		t.Errorf("%d folds, %d clips, %d in all", len(r.Folds), r.Clips, total)
	}
}

func TestTableAsItReads(t *testing.T) {
	row := Row{Name: RowPretrained, classes: []string{"dog", "rain"}}
	logp := []float64{-0.1, -2.4, -1.2, -0.4, -0.9, -0.5}
	row.Dim = 512
	labels := func(y ...int) Set { return Set{N: 3, Labels: y, Classes: row.classes} }
	row.add(Split{Name: "1", Train: []int{4, 5, 6}, Test: []int{0, 1, 2}}, 1, labels(0, 1, 0), logp, Choice{C: 0.0316, Note: "did not converge"})
	row.add(Split{Name: "2", Train: []int{0, 1}, Test: []int{4, 5, 6}}, 1, labels(0, 1, 1), logp, Choice{C: 10})
	row.finish()
	part := row
	part.Name = "12.5 % " + RowStats // names are whole
	got, _ := Report{Probe: "linear", By: "fold", Classes: row.classes, Rows: []Row{row, part}}.text(t)
	want := `linear probe: 2 classes, 2 splits by fold, 6 test clips

                      dim  accuracy %   95 % interval  macro-F1 %   log loss
pretrained            512  83.3 ± 23.6  50.0..100.0    83.3 ± 23.6  0.400 ± 0.094
12.5 % feature_stats  512  83.3 ± 23.6  50.0..100.0    83.3 ± 23.6  0.400 ± 0.094

pretrained

balanced accuracy 87.5; mAP 100.0; ROC-AUC 100.0; d' 11.49; ECE 30.8

fold              train   test   accuracy   macro-F1  chosen
1                     3      3       66.7       66.7  C 0.032
  note: did not converge
2                     2      3      100.0      100.0  C 10

class             precision   recall       F1    clips
dog                   100.0     66.7     80.0        3
rain                   75.0    100.0     85.7        3

true, predicted      1 2
  1 dog              2 1
  2 rain             . 3
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}
