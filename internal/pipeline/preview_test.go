package pipeline

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"clr/internal/augment"
	"clr/internal/fault"
)

// see makes a page in a folder of its own, and gives it.
func see(t *testing.T, c *Config, o PreviewOptions) string {
	t.Helper()
	o.Out = filepath.Join(t.TempDir(), "page.html")
	if o.Draws == 0 {
		o.Draws = 3
	}
	con, _ := silent()
	if err := Preview(t.Context(), c, o, con); err != nil {
		t.Fatal(err)
	}
	return string(get(t, o.Out))
}

// The page holds a row for each augmentation with its draws, the pairs, and
// pictures and players that can be decoded.
func TestPreviewPage(t *testing.T) {
	dir := tones(t, 20)
	for name, chain := range chains {
		c := load(t, dir, chain)
		page := see(t, c, PreviewOptions{Clip: "02.wav", Draws: 2})
		waves := len(c.waves())
		for i, a := range c.Augment {
			what := nameIn(augment.Table, a)
			if !strings.Contains(page, "<h3>"+what+"</h3>") {
				t.Errorf("%s: no row of %s", name, what)
			}
			for draw := range 3 {
				if label := fmt.Sprintf(`aria-label="%02d-%s-%d"`, i+1, what, draw); strings.Count(page, label) != 1 {
					t.Errorf("%s: no picture %s", name, label)
				}
			}
		}
		pictures := regexp.MustCompile(`<image href="data:image/png;base64,([^"]*)"`).FindAllStringSubmatch(page, -1)
		if want := 2 + 3*len(c.Augment) + 3*waves + 4; len(pictures) != want {
			t.Errorf("%s: %d pictures, want %d", name, len(pictures), want)
		}
		for _, m := range pictures {
			b, err := base64.StdEncoding.DecodeString(m[1])
			if err == nil {
				_, err = png.Decode(bytes.NewReader(b))
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		players := strings.Count(page, `src="data:audio/wav;base64,`)
		want := 1
		if waves > 0 {
			want += 3*waves + 4
		}
		if players != want {
			t.Errorf("%s: %d players, want %d", name, players, want)
		}
		if strings.Contains(page, "<script") || regexp.MustCompile(`(?:src|href)="[^d]`).MatchString(page) {
			t.Errorf("%s: the page needs something beside itself", name)
		}
	}
}

// The pairs are the very values that the loader gives to training.
func TestPreviewPairsAreTheLoaders(t *testing.T) {
	dir := tones(t, 20)
	for name, chain := range chains {
		d := open(t, load(t, dir, chain))
		norm, err := d.normalization(d.splits[0].Train)
		if err != nil {
			t.Fatal(err)
		}
		clips, labels, err := d.learnsFrom(d.splits[0])
		if err != nil {
			t.Fatal(err)
		}
		b := d.c.batches(len(clips))
		l, err := startLoader(t.Context(), d, loaderOptions{clips: clips, labels: labels, norm: norm, stop: 2 * b.steps, batches: b})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(l.stop)
		seen := 0
		for range 2 * b.steps {
			v, err := l.next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			size := v.Input.Values()
			for i, clip := range v.names {
				p, err := newPreviewer(d, PreviewOptions{Clip: clip})
				if err != nil {
					t.Fatal(err)
				}
				for view := range 2 {
					_, s, err := p.view(b.epoch(v.Step), view)
					if err != nil {
						t.Fatal(err)
					}
					at := (view*v.N + i) * size
					if !slices.Equal(s.Data, v.X[at:at+size]) {
						t.Errorf("%s: view %d of %s in step %d is another on the page", name, view, clip, v.Step)
					}
					seen++
				}
			}
		}
		if seen != 2*2*len(clips) {
			t.Errorf("%s: %d views compared", name, seen)
		}
	}
}

// A page depends on what it shows: not on workers, nor on where it is written,
// nor on pictures beside it. Seed, epoch and clip change it.
func TestPreviewSameBytes(t *testing.T) {
	dir := tones(t, 20)
	for name, chain := range chains {
		want := see(t, load(t, dir, chain, "workers=1"), PreviewOptions{Clip: "3"})
		for _, workers := range []int{2, 8} {
			pictures := filepath.Join(t.TempDir(), "a", "b")
			if see(t, load(t, dir, chain, fmt.Sprint("workers=", workers)), PreviewOptions{Clip: "03.wav", PNG: pictures}) != want {
				t.Errorf("%s: another page with %d workers", name, workers)
			}
			entries, err := os.ReadDir(pictures)
			if err != nil || len(entries) != strings.Count(want, "<image ") {
				t.Errorf("%s: %d pictures beside the page, %v", name, len(entries), err)
			}
			for _, e := range entries {
				b := get(t, pictures, e.Name())
				if !strings.Contains(want, base64.StdEncoding.EncodeToString(b)) {
					t.Errorf("%s: %s is not on the page", name, e.Name())
				}
			}
		}
		for what, other := range map[string]string{
			"seed":  see(t, load(t, dir, chain, "seed=2"), PreviewOptions{Clip: "3"}),
			"epoch": see(t, load(t, dir, chain), PreviewOptions{Clip: "3", Epoch: 1}),
			"clip":  see(t, load(t, dir, chain), PreviewOptions{Clip: "5"}),
		} {
			if images(other) == images(want) {
				t.Errorf("%s: another %s, the same pictures", name, what)
			}
		}
	}
}

func images(page string) string {
	return strings.Join(regexp.MustCompile(`<image [^>]*>`).FindAllString(page, -1), "\n")
}

// With All, the chain's augmentations are shown as they stand there, then the
// others, but for backgrounds, of which only a chain can say which.
func TestPreviewAll(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir, "augment=[{name: background, p: 0, manifest: "+rain(t, filepath.Join(dir, "rain"))+"}, {name: gain, db: 3.25}, {name: flip}, {name: gain, db: 4.25}]")
	page, shown, left := seeAll(t, c)
	if want := []string{"background", "gain", "flip", "gain"}; len(shown) != len(augment.Table)+1 || !slices.Equal(shown[:4], want) || len(left) != 0 {
		t.Errorf("%v are shown, %v left out", shown, left)
	}
	rows := func(name string) int { return strings.Count(page, "<h3>"+name+"</h3>") }
	for name := range augment.Table {
		if n := rows(name); n != 1 && (name != "gain" || n != 2) {
			t.Errorf("%d rows of %s", n, name)
		}
	}
	if !strings.Contains(page, "<dd>3.25</dd>") || !strings.Contains(page, "<dd>4.25</dd>") {
		t.Error("the chain's gains are not shown as they stand there")
	}
	page, shown, left = seeAll(t, load(t, dir, "augment=[]"))
	if len(shown) != len(augment.Table)-1 || len(left) != 1 || !strings.HasPrefix(left[0], "background: ") || rows("background") != 0 || rows("gain") != 1 {
		t.Errorf("without a chain: %v are shown, %v left out", shown, left)
	}
}

// seeAll makes a page with All, and gives it, what it shows and what is left out.
func seeAll(t *testing.T, c *Config) (page string, shown, left []string) {
	t.Helper()
	con, said := silent()
	con.JSON, con.Quiet = true, true
	open(t, c) // so that nothing is said of features
	out := filepath.Join(t.TempDir(), "all.html")
	if err := Preview(t.Context(), c, PreviewOptions{Clip: "0", Out: out, Draws: 1, All: true}, con); err != nil {
		t.Fatal(err)
	}
	var r struct {
		Augmentations []string
		LeftOut       []string `json:"left_out"`
		Bytes         int
	}
	if err := json.Unmarshal(said.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	page = string(get(t, out))
	if len(page) != r.Bytes {
		t.Errorf("%d bytes, it says %d", len(page), r.Bytes)
	}
	return page, r.Augmentations, r.LeftOut
}

// A clip that is played too fast for the feature is shown as training hears it,
// and the draws of a row that are longer than the clip are no wider than others.
func TestPreviewOtherLengths(t *testing.T) {
	dir := tones(t, 20)
	const fast = "feature={name: logmel, n_fft: 1024, win_length: 1024, hop_length: 64, n_mels: 24, f_max: 3800}"
	see(t, load(t, dir, fast, "augment=[{name: wave_speed, factor: [4, 4]}]"), PreviewOptions{Clip: "0"})
	page := see(t, load(t, dir, "augment=[{name: wave_speed, factor: [0.5, 0.5]}]"), PreviewOptions{Clip: "0"})
	width := func(draw int) (w int) {
		if _, err := fmt.Sscanf(regexp.MustCompile(fmt.Sprintf(`aria-label="01-wave_speed-%d" width="\d+`, draw)).FindString(page),
			fmt.Sprintf(`aria-label="01-wave_speed-%d" width="%%d`, draw), &w); err != nil {
			t.Fatal(err)
		}
		return w - 52 // of the axes
	}
	if before, after := width(0), width(1); after > cellWidth || before < cellWidth/2-9 || before > cellWidth/2+9 {
		t.Errorf("%d pixels before, %d at half the speed; a cell has %d", before, after, cellWidth)
	}
}

// Where recordings are cut into windows, the page says which it shows.
func TestPreviewWindow(t *testing.T) {
	dir := tones(t, 20)
	page := see(t, load(t, dir, "windows={length: 0.125, hop: 0.0625}"), PreviewOptions{Clip: "1"})
	if want := "0.12 s at 8000 Hz, from 0.0625 s of the recording on<"; !strings.Contains(page, want) {
		t.Errorf("the page does not say %s", want)
	}
	if whole := see(t, load(t, dir), PreviewOptions{Clip: "1"}); strings.Contains(whole, "of the recording on") {
		t.Error("a whole recording is called a window")
	}
}

// A page takes the place of an earlier one, and of nothing else.
func TestPreviewKeepsOtherFiles(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir)
	con, _ := silent()
	show := func(o PreviewOptions) error {
		o.Clip, o.Draws = "0", 1
		return Preview(t.Context(), c, o, con)
	}
	page := filepath.Join(dir, "page.html")
	put(t, page, nil) // as mktemp leaves it
	for range 2 {
		must(t, show(PreviewOptions{Out: page}))
	}
	mine := filepath.Join(dir, "mine.html")
	put(t, mine, []byte("<!doctype html><title>mine</title>"))
	for _, w := range []struct {
		o    PreviewOptions
		says string
	}{
		{PreviewOptions{Out: mine}, "no earlier preview"},
		{PreviewOptions{Out: filepath.Join(dir, "00.wav")}, "no earlier preview"},
		{PreviewOptions{Out: filepath.Join(dir, "manifest.csv")}, "no earlier preview"},
		{PreviewOptions{Out: dir}, "not a regular file"},
		{PreviewOptions{Out: filepath.Join(dir, "nowhere", "page.html")}, "nowhere"},
		{PreviewOptions{Out: page, PNG: mine}, "mine.html"},
	} {
		before := get(t, dir, "00.wav")
		err := show(w.o)
		if says(t, err, w.says); fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("%+v: kind %d, remedy %q: %v", w.o, fault.KindOf(err), fault.Remedy(err), err)
		}
		if !bytes.Equal(get(t, dir, "00.wav"), before) || string(get(t, mine)) != "<!doctype html><title>mine</title>" {
			t.Fatalf("%+v changed a file", w.o)
		}
	}
}

