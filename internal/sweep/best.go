package sweep

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

// A Spread is a score over the trials of a point.
type Spread struct {
	Mean     float64     `json:"mean"`
	Std      float64     `json:"std"` // sample deviation; 0 for one
	N        int         `json:"n"`
	Interval *[2]float64 `json:"interval"` // 95 % of the mean, by Student's t over the trials; null for one
}

func spread(values []float64) Spread {
	s := Spread{N: len(values)}
	n := float64(len(values))
	for _, v := range values {
		s.Mean += v / n
	}
	if s.N < 2 {
		return s
	}
	squares := 0.0
	for _, v := range values {
		squares += float64((v - s.Mean) * (v - s.Mean))
	}
	s.Std = math.Sqrt(squares / (n - 1))
	half := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.975) * s.Std / math.Sqrt(n)
	s.Interval = &[2]float64{s.Mean - half, s.Mean + half}
	return s
}

// A Best is the point that was chosen, and what it is worth on clips that the choice
// never saw.
type Best struct {
	Point  int               `json:"point"`
	Trials []int             `json:"trials"` // that are done
	Params Params            `json:"params"`
	Metric string            `json:"metric"`
	Goal   string            `json:"goal"`
	Chosen Spread            `json:"chosen_by"` // the metric: a best of many, and so better than it will be again
	Among  int               `json:"among"`     // points
	Tests  map[string]Tested `json:"tests"`     // by probe
	Says   string            `json:"says"`      // what the test scores are of
	Left   int               `json:"left"`      // trials that are not finished
}

// A Tested is a probe's scores on test clips.
type Tested struct {
	Score  string  `json:"score"`  // accuracy, or map where clips have several labels
	Best   Spread  `json:"best"`   // the point's
	Nested float64 `json:"nested"` // chosen for each fold anew, by that fold's metric alone; mean over the folds
}

// Best chooses the best point.
func (s *Sweep) Best() (*Best, error) {
	states, err := s.States()
	if err != nil {
		return nil, err
	}
	return s.best(states)
}

func (s *Sweep) best(states []State) (*Best, error) {
	if s.Metric.Name == "" {
		return nil, fault.New(fault.Usage, "such as metric: {name: loss, goal: minimize}", "%s names no metric to choose by", s.Name)
	}
	of := func(p int, fold, name string) []float64 { return values(s.trialsOf(states, p), fold, name) }
	choose := func(fold string) int {
		best, at := 0.0, -1
		for p := range s.Points() {
			if v := of(p, fold, s.Metric.Name); len(v) > 0 {
				if m := spread(v).Mean; at < 0 || s.Metric.Better(m, best) {
					best, at = m, p
				}
			}
		}
		return at
	}
	b := &Best{Point: choose(""), Metric: s.Metric.Name, Goal: s.Metric.Goal, Tests: map[string]Tested{}, Trials: []int{}}
	for _, st := range states {
		if st.Result == nil {
			b.Left++
		}
	}
	if b.Point < 0 {
		return nil, fault.New(fault.Data, "clr sweep status "+s.Dir+" tells how far it is, and why trials failed; a probe has a valid_accuracy where it chooses something", "%s: no trial that is done has the score %s", s.Dir, s.Metric.Name)
	}
	for p := range s.Points() {
		if len(of(p, "", s.Metric.Name)) > 0 {
			b.Among++
		}
	}
	done := s.trialsOf(states, b.Point)
	for _, st := range done {
		b.Trials = append(b.Trials, st.Index)
	}
	b.Params, b.Chosen = done[0].Params, spread(of(b.Point, "", s.Metric.Name))
	folds := done[0].Result.Folds
	for _, then := range s.Then {
		kind, err := probeOf(then)
		if err != nil {
			return nil, err
		}
		t := Tested{Score: "accuracy"}
		if len(of(b.Point, "", kind+".valid_map")) > 0 {
			t.Score = "map"
		}
		name := kind + "." + t.Score
		t.Best = spread(of(b.Point, "", name))
		for _, f := range folds {
			if p := choose(f.Fold); p >= 0 { // below 0, the files are damaged
				t.Nested += spread(of(p, f.Fold, name)).Mean / float64(len(folds))
			}
		}
		b.Tests[kind] = t
	}
	b.Says = s.says(len(folds))
	return b, nil
}

func (s *Sweep) says(folds int) string {
	if folds == 1 {
		return "chosen by " + unseen + "; the test clips had no part in it"
	}
	all := "chosen by " + unseen + "; a clip that tests one fold's encoder may choose in another's, so nested chooses for each fold anew by that fold's clips alone"
	if s.Method == bayes || s.Stop != nil {
		return all + "; which points were drawn and which trials were stopped, means over all folds had a part in: a grid, or random points, without early_terminate keeps the folds quite apart"
	}
	return all + ", and no choice has seen what it is tested on"
}

const unseen = "clips of the training part, or by training itself"

// trialsOf are a point's trials that are done.
func (s *Sweep) trialsOf(states []State, point int) (done []State) {
	for _, st := range states[point*s.Seeds : (point+1)*s.Seeds] {
		if st.Status == Done {
			done = append(done, st)
		}
	}
	return done
}

// values are a score's in a fold of trials; fold empty: means over the folds. Trials
// without it are left out.
func values(trials []State, fold, name string) (all []float64) {
	for _, st := range trials {
		of := st.Result.Scores
		if fold != "" {
			k := slices.IndexFunc(st.Result.Folds, func(f pipeline.FoldScores) bool { return f.Fold == fold })
			if k < 0 {
				continue
			}
			of = st.Result.Folds[k].Scores
		}
		if v, ok := of[name]; ok {
			all = append(all, v)
		}
	}
	return all
}

// Write shows the best point, as text or as JSON.
func (b *Best) Write(s *Sweep, con pipeline.Console) error {
	if con.JSON {
		return con.Show(b)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "point %d of %d that are done, by %s (%s)\n", b.Point, b.Among, b.Metric, b.Goal)
	for _, p := range b.Params {
		fmt.Fprintf(&out, "  %s: %s\n", p.Path, p.Text)
	}
	fmt.Fprintf(&out, "\n%-24s %s\n", b.Metric, b.Chosen)
	for _, then := range s.Then {
		kind, _ := probeOf(then)
		t := b.Tests[kind]
		fmt.Fprintf(&out, "%-24s %s", "test "+kind+"."+t.Score, t.Best)
		if t.Nested != t.Best.Mean {
			fmt.Fprintf(&out, "; nested %.4f", t.Nested)
		}
		out.WriteString("\n")
	}
	fmt.Fprintf(&out, "\nIt was %s.\n", b.Says)
	if b.Left > 0 {
		fmt.Fprintf(&out, "%d trials are not finished.\n", b.Left)
	}
	fmt.Fprintf(&out, "config: %s\n", s.ConfigPath(b.Trials[0]))
	_, err := io.WriteString(con.Out, out.String())
	return err
}

// String shows a spread on one line.
func (s Spread) String() string {
	switch {
	case s.N == 0:
		return "-"
	case s.Interval == nil:
		return fmt.Sprintf("%.4f", s.Mean)
	}
	return fmt.Sprintf("%.4f ± %.4f over %d seeds, 95 %% %.4f..%.4f", s.Mean, s.Std, s.N, s.Interval[0], s.Interval[1])
}
