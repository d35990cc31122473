package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
)

// A Sweep is what one look at a sweep shows, from top to bottom. What is empty is
// left out.
type Sweep struct {
	Title  string
	Facts  []Fact
	Notes  []string // what is not shown, and why
	Metric string   // what the scores are
	Least  bool     // less is better
	Best   *Chosen
	Points []PointScores // the best first
	More   int           // points that are not among them
	Axes   []Axis
	Marks  []Mark // of trials that have a score
	Shares []Share
	Rest   float64 // what no parameter explains by itself, of 1
	Curves Courses
	Ends   []Table // trials that failed, that were stopped early
	File   string  // all of it
}

// Chosen is the best point.
type Chosen struct {
	Point, About string
	Scores       []Fact // what it was chosen by, and what it is worth on test clips
	Says         string // what these scores are of
}

// PointScores are a point's trials.
type PointScores struct {
	Name      string
	Values    []float64
	Mean      float64
	Low, High float64 // 95 % interval of the mean, where there is one
	Interval  bool
}

// A Share is how much of the scores' variance a parameter explains.
type Share struct {
	Name  string
	Value float64 // of 1
	About string
}

//go:embed sweep.html
var sweepHTML string

var sweepTemplate = template.Must(template.New("sweep").Funcs(template.FuncMap{
	"percent": func(v float64) string { return fmt.Sprintf("%.1f", 100*v) },
	"number4": func(v float64) string { return fmt.Sprintf("%.4g", v) },
	"css":     func() template.CSS { return template.CSS(pageCSS) },
}).Parse(sweepHTML))

// Write writes the page as HTML.
func (s *Sweep) Write(w io.Writer) error { return sweepTemplate.Execute(w, s) }

// extent is from the least to the greatest score.
func (s *Sweep) extent() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range s.Points {
		for _, v := range p.Values {
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high
}

// warmth is how good a score is among all, 0 to 1.
func (s *Sweep) warmth(score float64) float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, m := range s.Marks {
		low, high = min(low, m.Score), max(high, m.Score)
	}
	if high <= low {
		return 1
	}
	share := (score - low) / (high - low)
	if s.Least {
		return 1 - share
	}
	return share
}

// A Strip is where a point's scores lie, in percent of the track.
type Strip struct {
	Shade template.CSS
	Mean  string
	From  string // the interval; empty: there is none
	Wide  string
	At    []string
}

// Strip lays a point out between the least and the greatest score of all and a
// quarter beyond; an interval of few trials may go on outside.
func (s *Sweep) Strip(p PointScores) Strip {
	low, high := s.extent()
	room := max((high-low)/4, 1e-9*max(math.Abs(low), math.Abs(high)), 1e-300)
	at := func(v float64) float64 {
		return 100 * min(max((v-low+room)/(high-low+2*room), 0), 1)
	}
	strip := Strip{Shade: Warmth(s.warmth(p.Mean)), Mean: fmt.Sprintf("%.2f", at(p.Mean))}
	if p.Interval {
		strip.From, strip.Wide = fmt.Sprintf("%.2f", at(p.Low)), fmt.Sprintf("%.2f", at(p.High)-at(p.Low))
	}
	for _, v := range p.Values {
		strip.At = append(strip.At, fmt.Sprintf("%.2f", at(v)))
	}
	return strip
}
