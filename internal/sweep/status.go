package sweep

import (
	"fmt"
	"io"
	"strings"

	"clr/internal/pipeline"
)

// A Status is where the trials of a sweep are.
type Status struct {
	Out    string         `json:"out"`
	Counts map[string]int `json:"counts"` // of trials, by status
	Trials []TrialStatus  `json:"trials"`
}

// A TrialStatus is where a trial is.
type TrialStatus struct {
	Trial
	Status string             `json:"status"`
	Reason string             `json:"reason,omitempty"`
	Exit   int                `json:"exit_code,omitempty"`
	By     string             `json:"by,omitempty"` // who works on it
	Scores map[string]float64 `json:"scores,omitempty"`
}

// Status looks at all trials.
func (s *Sweep) Status() (*Status, error) {
	states, err := s.States()
	if err != nil {
		return nil, err
	}
	r := &Status{Out: s.Dir, Counts: map[string]int{}}
	for _, st := range states {
		r.Counts[st.Status]++
		t := TrialStatus{Trial: st.Trial, Status: st.Status}
		if st.Result != nil {
			t.Reason, t.Exit, t.Scores = st.Result.Reason, st.Result.Exit, st.Result.Scores
		}
		if st.Status == Running {
			t.By = st.Holder.String()
		}
		r.Trials = append(r.Trials, t)
	}
	return r, nil
}

// Write shows a status, as a table or as JSON.
func (r *Status) Write(s *Sweep, con pipeline.Console) error {
	if con.JSON {
		return con.Show(r)
	}
	var b strings.Builder
	var counts []string
	for _, status := range []string{Done, Pruned, Failed, Running, Stopped, Waiting} {
		if n := r.Counts[status]; n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, status))
		}
	}
	fmt.Fprintf(&b, "%d trials: %s\n\n", len(r.Trials), strings.Join(counts, ", "))
	fmt.Fprintf(&b, "%-6s %-8s %6s %14s  %s\n", "trial", "status", "seed", tail(s.Metric.Name), "point")
	for _, t := range r.Trials {
		score := "-"
		if v, ok := t.Scores[s.Metric.Name]; ok {
			score = fmt.Sprintf("%.4g", v)
		}
		point := t.Params.String()
		if t.Params == nil {
			point = "drawn when the trials before are done"
		}
		fmt.Fprintf(&b, "%-6d %-8s %6d %14s  %s\n", t.Index, t.Status, t.Seed, score, point)
		if about := t.Reason + t.By; about != "" {
			fmt.Fprintf(&b, "       %s\n", about)
		}
	}
	_, err := io.WriteString(con.Out, b.String())
	return err
}

// tail is the end of a name, behind the last dot.
func tail(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
