package sweep

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

const bestSweep = `method: grid
seeds: 2
then: [linear-probe]
parameters: {method.temperature: {values: [0.1, 0.2, 0.5]}}
`

// scored are a fold's scores on validation and on test clips.
func scored(valid, test float64) map[string]float64 {
	return map[string]float64{"loss": 1, "linear.valid_accuracy": valid, "linear.accuracy": test}
}

// chosen is a sweep of two folds. Point 1 is best on validation clips, point 2 on
// test clips; fold 0 alone would choose point 0.
func chosen(t *testing.T) *Sweep {
	t.Helper()
	s := begun(t, bestSweep)
	s.came(t, 0, Result{Status: Done, Steps: 7, Epochs: 9}, scored(0.8, 0.3), scored(0.2, 0.3))
	s.came(t, 1, Result{Status: Done}, scored(0.8, 0.5), scored(0.2, 0.3))
	s.came(t, 2, Result{Status: Done}, scored(0.6, 0.4), scored(0.7, 0.6))
	s.came(t, 3, Result{Status: Done}, scored(0.6, 0.6), scored(0.7, 0.8))
	s.came(t, 4, Result{Status: Done}, scored(0.1, 0.9), scored(0.1, 0.9))
	s.came(t, 5, Result{Status: Pruned}, scored(0.9, 0.9), scored(0.9, 0.9))
	return s
}

// The best point is chosen by what no test clip has a part in, fold by fold too.
func TestBest(t *testing.T) {
	s := chosen(t)
	b, err := s.Best()
	if err != nil {
		t.Fatal(err)
	}
	if b.Point != 1 || fmt.Sprint(b.Trials) != "[2 3]" || b.Metric != "linear.valid_accuracy" || b.Goal != maximize || b.Among != 3 || b.Left != 0 {
		t.Errorf("%+v", b)
	}
	near := func(what string, got, want float64) {
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	test := b.Tests["linear"]
	near("chosen by", b.Chosen.Mean, 0.65)
	near("test", test.Best.Mean, 0.6)                          // of trials 0.5 and 0.7
	near("nested", test.Nested, (0.4+0.7)/2)                   // point 0 in fold 0, point 1 in fold 1
	near("deviation", test.Best.Std, 0.2/math.Sqrt2)           // of two
	half := 12.706204736432095 * 0.2 / math.Sqrt2 / math.Sqrt2 // Student's t, 1 degree, 97.5 %
	if math.Abs(test.Best.Interval[1]-0.6-half) > 1e-6 {
		t.Errorf("the interval is %v, want 0.6 ± %g", *test.Best.Interval, half)
	}
	var out bytes.Buffer
	if err := b.Write(s, pipeline.Console{Out: &out}); err != nil || !strings.Contains(out.String(), "nested 0.5500") || !strings.Contains(out.String(), "no choice has seen what it is tested on") {
		t.Errorf("%v:\n%s", err, &out)
	}

	s.Stop = &Hyperband{Min: 3, Eta: 3} // which has looked at all folds
	if b, err := s.Best(); err != nil || strings.Contains(b.Says, "no choice has seen") || !strings.Contains(b.Says, "means over all folds had a part in") {
		t.Errorf("stopped early: %v, %+v", err, b)
	}

	if _, err := begun(t, bestSweep).Best(); fault.KindOf(err) != fault.Data {
		t.Errorf("nothing is done: %v", err)
	}
	if _, err := begun(t, "method: grid\nparameters: {batch: {value: 8}}").Best(); fault.KindOf(err) != fault.Usage {
		t.Errorf("no metric: %v", err)
	}
}

// Tables have rows of trials and of points, of which only trials that are done count.
func TestTable(t *testing.T) {
	s := chosen(t)
	table, err := s.Table(TableOptions{Scores: []string{"linear.accuracy"}})
	if err != nil {
		t.Fatal(err)
	}
	read := func(byPoint bool) [][]string {
		var b bytes.Buffer
		if err := table.Write(&b, "csv", byPoint); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if rows := read(false); len(rows) != 7 || strings.Join(rows[1], ",") != "0,0,1,done,0,,9,7,0.1,0.3" || rows[6][3] != Pruned {
		t.Errorf("%v", rows)
	}
	rows := read(true)
	if head := strings.Join(rows[0], ","); head != "point,done,pruned,failed,method.temperature,linear.accuracy,linear.accuracy.std,linear.accuracy.n" {
		t.Error(head)
	}
	if last := strings.Join(rows[3], ","); last != "2,1,1,0,0.5,0.9,,1" {
		t.Error(last)
	}
	var b bytes.Buffer
	var all map[string][]map[string]any
	if err := table.Write(&b, "json", false); err != nil || json.Unmarshal(b.Bytes(), &all) != nil || len(all["trials"]) != 6 || all["points"][1]["linear.accuracy"].(float64) != 0.6 {
		t.Errorf("%v:\n%s", err, &b)
	}
	b.Reset()
	if err := table.Write(&b, "md", false); err != nil || !strings.Contains(b.String(), "| 1 | 2 | 0 | 0 | 0.2 | 0.6 | 0.1414 | 2 |\n") {
		t.Errorf("%v:\n%s", err, &b)
	}
	if err := table.Write(&b, "xls", false); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

// Points are tested seed by seed and fold by fold, p-values corrected for how many
// there are.
func TestCompareSweeps(t *testing.T) {
	s := chosen(t)
	c, err := Compare([]string{s.Dir}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if c.Probe != "linear" || c.Beside.Point != 0 || len(c.Others) != 2 {
		t.Fatalf("%+v", c)
	}
	r := c.Others[0] // differences 0.1, 0.3, 0.1, 0.5: two of sixteen signs are as far; twice for two comparisons
	if r.Point != 1 || r.Pairs != 4 || math.Abs(r.Difference-0.25) > 1e-12 || r.P != 0.25 || r.Clips != nil || r.Why == "" {
		t.Errorf("%+v", r)
	}
	if r := c.Others[1]; r.Pairs != 2 || r.P != 0.5 {
		t.Errorf("%+v", r)
	}
	if c, err := Compare([]string{s.Dir, chosen(t).Dir}, "", -1); err != nil || len(c.Others) != 1 || c.Others[0].Difference != 0 || c.Others[0].P != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Compare([]string{s.Dir}, "mlp", -1); fault.KindOf(err) != fault.Usage {
		t.Errorf("a probe that nobody asked: %v", err)
	}
	if _, err := Compare([]string{s.Dir}, "", 7); fault.KindOf(err) != fault.Usage {
		t.Errorf("a point that there is not: %v", err)
	}
	if _, err := Compare([]string{t.TempDir()}, "", -1); fault.KindOf(err) != fault.Usage {
		t.Errorf("no sweep: %v", err)
	}
}