// A file outside the corpus is shown too, as the clip behind the last; the
// corpus' own is found by its path.
func TestPreviewOtherFile(t *testing.T) {
	dir := tones(t, 20)
	other := filepath.Join(t.TempDir(), "other.wav")
	put(t, other, wav(500, 0.5, 1))
	for name, chain := range chains {
		page := see(t, load(t, dir, chain), PreviewOptions{Clip: other})
		if !strings.Contains(page, "outside the corpus") || !strings.Contains(page, "clip 20<") {
			t.Errorf("%s: the page does not say whose clip it is", name)
		}
	}
	d := open(t, load(t, dir))
	for _, clip := range []string{"7", "07.wav", filepath.Join(dir, "07.wav")} {
		if got, err := choose(d.corpus, clip); err != nil || got.index != 7 || got.name != "07.wav" {
			t.Errorf("%s is %+v, %v", clip, got, err)
		}
	}
}

func TestPreviewRefuses(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir)
	broken := filepath.Join(dir, "broken.wav")
	put(t, broken, []byte("RIFF, it says"))
	short := filepath.Join(dir, "short.wav")
	put(t, short, wav(500, 0.001, 1))
	for _, w := range []struct {
		o    PreviewOptions
		kind fault.Kind
		says string
	}{
		{PreviewOptions{Out: "x", Draws: 1}, fault.Usage, "no clip"},
		{PreviewOptions{Clip: "0", Draws: 1}, fault.Usage, "no output"},
		{PreviewOptions{Clip: "0", Out: "x"}, fault.Usage, "draws is 0"},
		{PreviewOptions{Clip: "0", Out: "x", Draws: 1, Epoch: -1}, fault.Usage, "epoch is -1"},
		{PreviewOptions{Clip: "0", Out: "x", Draws: 1, Epoch: math.MaxInt}, fault.Usage, "epoch is 9"},
		{PreviewOptions{Clip: "20", Out: "x", Draws: 1}, fault.Usage, "no clip 20"},
		{PreviewOptions{Clip: "-1", Out: "x", Draws: 1}, fault.Usage, "no clip -1"},
		{PreviewOptions{Clip: "0x.wav", Out: "x", Draws: 1}, fault.Usage, "0x.wav"},
		{PreviewOptions{Clip: dir, Out: "x", Draws: 1}, fault.Usage, "not a regular file"},
		{PreviewOptions{Clip: "0", Out: "x", Draws: 1, Fold: "z"}, fault.Usage, "no fold"},
		{PreviewOptions{Clip: broken, Out: "x", Draws: 1}, fault.Data, "broken.wav"},
		{PreviewOptions{Clip: short, Out: "x", Draws: 1}, fault.Data, "short.wav"},
	} {
		con, _ := silent()
		err := Preview(t.Context(), c, w.o, con)
		says(t, err, w.says)
		if fault.KindOf(err) != w.kind || fault.Remedy(err) == "" {
			t.Errorf("%+v: kind %d, remedy %q: %v", w.o, fault.KindOf(err), fault.Remedy(err), err)
		}
	}
	if exists("x") {
		t.Error("a page was written")
	}
}
