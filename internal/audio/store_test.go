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
	s, stats, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, workers, nil)
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
	if err := s.Check(c, tinyMel, 16000); err != nil {
		t.Fatal(err)
	}
	var got, want Spectrogram
	for i := range c.Items {
		clip, err := c.Read(i, 16000)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Extract(&want, clip); err != nil {
			t.Fatal(err)
		}
		if err := s.Load(i, &got); err != nil {
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

func TestBuildSameBytes(t *testing.T) {
	fsys := toneFS(23)
	fsys["03.wav"] = fsys["17.wav"] // the same recording twice
	var first []byte
	for _, workers := range []int{1, 2, 8, 0} {
		path := filepath.Join(t.TempDir(), "new", "features")
		s, stats := build(t, path, fsys, workers)
		if stats.Clips != 23 || stats.Made != 22 || stats.Shared != 1 || stats.Reused != 0 || stats.Audio <= 0 {
			t.Errorf("%d workers: %+v", workers, stats)
		}
		b := fileBytes(t, path)
		if stats.Bytes != int64(len(b)) {
			t.Errorf("%d bytes, stats say %d", len(b), stats.Bytes)
		}
		if first == nil {
			first = b
			holds(t, s, readCorpus(t, fsys))
		} else if !bytes.Equal(b, first) {
			t.Errorf("%d workers give other bytes than 1", workers)
		}
		if _, err := os.Stat(partialPath(path)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left", partialPath(path))
		}
	}
}

func TestRebuildMakesWhatIsMissing(t *testing.T) {
	fsys, path := toneFS(6), filepath.Join(t.TempDir(), "features")
	build(t, path, fsys, 2)
	before := fileBytes(t, path)
	info, _ := os.Stat(path)
	if _, stats := build(t, path, fsys, 2); stats.Made != 0 || stats.Reused != 6 {
		t.Errorf("nothing new: %+v", stats)
	}
	if again, _ := os.Stat(path); !os.SameFile(info, again) || !again.ModTime().Equal(info.ModTime()) {
		t.Error("nothing new, and yet the store was written")
	}
	// A file of the same name with other content, and one more line.
	fsys["02.wav"] = &fstest.MapFile{Data: pcm16(make([]int16, 500)...).bytes()}
	fsys["manifest.csv"].Data = append(fsys["manifest.csv"].Data, "02.wav,\n05.wav,\n"...)
	s, stats := build(t, path, fsys, 2)
	if stats.Made != 1 || stats.Reused != 5 || stats.Shared != 2 {
		t.Errorf("one new recording: %+v", stats)
	}
	holds(t, s, readCorpus(t, fsys))
	fresh := filepath.Join(t.TempDir(), "features")
	build(t, fresh, fsys, 1)
	if !bytes.Equal(fileBytes(t, path), fileBytes(t, fresh)) {
		t.Error("a rebuilt store differs from a fresh one")
	}
	build(t, path, toneFS(6), 2)
	if !bytes.Equal(fileBytes(t, path), before) {
		t.Error("back to the first corpus, the bytes differ")
	}
	o := tinyMel
	o.NMels = 6
	s6, stats, err := Build(context.Background(), path, readCorpus(t, fsys), o, 16000, 1, nil)
	if err != nil || stats.Made != 6 {
		t.Fatalf("other settings: %+v, %v", stats, err)
	}
	defer s6.Close()
	if err := s6.Check(readCorpus(t, fsys), tinyMel, 16000); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "n_mels is 6 in the store, 5 here") {
		t.Errorf("check: %v", err)
	}
	if err := s6.Check(readCorpus(t, toneFS(6)), o, 16000); err == nil || !strings.Contains(err.Error(), "8 clips") {
		t.Errorf("check: %v", err)
	}
}

func TestSpansShareAFile(t *testing.T) {
	fsys, path := toneFS(1), filepath.Join(t.TempDir(), "features")
	fsys["00.wav"].Data = pcm16(make([]int16, 16000)...).bytes()
	fsys["manifest.csv"].Data = []byte("path,start,end\n00.wav,0,0.5\n00.wav,0.5,\n00.wav,0,0.5\n00.wav,,0.25\n")
	s, stats := build(t, path, fsys, 2)
	if stats.Made != 3 || stats.Shared != 1 {
		t.Errorf("%+v", stats)
	}
	holds(t, s, readCorpus(t, fsys))
	if _, frames := s.Entry(3); frames != 1+4000/32 {
		t.Errorf("%d frames", frames)
	}
}

// However a build ends, the next one gives the bytes of one that never did.
func TestInterruptedBuild(t *testing.T) {
	fsys := toneFS(20)
	whole := filepath.Join(t.TempDir(), "features")
	build(t, whole, fsys, 2)
	want := fileBytes(t, whole)
	for _, workers := range []int{1, 3} {
		path := filepath.Join(t.TempDir(), "features")
		ctx, cancel := context.WithCancel(context.Background())
		_, _, err := Build(ctx, path, readCorpus(t, fsys), tinyMel, 16000, workers, func(done, total int) {
			if done == 7 && total == 20 {
				cancel()
			}
		})
		if fault.KindOf(err) != fault.Interrupted || !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled: %v", err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Fatal("a cancelled build left a store")
		}
		_, stats := build(t, path, fsys, workers)
		if stats.Reused < 7 || stats.Made+stats.Reused != 20 {
			t.Errorf("after 7: %+v", stats)
		}
		if !bytes.Equal(fileBytes(t, path), want) {
			t.Error("a resumed build gives other bytes")
		}
	}
	// Killed at any byte, or with the finished file not yet in its place, or garbage.
	for n := 0; n <= len(want); n += 1 + len(want)/40 {
		for _, damage := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "features")
			partial := bytes.Clone(want[:n])
			if damage && n > 0 {
				partial[n/2] ^= 0x40
			}
			if err := os.WriteFile(partialPath(path), partial, 0o666); err != nil {
				t.Fatal(err)
			}
			build(t, path, fsys, 2)
			if !bytes.Equal(fileBytes(t, path), want) {
				t.Fatalf("resumed from %d of %d bytes (damage %v), the bytes differ", n, len(want), damage)
			}
		}
	}
}

