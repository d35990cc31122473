package report

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"clr/internal/audio"
)

// What is coded is what another decoder reads: as a WAV file of one block, whose
// head has the first sample and step.
func TestADPCM(t *testing.T) {
	const rate, n = 8000, 6000
	x := make([]float32, n)
	for i := range x {
		at := float64(i) / rate
		x[i] = float32(0.6 * math.Exp(-2*at) * math.Sin(2*math.Pi*(200+800*at)*at))
	}
	code := ADPCM(x)
	if len(code) != n/2 {
		t.Fatalf("%d bytes for %d samples", len(code), n)
	}
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("RIFF"), uint32(4+8+20+8+4+len(code)))
	b = le.AppendUint32(append(b, "WAVEfmt "...), 20)
	for _, v := range []uint16{0x11, 1, rate, 0, rate / 2, 0, uint16(4 + len(code)), 4, 2, n + 1} {
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(append(b, "data"...), uint32(4+len(code)))
	b = append(append(b, 0, 0, 0, 0), code...)
	path := filepath.Join(t.TempDir(), "a.wav")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	c, err := audio.ReadClip(path, 0, 0, 0)
	if err != nil || len(c.Samples) != n+1 {
		t.Fatalf("%d samples, %v", len(c.Samples), err)
	}
	signal, noise := 0.0, 0.0
	for i, v := range x {
		off := float64(c.Samples[i+1] - v)
		signal, noise = signal+float64(v*v), noise+off*off
	}
	if db := 10 * math.Log10(signal/noise); db < 20 {
		t.Errorf("the noise is %.1f dB below the signal", db)
	}
	for _, odd := range [][]float32{nil, {float32(math.NaN())}, {2, -2, float32(math.Inf(1))}} {
		if got := len(ADPCM(odd)); got != (len(odd)+1)/2 {
			t.Errorf("%d bytes of %v", got, odd)
		}
	}
}

