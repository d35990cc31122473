package audio

import (
	"bytes"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"

	"clr/internal/fault"
)

// Reading ahead gives what the file holds, wherever one seeks.
func TestInputReadsAhead(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 100, aheadBytes - 1, aheadBytes, aheadBytes + 1, 5*aheadBytes + 17} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		files := fstest.MapFS{"f": {Data: data}}
		for _, fsys := range []fs.FS{files, stream{files}} {
			in, err := openInput(fsys, "f")
			if err != nil {
				t.Fatal(err)
			}
			want := bytes.NewReader(data)
			for range 500 {
				if whence := r.IntN(5); whence <= io.SeekEnd {
					at := int64(r.IntN(size + 1))
					if whence != io.SeekStart {
						at -= int64(size)
					}
					a, err := in.Seek(at, whence)
					b, wrong := want.Seek(at, whence)
					if (err == nil) != (wrong == nil) || err == nil && a != b {
						t.Fatalf("%d bytes: a seek to %d, %d ends at %d, %v; want %d, %v", size, at, whence, a, err, b, wrong)
					}
				}
				p, q := make([]byte, r.IntN(100)+1), make([]byte, 100)
				if r.IntN(20) == 0 {
					p, q = make([]byte, r.IntN(3*aheadBytes)+1), make([]byte, 3*aheadBytes)
				}
				n, err := io.ReadFull(in, p)
				m, wrong := io.ReadFull(want, q[:len(p)])
				if !bytes.Equal(p[:n], q[:m]) || err != wrong {
					t.Fatalf("%d bytes: %d read, %v; want %d, %v", size, n, err, m, wrong)
				}
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A small file is read at once, however its decoder goes about it, and a look
// forgets it.
func TestInputReadsOnce(t *testing.T) {
	files := fstest.MapFS{"a.wav": {Data: pcm16(1, 2, 3).bytes()}}
	fsys := &scale{FS: files}
	in, err := openInput(fsys, "a.wav")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for _, want := range []float32{1, 1, 5} {
		if want == 5 {
			files["a.wav"].Data[44] = 5
			if err := in.look(); err != nil {
				t.Fatal(err)
			}
		}
		c, err := newReader(DefaultReading).from(in, "a.wav", 0, 0, 0)
		if err != nil || len(c.Samples) != 3 || c.Samples[0] != want/(1<<15) {
			t.Errorf("%v, %v; want 3 samples, the first %v", c.Samples, err, want/(1<<15))
		}
	}
	if got, size := fsys.read.Load(), int64(len(files["a.wav"].Data)); got != 2*size {
		t.Errorf("%d bytes were read of %d, before and after a look", got, size)
	}
}

// What is no file is refused before it is read.
func TestInputIsAFile(t *testing.T) {
	files := fstest.MapFS{"folder/a.wav": {}, "pipe": {Mode: fs.ModeNamedPipe}, "device": {Mode: fs.ModeDevice | fs.ModeCharDevice}}
	for name, says := range map[string]string{
		"folder": "this is a folder", "pipe": "not a regular file", "device": "not a regular file", "none.wav": "not exist",
	} {
		_, err := openInput(files, name)
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
