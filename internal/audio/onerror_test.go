package audio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"clr/internal/fault"
)

// skipping leaves out up to a share.
func skipping(most float64) Reading {
	r := DefaultReading
	r.OnError = OnError{Do: "skip", Most: most}
	return r
}

// spoil makes three of at least 12 recordings unusable, each in another way.
func spoil(fsys fstest.MapFS) {
	fsys["04.wav"] = &fstest.MapFile{Data: []byte("RIFF")}
	fsys["07.wav"] = &fstest.MapFile{Data: pcm16(make([]int16, 20)...).bytes()} // shorter than a window of the feature
	delete(fsys, "10.wav")
}

// spoilt is the list of those, as far as it is settled here.
var spoilt = regexp.MustCompile(`^line,path,reason\n6,04.wav,.*RIFF.*\n9,07.wav,.*20 samples.*\n12,10.wav,there is no such file\n$`)

// What cannot be used is left out and listed; the store is that of the rest,
// whoever asks, and what is mended comes back.
func TestSkip(t *testing.T) {
	fsys, path := toneFS(20), filepath.Join(t.TempDir(), "features")
	_, _, _ = buildAs(t, skipping(0.2), path, fsys)
	whole := fileBytes(t, path)
	if _, err := os.Stat(QuarantinePath(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a list of nothing: %v", err)
	}
	plain := filepath.Join(t.TempDir(), "features")
	build(t, plain, fsys, 2)
	if !bytes.Equal(fileBytes(t, plain), whole) {
		t.Error("where nothing is left out, the store is another one than without on_error")
	}

	spoil(fsys)
	s, c, stats := buildAs(t, skipping(0.2), path, fsys)
	if stats.Left != 3 || stats.Clips != 17 || stats.Made != 0 || s.Len() != 17 {
		t.Errorf("%+v", stats)
	}
	list := string(fileBytes(t, QuarantinePath(path)))
	if !spoilt.MatchString(list) {
		t.Errorf("the list is\n%s", list)
	}
	for _, it := range c.Items {
		if strings.Contains("04.wav 07.wav 10.wav", it.Path) {
			t.Errorf("%s is there", it.Path)
		}
	}
	less := toneFS(20) // the same corpus without these lines
	m := string(less["manifest.csv"].Data)
	for _, line := range []string{"04.wav,1\n", "07.wav,1\n", "10.wav,1\n"} {
		if !strings.Contains(m, line) {
			t.Fatal(m)
		}
		m = strings.Replace(m, line, "", 1)
	}
	less["manifest.csv"].Data = []byte(m)
	rest, lessCorpus, _ := buildAs(t, DefaultReading, filepath.Join(t.TempDir(), "features"), less)
	if s.CorpusHash(c, "label") != rest.CorpusHash(lessCorpus, "label") {
		t.Error("the corpus has another hash than the lines that are left")
	}
	for i := range c.Items {
		if s.Key(i) != rest.Key(i) {
			t.Errorf("clip %d is another one", i)
		}
	}
	want := fileBytes(t, path)
	for _, workers := range []int{1, 5} { // from nothing, and again
		fresh := filepath.Join(t.TempDir(), "features")
		c, err := skipping(0.2).ReadCorpus(fsys, "manifest.csv")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			var said []string
			s, stats, err := Build(context.Background(), fresh, c, tinyMel, 16000, BuildOptions{Workers: workers, Say: func(f string, a ...any) { said = append(said, fmt.Sprintf(f, a...)) }})
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			if !bytes.Equal(fileBytes(t, fresh), want) || string(fileBytes(t, QuarantinePath(fresh))) != list || stats.Left != 3 {
				t.Errorf("%d workers: other bytes, or another list", workers)
			}
			if len(said) != 1 || !strings.Contains(said[0], "3 of 20 lines of manifest.csv are left out; "+QuarantinePath(fresh)) {
				t.Errorf("said %q", said)
			}
		}
		if err := os.Remove(QuarantinePath(fresh)); err != nil {
			t.Fatal(err)
		}
		s, _, err := Build(context.Background(), fresh, c, tinyMel, 16000, BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if string(fileBytes(t, QuarantinePath(fresh))) != list {
			t.Error("a list that was deleted does not come back")
		}
	}

	// Who does not skip, or not so many, does not take such a store.
	for _, r := range []Reading{DefaultReading, skipping(0.1)} {
		all := toneFS(20)
		c, err := r.ReadCorpus(all, "manifest.csv")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Corpus(c, tinyMel, 16000); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "3 of 20 lines are left out") {
			t.Errorf("%+v: %v", r.OnError, err)
		}
	}
	// Another recording in the place of one that was left out is not taken for it.
	other := toneFS(20)
	other["manifest.csv"].Data = bytes.Replace(other["manifest.csv"].Data, []byte("04.wav"), []byte("03.wav"), 1)
	otherCorpus, err := skipping(0.2).ReadCorpus(other, "manifest.csv")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Corpus(otherCorpus, tinyMel, 16000); err == nil || !strings.Contains(err.Error(), "it leaves out 04.wav") {
		t.Errorf("%v", err)
	}

	_, _, stats = buildAs(t, skipping(0.2), path, toneFS(20))
	if stats.Made != 3 || stats.Left != 0 || !bytes.Equal(fileBytes(t, path), whole) {
		t.Errorf("mended: %+v, or other bytes", stats)
	}
	if _, err := os.Stat(QuarantinePath(path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("mended, the list is still there: %v", err)
	}
}

// Beyond the threshold all is listed, the error begins with the first, and the
// store stays as it was.
func TestTooManyAreLeftOut(t *testing.T) {
	fsys, path := toneFS(20), filepath.Join(t.TempDir(), "features")
	build(t, path, fsys, 2)
	before := fileBytes(t, path)
	spoil(fsys)
	for most, ok := range map[float64]bool{0: false, 0.1: false, 0.15: true, 1: true} {
		c, err := skipping(most).ReadCorpus(fsys, "manifest.csv")
		if err != nil {
			t.Fatal(err)
		}
		s, stats, err := Build(context.Background(), path, c, tinyMel, 16000, BuildOptions{})
		if ok {
			if err != nil || stats.Left != 3 {
				t.Errorf("%v: %+v, %v", most, stats, err)
				continue
			}
			s.Close()
			build(t, path, toneFS(20), 1)
			continue
		}
		if fault.KindOf(err) != fault.Data || !strings.Contains(fault.Remedy(err), "on_error.most") {
			t.Fatalf("%v: %v", most, err)
		}
		wanted := []string{"3 of 20 lines cannot be used", QuarantinePath(path), "manifest.csv:6: 04.wav: ", "manifest.csv:9: 07.wav: ", "manifest.csv:12: 10.wav: there is no such file"}
		if most == 0 { // the missing file alone is too much: nothing is decoded
			wanted = []string{"1 of 20 lines cannot be used", QuarantinePath(path), wanted[4]}
		}
		for _, want := range wanted {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %v does not say %q", most, err, want)
			}
		}
		if !bytes.Equal(fileBytes(t, path), before) || spoilt.Match(fileBytes(t, QuarantinePath(path))) != (most > 0) {
			t.Errorf("%v: the store was written, or no list", most)
		}
		if err := os.Remove(QuarantinePath(path)); err != nil {
			t.Fatal(err)
		}
	}
	for name := range fsys {
		if name != "manifest.csv" {
			fsys[name] = &fstest.MapFile{Data: []byte(name)}
		}
	}
	c, err := skipping(1).ReadCorpus(fsys, "manifest.csv")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Build(context.Background(), path, c, tinyMel, 16000, BuildOptions{}); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "20 of 20 lines") {
		t.Errorf("nothing is left: %v", err)
	}
}

