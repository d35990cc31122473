package preview

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"
	"strings"

	"clr/internal/audio"
)

// A Page is what one look shows, from top to bottom.
type Page struct {
	Title    string
	Facts    []Fact
	Sections []Section
}

// A Fact is a word and what is to be known of it.
type Fact struct{ Name, Value, Doc string }

// A Section is rows under one heading.
type Section struct {
	Title, About string
	Rows         []Row
}

// A Row is cells side by side, for comparing.
type Row struct {
	Title, About string
	Options      []Fact
	Cells        []Cell
	Scale        *Scale // of the spectrograms; may be nil
}

// A Scale says what the colours of a row mean, or the height of its curves.
type Scale struct {
	Range
	Unit  string // may be empty
	Curve bool   // there are no colours
}

// Ends are the scale's least and greatest value, in words.
func (s Scale) Ends() [2]string {
	return [2]string{fmt.Sprintf("%.3g", s.Low), strings.TrimSpace(fmt.Sprintf("%.3g %s", s.High, s.Unit))}
}

// Bar is a picture of the colours from one end to the other.
func (s Scale) Bar() []byte {
	const width, height = 160, 10
	var ramp audio.Spectrogram
	ramp.Resize(height, width)
	for i := range ramp.Data {
		ramp.Data[i] = float32(i % width)
	}
	return PNG(ramp, Range{0, width - 1}, width, height, 256)
}

// A Cell is one thing that is seen, heard or both.
type Cell struct {
	Caption string
	Figures []Figure
	Sound   *Sound // may be nil
}

// A Figure is a picture with axes.
type Figure struct {
	Name          string // of its file, without .png
	PNG           []byte
	Width, Height int     // of the picture, pixels
	Seconds       float64 // that its width is
	Bins          int     // that its height is; 0: no axis there
}

// sides of figures, pixels.
const (
	leastHeight = 128
	mostHeight  = 256
	mostWidth   = 960
	leastWidth  = 48
	waveHeight  = 96
)

// Spectrogram is a figure of a spectrogram that lasts so many seconds; each is so
// many pixels long, unless the picture were too small or too large then.
func Spectrogram(name string, s audio.Spectrogram, seconds float64, r Range, pixels float64) Figure {
	height := s.Bins
	for height > 0 && height < leastHeight { // whole pixels a bin
		height += s.Bins
	}
	f := Figure{Name: name, Width: width(seconds, pixels), Height: min(max(height, 1), mostHeight), Seconds: seconds}
	if s.Bins > 1 {
		f.Bins = s.Bins
	}
	f.PNG = PNG(s, r, f.Width, f.Height, 256)
	return f
}

// Waveform is a figure of a clip's samples.
func Waveform(name string, c audio.Clip, pixels float64) Figure {
	f := Figure{Name: name, Height: waveHeight, Seconds: float64(len(c.Samples)) / float64(c.Rate)}
	f.Width = width(f.Seconds, pixels)
	f.PNG = curve(c.Samples, Range{-1, 1}, f.Width, f.Height)
	return f
}

func width(seconds, pixels float64) int {
	return int(min(max(math.Round(seconds*pixels), leastWidth), mostWidth))
}

// Figures are all pictures of the page, in order.
func (p *Page) Figures() []Figure {
	var all []Figure
	for _, s := range p.Sections {
		for _, r := range s.Rows {
			for _, c := range r.Cells {
				all = append(all, c.Figures...)
			}
		}
	}
	return all
}

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"png":  func(attribute string, b []byte) template.HTMLAttr { return dataURI(attribute, "image/png", b) },
	"wav":  func(attribute string, b []byte) template.HTMLAttr { return dataURI(attribute, "audio/wav", b) },
	"plus": func(a, b int) int { return a + b },
}).Parse(pageHTML))

// Write writes the page as HTML.
func (p *Page) Write(w io.Writer) error { return pageTemplate.Execute(w, p) }

// IsPage tells a page that Write wrote by its first bytes.
func IsPage(head []byte) bool {
	return bytes.Contains(head[:min(len(head), 512)], []byte(`<meta name="generator" content="clr">`))
}

// dataURI is an attribute with a whole file in it.
func dataURI(attribute, kind string, b []byte) template.HTMLAttr {
	return template.HTMLAttr(attribute + `="data:` + kind + ";base64," + base64.StdEncoding.EncodeToString(b) + `"`)
}

// A tick is a mark on an axis, at a pixel, with its number.
type tick struct {
	At   float64
	Text string
}

// XTicks are the marks in seconds.
func (f Figure) XTicks() []tick {
	return ticks(f.Seconds, f.Width, 56)
}

// YTicks are the marks in bins, from the bottom up.
func (f Figure) YTicks() []tick {
	if f.Bins == 0 {
		return nil
	}
	all := ticks(float64(f.Bins), f.Height, 28)
	for i := range all {
		all[i].At = float64(f.Height) - all[i].At
	}
	return all
}

// ticks are marks from 0 to length over so many pixels, at steps of 1, 2 or 5
// times a power of ten that are at least apart pixels apart.
func ticks(length float64, pixels int, apart float64) []tick {
	if !(length > 0) {
		return nil
	}
	least := length * apart / float64(pixels)
	power := math.Pow(10, math.Floor(math.Log10(least)))
	step := 10 * power
	for _, s := range []float64{1, 2, 5} {
		if s*power >= least {
			step = s * power
			break
		}
	}
	digits := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	var all []tick
	for i := 0; float64(i)*step <= length*(1+1e-9); i++ {
		v := float64(i) * step
		all = append(all, tick{v / length * float64(pixels), strconv.FormatFloat(v, 'f', digits, 64)})
	}
	return all
}