func TestOneBuildAtATime(t *testing.T) {
	fsys, path := toneFS(3), filepath.Join(t.TempDir(), "features")
	f, err := os.Create(partialPath(path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := lock(f); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, 1, nil); fault.KindOf(err) != fault.Resource {
		t.Errorf("two builds at a time: %v", err)
	}
}

func TestBadRecordingsAreAllNamed(t *testing.T) {
	fsys, path := toneFS(30), filepath.Join(t.TempDir(), "features")
	build(t, path, fsys, 2)
	before := fileBytes(t, path)
	fsys["04.wav"].Data = []byte("RIFF")
	fsys["11.wav"].Data = pcm16(make([]int16, 63)...).bytes()
	fsys["20.wav"].Data = fsys["20.wav"].Data[:100]
	_, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, 3, nil)
	if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || strings.Count(err.Error(), "\n") != 2 {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"manifest.csv:6: 04.wav", "manifest.csv:13: 11.wav", "63 samples", "64", "manifest.csv:22: 20.wav", "the data chunk claims 2080 bytes, 56 are there"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if !bytes.Equal(fileBytes(t, path), before) {
		t.Error("the store was written")
	}
	for i := range 30 {
		fsys[fmt.Sprintf("%02d.wav", i)].Data = fmt.Appendf(nil, "text %d", i)
	}
	if _, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, 3, nil); strings.Count(err.Error(), "\n") != maxFaults-1 {
		t.Errorf("30 bad recordings: %v", err)
	}
	fsys = toneFS(2)
	fsys["manifest.csv"].Data = fmt.Appendf(nil, "path,sha256\n00.wav,%s\n01.wav,\n", strings.Repeat("ab", 32))
	if _, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, 1, nil); fault.KindOf(err) != fault.Data ||
		!strings.Contains(err.Error(), "manifest.csv:2: 00.wav") || !strings.Contains(err.Error(), "abab") {
		t.Errorf("a wrong sha256: %v", err)
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
		if _, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, 1, nil); fault.KindOf(err) != fault.Data {
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
	var spec Spectrogram
	if err := s.Load(0, &spec); err != nil {
		t.Error(err)
	}
	if err := s.Load(1, &spec); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "01.wav") || fault.Remedy(err) == "" {
		t.Errorf("a damaged record: %v", err)
	}
	if _, err := s.MeanStd([]int{0, 1}); fault.KindOf(err) != fault.Data {
		t.Errorf("moments of a damaged record: %v", err)
	}
	if _, stats := build(t, path, fsys, 1); stats.Made != 1 || stats.Reused != 3 || !bytes.Equal(fileBytes(t, path), want) {
		t.Errorf("a damaged record is made again: %+v", stats)
	}
	if _, err := OpenStore(path + "x"); fault.KindOf(err) != fault.Data || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing store: %v", err)
	}
}

