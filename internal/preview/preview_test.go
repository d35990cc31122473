package preview

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
	"testing"

	"clr/internal/audio"
)

func picture(t *testing.T, b []byte) *image.Paletted {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return m.(*image.Paletted)
}

// Bin 0 is at the bottom, frame 0 at the left, the greatest value the lightest.
func TestWhichWayUp(t *testing.T) {
	s := audio.Spectrogram{Bins: 2, Frames: 3, Data: []float32{0, 1, 2, 3, 4, 5}}
	m := picture(t, PNG(s, Range{0, 5}, 6, 4, 6))
	for y, want := range []string{"334455", "334455", "001122", "001122"} {
		got := ""
		for x := range 6 {
			got += fmt.Sprint(m.ColorIndexAt(x, y))
		}
		if got != want {
			t.Errorf("row %d is %s, want %s", y, got, want)
		}
	}
	if c := m.At(0, 3); c != (color.RGBA{0x44, 0x01, 0x54, 0xff}) {
		t.Errorf("the least value is %v", c)
	}
	if c := m.At(5, 0); c != (color.RGBA{0xfd, 0xe7, 0x25, 0xff}) {
		t.Errorf("the greatest value is %v", c)
	}
}

// A pixel that several values share shows their mean: by the definition.
func TestShrinking(t *testing.T) {
	for _, size := range [][4]int{{64, 100, 30, 17}, {513, 9, 64, 192}, {2, 4000, 50, 128}, {7, 5, 5, 7}} {
		s := audio.Spectrogram{Bins: size[0], Frames: size[1]}
		for i := range s.Bins * s.Frames {
			s.Data = append(s.Data, float32(i*i%255))
		}
		width, height := size[2], size[3]
		m := picture(t, PNG(s, Range{0, 255}, width, height, 256))
		if m.Rect.Dx() != width || m.Rect.Dy() != height {
			t.Fatalf("%v: %v", size, m.Rect)
		}
		span := func(i, of, n int) (int, int) {
			if n <= of {
				return i * n / of, i*n/of + 1
			}
			return i * n / of, (i + 1) * n / of
		}
		for y := range height {
			for x := range width {
				b0, b1 := span(height-1-y, height, s.Bins)
				t0, t1 := span(x, width, s.Frames)
				sum := 0.0
				for b := b0; b < b1; b++ {
					for f := t0; f < t1; f++ {
						sum += float64(s.Row(b)[f])
					}
				}
				want := sum / float64((b1-b0)*(t1-t0))
				if got := float64(m.ColorIndexAt(x, y)); math.Abs(got-want) > 0.51 {
					t.Fatalf("%v: pixel %d, %d is %v, want %v", size, x, y, got, want)
				}
			}
		}
	}
}

func TestRange(t *testing.T) {
	var s audio.Spectrogram
	s.Resize(10, 1000)
	for i := range s.Data {
		s.Data[i] = float32(i)
	}
	s.Data[9999] = float32(math.Inf(1))
	s.Data[9998] = float32(math.NaN())
	r := RangeOf(s)
	if r.Low != 99 || r.High != 9988 {
		t.Errorf("%+v", r)
	}
	wave := audio.Spectrogram{Bins: 1, Frames: 10_000, Data: s.Data}
	wave.Data[9999], wave.Data[9998] = -7, 1e6
	if r := RangeOf(wave); r != (Range{-7, 1e6}) {
		t.Errorf("a curve has room for %+v", r)
	}
	if r.of(-5) != 0 || r.of(1e9) != 1 || r.of(math.NaN()) != 0 || r.of((99+9988)/2.0) != 0.5 {
		t.Error("values do not lie where they should")
	}
	if (Range{3, 3}).of(7) != 0 || RangeOf() != (Range{}) {
		t.Error("an empty range")
	}
	if (Range{-13.815511, -13.81551}).of(-13.81551) != 0 || (Range{-1e-6, 1e-6}).of(0) != 0.5 {
		t.Error("rounding has colours, or a quiet sound has none")
	}
}

// Even takes each bin by itself, and all spectrograms together.
func TestEven(t *testing.T) {
	a := audio.Spectrogram{Bins: 3, Frames: 2, Data: []float32{0, 1, 500, 600, 7, 7}}
	b := audio.Spectrogram{Bins: 3, Frames: 3, Data: []float32{2, 3, 4, 700, 800, 900, 7, 7, 7}}
	even := Even(a, b)
	got := fmt.Sprint(even[0].Data, even[1].Data)
	if want := "[0 0.25 0 0.25 0 0] [0.5 0.75 1 0.5 0.75 1 0 0 0]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if a.Data[3] != 600 {
		t.Error("the argument has changed")
	}
}

// Lightness rises from colour to colour.
func TestColours(t *testing.T) {
	p := colours(64)
	last := -1.0
	for i, c := range p {
		r, g, b, _ := c.RGBA()
		light := 0.2126*float64(r) + 0.7152*float64(g) + 0.0722*float64(b)
		if light <= last {
			t.Errorf("colour %d is not lighter than the one before", i)
		}
		last = light
	}
}

