package audio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"clr/internal/fault"
)

// tinyMel is a feature whose spectrograms are small.
var tinyMel = LogMel{NFFT: 64, WinLength: 64, HopLength: 32, NMels: 5, MelScale: "htk", MelNorm: "none", Power: 2,
	Center: true, PadMode: "reflect", Log: "ln", Floor: 1e-6}

// toneFS holds n recordings of different lengths and tones and their manifest.
func toneFS(n int) fstest.MapFS {
	var manifest strings.Builder
	manifest.WriteString("path,label\n")
	fsys := fstest.MapFS{}
	for i := range n {
		x := make([]int16, 300+37*i)
		for k := range x {
			x[k] = int16(9000 * math.Sin(float64(k)*(0.1+0.03*float64(i))))
		}
		name := fmt.Sprintf("%02d.wav", i)
		fsys[name] = &fstest.MapFile{Data: pcm16(x...).bytes()}
		fmt.Fprintf(&manifest, "%s,%d\n", name, i%3)
	}
	fsys["manifest.csv"] = &fstest.MapFile{Data: []byte(manifest.String())}
	return fsys
}

func readCorpus(t *testing.T, fsys fstest.MapFS) *Corpus {
	t.Helper()
	c, err := ReadCorpus(fsys, "manifest.csv")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func build(t *testing.T, path string, fsys fstest.MapFS, workers int) (*Store, Stats) {
	t.Helper()
	s, stats, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, stats
}

func fileBytes(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What Load gives is what the feature gives.
func holds(t *testing.T, s *Store, c *Corpus) {
	t.Helper()
	f, err := tinyMel.New(16000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Corpus(c, tinyMel, 16000); err != nil {
		t.Fatal(err)
	}
	var want Spectrogram
	for i := range c.Items {
		clip, err := c.Read(i, 16000)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Extract(&want, clip); err != nil {
			t.Fatal(err)
		}
		got, err := s.Spectrogram(i)
		if err != nil {
			t.Fatal(err)
		}
		if bins, frames := s.Entry(i); bins != want.Bins || frames != want.Frames || got.Bins != bins || got.Frames != frames || s.Path(i) != c.Items[i].Path {
			t.Fatalf("clip %d: (%d, %d), want (%d, %d)", i, bins, frames, want.Bins, want.Frames)
		}
		for k, v := range want.Data {
			if got.Data[k] != v {
				t.Fatalf("clip %d: value %d is %v, want %v", i, k, got.Data[k], v)
			}
		}
	}
}

// A store is that of its clips alone.
func TestStoreOfOtherClips(t *testing.T) {
	fsys, path := toneFS(3), filepath.Join(t.TempDir(), "features")
	build(t, path, fsys, 1)
	s, err := OpenStore(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, change := range []func(*Item){func(it *Item) { it.Start = 0.001 }, func(it *Item) { it.End = 0.5 }, func(it *Item) { it.Path = "x.wav" }} {
		c := readCorpus(t, fsys)
		change(&c.Items[1])
		if _, err := s.Corpus(c, tinyMel, 16000); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "clip 1 is ") {
			t.Errorf("another clip in the manifest: error %v", err)
		}
	}
}

func TestDamagedStore(t *testing.T) {
	fsys, path := toneFS(4), filepath.Join(t.TempDir(), "features")
	s, _ := build(t, path, fsys, 1)
	data := s.records[1].offset
	want := fileBytes(t, path)
	write := func(b []byte) {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	flip := func(at int) []byte { b := bytes.Clone(want); b[at] ^= 1; return b }
	for name, b := range map[string][]byte{
		"empty": {}, "cut": want[:len(want)-1], "half": want[:len(want)/2], "header": flip(20), "index": flip(len(want) - 3), "other": bytes.Repeat([]byte("a"), 200),
		"version": flip(8),
	} {
		write(b)
		_, err := OpenStore(path)
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v", name, err)
		}
		if _, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Workers: 1}); fault.KindOf(err) != fault.Data {
			t.Errorf("%s: build: %v", name, err)
		}
		if !bytes.Equal(fileBytes(t, path), b) {
			t.Errorf("%s: build wrote over the file", name)
		}
	}
	write(flip(int(data) + 5))
	s, err := OpenStore(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Spectrogram(0); err != nil {
		t.Error(err)
	}
	if _, err := s.Spectrogram(1); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "01.wav") || fault.Remedy(err) == "" {
		t.Errorf("a damaged record: %v", err)
	}
	if _, err := s.MeanStd([]int{0, 1}, 1); fault.KindOf(err) != fault.Data {
		t.Errorf("moments of a damaged record: %v", err)
	}
	if _, stats := build(t, path, fsys, 1); stats.Made != 1 || stats.Reused != 3 || !bytes.Equal(fileBytes(t, path), want) {
		t.Errorf("a damaged record is made again: %+v", stats)
	}
	if _, err := OpenStore(path + "x"); fault.KindOf(err) != fault.Data || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing store: %v", err)
	}
}