// /dev/full stands for a disk without room.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	fsys, path := toneFS(4), filepath.Join(t.TempDir(), "features")
	build(t, path, fsys, 1)
	before := fileBytes(t, path)
	fsys["00.wav"] = &fstest.MapFile{Data: pcm16(make([]int16, 500)...).bytes()}
	if err := os.Symlink("/dev/full", partialPath(path)); err != nil {
		t.Fatal(err)
	}
	_, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, 1, nil)
	if err == nil {
		t.Fatal("no error on a full disk")
	}
	if !bytes.Equal(fileBytes(t, path), before) {
		t.Error("the old store was touched")
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	w := &storeWriter{file: full, path: path, end: align}
	if err := w.append(encodeRecord(key{}, 1, 1, make([]byte, 4))); fault.KindOf(err) != fault.Resource || fault.Remedy(err) == "" {
		t.Errorf("error %v, want one of resources", err)
	}
}

func TestMoments(t *testing.T) {
	fsys, path := toneFS(9), filepath.Join(t.TempDir(), "features")
	s, _ := build(t, path, fsys, 1)
	clips := []int{5, 1, 8}
	m, err := s.MeanStd(clips)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([][]float64, 6) // the last: all
	var spec Spectrogram
	for _, i := range clips {
		if err := s.Load(i, &spec); err != nil {
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
		gotMean, gotStd := m.Mean, m.Std
		if b < 5 {
			gotMean, gotStd = m.BinMean[b], m.BinStd[b]
		}
		if math.Abs(gotMean-mean) > 1e-12*math.Abs(mean) || math.Abs(gotStd-math.Sqrt(squares)) > 1e-12 {
			t.Errorf("row %d: %v ± %v, want %v ± %v", b, gotMean, gotStd, mean, math.Sqrt(squares))
		}
	}
	if _, err := s.MeanStd(nil); fault.KindOf(err) != fault.Data {
		t.Errorf("of no clips: %v", err)
	}
}

func TestLoadFromManyGoroutines(t *testing.T) {
	fsys, path := toneFS(9), filepath.Join(t.TempDir(), "features")
	s, _ := build(t, path, fsys, 1)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var spec Spectrogram
			for i := range 900 {
				if err := s.Load(i%9, &spec); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var spec Spectrogram
	s.Load(8, &spec)
	if a := testing.AllocsPerRun(10, func() { s.Load(3, &spec) }); a != 0 {
		t.Errorf("%v allocations a load", a)
	}
}

// FuzzStore mends the checksums, so that the index itself is put to the test.
func FuzzStore(f *testing.F) {
	fsys := toneFS(2)
	c, err := ReadCorpus(fsys, "manifest.csv")
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), "features")
	s, _, err := Build(context.Background(), path, c, tinyMel, 16000, 1, nil)
	if err != nil {
		f.Fatal(err)
	}
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:align])
	f.Fuzz(func(t *testing.T, b []byte) {
		le := binary.LittleEndian
		if len(b) >= align {
			if at := le.Uint64(b[16:]); at <= uint64(len(b)) {
				le.PutUint64(b[24:], uint64(len(b))-at)
				le.PutUint32(b[32:], crc(b[at:]))
			}
			le.PutUint32(b[12:], crc(b[16:align]))
		}
		path := filepath.Join(t.TempDir(), "features")
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		s, err := OpenStore(path)
		if err != nil {
			if fault.KindOf(err) != fault.Data {
				t.Fatalf("kind %d: %v", fault.KindOf(err), err)
			}
			return
		}
		defer s.Close()
		var spec Spectrogram
		for i := range s.Len() {
			if err := s.Load(i, &spec); err != nil && fault.KindOf(err) != fault.Data {
				t.Fatal(err)
			}
		}
		s.Check(c, tinyMel, 16000)
	})
}
