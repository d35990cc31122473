package sweep

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/pipeline"
)

// A Comparison tests points of sweeps against one of them, by scores on test clips.
type Comparison struct {
	Probe  string  `json:"probe"`
	Beside Entrant `json:"beside"` // what the others are compared with
	Others []Rival `json:"others"`
	Says   string  `json:"says"`
}

// An Entrant is a point of a sweep.
type Entrant struct {
	Sweep  string `json:"sweep"`
	Point  int    `json:"point"`
	Params Params `json:"params"`
	Score  Spread `json:"score"` // on test clips
}

// A Rival is one that is compared. P-values are Holm's over all rivals.
type Rival struct {
	Entrant
	Pairs      int          `json:"pairs"`      // of a seed and a fold that both have
	Difference float64      `json:"difference"` // of the score, its less the other's, mean over the pairs
	P          float64      `json:"p"`          // of signs flipped over the pairs: would other seeds and folds say so?
	Clips      *eval.Paired `json:"clips"`      // McNemar over test clips, seeds taken together: do these encoders differ?
	Why        string       `json:"why,omitempty"`
}

// Compare tests the points of one sweep, or the best points of several. Of one sweep
// the point beside which the others stand is the best, or the one that is given,
// unless it is below 0.
func Compare(dirs []string, kind string, beside int) (*Comparison, error) {
	type entrant struct {
		Entrant
		sweep  *Sweep
		trials []State
	}
	var all []entrant
	var name string
	for _, dir := range dirs {
		s, err := Open(dir)
		if err != nil {
			return nil, err
		}
		states, err := s.States()
		if err != nil {
			return nil, err
		}
		if kind == "" && len(s.Then) > 0 {
			if kind, err = probeOf(s.Then[0]); err != nil {
				return nil, err
			}
		}
		if !slices.Contains(s.Then, kind+"-probe") {
			return nil, fault.New(fault.Usage, "sweeps are compared by a probe that follows the trials of each: then: [linear-probe]", "%s asks no %s-probe", dir, kind)
		}
		best, err := s.best(states)
		if err != nil {
			return nil, err
		}
		if name == "" {
			name = kind + "." + best.Tests[kind].Score
		}
		first := best.Point
		if len(dirs) == 1 && beside >= 0 {
			first = beside
		}
		if first >= s.Points() || len(s.trialsOf(states, first)) == 0 {
			return nil, fault.New(fault.Usage, "clr sweep table "+dir+" --by point lists them", "%s: no trial of a point %d is done", dir, first)
		}
		points := []int{first}
		for p := range s.Points() {
			if len(dirs) == 1 && p != first && len(s.trialsOf(states, p)) > 0 {
				points = append(points, p)
			}
		}
		for _, p := range points {
			done := s.trialsOf(states, p)
			all = append(all, entrant{Entrant{dir, p, done[0].Params, spread(values(done, "", name))}, s, done})
		}
	}
	c := &Comparison{Probe: kind, Beside: all[0].Entrant, Others: []Rival{}, Says: fmt.Sprintf("%s is of test clips, by which no point was chosen; p-values hold together over %d comparisons (Holm)", name, len(all)-1)}
	var bySigns, byClips []float64
	for _, e := range all[1:] {
		r := Rival{Entrant: e.Entrant}
		d := paired(all[0].trials, e.trials, name)
		r.Pairs, r.Difference, r.P = len(d), spread(d).Mean, eval.SignFlip(d)
		bySigns = append(bySigns, r.P)
		if r.Clips, r.Why = pipeline.PairRuns(kind, all[0].sweep.runs(all[0].trials), e.sweep.runs(e.trials)); r.Clips != nil {
			byClips = append(byClips, r.Clips.P)
		}
		c.Others = append(c.Others, r)
	}
	eval.Holm(bySigns)
	eval.Holm(byClips)
	for i := range c.Others {
		r := &c.Others[i]
		r.P = bySigns[i]
		if r.Clips != nil {
			r.Clips.P, byClips = byClips[0], byClips[1:]
		}
	}
	return c, nil
}

// paired are the differences of a score, seed by seed and fold by fold.
func paired(a, b []State, name string) (d []float64) {
	for _, x := range a {
		for _, y := range b {
			if x.Seed != y.Seed {
				continue
			}
			for _, f := range x.Result.Folds {
				k := slices.IndexFunc(y.Result.Folds, func(g pipeline.FoldScores) bool { return g.Fold == f.Fold })
				if k < 0 {
					continue
				}
				v, ok1 := f.Scores[name]
				w, ok2 := y.Result.Folds[k].Scores[name]
				if ok1 && ok2 {
					d = append(d, w-v)
				}
			}
		}
	}
	return d
}

// runs are the run folders of trials.
func (s *Sweep) runs(trials []State) (all []string) {
	for _, t := range trials {
		all = append(all, s.RunDir(t.Index))
	}
	return all
}

// Write shows a comparison, as a table or as JSON.
func (c *Comparison) Write(con pipeline.Console) error {
	if con.JSON {
		return con.Show(c)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s probe, beside point %d of %s (%s): %s\n\n", c.Probe, c.Beside.Point, c.Beside.Sweep, c.Beside.Params, c.Beside.Score)
	fmt.Fprintf(&b, "%-24s %-6s %8s %7s %6s %8s %10s  %s\n", "sweep", "point", "score", "less it", "pairs", "p seeds", "p clips", "values")
	for _, r := range c.Others {
		clips := "-"
		if r.Clips != nil {
			clips = fmt.Sprintf("%.4f", r.Clips.P)
		}
		fmt.Fprintf(&b, "%-24s %-6d %8.4f %+7.4f %6d %8.4f %10s  %s\n", r.Sweep, r.Point, r.Score.Mean, r.Difference, r.Pairs, r.P, clips, r.Params)
		if r.Why != "" {
			fmt.Fprintf(&b, "  no test over clips: %s\n", r.Why)
		}
	}
	fmt.Fprintf(&b, "\n%s.\n", c.Says)
	_, err := io.WriteString(con.Out, b.String())
	return err
}

// Is says whether a folder is a sweep's.
func Is(dir string) bool {
	_, err := read(filepath.Join(dir, FileName))
	return err == nil
}
