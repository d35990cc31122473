package audio

import (
	"context"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
)

// heard is all that comes of a corpus from a clip on, by its number.
func heard(t *testing.T, s *Stream, from int) (all []Heard) {
	t.Helper()
	if err := s.Each(t.Context(), from, func(h Heard) error { all = append(all, h); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// What is heard is what a store would hold, in the order of the lines, whatever
// the workers and wherever it begins.
func TestStream(t *testing.T) {
	fsys := toneFS(20)
	fsys["manifest.csv"].Data = []byte("path,start,end\n03.wav,0.01,\n17.wav,,\n03.wav,,0.02\n03.wav,,\n05.wav,0.005,0.03\n")
	for _, windows := range []Windows{{}, {Length: 0.01, Hop: 0.004}} {
		r := DefaultReading
		r.Windows = windows
		c, err := r.ReadCorpus(fsys, "manifest.csv")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		store, _, err := Build(t.Context(), filepath.Join(dir, "features"), c, tinyMel, 16000, BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		stored, err := store.Corpus(c, tinyMel, 16000)
		if err != nil {
			t.Fatal(err)
		}
		for _, workers := range []int{1, 3} {
			s, err := NewStream(t.Context(), filepath.Join(dir, "out"), c, tinyMel, 16000, BuildOptions{Workers: workers})
			if err != nil {
				t.Fatal(err)
			}
			if s.Len() != store.Len() {
				t.Fatalf("%d clips, the store has %d", s.Len(), store.Len())
			}
			for _, from := range []int{0, s.Len() / 2, s.Len()} {
				all := heard(t, s, from)
				if len(all) != s.Len()-from {
					t.Fatalf("%d of %d clips from %d on", len(all), s.Len(), from)
				}
				for k, h := range all {
					want, err := store.Spectrogram(from + k)
					if err != nil {
						t.Fatal(err)
					}
					if h.Clip != from+k || h.Seconds <= 0 || !reflect.DeepEqual(h.Spectrogram, want) || !reflect.DeepEqual(s.Item(h.Clip), stored.Items[h.Clip]) {
						t.Fatalf("windows %v, %d workers: clip %d from %d on differs from the store's", windows, workers, h.Clip, from)
					}
				}
			}
			if err := s.Finish(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Lines that cannot be used come to the same end as in a store: left out and
// listed, or all named in one error.
func TestStreamSkips(t *testing.T) {
	fsys, out := toneFS(20), filepath.Join(t.TempDir(), "out")
	spoil(fsys)
	c, err := skipping(0.2).ReadCorpus(fsys, "manifest.csv")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewStream(t.Context(), out, c, tinyMel, 16000, BuildOptions{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, h := range heard(t, s, 0) {
		if h.Err != nil {
			failed = append(failed, s.Item(h.Clip).Path)
		}
	}
	if !slices.Equal(failed, []string{"04.wav", "07.wav"}) || s.Refused() || s.Finish() != nil {
		t.Errorf("%q failed; refused %v", failed, s.Refused())
	}
	if list := fileBytes(t, QuarantinePath(out)); !spoilt.Match(list) {
		t.Errorf("the list is\n%s", list)
	}

	c, err = skipping(0.1).ReadCorpus(fsys, "manifest.csv")
	if err != nil {
		t.Fatal(err)
	}
	if s, err = NewStream(t.Context(), out, c, tinyMel, 16000, BuildOptions{Workers: 2}); err != nil {
		t.Fatal(err)
	}
	heard(t, s, 0)
	if err := s.Finish(); fault.KindOf(err) != fault.Data || !s.Refused() {
		t.Errorf("three of 20 are left out where two may be: %v", err)
	}
	if _, err := NewStream(t.Context(), out, readCorpus(t, toneFS(3)), LogMel{}, 16000, BuildOptions{}); err == nil {
		t.Error("a feature that cannot be is heard")
	}
}

// A recording by another SHA-256 than its line says is not heard, and a stream that
// is stopped ends.
func TestStreamRefuses(t *testing.T) {
	fsys := toneFS(4)
	fsys["manifest.csv"].Data = []byte("path,sha256\n00.wav,\n01.wav," + strings.Repeat("0", 64) + "\n")
	c, err := ReadCorpus(fsys, "manifest.csv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewStream(t.Context(), "out", c, tinyMel, 16000, BuildOptions{}); fault.KindOf(err) != fault.Data {
		t.Errorf("another recording than the manifest's: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := NewStream(ctx, "out", readCorpus(t, toneFS(20)), tinyMel, 16000, BuildOptions{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := s.Each(ctx, 0, func(Heard) error { n++; cancel(); return nil }); err != context.Canceled || n != 1 {
		t.Errorf("after %d clips: %v", n, err)
	}
}

// A mark is of one line and one file.
func TestStreamMarks(t *testing.T) {
	fsys := toneFS(4)
	marks := map[[32]byte]bool{}
	look := func(manifest string) {
		t.Helper()
		fsys["manifest.csv"].Data = []byte(manifest)
		s, err := NewStream(t.Context(), "out", readCorpus(t, fsys), tinyMel, 16000, BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Len() {
			m, err := s.Mark(i)
			if err != nil {
				t.Fatal(err)
			}
			marks[m] = true
		}
	}
	look("path,start\n00.wav,\n01.wav,\n01.wav,0.001\n")
	look("path\n00.wav\n01.wav\n")
	if len(marks) != 3 {
		t.Errorf("%d marks of three lines", len(marks))
	}
	fsys["00.wav"].Data = fsys["01.wav"].Data
	if look("path\n00.wav\n"); len(marks) != 4 {
		t.Error("another file has the same mark")
	}
}
