package pipeline

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// A probe reads: the run folder holds the same bytes afterwards, but for the
// report; and the report says the same twice.
func TestProbeLeavesTheRunAlone(t *testing.T) {
	dir := tones(t, 20)
	run, d, e := trainedOn(t, dir)
	reports := map[string]*eval.Report{}
	files := []string{rundir.ConfigFile, rundir.ProvenanceFile, rundir.MetricsFile, rundir.LastFile}
	before := map[string]string{}
	for _, f := range files {
		before[f] = string(get(t, run, f))
	}
	con, said := silent()
	for _, kind := range []string{"linear", "mlp"} {
		name := "report-" + kind + "-probe.json"
		var first []byte
		for range 2 {
			r, err := Probe(t.Context(), ProbeOptions{Run: run, Kind: kind}, Overrides{Set: []string{"workers=3"}}, con)
			if err != nil {
				t.Fatal(err)
			}
			reports[kind] = r
			var rows []string
			for _, row := range r.Rows {
				rows = append(rows, row.Name)
			}
			want := []string{eval.RowPretrained, eval.RowRandomInit, eval.RowStats, eval.RowMajority}
			if !slices.Equal(rows, want) || r.By != "split" || len(r.Encoders) != 1 || r.Rows[0].Clips != 4 {
				t.Errorf("%s: rows %v, by %s, encoders %v, %d clips", kind, rows, r.By, r.Encoders, r.Rows[0].Clips)
			}
			for _, hash := range r.Encoders {
				if hash != e.hash() {
					t.Errorf("%s: the report's encoder is %s, the run's %s", kind, hash, e.hash())
				}
			}
			if first == nil {
				first = get(t, run, name)
			} else if string(first) != string(get(t, run, name)) {
				t.Errorf("%s: two reports", kind)
			}
		}
	}
	for _, f := range files {
		if string(get(t, run, f)) != before[f] {
			t.Errorf("%s changed", f)
		}
	}
	if s := said.String(); strings.Count(s, "warning") != strings.Count(s, "the encoder is of step 2 of 9") || !strings.Contains(s, "warning") {
		t.Errorf("it says %q; want one kind of warning, that the run is not finished", s)
	}

	// The random encoder gets the input that the pretrained one gets.
	random, err := d.fresh(e.norm)
	if err != nil {
		t.Fatal(err)
	}
	labelled, err := d.labels()
	if err != nil {
		t.Fatal(err)
	}
	labelled.X, labelled.D = embedded(t, d, random)
	want, err := eval.EvaluateEach(t.Context(), eval.RowRandomInit, d.c.LinearProbe, func(eval.Split) eval.Set { return labelled }, d.splits)
	if err != nil {
		t.Fatal(err)
	}
	if got := reports["linear"].Rows[1].Mean; got != want.Mean {
		t.Errorf("random weights: %+v, want %+v", got, want.Mean)
	}

	// Another division of the clips may test on what was heard.
	m := get(t, dir, "manifest.csv")
	put(t, filepath.Join(dir, "manifest.csv"), []byte(strings.Replace(string(m), "00.wav,low,train", "00.wav,low,test", 1)))
	if _, err := Probe(t.Context(), ProbeOptions{Run: run, Kind: "linear"}, Overrides{}, con); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(said.String(), "warning: the corpus is not the one") {
		t.Errorf("it says %q", said)
	}
}

// The windows of a clip are those whose mean is its embedding.
func TestWindowsOfClips(t *testing.T) {
	_, d, e := trainedOn(t, tones(t, 20))
	d.c.Embed.Hop = 1
	labelled, err := d.labels()
	if err != nil {
		t.Fatal(err)
	}
	con, _ := silent()
	s, err := d.embeddedWindows(t.Context(), e, labelled, con.Progress("", 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	several := false
	for i, all := range s.Windows {
		several = several || len(all) > s.D
		for k, want := range s.Row(i) {
			mean := 0.0
			for w := 0; w < len(all); w += s.D {
				mean += all[w+k] * float64(s.D) / float64(len(all))
			}
			if math.Abs(mean-want) > 1e-12*(1+math.Abs(want)) {
				t.Fatalf("clip %d: the windows' mean is %v, the embedding %v", i, mean, want)
			}
		}
	}
	if !several {
		t.Error("no clip has two windows")
	}
}

// The random encoder is the one that training started from.
func TestFreshIsWhereTrainingStarts(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	cp := &checkpoint.Checkpoint{Arrays: tr.state()}
	start, err := d.trained(cp)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := d.fresh(tr.norm)
	if err != nil {
		t.Fatal(err)
	}
	if start.hash() != fresh.hash() || !reflect.DeepEqual(start.norm, fresh.norm) {
		t.Error("they differ")
	}
}

func TestProbeWithoutLabels(t *testing.T) {
	dir := tones(t, 20)
	manifest := "path,split\n"
	for i := range 20 {
		manifest += fmt.Sprintf("%02d.wav,%s\n", i, map[bool]string{true: "test", false: "train"}[i == 3])
	}
	put(t, filepath.Join(dir, "manifest.csv"), []byte(manifest))
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	con, _ := silent()
	_, err := Probe(t.Context(), ProbeOptions{Run: run, Kind: "linear"}, Overrides{}, con)
	says(t, err, "has no labels to probe for")
	if fault.KindOf(err) != fault.Data || fault.Remedy(err) != "add a column label to the manifest" {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(run, "report-linear-probe.json")); err == nil {
		t.Error("there is a report")
	}
}
