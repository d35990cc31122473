package audio

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"clr/internal/fault"
)

func TestSpans(t *testing.T) {
	x := make([]int16, 16000)
	for i := range x {
		x[i] = int16(i)
	}
	flacFile, err := os.ReadFile(filepath.Join(referenceDir, "decode/flac_pcm_16.flac"))
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{"a.wav": {Data: pcm16(x...).bytes()}, "b.flac": {Data: flacFile}} // 1 s; 50 ms
	whole, err := ReadClipFS(fsys, "b.flac", 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name       string
		start, end float64
		first, n   int
		want       string
	}{
		{"a.wav", 0, 0, 0, 16000, ""},
		{"a.wav", 0.25, 0.5, 4000, 4000, ""},
		{"a.wav", 0.5, 0, 8000, 8000, ""},
		{"a.wav", 0.5, 1.009, 8000, 8000, ""}, // rounded in the manifest
		{"a.wav", 0.5, 1.1, 0, 0, "ends at 1.1 s, the recording at 1 s"},
		{"a.wav", 1, 0, 0, 0, "starts at 1 s, the recording ends at 1 s"},
		{"a.wav", 1e300, 0, 0, 0, "ends at 1 s"},
		{"a.wav", 0.5, 0.2, 0, 0, "holds nothing"},
		{"a.wav", -1, 0, 0, 0, "holds nothing"},
		{"a.wav", math.NaN(), 0, 0, 0, "holds nothing"},
		{"a.wav", 0.5, 0.50001, 0, 0, "shorter than one sample"},
		{"b.flac", 0.01, 0.02, 160, 160, ""},
		{"b.flac", 0.01, 0, 160, 640, ""},
		{"b.flac", 0.06, 0, 0, 0, "ends at 0.05 s"},
		{"b.flac", 0.01, 0.07, 0, 0, "the recording at 0.05 s"},
	} {
		clip, err := ReadClipFS(fsys, c.name, 16000, c.start, c.end)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Data {
				t.Errorf("%s %v-%v: error %v, want %q", c.name, c.start, c.end, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %v-%v: %v", c.name, c.start, c.end, err)
			continue
		}
		if len(clip.Samples) != c.n {
			t.Errorf("%s %v-%v: %d samples, want %d", c.name, c.start, c.end, len(clip.Samples), c.n)
			continue
		}
		want := float32(c.first) / 32768
		if c.name == "b.flac" {
			want = whole.Samples[c.first]
		}
		if clip.Samples[0] != want {
			t.Errorf("%s %v-%v: begins with %v, want %v", c.name, c.start, c.end, clip.Samples[0], want)
		}
	}
}

// A stream is a file system whose files cannot seek, as in a zip archive.
type stream struct{ fs.FS }

type streamFile struct{ fs.File }

func (s stream) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	return streamFile{f}, err
}

func TestFilesThatCannotSeek(t *testing.T) {
	fsys := fstest.MapFS{"a.wav": {Data: pcm16(1, 2, 3, 4).bytes()}}
	c, err := ReadClipFS(stream{fsys}, "a.wav", 16000, 0, 0)
	if err != nil || len(c.Samples) != 4 || c.Samples[3] != 4.0/32768 {
		t.Errorf("%v, %v", c, err)
	}
}

// Neither a rate nor a stretch of silence makes a clip without end.
func TestTooLong(t *testing.T) {
	w := pcm16(make([]int16, 300)...)
	w.rate = 1
	fsys := fstest.MapFS{"a.wav": {Data: w.bytes()}}
	if _, err := ReadClipFS(fsys, "a.wav", 1<<20, 0, 0); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("300 s at 2^20 Hz: %v", err)
	}
}

func TestMixAndResample(t *testing.T) {
	w := pcm16()
	w.channels, w.align, w.rate = 2, 4, 8000
	for range 4000 {
		w.data = append(w.data, 0, 0x40, 0, 0xe0) // 0.5 and -0.25
	}
	fsys := fstest.MapFS{"a.wav": {Data: w.bytes()}}
	c, err := ReadClipFS(fsys, "a.wav", 16000, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if c.Rate != 16000 || len(c.Samples) != 8000 || math.Abs(float64(c.Samples[4000])-0.125) > 1e-3 {
		t.Errorf("%d samples at %d Hz, middle %v; want 8000 at 16000, 0.125", len(c.Samples), c.Rate, c.Samples[4000])
	}
	if c, err = ReadClipFS(fsys, "a.wav", 0, 0, 0); err != nil || c.Rate != 8000 || c.Samples[7] != 0.125 {
		t.Errorf("rate 0: %d Hz, %v, %v", c.Rate, c.Samples[7], err)
	}
}