// The page decodes by the tables that the sounds were coded by.
func TestTablesAreThePages(t *testing.T) {
	for name, want := range map[string][]int{"sizes": stepSizes[:], "changes": stepChanges[:]} {
		list := regexp.MustCompile(`(?s)const ` + name + ` = \[(.*?)\]`).FindStringSubmatch(pageJS)
		if list == nil {
			t.Fatalf("no %s", name)
		}
		if got := strings.Fields(strings.ReplaceAll(list[1], ",", " ")); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s are %v, want %v", name, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		lengths []int
		total   int
		want    int
	}{
		{nil, 5, 0}, {[]int{3, 4}, 7, 4}, {[]int{3, 4}, 100, 4}, {[]int{3, 4}, 6, 3}, {[]int{1, 9, 9}, 11, 5}, {[]int{9, 9, 9}, 2, 0}, {[]int{0, 8}, 3, 3},
	} {
		if got := Fit(c.lengths, c.total); got != c.want {
			t.Errorf("%v in %d: %d, want %d", c.lengths, c.total, got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	x := []float64{1, 0, 0, 5, 1, 0.1, 0, 0, -1, 0}
	near := Nearest(x, 5, 2, 2)
	if near[0][0].Point != 2 || math.Abs(near[0][0].Cosine-1/math.Sqrt(1.01)) > 1e-12 || near[1][0].Point != 2 || near[4][0].Point != 1 {
		t.Errorf("%v", near)
	}
	if near[0][1].Point != 1 { // 1 and 3 are equally far: the first
		t.Errorf("%v", near[0])
	}
	if got := Nearest(x[:2], 1, 2, 5); len(got[0]) != 0 {
		t.Errorf("one point's are %v", got)
	}
}

// Curves stay in their chart, have their values at their places and gaps where
// there are none.
func TestChart(t *testing.T) {
	c := Chart{Title: "loss", X: "steps"}
	c.Add(Line{X: []float64{0, 1}, Y: []float64{math.NaN(), math.Inf(1)}})
	if len(c.Lines) != 0 {
		t.Error("a line without a value is added")
	}
	c.Add(Line{Name: "a", X: []float64{0, 10, 20, 30}, Y: []float64{1, math.NaN(), 3, 2}})
	svg := string(c.SVG(1))
	// 0..30 is 44..332 in x, 1..3 is 166..8 in y.
	if want := `d="M44.0 166.0h0.01M236.0 8.0L332.0 87.0"`; !strings.Contains(svg, want) {
		t.Errorf("no %s in %s", want, svg)
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || strings.Contains(svg, "band") {
		t.Errorf("%s", svg)
	}
	long := Line{}
	for i := range 10_000 {
		long.X, long.Y = append(long.X, float64(i)), append(long.Y, float64(i%2))
	}
	places := long.thinned(mostPlaces)
	if len(places) != mostPlaces || places[7].low != 0 || places[7].high != 1 || math.Abs(places[7].mean-0.5) > 0.02 {
		t.Errorf("%d places: %+v", len(places), places[7])
	}
	for _, y := range [][]float64{{0}, {5, 5}, {1e300, -1e300}, {1e-300, 2e-300}} {
		c := Chart{Lines: []Line{{X: []float64{0, 1}[:len(y)], Y: y}}}
		if svg := string(c.SVG(3)); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%v: %s", y, svg)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		axis [2]float64
		want string
	}{
		{[2]float64{0, 1}, "0 0.5 1.0"}, {[2]float64{0, 900}, "0 500"}, {[2]float64{-0.02, 0.013}, "-0.02 -0.01 0 0.01"},
		{[2]float64{0, 3e-6}, "0 1e-06 2e-06 3e-06"}, {[2]float64{2e6, 4e6}, "2.0e+06 2.5e+06 3.0e+06 3.5e+06 4.0e+06"},
	} {
		var got []string
		for _, k := range ticks(c.axis, 4) {
			got = append(got, k.text)
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%v: %s, want %s", c.axis, g, c.want)
		}
	}
}

// Names come from other people's files, and stay names.
func TestNamesAreInert(t *testing.T) {
	const evil = `</script></title></style><script>alert("1")</script>'"><img src=x onerror=alert(1)>`
	p := Page{Title: evil, Runs: []Run{{Name: evil, Path: evil, Facts: []Fact{{evil, evil}}, Config: evil}, {Name: "B"}}, Notes: []string{evil},
		Probes: []Probe{{Name: evil, About: evil, Scores: []Score{{Name: evil, Value: 2, Low: -1, High: math.Inf(1), Detail: evil, Beside: evil}}}},
		Tables: []Table{{evil, evil, []string{evil}, [][]string{{evil}}}},
		Map: &Map{About: evil, Layouts: []Layout{{evil, evil, []float64{0, 0, 1, 1}}}, Classes: []string{evil}, Rate: 8000,
			Points: []Point{{Name: evil, Saying: evil, Near: []Neighbour{{1, 1}}, Sound: []byte{1}}, {Name: evil, Class: -1}}},
		Matches: []Match{{0}},
		Heard:   []Confusion{{Title: evil, Classes: []string{evil}, Counts: [][]int{{0}}, Scores: []ClassScore{{Class: evil}}}},
		Courses: []Courses{{evil, evil, []Chart{{evil, evil, []Line{{0, evil, []float64{0}, []float64{1}, ""}}}}}}, Warned: []Warning{{evil, evil, evil, evil}}}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if strings.Contains(page, "<img") || strings.Contains(page, `alert("1")`) || strings.Count(page, "<script") != 2 || strings.Count(page, "</script") != 2 || strings.Count(page, "</style") != 1 {
		t.Errorf("%s", page)
	}
	if n := strings.Count(page, "onerror"); n < 20 {
		t.Errorf("the name is shown %d times", n)
	}
	if strings.Contains(page, "ZgotmplZ") {
		t.Error("something is taken for dangerous that is not")
	}
	if !IsPage(b.Bytes()) || IsPage([]byte("<!doctype html>\n<html>")) || IsPage(nil) {
		t.Error("a page is not known by its first bytes")
	}
}

// A page of nothing is a page.
func TestEmpty(t *testing.T) {
	var b bytes.Buffer
	p := Page{Title: "none", Runs: []Run{{Name: "A"}}, Map: &Map{Layouts: []Layout{{Name: "t-SNE"}}}}
	if err := p.Write(&b); err != nil || strings.Contains(b.String(), "NaN") {
		t.Errorf("%v: %s", err, &b)
	}
	if _, ok := p.Map.Agree(); ok {
		t.Error("nobody agrees")
	}
}
