package audio

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clr/internal/fault"
)

// onDisk writes toneFS's files into a folder.
func onDisk(t *testing.T, n int) (dir string, c *Corpus) {
	t.Helper()
	dir = t.TempDir()
	for name, f := range toneFS(n) {
		if err := os.WriteFile(filepath.Join(dir, name), f.Data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	c, err := ReadCorpus(Host(), filepath.Join(dir, "manifest.csv"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, c
}

// A recording that is no longer the one its features were made from is refused
// by its name, whatever was done to it; brought back, it is read as before.
func TestOriginals(t *testing.T) {
	dir, c := onDisk(t, 2)
	s, _, err := Build(context.Background(), filepath.Join(dir, "features"), c, tinyMel, 16000, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(dir, "01.wav")
	whole := fileBytes(t, path)
	other := bytes.Clone(whole)
	other[len(other)-1] ^= 1
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(b []byte) { t.Helper(); must(os.WriteFile(path, b, 0o666)) }
	o := s.Originals(c)
	want, err := c.Read(1, 16000)
	must(err)
	good := func(what string) {
		t.Helper()
		for i := range 2 {
			if clip, err := o.Clip(i, 16000); err != nil || i == 1 && fmt.Sprint(clip) != fmt.Sprint(want) {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	for _, seen := range []bool{false, true} {
		for _, f := range []struct {
			what string
			do   func()
			say  string
		}{
			{"gone", func() { must(os.Remove(path)) }, "no such file"},
			{"cut off", func() { put(whole[:len(whole)/2]) }, "the recording has changed"},
			{"empty", func() { put(nil) }, "the recording has changed"},
			{"other sound of the same length", func() { put(other); must(os.Chtimes(path, time.Time{}, time.Now().Add(time.Second))) }, "the recording has changed"},
			{"another file of the same length and time", func() {
				now, err := os.Stat(path)
				must(err)
				must(os.WriteFile(path+"x", other, 0o666))
				must(os.Chtimes(path+"x", time.Time{}, now.ModTime()))
				must(os.Rename(path+"x", path))
			}, "the recording has changed"},
		} {
			if o = s.Originals(c); seen {
				good("before it is " + f.what)
			}
			f.do()
			if _, err := o.Clip(0, 16000); err != nil {
				t.Error(err)
			}
			for range 2 {
				if _, err := o.Clip(1, 16000); fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || !strings.Contains(err.Error(), "01.wav") || !strings.Contains(err.Error(), f.say) {
					t.Errorf("%s (seen before %v): %v", f.what, seen, err)
				}
			}
			put(whole)
			good("after it was " + f.what)
		}
	}
	must(os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)))
	good("touched")
}

// A file that changes between two looks at it is not believed in between.
func TestOriginalChangesWhileRead(t *testing.T) {
	fsys := toneFS(1)
	s, _ := build(t, filepath.Join(t.TempDir(), "features"), fsys, 1)
	for changes, ok := range map[int]bool{0: true, 2: true, 4: true, 99: false} {
		r := &restless{FS: fsys}
		c, err := ReadCorpus(r, "manifest.csv")
		if err != nil {
			t.Fatal(err)
		}
		r.changes = changes
		_, err = s.Originals(c).Clip(0, 16000)
		if (err == nil) != ok || !ok && (fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "00.wav changes while it is read")) {
			t.Errorf("%d changes: %v", changes, err)
		}
	}
}

// A restless file system has recordings with another time at each of the first
// looks at them.
type restless struct {
	fs.FS
	changes int
}

func (r *restless) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	return &restlessFile{f, r}, err
}

type restlessFile struct {
	fs.File
	r *restless
}

func (f *restlessFile) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	if f.r.changes > 0 {
		f.r.changes--
		return changedInfo{info, info.ModTime().Add(time.Duration(f.r.changes) * time.Second)}, err
	}
	return info, err
}

type changedInfo struct {
	fs.FileInfo
	at time.Time
}

func (i changedInfo) ModTime() time.Time { return i.at }
