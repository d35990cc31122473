package report

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

// Names in a sweep's page stay names, whatever is in them.
func TestSweepIsInert(t *testing.T) {
	const evil = `</style></title><script>alert("1")</script>'"><img src=x onerror=alert(1)>`
	s := Sweep{Title: evil, Facts: []Fact{{evil, evil}}, Notes: []string{evil}, Metric: evil, Best: &Chosen{evil, evil, []Fact{{evil, evil}}, evil},
		Points: []PointScores{{Name: evil, Values: []float64{1, 2}, Mean: 1.5, Low: math.Inf(-1), High: math.Inf(1), Interval: true}},
		Axes:   []Axis{{Name: evil, Names: []string{evil}}, {Name: evil}}, Marks: []Mark{{evil, []float64{0, 3}, 1}},
		Shares: []Share{{evil, 0.5, evil}}, Curves: Courses{evil, evil, []Chart{{evil, evil, []Line{{0, evil, []float64{0}, []float64{1}, Warmth(0.5)}}}}},
		Ends: []Table{{evil, evil, []string{evil}, [][]string{{evil}}}}, File: evil}
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if strings.Contains(page, "<img") || strings.Contains(page, "<script") || strings.Count(page, "</style") != 1 || strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "NaN") {
		t.Errorf("%s", page)
	}
	if n := strings.Count(page, "alert(1)&gt;"); n < 15 {
		t.Errorf("the name is shown %d times", n)
	}
	if !IsPage(b.Bytes()) {
		t.Error("the page is not known by its first bytes")
	}
}

// Scores that are all one, and no scores, are drawn, too.
func TestSweepOfLittle(t *testing.T) {
	for _, s := range []Sweep{
		{Title: "none", Axes: []Axis{{Name: "a"}}},
		{Title: "one", Axes: []Axis{{Name: "a", Log: true}}, Marks: []Mark{{"m", []float64{7}, 0}}, Points: []PointScores{{Values: []float64{0}}}},
		{Title: "equal", Least: true, Axes: []Axis{{Name: "a"}}, Marks: []Mark{{"m", []float64{1}, 2}, {"n", []float64{2}, 2}}, Points: []PointScores{{Values: []float64{2, 2}, Mean: 2}}},
	} {
		var b bytes.Buffer
		if err := s.Write(&b); err != nil || strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
			t.Errorf("%s: %v\n%s", s.Title, err, &b)
		}
	}
}

func TestAxis(t *testing.T) {
	texts := func(a Axis, values ...float64) string {
		var all []string
		for _, t := range a.ticks(a.span(values), values) {
			all = append(all, t.text)
		}
		return strings.Join(all, " ")
	}
	for _, c := range []struct{ got, want string }{
		{texts(Axis{}, 3, 1, 3), "1 3"},
		{texts(Axis{}, 1, 2, 3, 4, 5, 6, 7, 8), "2 4 6 8"},
		{texts(Axis{Names: []string{"x", "y"}}, 1), "x y"},
		{texts(Axis{Log: true}, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.1), "0.001 0.01 0.1"},
		{texts(Axis{Log: true}, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 1.9), "1 0.2 1.9"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
	a := Axis{Log: true}
	s := a.span([]float64{1, 100})
	if at := a.at(s, 10); math.Abs(at-0.5) > 1e-12 {
		t.Errorf("10 lies at %g between 1 and 100", at)
	}
}
