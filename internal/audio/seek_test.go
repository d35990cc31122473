package audio

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"
)

// A countedReader counts what is read of a file.
type countedReader struct {
	io.ReadSeeker
	read int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	c.read += int64(n)
	return n, err
}

// A stretch late in a FLAC is the whole recording's, and is found without
// reading what lies before it.
func TestFLACSeek(t *testing.T) {
	const blocks, size = 300, 1000
	for _, fixed := range []bool{true, false} {
		var buf bytes.Buffer
		info := &meta.StreamInfo{BlockSizeMin: size, BlockSizeMax: size, SampleRate: 16000, NChannels: 2, BitsPerSample: 16}
		e, err := flac.NewEncoder(&buf, info)
		if err != nil {
			t.Fatal(err)
		}
		x, at := uint32(1), uint64(0)
		for b := range blocks {
			n := size
			if !fixed {
				n = 500 + b
			}
			f := &frame.Frame{Header: frame.Header{HasFixedBlockSize: fixed, BlockSize: uint16(n), SampleRate: 16000,
				Channels: frame.ChannelsLR, BitsPerSample: 16, Num: at}}
			if fixed {
				f.Num = uint64(b)
			}
			at += uint64(n)
			for range 2 {
				s := &frame.Subframe{SubHeader: frame.SubHeader{Pred: frame.PredVerbatim}, NSamples: n}
				for range n {
					x = x*1664525 + 1013904223
					s.Samples = append(s.Samples, int32(int16(x>>16)))
				}
				f.Subframes = append(f.Subframes, s)
			}
			if err := e.WriteFrame(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		data := buf.Bytes()
		whole, err := Decode(bytes.NewReader(data), "whole")
		if err != nil || len(whole.Samples) != 2*int(at) {
			t.Fatalf("%d samples, want %d: %v", len(whole.Samples), 2*at, err)
		}
		checkSeeks(t, "fixed", data, whole)
		r := &countedReader{ReadSeeker: bytes.NewReader(data)}
		c, err := newReader(DefaultReading).from(r, "late", 0, float64(at-100)/16000, 0)
		if err != nil || len(c.Samples) != 100 {
			t.Fatalf("%d samples, want 100: %v", len(c.Samples), err)
		}
		if r.read > int64(len(data))/2 {
			t.Errorf("%d of %d bytes read for the last 100 samples", r.read, len(data))
		}
		if _, err := newReader(DefaultReading).from(bytes.NewReader(data), "beyond", 0, 100, 0); err == nil || !strings.Contains(err.Error(), "the recording ends at") {
			t.Errorf("a stretch beyond the end: %v", err)
		}
	}
	name := filepath.Join(referenceDir, "decode/flac_pcm_24.flac")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Decode(bytes.NewReader(data), name)
	if err != nil {
		t.Fatal(err)
	}
	checkSeeks(t, name, data, whole)
}

// A longFile holds a head and then 16-bit samples that tell their place.
type longFile struct {
	head     []byte
	size, at int64
}

func (s *longFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		s.at = offset
	case io.SeekCurrent:
		s.at += offset
	case io.SeekEnd:
		s.at = s.size + offset
	}
	return s.at, nil
}

func (s *longFile) Read(p []byte) (int, error) {
	if s.at >= s.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), s.size-s.at))
	for i := range p[:n] {
		at := s.at + int64(i)
		if at < int64(len(s.head)) {
			p[i] = s.head[at]
		} else {
			at -= int64(len(s.head))
			p[i] = byte(placed(at/2) >> (at % 2 * 8))
		}
	}
	s.at += int64(n)
	return n, nil
}

// placed is sample number i of a longFile.
func placed(i int64) uint16 { return uint16(i*40503 ^ i>>16) }

