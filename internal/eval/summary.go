package eval

import (
	"encoding/json"
	"io"
)

// A Summary is a report behind the numbers of its first row that most people
// and scripts look for.
type Summary struct {
	Accuracy   float64    `json:"accuracy"`
	Interval   [2]float64 `json:"ci95"`       // of the accuracy
	C          *float64   `json:"C"`          // null where the probe has none, or splits chose others
	Iterations *int       `json:"iterations"` // of the last fits of all heads; null where none are counted
	Gradient   *float64   `json:"grad_norm"`  // the longest at the end of a fit
	Seconds    float64    `json:"fit_s"`      // choosing and fitting, all heads; another in each run
	*Report
}

// Summary sums the report up, which must have a row.
func (r *Report) Summary() Summary {
	row := r.Rows[0]
	s := Summary{Accuracy: row.Mean.Accuracy, Interval: row.Interval, Seconds: row.Fitting.Seconds(), Report: r}
	same := true
	for _, f := range row.Folds {
		c := f.Choice
		if c.Iterations > 0 || c.Gradient > 0 {
			if s.Iterations == nil {
				s.Iterations, s.Gradient = new(int), new(float64)
			}
			*s.Iterations, *s.Gradient = *s.Iterations+c.Iterations, max(*s.Gradient, c.Gradient)
		}
		same = same && c.C == row.Folds[0].Choice.C
	}
	if c := row.Folds[0].Choice.C; same && c > 0 {
		s.C = &c
	}
	return s
}

// WriteJSON writes the summary as Report.WriteJSON writes the report.
func (s Summary) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(s)
}