// An index that ends early is damaged, wherever it ends.
func TestShortIndex(t *testing.T) {
	path := filepath.Join(t.TempDir(), "features")
	s, _ := build(t, path, toneFS(3), 1)
	whole := fileBytes(t, path)
	at := binary.LittleEndian.Uint64(whole[16:])
	for n := range uint64(len(whole)) - at {
		d := Store{path: "x", size: s.size}
		if err := d.parseIndex(whole[at:at+n], int64(at)); fault.KindOf(err) != fault.Data {
			t.Fatalf("%d bytes of index: %v", n, err)
		}
	}
	if err := new(Store).parseIndex(append(whole[at:], 0), int64(at)); fault.KindOf(err) != fault.Data {
		t.Errorf("a byte too many: %v", err)
	}
}

func TestMoments(t *testing.T) {
	fsys, path := toneFS(9), filepath.Join(t.TempDir(), "features")
	s, _ := build(t, path, fsys, 1)
	clips := []int{5, 1, 8}
	m, err := s.MeanStd(clips, 1)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([][]float64, 6) // the last: all
	for _, i := range clips {
		spec, err := s.Spectrogram(i)
		if err != nil {
			t.Fatal(err)
		}
		for b := range spec.Bins {
			rows[b] = append(rows[b], wide(spec.Row(b))...)
			rows[5] = append(rows[5], wide(spec.Row(b))...)
		}
	}
	for b, x := range rows {
		mean, squares := 0.0, 0.0
		for _, v := range x {
			mean += v / float64(len(x))
		}
		for _, v := range x {
			squares += (v - mean) * (v - mean) / float64(len(x))
		}
		gotMean, gotStd := m.Mean[0], m.Std[0]
		if b < 5 {
			gotMean, gotStd = m.BinMean[b], m.BinStd[b]
		}
		if math.Abs(gotMean-mean) > 1e-12*math.Abs(mean) || math.Abs(gotStd-math.Sqrt(squares)) > 1e-12 {
			t.Errorf("row %d: %v ± %v, want %v ± %v", b, gotMean, gotStd, mean, math.Sqrt(squares))
		}
	}
	five, err := s.MeanStd(clips, 5)
	if err != nil || !slices.Equal(five.Mean, m.BinMean) || !slices.Equal(five.Std, m.BinStd) {
		t.Errorf("five channels of a bin each: %v ± %v, want %v ± %v (%v)", five.Mean, five.Std, m.BinMean, m.BinStd, err)
	}
	if _, err := s.MeanStd(nil, 1); fault.KindOf(err) != fault.Data {
		t.Errorf("of no clips: %v", err)
	}
}

func TestReadFromManyGoroutines(t *testing.T) {
	fsys, path := toneFS(9), filepath.Join(t.TempDir(), "features")
	s, _ := build(t, path, fsys, 1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 900 {
				if _, err := s.Spectrogram(i % 9); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s.Spectrogram(8)
	if a := testing.AllocsPerRun(10, func() { s.Spectrogram(3) }); a != 0 {
		t.Errorf("%v allocations a clip", a)
	}
}