func TestCurve(t *testing.T) {
	x := make([]float32, 1000)
	x[0], x[999] = 1, -1
	m := picture(t, curve(x, Range{-1, 1}, 100, 50))
	if m.ColorIndexAt(0, 0) != 1 || m.ColorIndexAt(99, 49) != 1 || m.ColorIndexAt(50, 25) != 1 {
		t.Error("full scale is not from the bottom to the top")
	}
	if m.ColorIndexAt(50, 0) != 0 || m.ColorIndexAt(50, 49) != 0 || m.ColorIndexAt(99, 0) != 0 {
		t.Error("there is ink where there is no sample")
	}
	// Of few values too, the line has no gaps.
	m = picture(t, curve([]float32{1, -1, 0.5, 0, 1}, Range{-1, 1}, 200, 50))
	for col := range 200 {
		ends := func(col int) (top, bottom int) {
			top = 50
			for y := range 50 {
				if m.ColorIndexAt(col, y) == 1 {
					top, bottom = min(top, y), y
				}
			}
			return top, bottom
		}
		top, bottom := ends(col)
		if before, after := ends(max(col-1, 0)); top > bottom || top > after || bottom < before {
			t.Errorf("column %d is inked from %d to %d, the one before from %d to %d", col, top, bottom, before, after)
		}
	}
	picture(t, curve(nil, Range{}, 3, 3))
	picture(t, curve([]float32{float32(math.NaN()), 9, -9}, Range{-1, 1}, 3, 3))
}

// Players hold the samples, cut at full scale, and at most 30 s.
func TestPlay(t *testing.T) {
	s := Play(audio.Clip{Rate: 100, Samples: []float32{0, 0.5, -1, 3, float32(math.NaN())}})
	le := binary.LittleEndian
	var got []int16
	for b := s.WAV[44:]; len(b) > 0; b = b[2:] {
		got = append(got, int16(le.Uint16(b)))
	}
	if fmt.Sprint(got) != "[0 16384 -32767 32767 0]" || s.Cut {
		t.Errorf("%v", got)
	}
	if le.Uint32(s.WAV[24:]) != 100 || int(le.Uint32(s.WAV[4:])) != len(s.WAV)-8 || int(le.Uint32(s.WAV[40:])) != len(s.WAV)-44 {
		t.Error("the header is of something else")
	}
	if s := Play(audio.Clip{Rate: 10, Samples: make([]float32, 301)}); !s.Cut || len(s.WAV) != 44+600 {
		t.Errorf("%d bytes of 30 s at 10 Hz", len(s.WAV))
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		length float64
		pixels int
		apart  float64
		want   string
	}{
		{5, 880, 56, "0.0 0.5 1.0 1.5 2.0 2.5 3.0 3.5 4.0 4.5 5.0"}, {0.48, 224, 56, "0.0 0.2 0.4"}, {64, 128, 28, "0 20 40 60"},
		{513, 256, 28, "0 100 200 300 400 500"}, {1, 128, 28, "0.0 0.5 1.0"}, {0, 100, 28, ""}, {36000, 960, 56, "0 5000 10000 15000 20000 25000 30000 35000"},
	} {
		var got []string
		for _, x := range ticks(c.length, c.pixels, c.apart) {
			got = append(got, x.Text)
			if x.At < 0 || x.At > float64(c.pixels)+0.01 {
				t.Errorf("%+v: tick %+v", c, x)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// What a person wrote is text on the page, never markup, and the page has all
// that it shows inside.
func TestPage(t *testing.T) {
	s := audio.Spectrogram{Bins: 3, Frames: 4, Data: make([]float32, 12)}
	f := Spectrogram("a", s, 2, Range{0, 1}, 100)
	p := &Page{Title: `<script>"x"</script>`, Facts: []Fact{{Name: "n", Value: "a & b"}}, Sections: []Section{{Title: "one", Rows: []Row{{
		Title: "row", Options: []Fact{{"o", "1 to 2", "meaning"}}, Scale: &Scale{Range: Range{0, 1}, Unit: "db"},
		Cells: []Cell{{Caption: "c", Figures: []Figure{f}, Sound: Play(audio.Clip{Rate: 8, Samples: make([]float32, 8)})}}}}}}}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, w := range []string{"&lt;script&gt;", "a &amp; b", "data:image/png;base64," + base64.StdEncoding.EncodeToString(f.PNG)[:40], "data:audio/wav;base64,UklGR", "1 to 2", "meaning", "1 db", "<audio controls"} {
		if !strings.Contains(text, w) {
			t.Errorf("no %q on the page", w)
		}
	}
	for _, w := range []string{"<script", "http:", "https:", "//", "ZgotmplZ", "<no value>"} {
		if strings.Contains(stripped(text), w) {
			t.Errorf("%q on the page", w)
		}
	}
	p.Sections[0].Rows[0].Scale.Curve = true
	b.Reset()
	if err := p.Write(&b); err != nil || !strings.Contains(b.String(), "0 at the bottom, 1 db at the top") || strings.Contains(b.String(), "dark to light") {
		t.Errorf("a curve has colours, or no ends: %v", err)
	}
	if n := len(p.Figures()); n != 1 {
		t.Errorf("%d figures", n)
	}
}

// stripped is a page without its data.
func stripped(text string) string {
	parts := strings.Split(text, ";base64,")
	for i := range parts[1:] {
		parts[i+1] = parts[i+1][strings.IndexByte(parts[i+1], '"'):]
	}
	return strings.Join(parts, "")
}
