package audio

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"clr/internal/fault"
)

func TestWindows(t *testing.T) {
	for _, c := range []struct {
		w                   Windows
		start, end, seconds float64
		want                string
	}{
		{Windows{}, 0, 0, 9, "0-0"},
		{Windows{Length: 1}, 0, 0, 3, "0-1 1-2 2-3"},
		{Windows{Length: 1}, 0, 0, 3.5, "0-1 1-2 2-3 3-3.5"}, // half a window is kept
		{Windows{Length: 1}, 0, 0, 3.49, "0-1 1-2 2-3"},
		{Windows{Length: 1}, 0, 0, 0.1, "0-0.1"},                                     // the only one is
		{Windows{Length: 1, Hop: 0.25}, 0, 0, 1.6, "0-1 0.25-1.25 0.5-1.5 0.75-1.6"}, // no more once the end is reached
		{Windows{Length: 0.1}, 0, 0, 0.45, "0-0.1 0.1-0.2 0.2-0.3 0.3-0.4 0.4-0.45"}, // not 0.30000000000000004
		{Windows{Length: 1, Hop: 2}, 0, 0, 5.2, "0-1 2-3 4-5"},
		{Windows{Length: 1}, 2, 0, 4, "2-3 3-4"},
		{Windows{Length: 1}, 2, 3.75, 100, "2-3 3-3.75"},
		{Windows{Length: 1}, 2, 3.75, 0, "2-3 3-3.75"}, // needs no recording
		{Windows{Length: 1}, 4, 0, 4, "starts at 4 s, the recording ends at 4 s"},
		{Windows{Length: 1}, 0, 1e300, 0, "more than 16777216 windows"},
		{Windows{Length: 0.001}, 0, 0, 1e6, "more than 16777216 windows"},
	} {
		items, err := c.w.cut(Item{Start: c.start, End: c.end}, c.seconds, maxWindows)
		var got []string
		for _, it := range items {
			got = append(got, fmt.Sprintf("%v-%v", it.Start, it.End))
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if s := strings.Join(got, " "); s != c.want && (err == nil || fault.KindOf(err) != fault.Data || !strings.Contains(s, c.want)) {
			t.Errorf("%+v from %v to %v of %v s: %s, want %s", c.w, c.start, c.end, c.seconds, s, c.want)
		}
	}
	it := Item{Path: "a", columns: []string{"path", "end"}, row: []string{"a", "9"}}
	if w := it.between(1.5, 2); w.Value("start") != "1.5" || w.Value("end") != "2" || it.Value("end") != "9" || w.Value("path") != "a" {
		t.Errorf("%+v of %+v", w, it)
	}
	for w, ok := range map[Windows]bool{{}: true, {Length: 1}: true, {Length: 1, Hop: 3}: true, {Hop: 1}: false, {Length: -1}: false, {Length: 1, Hop: -1}: false, {Length: 1e9}: false} {
		if (w.Check() == nil) != ok {
			t.Errorf("%+v: %v", w, w.Check())
		}
	}
}

// counted is a source of frames that count: sample c of frame n is n + c/8. How
// many there are is known, or only that reading ends.
func counted(frames, channels int, known bool) (s *source, read *int) {
	at, read := 0, new(int)
	s = &source{rate: 1, channels: channels, frames: -1}
	s.read = func(dst []float32) (int, error) {
		n := min(len(dst)/channels, frames-at, 7)
		for i := range n * channels {
			dst[i] = float32(at+i/channels) + float32(i%channels)/8
		}
		at += n
		*read += n
		if n == 0 {
			return 0, fmt.Errorf("at the end: %w", io.EOF)
		}
		return n * channels, nil
	}
	s.seek = func(frame int64) (int64, error) { at = min(int(frame), frames); return int64(at), nil }
	if known {
		s.frames = int64(frames)
	}
	return s, read
}

// Stretches in any order are those of the whole recording; in the order of
// their starts, each frame is read once.
func TestTape(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, known := range []bool{false, true} {
		for _, mix := range []Downmix{"mean", "left", "loudest"} {
			for _, ordered := range []bool{false, true} {
				const frames, channels = 1000, 3
				s, read := counted(frames, channels, known)
				tape := newTape(s, mix)
				offset := map[Downmix]float32{"mean": 1. / 8, "left": 0, "loudest": 2. / 8}[mix]
				starts := make([]int, 100)
				for i := range starts {
					starts[i] = r.IntN(1100)
				}
				if ordered {
					slices.Sort(starts)
				}
				for _, first := range starts {
					last := first + r.IntN(60)
					if r.IntN(20) == 0 && !ordered {
						last = -1
					}
					got, total, err := tape.stretch(int64(first), int64(last))
					if err != nil {
						t.Fatal(err)
					}
					want := max(0, min(frames, last)-first)
					if last < 0 {
						want = max(0, frames-first)
					}
					if len(got) != want || (last < 0 || last > frames) && total != frames || total >= 0 && total != frames {
						t.Fatalf("%s, known %v: %d to %d: %d samples of %d, want %d", mix, known, first, last, len(got), total, want)
					}
					for i, v := range got {
						if v != float32(first+i)+offset {
							t.Fatalf("%s, known %v: %d to %d: sample %d is %v", mix, known, first, last, i, v)
						}
					}
				}
				if ordered && *read > frames {
					t.Errorf("%s, known %v: %d frames were read, there are %d", mix, known, *read, frames)
				}
			}
		}
	}
}

func TestDownmix(t *testing.T) {
	nan := float32(0)
	nan /= nan
	for _, c := range []struct {
		mix      Downmix
		channels int
		frames   []float32
		want     string
	}{
		{"mean", 2, []float32{1, 0, 0.5, 0.5}, "[0.5 0.5]"},
		{"left", 2, []float32{1, 0, 0.5, 0.25}, "[1 0.5]"},
		{"loudest", 2, []float32{0.5, -1, 0.5, 0}, "[-1 0]"},
		{"loudest", 3, []float32{0.5, -0.5, 0.25, 0.5, 0.5, 0.25}, "[0.5 0.5]"}, // the first of equal ones
		{"loudest", 2, []float32{1, nan, 1, 0}, "[NaN 0]"},                      // is refused, not passed over
		{"loudest", 1, []float32{0.25}, "[0.25]"},
	} {
		if got := fmt.Sprint(c.mix.finish(c.mix.add(nil, c.frames, c.channels), c.channels)); got != c.want {
			t.Errorf("%s of %v: %s, want %s", c.mix, c.frames, got, c.want)
		}
	}
}

// stereoFS is one recording of two channels, the right the louder, and its manifest.
func stereoFS(seconds int) fstest.MapFS {
	w := pcm16()
	w.channels, w.align = 2, 4
	for i := range 16000 * seconds {
		w.data = append(w.data, byte(i), 1, byte(3*i), 0x20)
	}
	return fstest.MapFS{"a.wav": {Data: w.bytes()}, "manifest.csv": {Data: []byte("path\na.wav\n")}}
}

func buildAs(t *testing.T, r Reading, path string, fsys fstest.MapFS) (*Store, *Corpus, Stats) {
	t.Helper()
	c, err := r.ReadCorpus(fsys, "manifest.csv")
	if err != nil {
		t.Fatal(err)
	}
	s, stats, err := Build(context.Background(), path, c, tinyMel, 16000, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	held, err := s.Corpus(c, tinyMel, 16000)
	if err != nil {
		t.Fatal(err)
	}
	return s, held, stats
}

// How a clip was read is in its key and its store's settings, and only where it
// is not as it always was.
func TestReadingIsInTheKey(t *testing.T) {
	fsys := stereoFS(1)
	dir, keys := t.TempDir(), map[string]string{}
	for _, channels := range []Downmix{"mean", "left", "loudest"} {
		for _, filter := range []Resampling{"torchaudio", "kaiser_fast", "kaiser_best"} {
			r := DefaultReading
			r.Channels, r.Resample = channels, filter
			what := fmt.Sprint(channels, "-", filter)
			s, c, _ := buildAs(t, r, filepath.Join(dir, what), fsys)
			if other, ok := keys[s.Key(0)]; ok {
				t.Errorf("%s has the key of %s", what, other)
			}
			keys[s.Key(0)] = what
			if strings.Contains(s.Settings(), "channels") != (channels != "mean") || strings.Contains(s.Settings(), "resample") != (filter != "torchaudio") {
				t.Errorf("%s: settings %s", what, s.Settings())
			}
			clip, err := s.Originals(c).Clip(0, 16000)
			if err != nil {
				t.Fatal(err)
			}
			if want := map[Downmix]float32{"mean": (1./256 + 0x2000) / 2, "left": 0x100, "loudest": 0x2000}[channels] / 32768; clip.Samples[0] < want-0.01 || clip.Samples[0] > want+0.01 {
				t.Errorf("%s: begins with %v, want about %v", what, clip.Samples[0], want)
			}
		}
	}
	s, _, _ := buildAs(t, DefaultReading, filepath.Join(dir, "left-torchaudio"), fsys) // over another's
	if left, err := (Reading{Channels: "left", Resample: "torchaudio"}).ReadCorpus(fsys, "manifest.csv"); err != nil {
		t.Fatal(err)
	} else if _, err := s.Corpus(left, tinyMel, 16000); err == nil || !strings.Contains(err.Error(), "channels is not set in the store, left here") {
		t.Errorf("%v", err)
	}
}

// Windows are clips like any other; a store knows them again without a look at
// a recording, and makes none anew that it has.
func TestWindowsOfACorpus(t *testing.T) {
	fsys := stereoFS(3)
	fsys["b.wav"] = &fstest.MapFile{Data: pcm16(make([]int16, 3*8000)...).bytes()}
	fsys["manifest.csv"].Data = []byte("path,label,end\nb.wav,x,\na.wav,y,\nb.wav,z,0.5\na.wav,y,2.6\n")
	dir := t.TempDir()
	r := DefaultReading
	r.Windows = Windows{Length: 0.5, Hop: 0.5}
	path := filepath.Join(dir, "features")
	s, c, stats := buildAs(t, r, path, fsys)
	var got []string
	for _, it := range c.Items {
		got = append(got, fmt.Sprintf("%d %s %s %s-%s", it.Line, it.Path, it.Label, it.Value("start"), it.Value("end")))
	}
	want := "2 b.wav x 0-0.5 2 b.wav x 0.5-1 2 b.wav x 1-1.5 3 a.wav y 0-0.5 3 a.wav y 0.5-1 3 a.wav y 1-1.5 3 a.wav y 1.5-2 3 a.wav y 2-2.5 3 a.wav y 2.5-3 " +
		"4 b.wav z 0-0.5 5 a.wav y 0-0.5 5 a.wav y 0.5-1 5 a.wav y 1-1.5 5 a.wav y 1.5-2 5 a.wav y 2-2.5"
	if strings.Join(got, " ") != want || stats.Clips != 15 || stats.Made != 9 || stats.Shared != 6 {
		t.Errorf("%+v\n%s, want\n%s", stats, strings.Join(got, " "), want)
	}
	// Each is what the stretch alone gives.
	plain := fstest.MapFS{"a.wav": fsys["a.wav"], "b.wav": fsys["b.wav"]}
	manifest := "path,start,end\n"
	for _, it := range c.Items {
		manifest += fmt.Sprintf("%s,%v,%v\n", it.Path, it.Start, it.End)
	}
	plain["manifest.csv"] = &fstest.MapFile{Data: []byte(manifest)}
	p, _, _ := buildAs(t, DefaultReading, filepath.Join(dir, "plain"), plain)
	for i := range c.Items {
		a, err := s.Spectrogram(i)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := p.Spectrogram(i); err != nil || s.Key(i) != p.Key(i) || !slices.Equal(a.Data, b.Data) {
			t.Errorf("clip %d is not that of its stretch: %v", i, err)
		}
	}
	before := fileBytes(t, path)
	if _, _, stats := buildAs(t, r, path, fsys); stats.Made != 0 || string(fileBytes(t, path)) != string(before) {
		t.Errorf("again: %+v", stats)
	}
	r.Windows.Hop = 0.25
	other, err := r.ReadCorpus(fsys, "manifest.csv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Corpus(other, tinyMel, 16000); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "not as many as now") {
		t.Errorf("other windows: %v", err)
	}
	if _, err := s.Corpus(readCorpus(t, fsys), tinyMel, 16000); err == nil {
		t.Error("windows are taken for lines")
	}
	if _, err := p.Corpus(other, tinyMel, 16000); err == nil || !strings.Contains(err.Error(), "whole lines") {
		t.Errorf("lines are taken for windows: %v", err)
	}
	if _, _, stats := buildAs(t, r, path, fsys); stats.Reused != 9 {
		t.Errorf("a shorter hop: %+v", stats)
	}
}
