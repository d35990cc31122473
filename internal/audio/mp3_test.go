package audio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Stretches of one MP3 after another are those of the whole, and in their order
// all of them cost one pass through the file.
func TestMP3Seeks(t *testing.T) {
	for _, name := range []string{"mpeg1_joint.mp3", "mpeg1_bare.mp3", "mpeg2_padded.mp3", "mpeg2_mono_vbr.mp3"} {
		data := formatFile(t, name)
		if name == "mpeg1_bare.mp3" {
			data = bytes.Repeat(data, 100)
		}
		whole, err := Decode(bytes.NewReader(data), name)
		if err != nil {
			t.Fatal(err)
		}
		r := &countedReader{ReadSeeker: bytes.NewReader(data)}
		s, err := open(r)
		if err != nil {
			t.Fatal(err)
		}
		frames := int64(len(whole.Samples) / whole.Channels)
		opened := r.read
		for _, back := range []bool{false, true} {
			const parts = 20
			for i := range int64(parts) {
				first := frames * i / parts
				if back {
					first = frames * (i * 7 % parts) / parts
				}
				at, err := s.seek(first)
				if err != nil || at != first {
					t.Fatalf("%s: a seek to %d ends at %d: %v", name, first, at, err)
				}
				buf := make([]float32, 10*s.channels)
				n, err := s.read(buf)
				if err != nil || n == 0 {
					t.Fatalf("%s from %d on: %d, %v", name, first, n, err)
				}
				for j, v := range buf[:n] {
					if want := whole.Samples[int(first)*s.channels+j]; v != want {
						t.Fatalf("%s from %d on: sample %d is %v, want %v", name, first, j, v, want)
					}
				}
			}
			if !back && name == "mpeg1_bare.mp3" && r.read-opened > int64(len(data))+1<<15 {
				t.Errorf("%s: %d bytes read of %d for stretches in order", name, r.read-opened, len(data))
			}
		}
		if s, err = open(bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if n, err := s.walk(); err != nil || n != frames {
			t.Errorf("%s: walking counts %d frames, decoding %d: %v", name, n, frames, err)
		}
	}
	tagged := formatFile(t, "mpeg2_padded.mp3")
	unpadded := bytes.Clone(tagged) // as a tag copied from a longer file has it
	clear(unpadded[bytes.Index(unpadded, []byte("Lavf"))+21:][:3])
	whole, err := Decode(bytes.NewReader(unpadded), "unpadded")
	if err != nil {
		t.Fatal(err)
	}
	checkSeeks(t, "unpadded", unpadded, whole)
	if s, err := open(bytes.NewReader(unpadded)); err != nil {
		t.Error(err)
	} else if n, err := s.walk(); err != nil || n != int64(len(whole.Samples)/whole.Channels) {
		t.Errorf("unpadded: walking counts %d frames, decoding %d: %v", n, len(whole.Samples)/whole.Channels, err)
	}
	s, err := open(bytes.NewReader(tagged[:len(tagged)-10]))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.walk(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a cut file: walking counts %d frames", n)
	}
}

// Windows of an MP3 with gaps between them cost three passes, of which one is
// the SHA-256, one counts the frames, and one reads them all.
func TestMP3Windows(t *testing.T) {
	dir := t.TempDir()
	data := bytes.Repeat(formatFile(t, "mpeg1_bare.mp3"), 500)
	if err := os.WriteFile(filepath.Join(dir, "long.mp3"), data, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.csv"), []byte("path\nlong.mp3\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	feature := LogMel{NFFT: 256, WinLength: 256, HopLength: 128, NMels: 4, MelScale: "htk", MelNorm: "none", Power: 2, Center: true, PadMode: "reflect", Log: "ln", Floor: 1e-6}
	for _, w := range []Windows{{Length: 0.1, Hop: 0.13}, {Length: 0.1, Hop: 1.5}, {Length: 0.1, Hop: 0.05}} {
		r := DefaultReading
		r.Windows = w
		fsys := &scale{FS: Host()}
		c, err := r.ReadCorpus(fsys, filepath.Join(dir, "manifest.csv"))
		if err != nil {
			t.Fatal(err)
		}
		s, stats, err := Build(context.Background(), filepath.Join(t.TempDir(), "features"), c, feature, 8000, BuildOptions{Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		if got, all := fsys.read.Load(), int64(len(data)); got > 3*all+1<<18 {
			t.Errorf("%+v: %.2f times the file was read for %d windows", w, float64(got)/float64(all), stats.Made)
		}
		held, err := s.Corpus(c, feature, 8000)
		if err != nil {
			t.Fatal(err)
		}
		made, err := feature.New(8000)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < s.Len(); i += 1 + s.Len()/5 {
			it := held.Items[i]
			clip, err := ReadClip(it.File, 8000, it.Start, it.End)
			if err != nil {
				t.Fatal(err)
			}
			var want Spectrogram
			if err := made.Extract(&want, clip); err != nil {
				t.Fatal(err)
			}
			got, err := s.Spectrogram(i)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(got.Data) != fmt.Sprint(want.Data) {
				t.Errorf("%+v: window %d is not that of the file", w, i)
			}
		}
		s.Close()
	}
}
