package report

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

// A Map is clips laid out by their embeddings.
type Map struct {
	About   string
	Layouts []Layout
	Classes []string // empty: there are no labels
	Points  []Point
	Rate    int // of the sounds, Hz
}

// A Layout is a place for each point.
type Layout struct {
	Name, About string
	At          []float64 // (N, 2)
}

// A Point is a clip.
type Point struct {
	Name   string
	Class  int    // index; -1: none
	Saying string // more about it
	Wrong  bool   // the probe was mistaken
	Near   []Neighbour
	Sound  []byte // as ADPCM gives it; nil: none
}

// A Neighbour is another point, and how similar it is.
type Neighbour struct {
	Point  int
	Cosine float64
}

// A Match is a point to look at, with its neighbours.
type Match struct{ Point int }

// Nearest finds each row's nearest others by their cosine, the first of equals.
func Nearest(x []float64, n, d, k int) [][]Neighbour { // (N, k)
	unit := make([]float64, n*d)
	for i := range n {
		sum := 0.0
		for _, v := range x[i*d : (i+1)*d] {
			sum += float64(v * v)
		}
		for j, v := range x[i*d : (i+1)*d] {
			unit[i*d+j] = v / max(math.Sqrt(sum), 1e-300)
		}
	}
	all := make([][]Neighbour, n)
	for i := range n {
		var near []Neighbour
		for j := range n {
			if j == i {
				continue
			}
			sum := 0.0
			for q, v := range unit[i*d : (i+1)*d] {
				sum += float64(v * unit[j*d+q])
			}
			near = append(near, Neighbour{j, sum})
		}
		slices.SortStableFunc(near, func(a, b Neighbour) int { return cmp.Compare(b.Cosine, a.Cosine) })
		all[i] = near[:min(k, len(near))]
	}
	return all
}

// side of a layout's picture, and the room that a point takes at its edge.
const (
	side = 640
	edge = 14
)

// SVG draws a layout. Both axes have one scale.
func (m *Map) SVG(l Layout) template.HTML {
	low, high := [2]float64{math.Inf(1), math.Inf(1)}, [2]float64{math.Inf(-1), math.Inf(-1)}
	for i, v := range l.At {
		low[i%2], high[i%2] = min(low[i%2], v), max(high[i%2], v)
	}
	scale := (side - 2*edge) / max(high[0]-low[0], high[1]-low[1], 1e-300)
	radius := min(max(120/math.Sqrt(float64(len(m.Points)+1)), 3.5), 8)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="map" role="img" aria-label="%s of %d clips" viewBox="0 0 %d %d">`, template.HTMLEscapeString(l.Name), len(m.Points), side, side)
	for i, p := range m.Points {
		x := side/2 + scale*(l.At[2*i]-(low[0]+high[0])/2)
		y := side/2 - scale*(l.At[2*i+1]-(low[1]+high[1])/2)
		class := ""
		if p.Wrong {
			class = ` class="w"`
		}
		fmt.Fprintf(&b, `<circle%s data-i="%d" data-c="%d" cx="%.1f" cy="%.1f" r="%.1f" style="--c:%s"><title>%s</title></circle>`,
			class, i, p.Class, x, y, radius, shade(max(p.Class, 0), len(m.Classes)), template.HTMLEscapeString(m.title(p)))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func (m *Map) title(p Point) string {
	if p.Class < 0 {
		return p.Name
	}
	return m.Classes[p.Class] + " · " + p.Name
}

// Agree is the share of the labelled points whose nearest neighbour has their
// label; not ok: there is none.
func (m *Map) Agree() (share float64, ok bool) {
	same, count := 0, 0
	for _, p := range m.Points {
		if p.Class < 0 || len(p.Near) == 0 {
			continue
		}
		count++
		if m.Points[p.Near[0].Point].Class == p.Class {
			same++
		}
	}
	return float64(same) / float64(max(count, 1)), count > 0
}

// Agreement is Agree in words.
func (m *Map) Agreement() string {
	share, ok := m.Agree()
	if !ok {
		return ""
	}
	return fmt.Sprintf("For %.1f %% of these clips, the nearest neighbour has the same label.", 100*share)
}

// Data is what the page's script knows of the map.
func (m *Map) Data() any {
	type point struct {
		Name   string       `json:"n"`
		Class  int          `json:"c"`
		Saying string       `json:"s,omitempty"`
		Near   [][2]float64 `json:"k"` // point and cosine
		Sound  string       `json:"a,omitempty"`
	}
	points := make([]point, len(m.Points))
	for i, p := range m.Points {
		points[i] = point{Name: p.Name, Class: p.Class, Saying: p.Saying, Near: [][2]float64{}, Sound: base64.StdEncoding.EncodeToString(p.Sound)}
		for _, n := range p.Near {
			points[i].Near = append(points[i].Near, [2]float64{float64(n.Point), math.Round(n.Cosine*1000) / 1000})
		}
	}
	shades := make([]template.CSS, len(m.Classes))
	for i := range shades {
		shades[i] = shade(i, len(m.Classes))
	}
	return map[string]any{"rate": m.Rate, "classes": append([]string{}, m.Classes...), "shades": shades, "points": points}
}

// A Chip is a clip in a few words.
type Chip struct {
	Shade       template.CSS // of its class
	Class, Name string
}

// Chip is that of a point.
func (m *Map) Chip(point int) Chip {
	p := m.Points[point]
	if p.Class < 0 {
		return Chip{Name: p.Name}
	}
	return Chip{shade(p.Class, len(m.Classes)), m.Classes[p.Class], p.Name}
}
