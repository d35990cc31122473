package audio

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clr/internal/fault"
)

// values copies all clips' values, as a reader of the store does.
func values(s *Store) (all [][]float32, err error) {
	err = fault.Guard(func() error {
		for i := range s.Len() {
			spec, err := s.Spectrogram(i)
			if err != nil {
				return err
			}
			all = append(all, append([]float32(nil), spec.Data...))
		}
		return s.Unchanged()
	})
	return all, err
}

// readable fails unless a store gives the values that are wanted, or names the
// file and what of it is damaged. It says whether it gave them.
func readable(t *testing.T, what string, s *Store, want [][]float32, part string) bool {
	t.Helper()
	got, err := values(s)
	if err != nil {
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || !strings.Contains(err.Error(), s.path) || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: kind %d, %v", what, fault.KindOf(err), err)
		}
		return false
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: wrong values, and no word of it", what)
	}
	return true
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}

// Two bits of each byte of a store, flipped: it is found before it does harm, and named; a
// build then gives the bytes of one without damage, or says what to delete.
func TestFlippedBits(t *testing.T) {
	fsys, path := toneFS(2), filepath.Join(t.TempDir(), "features")
	o := tinyMel
	o.HopLength, o.NMels = 300, 2
	c := readCorpus(t, fsys)
	make := func() *Store {
		t.Helper()
		s, _, err := Build(context.Background(), path, c, o, 16000, BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := make()
	want, err := values(s)
	if err != nil {
		t.Fatal(err)
	}
	index := int(s.records[1].end())
	part := func(at int) string { // what the message has to name
		for n, r := range s.records {
			if at >= int(r.offset) && at < int(r.offset+r.size()) {
				return s.clipOf(n)
			}
		}
		return ""
	}
	s.Close()
	b := fileBytes(t, path)
	refused, silent := 0, 0
	for at := range b {
		for _, bit := range []int{at % 8, (at + 3) % 8} {
			what := fmt.Sprintf("byte %d of %d, bit %d", at, len(b), bit)
			flipped := bytes.Clone(b)
			flipped[at] ^= 1 << bit
			writeFile(t, path, flipped)
			damaged, err := OpenStore(path)
			if err != nil {
				refused++
				if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || !strings.Contains(err.Error(), path) {
					t.Errorf("%s: %v", what, err)
				}
				if at >= align && at < index {
					t.Errorf("%s: one damaged record costs the whole store: %v", what, err)
				}
				continue
			}
			if at < align || at >= index {
				t.Errorf("%s: a damaged header or index is believed", what)
			}
			if readable(t, what, damaged, want, part(at)) {
				silent++
				if part(at) != "" {
					t.Errorf("%s: damaged data are believed", what)
				}
			}
			damaged.Close()
			if (at+bit)%7 == 0 {
				make().Close()
				if !bytes.Equal(fileBytes(t, path), b) {
					t.Errorf("%s: built again, the store differs", what)
				}
			}
		}
	}
	if refused != 2*(align+len(b)-index) || silent == 0 {
		t.Errorf("%d flips were refused, %d did not matter", refused, silent)
	}
}

// A store that is cut off while it is mapped: reading ends in an error, not in
// the end of the process, and never in wrong values. Brought back, it is read on.
func TestCutOffWhileMapped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "features")
	s, _ := build(t, path, toneFS(40), 1)
	b := fileBytes(t, path)
	want, err := values(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 3*os.Getpagesize() {
		t.Fatalf("%d bytes are too few pages", len(b))
	}
	for n := 0; n < len(b); n += 1 + len(b)/50 {
		for _, known := range []bool{true, false} { // were the checksums looked at before?
			what := fmt.Sprintf("cut off after %d of %d bytes, looked at %v", n, len(b), known)
			for i := range s.checked {
				s.checked[i].Store(known)
			}
			if err := os.Truncate(path, int64(n)); err != nil {
				t.Fatal(err)
			}
			if readable(t, what, s, want, "") {
				t.Errorf("%s: no error", what)
			}
			if _, err := s.MeanStd([]int{39, 0}, 1); fault.KindOf(err) != fault.Data {
				t.Errorf("%s: moments: %v", what, err)
			}
			writeFile(t, path, b)
			if !readable(t, what+", brought back", s, want, "") {
				t.Errorf("%s: brought back, it cannot be read", what)
			}
		}
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	err = fault.Guard(func() error {
		spec, err := s.Spectrogram(30) // known to be right
		if err == nil {
			_ = append([]float32(nil), spec.Data...)
		}
		return err
	})
	if err == nil || fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "30.wav") || !strings.Contains(err.Error(), path) {
		t.Errorf("the clip is not named: %v", err)
	}
}

// What others do to the file's name does not matter to who has mapped it; what
// they do to its bytes is found out.
func TestStoreInOtherHands(t *testing.T) {
	fsys, path := toneFS(5), filepath.Join(t.TempDir(), "features")
	s, _ := build(t, path, fsys, 1)
	want, err := values(s)
	if err != nil {
		t.Fatal(err)
	}
	b, offset := fileBytes(t, path), s.records[3].offset
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if !readable(t, "touched", s, want, "") {
		t.Error("a store that was touched cannot be read")
	}
	bad := bytes.Clone(b)
	bad[offset] ^= 1
	writeFile(t, path, bad)
	if readable(t, "written over", s, want, "03.wav") {
		t.Error("other values are believed")
	}
	writeFile(t, path, b)
	build(t, path, toneFS(7), 1)
	if !readable(t, "replaced", s, want, "") {
		t.Error("a store that was replaced cannot be read")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if !readable(t, "deleted", s, want, "") {
		t.Error("a store that was deleted cannot be read")
	}
}

// An old store that is cut off while a build copies from it costs the copying.
func TestOldStoreCutOffDuringBuild(t *testing.T) {
	fsys, path := toneFS(40), filepath.Join(t.TempDir(), "features")
	build(t, path, fsys, 1)
	fsys["01.wav"] = fsys["02.wav"]
	fresh := filepath.Join(t.TempDir(), "features")
	build(t, fresh, fsys, 1)
	cut := false
	s, stats, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Workers: 1, Progress: func(done, _ int) {
		if done >= 10 && !cut {
			cut = true
			if err := os.Truncate(path, 100); err != nil {
				t.Error(err)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if stats.Reused == 0 || stats.Made == 0 || !bytes.Equal(fileBytes(t, path), fileBytes(t, fresh)) {
		t.Errorf("%+v; or other bytes", stats)
	}
}

// A store of an older version is made again, with a word about it; one of a
// newer version is left to its owner.
func TestOtherVersions(t *testing.T) {
	fsys, path := toneFS(3), filepath.Join(t.TempDir(), "features")
	build(t, path, fsys, 1)
	b := fileBytes(t, path)
	for v, again := range map[uint32]bool{1: true, 0: false, storeVersion + 1: false} {
		other := bytes.Clone(b)
		binary.LittleEndian.PutUint32(other[8:], v)
		writeFile(t, path, other)
		if _, err := OpenStore(path); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), fmt.Sprintf("version %d, this clr reads version %d", v, storeVersion)) {
			t.Errorf("version %d: %v", v, err)
		}
		var said []string
		s, stats, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{Say: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }})
		if !again {
			if fault.KindOf(err) != fault.Data || !bytes.Equal(fileBytes(t, path), other) {
				t.Errorf("version %d: %v; or it was written over", v, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if stats.Made != 3 || !bytes.Equal(fileBytes(t, path), b) || len(said) != 1 || !strings.Contains(said[0], "it is made again") {
			t.Errorf("version %d: %+v, %q", v, stats, said)
		}
	}
	other := bytes.Clone(b)
	binary.LittleEndian.PutUint32(other[8:], 1)
	other[20] ^= 1 // an old one, or a damaged new one: who knows
	writeFile(t, path, other)
	if _, _, err := Build(context.Background(), path, readCorpus(t, fsys), tinyMel, 16000, BuildOptions{}); fault.KindOf(err) != fault.Data {
		t.Errorf("a damaged header: %v", err)
	}
	if _, err := OpenStore(t.TempDir()); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
}