// Files beyond 4 GiB, as RF64 and as WAV whose lengths have gone round.
func TestBeyond4GiB(t *testing.T) {
	const frames = 3<<30 + 12345 // mono, 16 bits: 6 GiB
	le := binary.LittleEndian
	fmtChunk := append([]byte("fmt \x10\x00\x00\x00"), "\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00"...)
	head := func(id string, riff uint32, ds64 []byte, data uint32) []byte {
		b := le.AppendUint32([]byte(id), riff)
		b = append(append(b, "WAVE"...), ds64...)
		b = append(append(b, fmtChunk...), "data"...)
		return le.AppendUint32(b, data)
	}
	ds64 := le.AppendUint32([]byte("ds64"), 28)
	for _, v := range []uint64{2*frames + 72, 2 * frames, frames} {
		ds64 = le.AppendUint64(ds64, v)
	}
	ds64 = append(ds64, 0, 0, 0, 0)
	empty := append(le.AppendUint32([]byte("ds64"), 28), make([]byte, 28)...)
	const round = 2 * frames & math.MaxUint32
	for name, h := range map[string][]byte{
		"rf64":             head("RF64", math.MaxUint32, ds64, math.MaxUint32),
		"bw64":             head("BW64", math.MaxUint32, ds64, math.MaxUint32),
		"rf64, streamed":   head("RF64", math.MaxUint32, empty, math.MaxUint32),
		"wav, streamed":    head("RIFF", math.MaxUint32, nil, math.MaxUint32),
		"wav, never ended": head("RIFF", 0, nil, 0),
		"wav, gone round":  head("RIFF", round+36, nil, round),
	} {
		file := &longFile{head: h, size: int64(len(h)) + 2*frames}
		s, err := open(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.frames != frames || s.rate != 16000 {
			t.Errorf("%s: %d frames at %d Hz, want %d at 16000", name, s.frames, s.rate, int64(frames))
			continue
		}
		for _, first := range []int64{0, 1<<29 - 100, 1<<30 - 100, 1<<31 - 100, frames - 100} {
			if at, err := s.seek(first); err != nil || at != first {
				t.Fatalf("%s: seek to %d: %d, %v", name, first, at, err)
			}
			buf := make([]float32, 60)
			for i := first; i < min(first+300, frames); {
				n, err := s.read(buf)
				if err != nil {
					t.Fatalf("%s at frame %d: %v", name, i, err)
				}
				for _, v := range buf[:n] {
					if want := float32(int16(placed(i))) / (1 << 15); v != want {
						t.Fatalf("%s: frame %d is %v, want %v", name, i, v, want)
					}
					i++
				}
			}
		}
		if n, err := s.read(make([]float32, 60)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %d samples behind the last, %v", name, n, err)
		}
	}
	cut := &longFile{head: head("RF64", math.MaxUint32, ds64, math.MaxUint32), size: 5 << 30}
	if _, err := open(cut); err == nil || !strings.Contains(err.Error(), "the file is cut") {
		t.Errorf("a cut RF64: %v", err)
	}
	none := &longFile{head: head("RF64", math.MaxUint32, nil, math.MaxUint32), size: 5 << 30}
	if _, err := open(none); err == nil || !strings.Contains(err.Error(), "ds64") {
		t.Errorf("an RF64 without ds64: %v", err)
	}
}

// Inspecting takes memory for a block, whatever the length. (go-audio/wav makes
// garbage as long as the file, so this is of another encoding.)
func TestInspectInLittleMemory(t *testing.T) {
	const frames = 4 << 20
	w := pcm16()
	w.tag, w.bits, w.align, w.dataSize = tagMuLaw, 8, 1, frames
	head := w.bytes()
	file := &longFile{head: head, size: int64(len(head)) + frames}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	info, err := inspect(context.Background(), file, "long")
	runtime.ReadMemStats(&after)
	if err != nil || info.Frames != frames || info.Duration != frames/16000.0 || info.Peak != 32124.0/(1<<15) {
		t.Errorf("%+v, %v", info, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("%d bytes allocated for %d of file", used, file.size)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := inspect(ctx, file, "long"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
