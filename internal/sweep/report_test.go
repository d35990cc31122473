package sweep

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clr/internal/browsertest"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// shown is a sweep in which trials have all kinds of ends, and logs.
func shown(t *testing.T) *Sweep {
	t.Helper()
	s := begun(t, `method: grid
metric: {name: linear.valid_accuracy, goal: maximize}
parameters:
  method.temperature: {values: [0.05, 0.2, 0.8]}
  view.normalize: {values: [band, clip]}
  batch: {value: 32}
seeds: 2
then: [linear-probe]
early_terminate: {type: hyperband, min_iter: 3}
`)
	for i := range s.Trials {
		r, scores := Result{Status: Done}, scored(0.5+0.1*float64(i/4)+0.01*float64(i%2), 0.4)
		switch i {
		case 3:
			r = Result{Status: Failed, Exit: 4, Reason: `pretrain: the loss is NaN at step 7 <b>"`}
			scores = map[string]float64{}
		case 5:
			r = Result{Status: Pruned, Epochs: 3, Reason: "after epoch 3 its linear.valid_accuracy is 0.1"}
		case 11:
			continue // nobody has begun it
		}
		r.Rungs = []Rung{{3, 0.4}}
		s.came(t, i, r, scores)
		run := s.RunDir(i)
		put(t, filepath.Join(run, rundir.ConfigFile), small)
		log := ""
		for step := range 12 {
			log += fmt.Sprintf(`{"step":%d,"epoch":%d,"loss":%g,"lr":0.1,"grad_norm":1,"z_std":0.1,"clips_per_s":1,"wait_s":0}`+"\n", step, step/3, 4-0.1*float64(step+i))
		}
		put(t, filepath.Join(run, rundir.MetricsFile), log)
	}
	return s
}

// The page holds all figures, as a browser shows it, on a phone and on a desk.
func TestReportInABrowser(t *testing.T) {
	s := shown(t)
	w, err := s.Report("")
	if err != nil {
		t.Fatal(err)
	}
	if w.Page != filepath.Join(s.Dir, "report.html") || w.Points != 6 || w.Trials != 9 || w.Curves != 11 || w.Failed != 1 {
		t.Errorf("%+v", w)
	}
	again, err := s.Report(filepath.Join(t.TempDir(), "again.html"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(w.Page)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(again.Page); err != nil || string(a) != string(b) {
		t.Errorf("equal trials are other pages (%v)", err)
	}
	if text := string(a); strings.Contains(text, "NaN%") || strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "<b>&#34;") || strings.Contains(text, "<script") {
		t.Errorf("%s", text)
	}

	b := browsertest.Open(t, "file://"+w.Page)
	for expression, want := range map[string]int{
		`document.querySelectorAll("#best dd").length`:                                                                         2,
		`document.querySelectorAll("#scores .score").length`:                                                                   6,
		`document.querySelectorAll("#scores .track u").length`:                                                                 9,
		`document.querySelectorAll("#coordinates .trial").length`:                                                              9,
		`document.querySelectorAll("#coordinates .name").length`:                                                               3,
		`document.querySelectorAll("#against .chart").length`:                                                                  2,
		`document.querySelectorAll("#against circle").length`:                                                                  18,
		`document.querySelectorAll("#importance .share").length`:                                                               3,
		`document.querySelectorAll(".courses .chart").length`:                                                                  2,
		`document.querySelectorAll(".courses .curve").length`:                                                                  22,
		`document.querySelectorAll("#ends tr").length`:                                                                         4,
		`[...document.querySelectorAll("circle")].filter(c => !(c.cx.baseVal.value > 0 && c.cy.baseVal.value > 0)).length`:     0,
		`[...document.querySelectorAll(".chart")].filter(c => c.getBoundingClientRect().height < 100).length`:                  0,
		`[...document.querySelectorAll(".curve")].filter(c => !(c.getTotalLength() >= 0) || /NaN/.test(c.outerHTML)).length`:   0,
		`[...document.querySelectorAll("#scores .track > *")].filter(e => getComputedStyle(e).position != "absolute").length`:  0,
		`[...document.querySelectorAll("#importance .bar i")].filter(e => e.getBoundingClientRect().width > 0).length`:         2,
		`[...document.querySelectorAll("#coordinates .trial")].filter(e => getComputedStyle(e).stroke == "none").length`:       0,
		`new Set([...document.querySelectorAll("#coordinates .trial")].map(e => getComputedStyle(e).stroke)).size > 3 ? 1 : 0`: 1,
		`document.querySelector("#importance .name").textContent == "method.temperature" ? 1 : 0`:                              1,
		`document.querySelector("#scores .name").textContent.includes("0.8") ? 1 : 0`:                                          1,
		`document.querySelector("#best h3").textContent.includes("temperature=0.8, normalize=band") ? 1 : 0`:                   1,
		`/had no part in it|no choice has seen/.test(document.querySelector("#best").textContent) ? 1 : 0`:                     1,
		`document.querySelector("#ends").textContent.includes("the loss is NaN at step 7 <b>") ? 1 : 0`:                        1,
		`[...document.querySelectorAll(".note")].filter(n => /1 of 12 trials are not finished/.test(n.textContent)).length`:    1,
		`[...document.querySelectorAll(".note")].filter(n => /stopped early, 1,/.test(n.textContent)).length`:                  1,
		`document.querySelector("#made pre").textContent.includes("hyperband") ? 1 : 0`:                                        1,
	} {
		if got := browsertest.Evaluate[int](b, expression); got != want {
			t.Errorf("%s is %d, want %d", expression, got, want)
		}
	}
	b.Fits("sweep")
}

// A sweep of which nothing is there yet is a page, too, and a file that is no report
// is not replaced.
func TestReportOfNothing(t *testing.T) {
	s := begun(t, "method: random\nrun_cap: 3\nparameters: {method.temperature: {min: 0.1, max: 0.5}}\n")
	w, err := s.Report("")
	if err != nil || w.Trials != 0 {
		t.Errorf("%+v, %v", w, err)
	}
	if _, err := s.Report(filepath.Join(s.Dir, FileName)); fault.KindOf(err) != fault.Usage {
		t.Errorf("the sweep's file would be replaced: %v", err)
	}
	if _, err := s.Report(""); err != nil {
		t.Errorf("a report is not replaced: %v", err)
	}
}

func TestEpsilon(t *testing.T) {
	for _, c := range []struct {
		groups []int
		values []float64
		want   float64
		ok     bool
	}{
		{[]int{0, 0, 1, 1}, []float64{1, 1, 3, 3}, 1, true},
		{[]int{0, 0, 1, 1}, []float64{1, 3, 1, 3}, 0, true},
		// By hand: mean 3, between 2·1+2·1 = 4, within 4·1 = 4, whole 8, chance 4/2; (4 - 2)/8.
		{[]int{0, 0, 1, 1}, []float64{1, 3, 3, 5}, 0.25, true},
		{[]int{0, 0, 0}, []float64{1, 2, 3}, 0, false},
		{[]int{0, 1, 2}, []float64{1, 2, 3}, 0, false},
		{[]int{0, 0, 1}, []float64{2, 2, 2}, 0, false},
		{nil, nil, 0, false},
	} {
		if got, ok := epsilon(c.groups, c.values); math.Abs(got-c.want) > 1e-12 || ok != c.ok {
			t.Errorf("%v of %v: %g, %v; want %g, %v", c.groups, c.values, got, ok, c.want, c.ok)
		}
	}
}
