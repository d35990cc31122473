package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

// An Axis is what trials differ in: numbers, or one of some names.
type Axis struct {
	Name  string
	Names []string // not empty: a value is an index
	Log   bool
}

// A Mark is a trial: its value on each axis, and its score.
type Mark struct {
	Name  string // for who points at it
	At    []float64
	Score float64
}

// A span is the part of an axis that is used, as the axis counts: in logarithms
// where it does.
type span [2]float64

func (a Axis) count(v float64) float64 {
	if a.Log {
		return math.Log10(v)
	}
	return v
}

// span is from the least to the greatest value, with one in the middle if there is
// one alone.
func (a Axis) span(values []float64) span {
	if len(a.Names) > 0 {
		return span{-0.5, float64(len(a.Names)) - 0.5}
	}
	s := span{math.Inf(1), math.Inf(-1)}
	for _, v := range values {
		s[0], s[1] = min(s[0], a.count(v)), max(s[1], a.count(v))
	}
	switch d := s[1] - s[0]; {
	case d < 0:
		return span{0, 1}
	case d <= 1e-9*max(math.Abs(s[0]), math.Abs(s[1])):
		return span{s[0] - 0.5, s[1] + 0.5}
	default:
		return span{s[0] - d/20, s[1] + d/20}
	}
}

// at is a value's place, 0 to 1.
func (a Axis) at(s span, v float64) float64 { return (a.count(v) - s[0]) / (s[1] - s[0]) }

// ticks are an axis's marks, at places 0 to 1. The values themselves are marked where
// they are few.
func (a Axis) ticks(s span, values []float64) (all []tick) {
	if len(a.Names) > 0 {
		for i, name := range a.Names {
			all = append(all, tick{a.at(s, float64(i)), name})
		}
		return all
	}
	distinct := slices.Clone(values)
	slices.Sort(distinct)
	if distinct = slices.Compact(distinct); len(distinct) <= 6 {
		for _, v := range distinct {
			all = append(all, tick{a.at(s, v), fmt.Sprintf("%.4g", v)})
		}
		return all
	}
	if !a.Log {
		for _, t := range ticks(s, 6) {
			all = append(all, tick{(t.at - s[0]) / (s[1] - s[0]), t.text})
		}
		return all
	}
	for power := math.Ceil(s[0]); power <= s[1]; power++ {
		all = append(all, tick{(power - s[0]) / (s[1] - s[0]), fmt.Sprintf("%.4g", math.Pow(10, power))})
	}
	if len(all) < 2 {
		for _, v := range []float64{distinct[0], distinct[len(distinct)-1]} {
			all = append(all, tick{a.at(s, v), fmt.Sprintf("%.3g", v)})
		}
	}
	return all
}

// apart keeps those ticks that have so much room, for their words not to touch.
func apart(all []tick, room float64) (kept []tick) {
	slices.SortStableFunc(all, func(a, b tick) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	for _, t := range all {
		if len(kept) == 0 || t.at-kept[len(kept)-1].at >= room {
			kept = append(kept, t)
		}
	}
	return kept
}

// column is what all marks have on an axis.
func column(marks []Mark, axis int) (values []float64) {
	for _, m := range marks {
		values = append(values, m.At[axis])
	}
	return values
}

func scores(marks []Mark) (values []float64) {
	for _, m := range marks {
		values = append(values, m.Score)
	}
	return values
}

// Warmth is the colour of a score from the worst, 0, to the best, 1. It stands out
// from white and from black.
func Warmth(share float64) template.CSS {
	share = min(max(share, 0), 1)
	return template.CSS(fmt.Sprintf("oklch(%.3f 0.150 %.1f)", 0.52+0.2*share, 285-215*share))
}

// short cuts a word to so many letters.
func short(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-1]) + "…"
}

// Sizes of parallel coordinates; an axis takes so much of the width, or more where
// there is room for all.
const (
	coordinatesHeight = 300
	coordinatesAxis   = 170
	coordinatesWidth  = 900
	coordinatesTop    = 34
	coordinatesBottom = 14
)