// A line is left out whole, be its first windows good; their records are not in
// the store, but those of another line that has the same stretch are. However a
// build is interrupted, the next gives the bytes of one that was not.
func TestSkipWindows(t *testing.T) {
	samples := make([]float32, 5*16000)
	for i := range samples {
		samples[i] = float32(math.Sin(float64(i) * 0.1))
	}
	samples[3*16000+7] = float32(math.NaN())
	bad := floatWAV(samples)
	fsys := toneFS(6)
	fsys["bad.wav"] = &fstest.MapFile{Data: bad}
	fsys["good.wav"] = &fstest.MapFile{Data: floatWAV(samples[:3*16000])}
	fsys["manifest.csv"].Data = []byte("path,end\n00.wav,\nbad.wav,\n01.wav,\nbad.wav,2\ngood.wav,\nbad.wav,4\n02.wav,\n")
	r := skipping(0.5)
	r.Windows = Windows{Length: 0.5}
	path := filepath.Join(t.TempDir(), "features")
	s, c, stats := buildAs(t, r, path, fsys)
	var got []string
	for _, it := range c.Items {
		got = append(got, fmt.Sprint(it.Line))
	}
	if strings.Join(got, " ") != "2 4 5 5 5 5 6 6 6 6 6 6 8" || stats.Left != 2 || len(s.records) != 13 {
		t.Errorf("%+v: lines %v, %d records", stats, got, len(s.records))
	}
	if list := string(fileBytes(t, QuarantinePath(path))); !strings.Contains(list, "3,bad.wav,from 3 s to 3.5 s: sample 7 is NaN\n7,bad.wav,from 3 s to 3.5 s: sample 7 is NaN\n") {
		t.Errorf("the list is\n%s", list)
	}
	want := fileBytes(t, path)
	for n := 0; n <= len(want); n += 1 + len(want)/30 {
		path := filepath.Join(t.TempDir(), "features")
		if err := os.WriteFile(partialPath(path), want[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		if _, _, stats := buildAs(t, r, path, fsys); !bytes.Equal(fileBytes(t, path), want) || stats.Made+stats.Reused != 13 {
			t.Fatalf("resumed from %d bytes: %+v, or other bytes", n, stats)
		}
	}
	for stop := range 10 {
		path := filepath.Join(t.TempDir(), "features")
		ctx, cancel := context.WithCancel(context.Background())
		c, err := r.ReadCorpus(fsys, "manifest.csv")
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		if _, _, err := Build(ctx, path, c, tinyMel, 16000, BuildOptions{Workers: 1 + stop%3, Progress: func(int, int) {
			if seen++; seen > stop {
				cancel()
			}
		}}); fault.KindOf(err) != fault.Interrupted {
			t.Fatal(err)
		}
		cancel()
		if buildAs(t, r, path, fsys); !bytes.Equal(fileBytes(t, path), want) {
			t.Fatalf("interrupted after %d: other bytes", stop)
		}
	}
	// What is missing between records that are there is made where it belongs.
	all := fstest.MapFS{}
	for name, f := range toneFS(6) {
		all[name] = f
	}
	straight := filepath.Join(t.TempDir(), "features")
	s6, _ := build(t, straight, all, 1)
	want = fileBytes(t, straight)
	gap := append(bytes.Clone(want[:s6.records[2].offset-align]), want[s6.records[3].offset-align:s6.records[5].end()]...)
	path = filepath.Join(t.TempDir(), "features")
	if err := os.WriteFile(partialPath(path), gap, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, stats := build(t, path, all, 2); !bytes.Equal(fileBytes(t, path), want) || stats.Reused != 2 || stats.Made != 4 {
		t.Errorf("with a gap: %+v, or other bytes", stats)
	}
}

// floatWAV is a 32-bit float recording.
func floatWAV(samples []float32) []byte {
	w := pcm16()
	w.tag, w.bits, w.align = tagFloat, 32, 4
	for _, v := range samples {
		b := math.Float32bits(v)
		w.data = append(w.data, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
	}
	return w.bytes()
}

// A recording that a changed decoder, or a disk that works again, can read is
// found by the next build, though its bytes are the same.
func TestSkippedLinesAreTriedAgain(t *testing.T) {
	fsys, path := toneFS(6), filepath.Join(t.TempDir(), "features")
	plain := filepath.Join(t.TempDir(), "features")
	build(t, plain, fsys, 1)
	flaky := &unreadable{FS: fsys, name: "03.wav", bad: true}
	for _, bad := range []bool{true, true, false} {
		flaky.bad, flaky.opened = bad, 0
		c, err := skipping(0.5).ReadCorpus(flaky, "manifest.csv")
		if err != nil {
			t.Fatal(err)
		}
		s, stats, err := Build(context.Background(), path, c, tinyMel, 16000, BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if left := map[bool]int{true: 1}[bad]; stats.Left != left || s.Len() != 6-left {
			t.Errorf("bad %v: %+v", bad, stats)
		}
	}
	if !bytes.Equal(fileBytes(t, path), fileBytes(t, plain)) {
		t.Error("other bytes than a build without faults")
	}
}

// An unreadable file system fails when one file is decoded, which is after it
// was opened to be summed up.
type unreadable struct {
	fs.FS
	name   string
	bad    bool
	opened int // times
}

type unreadableFile struct {
	fs.File
	broken bool
}

func (u *unreadable) Stat(name string) (fs.FileInfo, error) { return fs.Stat(u.FS, name) }

func (u *unreadable) Open(name string) (fs.File, error) {
	f, err := u.FS.Open(name)
	if name != u.name {
		return f, err
	}
	u.opened++
	return &unreadableFile{File: f, broken: u.bad && u.opened > 1}, err
}

func (f *unreadableFile) Seek(offset int64, whence int) (int64, error) {
	return f.File.(io.Seeker).Seek(offset, whence)
}

func (f *unreadableFile) Read(b []byte) (int, error) {
	if f.broken {
		return 0, errors.New("input/output error")
	}
	return f.File.Read(b)
}
