package pipeline

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"clr/internal/eval"
)

// Exported embeddings are worth what the run's are: a probe finds the same scores,
// clip by clip, in each format that says what clips they are of.
func TestProbeOfAnExport(t *testing.T) {
	dir := tones(t, 20)
	run, _, _ := trainedOn(t, dir)
	con, _ := silent()
	for _, kind := range []string{"linear", "knn"} {
		want, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: kind}, Overrides{}, con)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{"npz", "parquet", "npy"} {
			o := ProbeOptions{Asked: Asked{Embeddings: filepath.Join(dir, "e."+format)}, Kind: kind}
			export(t, ExportOptions{Run: run, Format: format, Out: o.Embeddings})
			if format == "npy" {
				o.Manifest = filepath.Join(dir, "manifest.csv")
			}
			got, err := Probe(t.Context(), o, Overrides{}, con)
			if err != nil {
				t.Fatal(err)
			}
			a, b := got.Rows[0], want.Rows[0]
			if a.Mean.Accuracy != b.Mean.Accuracy || !reflect.DeepEqual(a.Tested, b.Tested) || a.Interval != b.Interval || got.By != want.By {
				t.Errorf("%s, %s: accuracy %g, of the run %g", kind, format, a.Mean.Accuracy, b.Mean.Accuracy)
			}
			if s := got.Summary(); s.Accuracy != a.Mean.Accuracy || s.Seconds <= 0 || (s.C == nil) != (kind == "knn") || (s.Iterations == nil) != (kind == "knn") {
				t.Errorf("%s: summed up as %+v", kind, s)
			}
		}
	}
}

// A part of the labels is of each class, of validation clips too, within a larger
// part, and with its groups.
func TestFewerLabels(t *testing.T) {
	labelled := eval.Set{N: 60, Classes: []string{"a", "b", "c"}}
	s := eval.Split{Name: "x"}
	for i := range 60 {
		labelled.Labels = append(labelled.Labels, i%3)
		switch {
		case i < 40:
			s.Train, s.Groups = append(s.Train, i), append(s.Groups, string(rune('a'+i)))
		case i < 50:
			s.Valid = append(s.Valid, i)
		default:
			s.Test = append(s.Test, i)
		}
	}
	var larger eval.Split
	for _, f := range []float64{1, 0.5, 0.1, 0.001} {
		less := fewerLabels(s, labelled, f, 7)
		if f == 1 && !reflect.DeepEqual(less, s) {
			t.Errorf("all labels: %+v", less)
		}
		if f == 0.5 && (len(less.Train) != 7+7+7 || len(less.Valid) != 2+2+2) || f == 0.001 && (len(less.Train) != 3 || len(less.Valid) != 3) {
			t.Errorf("%g of the labels: %d and %d clips", f, len(less.Train), len(less.Valid))
		}
		for j, i := range less.Train {
			if less.Groups[j] != string(rune('a'+i)) || larger.Train != nil && !slices.Contains(larger.Train, i) {
				t.Errorf("%g: clip %d is of group %s, or not in the larger part", f, i, less.Groups[j])
			}
		}
		larger = less
	}
	for i := range labelled.N { // of several labels, of all clips alike
		labelled.Tags = append(labelled.Tags, []int{labelled.Labels[i]})
	}
	labelled.Labels = nil
	if less := fewerLabels(s, labelled, 0.1, 7); len(less.Train) != 4 || len(less.Valid) != 1 {
		t.Errorf("%+v", less)
	}
}
