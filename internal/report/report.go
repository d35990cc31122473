// Package report shows runs to people: one page of HTML that needs no network and
// nothing beside itself, on a desk or a phone, by day or by night. Equal input
// gives equal bytes.
//
// It hides charts, the map, matrices, players and how sounds are made small. What
// the numbers are is the caller's business.
package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
)

// A Page is what one look at some runs shows, from top to bottom. What is empty is
// left out.
type Page struct {
	Title   string
	Runs    []Run    // the first is looked into; the others are compared with it
	Notes   []string // what is not shown, and why
	Probes  []Probe
	Tables  []Table // what differs between the runs
	Map     *Map
	Matches []Match // neighbours of some clips of the map
	Heard   []Confusion
	Courses []Courses
	Warned  []Warning
}

// A Run is what was run.
type Run struct {
	Name   string // short, in front of what belongs to it
	Path   string
	Facts  []Fact
	Config string // all of it
}

// A Fact is a word and what is to be known of it.
type Fact struct{ Name, Value string }

// A Probe is what one kind of question found.
type Probe struct {
	Name, About string
	Scores      []Score
}

// A Score is a fraction, such as an accuracy, with its interval.
type Score struct {
	Run            int // index
	Name           string
	Value          float64
	Low, High      float64
	Baseline       bool   // it says what the others are worth
	Detail, Beside string // further scores; how it differs from the first run's
}

// A Table is rows under a head.
type Table struct {
	Title, About string
	Head         []string
	Rows         [][]string
}

// A Confusion is which class was taken for which.
type Confusion struct {
	Title, About string

	Classes []string
	Counts  [][]int // (K, K) true × predicted; nil where clips have several
	Scores  []ClassScore
}

// A ClassScore is a class's share in it; scores are fractions.
type ClassScore struct {
	Class                 string
	Precision, Recall, F1 float64
	Clips                 int
}

// Courses are charts under one heading.
type Courses struct {
	Title, About string
	Charts       []Chart
}

// A Warning is what looked wrong while a run was trained.
type Warning struct{ Where, Code, Text, Try string }

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"percent": func(v float64) string { return fmt.Sprintf("%.1f", 100*v) },
	"at":      func(v float64) string { return fmt.Sprintf("%.2f", 100*min(max(v, 0), 1)) },
	"minus":   func(a, b float64) float64 { return a - b },
	"css":     func() template.CSS { return template.CSS(pageCSS) },
	"js":      func() template.JS { return template.JS(pageJS) },
	"shade":   shade,
}).Parse(pageHTML))

// Write writes the page as HTML.
func (p *Page) Write(w io.Writer) error { return pageTemplate.Execute(w, p) }

// IsPage tells a page that Write wrote by its first bytes.
func IsPage(head []byte) bool {
	return bytes.Contains(head[:min(len(head), 512)], []byte(`<meta name="generator" content="clr report">`))
}

// shade is the fill of one of so many kinds of things that are told apart: hues
// are spread evenly, and neighbours differ in lightness too. Both stand out from
// white and from black.
func shade(i, of int) template.CSS {
	light := 0.58
	if of > 6 && i%2 == 1 {
		light = 0.74
	}
	return template.CSS(fmt.Sprintf("oklch(%.2f 0.15 %.0f)", light, 250+360*float64(i)/float64(max(of, 3))))
}

// Shade is the colour of a run.
func (p *Page) Shade(run int) template.CSS { return shade(run, len(p.Runs)) }

// Several says that there is something to compare.
func (p *Page) Several() bool { return len(p.Runs) > 1 }

// A Cell is a place in a matrix: Share is of the true class's clips.
type Cell struct {
	Count  int
	Share  float64
	Right  bool
	Saying string
}

// Cells are the rows of the matrix.
func (c Confusion) Cells() [][]Cell {
	var all [][]Cell
	for i, row := range c.Counts {
		total := 0
		for _, n := range row {
			total += n
		}
		var cells []Cell
		for j, n := range row {
			cells = append(cells, Cell{n, float64(n) / float64(max(total, 1)), i == j,
				fmt.Sprintf("%s taken for %s: %d of %d", c.Classes[i], c.Classes[j], n, total)})
		}
		all = append(all, cells)
	}
	return all
}

// Square says that there is a count for each pair of classes.
func (c Confusion) Square() bool {
	return len(c.Counts) == len(c.Classes) && !slices.ContainsFunc(c.Counts, func(row []int) bool { return len(row) != len(c.Classes) })
}

// Small says that there is room for numbers in the matrix.
func (c Confusion) Small() bool { return len(c.Classes) <= 25 }

// Named are the scores, the worst class first.
func (c Confusion) Named() []ClassScore {
	all := slices.Clone(c.Scores)
	slices.SortStableFunc(all, func(a, b ClassScore) int {
		switch {
		case a.F1 < b.F1:
			return -1
		case a.F1 > b.F1:
			return 1
		}
		return 0
	})
	return all
}
