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
	"testing"
	"testing/fstest"

	"clr/internal/disk"
	"clr/internal/fault"
)

func TestBuildSameBytes(t *testing.T) {
	fsys := toneFS(23)
	fsys["03.wav"] = fsys["17.wav"] // the same recording twice
	last := 0
	_, _, err := Build(context.Background(), filepath.Join(t.TempDir(), "features"), readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Workers: 2, Progress: func(done, total int) {
		if total != 23 || done <= last {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}})
	if err != nil || last != 23 {
		t.Errorf("progress ends at %d, %v", last, err)
	}
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
	s6, stats, err := Build(context.Background(), path, readCorpus(t, fsys), o, 16000, BuildOptions{Workers: 1})
	if err != nil || stats.Made != 6 {
		t.Fatalf("other settings: %+v, %v", stats, err)
	}
	defer s6.Close()
	if _, err := s6.Corpus(readCorpus(t, fsys), tinyMel, 16000); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "n_mels is 6 in the store, 5 here") {
		t.Errorf("check: %v", err)
	}
	if _, err := s6.Corpus(readCorpus(t, toneFS(6)), o, 16000); err == nil || !strings.Contains(err.Error(), "8 clips") {
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
	if s.Key(0) != s.Key(2) || s.Key(0) == s.Key(1) || len(s.Key(0)) != 64 || s.Settings() == "" {
		t.Errorf("keys %s, %s, %s", s.Key(0), s.Key(1), s.Key(2))
	}
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
		_, _, err := Build(ctx, path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Workers: workers, Progress: func(done, total int) {
			if done == 7 && total == 20 {
				cancel()
			}
		}})
		if fault.KindOf(err) != fault.Interrupted {
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

func TestBadRecordingsAreAllNamed(t *testing.T) {
	fsys, path := toneFS(30), filepath.Join(t.TempDir(), "features")
	build(t, path, fsys, 2)
	before := fileBytes(t, path)
	fsys["04.wav"].Data = []byte("RIFF")
	fsys["11.wav"].Data = pcm16(make([]int16, 63)...).bytes()
	fsys["20.wav"].Data = fsys["20.wav"].Data[:100]
	_, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Workers: 3})
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
	if _, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Workers: 3}); strings.Count(err.Error(), "\n") != maxFaults-1 {
		t.Errorf("30 bad recordings: %v", err)
	}
	fsys = toneFS(2)
	fsys["manifest.csv"].Data = fmt.Appendf(nil, "path,sha256\n00.wav,%s\n01.wav,\n", strings.Repeat("ab", 32))
	if _, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Workers: 1}); fault.KindOf(err) != fault.Data ||
		!strings.Contains(err.Error(), "manifest.csv:2: 00.wav") || !strings.Contains(err.Error(), "abab") {
		t.Errorf("a wrong sha256: %v", err)
	}
}

// A WAV file may hold floats of any size. Kaldi's scale makes powers of 1e17 infinite.
func TestSamplesBeyondAllScale(t *testing.T) {
	loud := testWAV{tag: 3, channels: 1, rate: 16000, align: 4, bits: 32, dataSize: -1, riffSize: -1}
	for i := range 16000 {
		loud.data = binary.LittleEndian.AppendUint32(loud.data, math.Float32bits(1e17*float32(i%7-3)))
	}
	fsys := toneFS(2)
	fsys["01.wav"].Data = loud.bytes()
	c := readCorpus(t, fsys)
	_, _, err := Build(context.Background(), filepath.Join(t.TempDir(), "features"), c, kaldiDefaults, 16000, BuildOptions{Workers: 1})
	if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || !strings.Contains(err.Error(), "manifest.csv:3: 01.wav: bin 0 of frame 0 is NaN: the loudest sample is 3e+17") {
		t.Errorf("error %v", err)
	}
	s, _, err := Build(context.Background(), filepath.Join(t.TempDir(), "features"), c, tinyMel, 16000, BuildOptions{Workers: 1})
	if err != nil {
		t.Fatalf("what a float holds is no mistake: %v", err)
	}
	s.Close()
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
	_, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Workers: 1})
	if err == nil {
		t.Fatal("no error on a full disk")
	}
	if !bytes.Equal(fileBytes(t, path), before) {
		t.Error("the old store was touched")
	}
	full, err := disk.OpenFile("/dev/full", os.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	w := &storeWriter{file: full, path: path, end: align}
	if err := w.append(encodeRecord(key{}, 1, 1, make([]byte, 4))); fault.KindOf(err) != fault.Resource || fault.Remedy(err) == "" {
		t.Errorf("error %v, want one of resources", err)
	}
}

// A mistake in a worker is no fault of the recording and does not end the
// process: the build stops and names the clip.
func TestBuildCatchesPanics(t *testing.T) {
	for _, workers := range []int{1, 4} {
		path := filepath.Join(t.TempDir(), "features")
		_, _, err := Build(context.Background(), path, readCorpus(t, toneFS(9)), mistaken{}, 16000, BuildOptions{Workers: workers})
		var p *fault.Panic
		if fault.KindOf(err) != fault.Run || !errors.As(err, &p) || !strings.Contains(string(p.Stack), "mistaken") {
			t.Fatalf("%v", err)
		}
		if want := "manifest.csv:2: 00.wav: internal error"; !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), "odd frame") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

type mistaken struct{}

func (mistaken) Doc() string                      { return "" }
func (mistaken) Unit() string                     { return "" }
func (mistaken) Check(int) error                  { return nil }
func (m mistaken) New(int) (Feature, error)       { return m, nil }
func (mistaken) Shape(int) (bins, frames int)     { return 1, 1 }
func (mistaken) Extract(*Spectrogram, Clip) error { panic("odd frame") }
