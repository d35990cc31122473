package audio

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/fuzztest"
)

// What a manifest's items are taken for holds of all that are accepted, and
// written out again they are the same.
func FuzzCorpus(f *testing.F) {
	for _, manifest := range []string{
		"path,label,start,end\na.wav,x,0,1\n\"sub/b, 2.wav\",\"y;z\",0.25,\n",
		"\xef\xbb\xbfpath,sha256\r\n\"a.wav\"," + strings.Repeat("0A", 32) + "\r\n",
		"path,path\n,\"\n",
		"fold,path,mic\n1,../c.wav,\"a\nb\"\n",
		"path\n..\n/\n\x00\n",
	} {
		for _, b := range fuzztest.Damaged([]byte(manifest)) {
			f.Add(b)
		}
	}
	const name = "m/manifest.csv"
	f.Fuzz(func(t *testing.T, manifest []byte) {
		fsys := corpusFS(string(manifest))
		var c *Corpus
		var err error
		fuzztest.Bounded(t, len(manifest), 1<<20, func() { c, err = ReadCorpus(fsys, name) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, name)
			return
		}
		var again bytes.Buffer
		w := csv.NewWriter(&again)
		w.Write(c.Columns)
		last := 0
		for _, it := range c.Items {
			if info, err := fsys.Stat(it.File); err != nil || !info.Mode().IsRegular() {
				t.Fatalf("%+v: %v", it, err)
			}
			if !(it.Start >= 0 && it.Start <= math.MaxFloat64) || it.End != 0 && !(it.End > it.Start && it.End <= math.MaxFloat64) ||
				it.SHA256 != "" && len(it.SHA256) != 64 || it.Line <= last {
				t.Fatalf("%+v behind line %d", it, last)
			}
			last = it.Line
			var row []string
			for _, column := range c.Columns {
				row = append(row, it.Value(column))
			}
			w.Write(row)
		}
		w.Flush()
		d, err := ReadCorpus(corpusFS(again.String()), name)
		if err != nil || len(d.Items) != len(c.Items) {
			t.Fatalf("written again as %q: %v", again.String(), err)
		}
		for i, it := range d.Items {
			it.Line, it.row, it.columns = c.Items[i].Line, c.Items[i].row, c.Items[i].columns
			if was := c.Items[i]; it.Path != was.Path || it.Label != was.Label || it.Start != was.Start || it.End != was.End || it.SHA256 != was.SHA256 {
				t.Fatalf("%+v came back as %+v", was, it)
			}
		}
	})
}

// storeSeeds are a small store, what it was made of, and its bytes.
func storeSeeds(f *testing.F) (*Corpus, LogMel, []byte) {
	o := tinyMel
	o.HopLength, o.NMels = 300, 2
	c, err := ReadCorpus(toneFS(2), "manifest.csv")
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), "features")
	s, _, err := Build(context.Background(), path, c, o, 16000, BuildOptions{Workers: 1})
	if err != nil {
		f.Fatal(err)
	}
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	return c, o, whole
}

// sealed is a store with the checksums of its header and index put right, so
// that what stands in them is put to the test.
func sealed(b []byte) []byte {
	b = bytes.Clone(b)
	if le := binary.LittleEndian; len(b) >= align {
		if at := le.Uint64(b[16:]); at <= uint64(len(b)) {
			le.PutUint64(b[24:], uint64(len(b))-at)
			le.PutUint32(b[32:], crc(b[at:]))
		}
		le.PutUint32(b[12:], crc(b[16:align]))
	}
	return b
}

// A store that opens gives spectrograms whose checksum is right, or says which
// clip's is not; and a build over whatever stands there makes a good one, or
// leaves it be.
func FuzzStore(f *testing.F) {
	c, o, whole := storeSeeds(f)
	for _, b := range fuzztest.Damaged(whole) {
		f.Add(b, true)
	}
	f.Add(whole, false)
	f.Add(whole[:align], false)
	path := filepath.Join(f.TempDir(), "features")
	cut := skipping(0.9) // windows, and a line that is left out
	cut.Windows = Windows{Length: 0.01}
	fsys := toneFS(2)
	fsys["01.wav"].Data = []byte("no recording")
	windows, err := cut.ReadCorpus(fsys, "manifest.csv")
	if err != nil {
		f.Fatal(err)
	}
	s, _, err := Build(context.Background(), path, windows, o, 16000, BuildOptions{Workers: 1})
	if err != nil {
		f.Fatal(err)
	}
	s.Close()
	if whole, err = os.ReadFile(path); err != nil {
		f.Fatal(err)
	}
	for _, b := range fuzztest.Some(whole, 3) {
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = sealed(b)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		var s *Store
		var err error
		fuzztest.Bounded(t, len(b), 1<<20, func() { s, err = OpenStore(path) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
		} else {
			for i := range s.Len() {
				spec, err := s.Spectrogram(i)
				if err != nil {
					fuzztest.Refused(t, err, fault.Data, path)
					continue
				}
				bins, frames := s.Entry(i)
				r := s.records[s.clips[i].record]
				if spec.Bins != bins || spec.Frames != frames || len(spec.Data) != bins*frames || crc(b[r.offset:r.offset+r.size()]) != r.crc {
					t.Errorf("clip %d: (%d, %d), %d values", i, bins, frames, len(spec.Data))
				}
			}
			for _, c := range []*Corpus{c, windows} {
				if held, err := s.Corpus(c, o, 16000); err != nil {
					fuzztest.Refused(t, err, fault.Data, path)
				} else if len(held.Items) != s.Len() {
					t.Errorf("%d items of %d clips", len(held.Items), s.Len())
				}
			}
			if err := s.Unchanged(); err != nil {
				fuzztest.Refused(t, err, fault.Data, path)
			}
			s.Close()
		}
		built, _, err := Build(context.Background(), path, c, o, 16000, BuildOptions{Workers: 1})
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
			return
		}
		defer built.Close()
		if _, err := built.Corpus(c, o, 16000); err != nil {
			t.Error(err)
		}
		for i := range built.Len() {
			if _, err := built.Spectrogram(i); err != nil {
				t.Error(err)
			}
		}
	})
}

// Whatever a killed build has left, and whatever was made of it since, the next
// one ends with the bytes of one that was never killed.
func FuzzPartialStore(f *testing.F) {
	c, o, whole := storeSeeds(f)
	end := binary.LittleEndian.Uint64(whole[16:])
	for _, b := range fuzztest.Some(append(make([]byte, align), whole[align:end]...), 4) {
		f.Add(b)
	}
	path := filepath.Join(f.TempDir(), "features")
	f.Fuzz(func(t *testing.T, b []byte) {
		for at := align; at+align <= len(b); at += align { // heads of other shapes, with checksums that are right
			if string(b[at:at+4]) == recordMagic {
				b = bytes.Clone(b)
				binary.LittleEndian.PutUint32(b[at+48:], crc(b[at:at+48]))
			}
		}
		os.Remove(path)
		if err := os.WriteFile(partialPath(path), b, 0o666); err != nil {
			t.Fatal(err)
		}
		var s *Store
		var err error
		fuzztest.Bounded(t, len(b), 2<<20, func() { s, _, err = Build(context.Background(), path, c, o, 16000, BuildOptions{Workers: 1}) })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Corpus(c, o, 16000); err != nil {
			t.Error(err)
		}
		for i := range s.Len() {
			if _, err := s.Spectrogram(i); err != nil {
				t.Error(err)
			}
		}
	})
}
