package pipeline

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/preview"
)

// Pictures of the docs: small, and of few colours, so that all of them weigh
// little.
const (
	docWidth, docHeight = 192, 64
	docColours          = 32
	docMost             = 6 << 10   // bytes of one
	docAll              = 300 << 10 // bytes of all
	docClip             = "recordings/7_jackson_1.flac"
)

// The docs' pictures are what the code makes of a clip in the binary. `make
// pictures` writes them, and their names into tables whose last cell is empty.
func TestPictures(t *testing.T) {
	made := docPictures(t)
	folder := filepath.Join("..", "..", "docs", "img")
	if os.Getenv("CLR_PICTURES") != "" {
		writePictures(t, folder, made)
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(made)) {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Errorf("make pictures writes it: %v", err)
			continue
		}
		if total += len(b); len(b) > docMost {
			t.Errorf("%s has %d bytes, more than %d", name, len(b), docMost)
		}
		// Other machines round differently, and a value may lie between two colours.
		if off := recoloured(t, name, b, made[name]); off > 0.02 {
			t.Errorf("%s shows something else than the code makes now (%.0f %% of the pixels differ): make pictures", name, 100*off)
		}
	}
	if total > docAll {
		t.Errorf("the pictures have %d bytes, more than %d", total, docAll)
	}
	features := string(get(t, folder, "..", "features.md"))
	for name := range audio.Features {
		row := strings.Contains(features, "\n| `"+name+"` |") || strings.Contains(features, "\n  | `"+name+"` |")
		if link := "![" + name + "](img/feature_" + name + ".png)"; row && !strings.Contains(features, link) {
			t.Errorf("the row of %s in docs/features.md lacks %s; make pictures puts it into an empty last cell", name, link)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if made[e.Name()] == nil && e.Name() != "report.png" && e.Name() != "sweep.png" { // a browser's, see docs/reports.md and docs/sweeps.md
			t.Errorf("docs/img/%s is of nothing there is", e.Name())
		}
	}
}

// docPictures draws the clip, each augmentation and each feature.
func docPictures(t *testing.T) map[string][]byte {
	t.Helper()
	made := map[string][]byte{}
	draw := func(name string, s audio.Spectrogram, r preview.Range) {
		made[name+".png"] = preview.PNG(s, r, docWidth, docHeight, docColours)
	}
	c := docConfig(t)
	d := open(t, c)
	p, err := newPreviewer(d, PreviewOptions{Clip: docClip, Out: "x", Draws: 1})
	if err != nil {
		t.Fatal(err)
	}
	p.drawer.draw.Background = func(string) (audio.Clip, error) { return d.readClip(p.drawer.other()) } // there is but one corpus in the binary
	before, err := p.window(&p.spec, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := preview.RangeOf(before)
	draw("clip", before, r)
	for name, a := range augment.Table {
		if err := a.Check(); err != nil {
			t.Logf("%s has no picture: %v", name, err)
			continue
		}
		s, most := before, 0.0
		for n := range docDraws {
			drawn, err := p.alone(a, n)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if m := moved(before, drawn); m > most {
				s, most = drawn, m
			}
		}
		draw(name, s, r)
	}
	for name, o := range audio.Features {
		f, err := o.New(c.SampleRate)
		var s audio.Spectrogram
		if err == nil {
			err = f.Extract(&s, copied(p.clip))
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if o.Unit() == "" && s.Bins > 1 {
			s = preview.Even(s)[0]
		}
		draw("feature_"+name, s, preview.RangeOf(s))
	}
	return made
}

// docDraws is of how many draws the docs show the one that changes most.
const docDraws = 8

// alone is a view of what one augmentation makes of the clip.
func (p *previewer) alone(a augment.Augmentation, draw int) (audio.Spectrogram, error) {
	switch a := augment.Always(a).(type) {
	case augment.Spec:
		return p.window(&p.spec, draw, a)
	case augment.Wave:
		_, s, err := p.wave(a, draw)
		if err != nil {
			return s, err
		}
		return p.window(&s, draw)
	}
	panic("neither")
}

// moved is how far two spectrograms of one shape lie apart.
func moved(a, b audio.Spectrogram) (sum float64) {
	for i := range a.Data {
		sum += math.Abs(float64(a.Data[i]) - float64(b.Data[i]))
	}
	return sum
}

// docConfig is what the docs' clip is seen by.
func docConfig(t *testing.T) *Config {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "config.yaml"), []byte(`corpus: builtin:fsdd
sample_rate: 16000
store: store.clrs
split: {by: speaker, holdout: [theo, yweweler]}
feature: {name: logmel, f_max: 3900}
view: {frames: 40}
`))
	return load(t, dir)
}

// writePictures writes them, and links those that tables lack.
func writePictures(t *testing.T, folder string, made map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, b := range made {
		put(t, filepath.Join(folder, name), b)
	}
	for doc, prefix := range map[string]string{"augmentations.md": "", "features.md": "feature_"} {
		path := filepath.Join(folder, "..", doc)
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for line := range strings.Lines(string(text)) {
			if cells := strings.Split(line, "`"); strings.HasPrefix(strings.TrimSpace(line), "| `") && strings.HasSuffix(line, "| |\n") && made[prefix+cells[1]+".png"] != nil {
				line = strings.TrimSuffix(line, "|\n") + fmt.Sprintf("![%s](img/%s.png) |\n", cells[1], prefix+cells[1])
			}
			b.WriteString(line)
		}
		put(t, path, []byte(b.String()))
	}
}

// recoloured is the part of the pixels whose colours are more than one step of the
// colour map away from each other.
func recoloured(t *testing.T, name string, a, b []byte) float64 {
	t.Helper()
	x, y := decoded(t, name, a), decoded(t, name, b)
	if x.Rect != y.Rect {
		t.Fatalf("%s: %v and %v", name, x.Rect, y.Rect)
	}
	off := 0
	for i := range x.Pix {
		if d := int(x.Pix[i]) - int(y.Pix[i]); d < -1 || d > 1 {
			off++
		}
	}
	return float64(off) / float64(len(x.Pix))
}

func decoded(t *testing.T, name string, b []byte) *image.Paletted {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	p, ok := m.(*image.Paletted)
	if !ok {
		t.Fatalf("%s has no palette", name)
	}
	return p
}
