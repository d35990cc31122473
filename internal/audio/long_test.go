package audio

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"
)

// A scale counts the bytes that are read through it.
type scale struct {
	fs.FS
	read atomic.Int64
}

type weighed struct {
	fs.File
	io.Seeker
	s *scale
}

func (s *scale) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return weighed{f, f.(io.Seeker), s}, nil
}

func (w weighed) Read(b []byte) (int, error) {
	n, err := w.File.Read(b)
	w.s.read.Add(int64(n))
	return n, err
}

// clickEvery is from one click to the next; the first is half of it in.
const clickEvery = 10 * longRate

const longRate = 8000

// longWAV writes silence with clicks, as a file with holes.
func longWAV(t *testing.T, path string, samples int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	le := binary.LittleEndian
	h := le.AppendUint32([]byte("RIFF"), uint32(36+2*samples))
	h = append(h, "WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"...)
	h = le.AppendUint32(h, longRate)
	h = le.AppendUint32(h, 2*longRate)
	h = append(h, "\x02\x00\x10\x00data"...)
	h = le.AppendUint32(h, uint32(2*samples))
	if _, err := f.Write(h); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(len(h) + 2*samples)); err != nil {
		t.Fatal(err)
	}
	for at := clickEvery / 2; at < samples; at += clickEvery {
		if _, err := f.WriteAt([]byte{0, 0x40}, int64(len(h)+2*at)); err != nil {
			t.Fatal(err)
		}
	}
}

// longFLAC writes the same, in whole blocks.
func longFLAC(t *testing.T, path string, samples int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const block = 4000
	enc, err := flac.NewEncoder(f, &meta.StreamInfo{BlockSizeMin: block, BlockSizeMax: block, SampleRate: longRate, NChannels: 1, BitsPerSample: 16, NSamples: uint64(samples)})
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < samples; at += block {
		sub := &frame.Subframe{SubHeader: frame.SubHeader{Pred: frame.PredConstant}, Samples: make([]int32, block), NSamples: block}
		if click := clickEvery/2 - at%clickEvery; click >= 0 && click < block {
			sub.Pred = frame.PredVerbatim
			sub.Samples[click] = 0x4000
		}
		if err := enc.WriteFrame(&frame.Frame{Header: frame.Header{HasFixedBlockSize: true, BlockSize: block, SampleRate: longRate, Channels: frame.ChannelsMono, BitsPerSample: 16, Num: uint64(at / block)}, Subframes: []*frame.Subframe{sub}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := enc.Close(); err != nil {
		t.Fatal(err)
	}
}

// longMinutes is how long a long recording is.
var longMinutes = 30

// Windows of a long recording take memory for a minute of it and one pass, two
// where its length has to be found by decoding; the bytes do not depend on the
// workers. CLR_SOAK=1 makes it ten hours.
func TestLongRecording(t *testing.T) {
	seconds := longMinutes * 60
	if os.Getenv("CLR_SOAK") != "" {
		seconds = 10 * 3600
	}
	dir := t.TempDir()
	longWAV(t, filepath.Join(dir, "long.wav"), seconds*longRate)
	longFLAC(t, filepath.Join(dir, "long.flac"), seconds*longRate)
	feature := LogMel{NFFT: 256, WinLength: 256, HopLength: 400, NMels: 4, MelScale: "htk", MelNorm: "none", Power: 2, Center: true, PadMode: "reflect", Log: "ln", Floor: 1e-6}
	r := DefaultReading
	r.Windows = Windows{Length: 2, Hop: 1.5}
	for name, passes := range map[string]int64{"long.wav": 2, "long.flac": 3} { // one of them is the SHA-256
		if err := os.WriteFile(filepath.Join(dir, "manifest.csv"), fmt.Appendf(nil, "path\n%s\n", name), 0o666); err != nil {
			t.Fatal(err)
		}
		fsys := &scale{FS: Host()}
		c, err := r.ReadCorpus(fsys, filepath.Join(dir, "manifest.csv"))
		if err != nil {
			t.Fatal(err)
		}
		size, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var first []byte
		for _, workers := range []int{1, 3} {
			fsys.read.Store(0)
			live := func() int64 { // what the last collection could not free
				runtime.GC()
				m := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
				metrics.Read(m)
				return int64(m[0].Value.Uint64())
			}
			before, most := live(), int64(0)
			path := filepath.Join(t.TempDir(), "features")
			s, stats, err := Build(context.Background(), path, c, feature, longRate, BuildOptions{Workers: workers, Progress: func(done, total int) {
				if done%100 == 0 {
					most = max(most, live()-before)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			want := 1 + (seconds-2+1)/3*2 // up to rounding, two windows every three seconds
			if stats.Made < want-2 || stats.Made > want+2 {
				t.Errorf("%s: %d windows, want about %d", name, stats.Made, want)
			}
			whole := int64(4 * seconds * longRate)
			t.Logf("%s, %d workers: %d windows, %.1f MB of heap (all samples: %.1f MB), %.2f times the file read", name, workers, stats.Made, float64(most)/1e6, float64(whole)/1e6, float64(fsys.read.Load())/float64(size.Size()))
			if allowed := int64(40<<20 + stats.Made*600); most > allowed || most == 0 { // a minute a worker, and the decoders' garbage
				t.Errorf("%s: %d bytes of heap, allowed %d", name, most, allowed)
			}
			// Where a job begins, a file that can seek is read twice, and searched for the place.
			jobs := int64(stats.Made)*2/jobSeconds + 2
			if got := fsys.read.Load(); got > passes*size.Size()+jobs<<17 {
				t.Errorf("%s: %d bytes were read of %d", name, got, size.Size())
			}
			for i := range s.Len() {
				spec, err := s.Spectrogram(i)
				if err != nil {
					t.Fatal(err)
				}
				if click, loud := clicks(1.5*float64(i), 1.5*float64(i)+2), isLoud(spec); click != loud {
					t.Fatalf("%s: window %d: click %v, loud %v", name, i, click, loud)
				}
			}
			s.Close()
			if b := fileBytes(t, path); first == nil {
				first = b
			} else if string(b) != string(first) {
				t.Errorf("%s: %d workers give other bytes", name, workers)
			}
		}
	}
}

// clicks says whether a click lies between two times.
func clicks(from, to float64) bool {
	for at := 5.0; at < to; at += 10 {
		if at >= from {
			return true
		}
	}
	return false
}

func isLoud(s Spectrogram) bool {
	for _, v := range s.Data {
		if v > -13 { // silence is ln 1e-6 = -13.8
			return true
		}
	}
	return false
}