// Coordinates draws each trial as a line through its values, and to its score.
func (s *Sweep) Coordinates() template.HTML {
	axes := append(slices.Clone(s.Axes), Axis{Name: s.Metric})
	width := max(coordinatesWidth, coordinatesAxis*len(axes))
	marks := make([]Mark, len(s.Marks))
	for i, m := range s.Marks {
		marks[i] = Mark{m.Name, append(slices.Clone(m.At), m.Score), m.Score}
	}
	slices.SortStableFunc(marks, func(a, b Mark) int { // the best on top
		switch wa, wb := s.warmth(a.Score), s.warmth(b.Score); {
		case wa < wb:
			return -1
		case wa > wb:
			return 1
		}
		return 0
	})
	x := func(axis int) float64 { return float64(width) * (float64(axis) + 0.5) / float64(len(axes)) }
	y := func(share float64) float64 {
		return coordinatesHeight - coordinatesBottom - share*(coordinatesHeight-coordinatesTop-coordinatesBottom)
	}
	spans := make([]span, len(axes))
	for k, a := range axes {
		spans[k] = a.span(column(marks, k))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart coordinates" role="img" aria-label="parallel coordinates of %d trials" viewBox="0 0 %d %d" style="min-width:%dpx">`, len(marks), width, coordinatesHeight, width*3/4)
	for _, m := range marks {
		var line strings.Builder
		for k, a := range axes {
			fmt.Fprintf(&line, "%c%.1f %.1f", "ML"[min(k, 1)], x(k), y(a.at(spans[k], m.At[k])))
		}
		fmt.Fprintf(&b, `<path class="curve trial" style="stroke:%s" d="%s"><title>%s</title></path>`, Warmth(s.warmth(m.Score)), line.String(), template.HTMLEscapeString(m.Name))
	}
	for k, a := range axes {
		fmt.Fprintf(&b, `<path class="axis" d="M%.1f %dV%d"/><text class="name" x="%.1f" y="14" text-anchor="middle">%s<title>%s</title></text>`,
			x(k), coordinatesTop, coordinatesHeight-coordinatesBottom, x(k), template.HTMLEscapeString(tailed(a.Name, 24)), template.HTMLEscapeString(a.Name))
		for _, t := range apart(a.ticks(spans[k], column(marks, k)), 0.06) {
			fmt.Fprintf(&b, `<path class="axis" d="M%.1f %.1fh-4"/><text class="mark" x="%.1f" y="%.1f" text-anchor="end">%s</text>`, x(k), y(t.at), x(k)-7, y(t.at)+4, template.HTMLEscapeString(short(t.text, 18)))
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// tailed cuts a word in front, for what differs stands behind.
func tailed(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return "…" + string(r[len(r)-most+1:])
}

// Against draws the scores over one axis, with their mean at each value where values
// are few.
func (s *Sweep) Against(axis int) template.HTML {
	a, values := s.Axes[axis], column(s.Marks, axis)
	up := Axis{}
	across, rise := a.span(values), up.span(scores(s.Marks))
	px := func(v float64) float64 { return left + a.at(across, v)*(chartWidth-left-right) }
	py := func(v float64) float64 {
		return chartHeight - underneath - up.at(rise, v)*(chartHeight-above-underneath)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" role="img" aria-label="%s against %s" viewBox="0 0 %d %d">`, template.HTMLEscapeString(s.Metric), template.HTMLEscapeString(a.Name), chartWidth, chartHeight)
	for _, t := range ticks(rise, 6) {
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, left, py(t.at), chartWidth-right, left-5, py(t.at)+4, t.text)
	}
	bottom := float64(chartHeight - underneath)
	for _, t := range apart(a.ticks(across, values), 0.16) {
		x := left + t.at*(chartWidth-left-right)
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %.1fv4"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x, bottom, x, bottom+16, template.HTMLEscapeString(short(t.text, 14)))
	}
	fmt.Fprintf(&b, `<path class="axis" d="M%d %.1fH%d"/>`, left, bottom, chartWidth-right)
	distinct := slices.Clone(values)
	slices.Sort(distinct)
	if distinct = slices.Compact(distinct); len(distinct) <= 12 && 2*len(distinct) <= len(values) {
		d := "M"
		for i, v := range distinct {
			sum, n := 0.0, 0
			for _, m := range s.Marks {
				if m.At[axis] == v {
					sum, n = sum+m.Score, n+1
				}
			}
			if i > 0 {
				d += "L"
			}
			d += fmt.Sprintf("%.1f %.1f", px(v), py(sum/float64(n)))
		}
		fmt.Fprintf(&b, `<path class="mean" d="%s"/>`, d)
	}
	for _, m := range s.Marks {
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3.5" style="fill:%s"><title>%s</title></circle>`, px(m.At[axis]), py(m.Score), Warmth(s.warmth(m.Score)), template.HTMLEscapeString(m.Name))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}
