package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Chart is curves over one axis.
type Chart struct {
	Title string
	X     string // what the axis counts
	Lines []Line
}

// A Line is one curve. Values that are not finite leave a gap.
type Line struct {
	Run   int    // index, which is its colour
	Name  string // for who points at it
	X, Y  []float64
	Shade template.CSS // not empty: its colour instead
}

// Add adds a line that has a value to show.
func (c *Chart) Add(l Line) {
	if slices.ContainsFunc(l.Y, func(v float64) bool { return v-v == 0 }) {
		c.Lines = append(c.Lines, l)
	}
}

// Sizes of charts, in units that are pixels on a phone.
const (
	chartWidth, chartHeight        = 340, 190
	left, right, above, underneath = 44, 8, 8, 24
)

// mostPlaces is how many places a curve has; where there are more values, a place
// is their mean, and the band around the curve goes from the least to the greatest.
const mostPlaces = 240

// A place is one point of a curve.
type place struct{ x, mean, low, high float64 }

// thinned is a curve in at most so many places.
func (l Line) thinned(most int) []place {
	var all []place
	n := len(l.X)
	parts := min(n, most)
	for k := range parts {
		p := place{low: math.Inf(1), high: math.Inf(-1)}
		from, to, count := k*n/parts, (k+1)*n/parts, 0
		for i := from; i < to; i++ {
			if v := l.Y[i]; v-v == 0 {
				p.mean, p.low, p.high = p.mean+v, min(p.low, v), max(p.high, v)
				count++
			}
			p.x += l.X[i] / float64(to-from)
		}
		p.mean /= float64(count) // of nothing it is not a number: a gap
		all = append(all, p)
	}
	return all
}

// A drawn chart knows its axes.
type drawn struct {
	x, y   [2]float64
	curves [][]place
}

func (c Chart) drawn() drawn {
	d := drawn{x: [2]float64{math.Inf(1), math.Inf(-1)}, y: [2]float64{math.Inf(1), math.Inf(-1)}}
	for _, l := range c.Lines {
		places := l.thinned(mostPlaces)
		d.curves = append(d.curves, places)
		for _, p := range places {
			d.x[0], d.x[1] = min(d.x[0], p.x), max(d.x[1], p.x)
			d.y[0], d.y[1] = min(d.y[0], p.low), max(d.y[1], p.high)
		}
	}
	for _, axis := range []*[2]float64{&d.x, &d.y} {
		switch a, b := axis[0], axis[1]; {
		case a > b: // nothing is finite
			*axis = [2]float64{0, 1}
		case b-a <= 1e-9*max(math.Abs(a), math.Abs(b)): // one value: in the middle
			off := math.Abs(a) / 10
			if a == 0 {
				off = 1
			}
			*axis = [2]float64{a - off, b + off}
		}
	}
	return d
}

func (d drawn) px(v float64) float64 {
	return left + (v-d.x[0])/(d.x[1]-d.x[0])*(chartWidth-left-right)
}

func (d drawn) py(v float64) float64 {
	return chartHeight - underneath - (v-d.y[0])/(d.y[1]-d.y[0])*(chartHeight-above-underneath)
}

// SVG draws the chart; of says how many runs share the colours.
func (c Chart) SVG(of int) template.HTML {
	d := c.drawn()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" role="img" aria-label="%s" viewBox="0 0 %d %d">`, template.HTMLEscapeString(c.Title), chartWidth, chartHeight)
	bottom := float64(chartHeight - underneath)
	for _, t := range ticks(d.y, 6) {
		y := d.py(t.at)
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fH%d"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, left, y, chartWidth-right, left-5, y+4, t.text)
	}
	for _, t := range ticks(d.x, 5) {
		x := d.px(t.at)
		fmt.Fprintf(&b, `<path class="grid" d="M%.1f %.1fv4"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x, bottom, min(x, chartWidth-12), bottom+16, t.text)
	}
	fmt.Fprintf(&b, `<path class="axis" d="M%d %.1fH%d"/>`, left, bottom, chartWidth-right)
	for i, l := range c.Lines {
		colour := cmp.Or(l.Shade, shade(l.Run, of))
		if band := d.band(d.curves[i]); band != "" {
			fmt.Fprintf(&b, `<path class="band" style="fill:%s" d="%s"/>`, colour, band)
		}
		class := "curve"
		if len(d.curves[i]) == 1 {
			class += " alone"
		}
		fmt.Fprintf(&b, `<path class="%s" style="stroke:%s" d="%s"><title>%s</title></path>`, class, colour, d.curve(d.curves[i]), template.HTMLEscapeString(l.Name))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// curve is a path through the means.
func (d drawn) curve(places []place) string {
	var b strings.Builder
	pen := false
	for i, p := range places {
		if p.mean-p.mean != 0 {
			pen = false
			continue
		}
		to := byte('L')
		if !pen {
			to = 'M'
		}
		fmt.Fprintf(&b, "%c%.1f %.1f", to, d.px(p.x), d.py(p.mean))
		if !pen && (i+1 == len(places) || places[i+1].mean-places[i+1].mean != 0) {
			b.WriteString("h0.01") // a value alone is a dot
		}
		pen = true
	}
	return b.String()
}

// band is a path around the least and the greatest, empty where each place is one
// value.
func (d drawn) band(places []place) string {
	var there, back []string
	wide := false
	for _, p := range places {
		if p.low > p.high {
			continue
		}
		wide = wide || p.low < p.high
		there = append(there, fmt.Sprintf("%.1f %.1f", d.px(p.x), d.py(p.high)))
		back = append([]string{fmt.Sprintf("%.1f %.1f", d.px(p.x), d.py(p.low))}, back...)
	}
	if !wide {
		return ""
	}
	return "M" + strings.Join(append(there, back...), "L") + "Z"
}

// A tick is a mark on an axis.
type tick struct {
	at   float64
	text string
}

// ticks are marks at steps of 1, 2 or 5 times a power of ten, about so many.
func ticks(axis [2]float64, about int) []tick {
	least := (axis[1] - axis[0]) / float64(about)
	power := math.Pow(10, math.Floor(math.Log10(least)))
	step := 10 * power
	for _, s := range []float64{1, 2, 5} {
		if s*power >= least*(1-1e-9) {
			step = s * power
			break
		}
	}
	var all []tick
	for k := math.Ceil(axis[0]/step - 1e-9); k*step <= axis[1]+1e-9*step; k++ {
		all = append(all, tick{k * step, number(k*step, step)})
	}
	return all
}

// number writes a mark short: no more digits than the step has.
func number(v, step float64) string {
	switch a := math.Abs(v); {
	case a < step/2:
		return "0"
	case a >= 1e6 || step < 1e-4:
		return strconv.FormatFloat(v, 'e', max(0, int(math.Floor(math.Log10(a)+1e-9)-math.Floor(math.Log10(step)+1e-9))), 64)
	}
	return strconv.FormatFloat(v, 'f', max(0, int(math.Ceil(-math.Log10(step)-1e-9))), 64)
}
