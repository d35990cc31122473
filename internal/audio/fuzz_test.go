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
	"time"

	"clr/internal/fault"
)

// What must hold whatever a file holds. Run one for longer with
//
//	go test ./internal/audio -fuzz '^FuzzWAV$' -fuzztime 10m -fuzzminimizetime 1s -parallel 1

func FuzzWAV(f *testing.F) {
	for _, w := range wavSeeds() {
		f.Add(w)
	}
	for _, name := range []string{"rifx.wav", "rf64.wav", "mulaw.wav", "ms_adpcm.wav", "ima_adpcm.wav"} {
		f.Add(formatFile(f, name))
	}
	f.Fuzz(plain)
}

func FuzzAIFF(f *testing.F) {
	for _, name := range []string{"stream.aiff", "s24.aiff", "sowt.aiff", "fl64.aiff", "alaw.aiff"} {
		b := formatFile(f, name)
		f.Add(b[:min(len(b), 400)])
		f.Add(b)
	}
	f.Fuzz(plain)
}

func FuzzAU(f *testing.F) {
	for _, name := range []string{"stream.au", "s32.au", "f32.au", "mulaw.au"} {
		b := formatFile(f, name)
		f.Add(b[:min(len(b), 200)])
		f.Add(b)
	}
	f.Fuzz(plain)
}

func FuzzFLAC(f *testing.F) {
	for _, name := range []string{"flac_pcm_s8.flac", "flac_pcm_16.flac", "flac_pcm_24.flac"} {
		b, err := os.ReadFile(filepath.Join(referenceDir, "decode", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		clear(b[8+18 : 8+34]) // no MD5, so that changes get further
		f.Add(b)
	}
	f.Fuzz(compressed)
}

func FuzzMP3(f *testing.F) {
	for _, name := range []string{"mpeg1_joint.mp3", "mpeg1_bare.mp3", "mpeg2_joint.mp3", "mpeg2_padded.mp3", "mpeg2_mono_vbr.mp3"} {
		f.Add(formatFile(f, name))
	}
	f.Fuzz(compressed)
}

// FuzzDecode is for what lies between the formats.
func FuzzDecode(f *testing.F) {
	for _, w := range wavSeeds() {
		f.Add(w)
	}
	for _, d := range decoders {
		f.Add([]byte(d.name))
	}
	for _, name := range []string{"opus.ogg", "flac.ogg", "vorbis.ogg", "wave64.w64", "layer2.mp2", "mpeg25.mp3"} {
		b := formatFile(f, name)
		f.Add(b[:min(len(b), 300)])
	}
	f.Fuzz(compressed)
}

// wavSeeds are WAVs of all codings and with the chunks that the zoo shows.
func wavSeeds() [][]byte {
	le := binary.LittleEndian
	var seeds [][]byte
	add := func(change func(*testWAV)) {
		w := pcm16(1, -2, 3, 4, -32768, 32767)
		change(&w)
		seeds = append(seeds, w.bytes())
	}
	add(func(*testWAV) {})
	add(func(w *testWAV) { w.tag, w.bits, w.align = 3, 32, 4 })
	add(func(w *testWAV) { w.bits, w.align, w.channels = 24, 6, 2 })
	add(func(w *testWAV) { w.bits, w.align = 8, 1 })
	add(func(w *testWAV) { w.bits, w.align = 36, 5 })
	add(func(w *testWAV) { w.tag, w.bits, w.align = 6, 8, 1 })
	add(func(w *testWAV) { w.dataSize, w.riffSize = 0, 0 })
	add(func(w *testWAV) { w.dataSize, w.riffSize = math.MaxUint32, math.MaxUint32 })
	add(func(w *testWAV) { w.dataSize = 1 << 20 })
	// Chunks before the samples: an odd one, an endless one, ds64.
	plain := pcm16(5, 6, 7).bytes()
	with := func(id string, n uint32, body []byte) {
		b := append(bytes.Clone(plain[:12]), id...)
		b = append(le.AppendUint32(b, n), body...)
		seeds = append(seeds, append(b, plain[12:]...))
	}
	with("LIST", 3, []byte("abc\x00"))
	with("junk", math.MaxUint32, nil)
	ds64 := append(le.AppendUint64(le.AppendUint64(le.AppendUint64(nil, 1<<40), 1<<40), 1<<40), 0, 0, 0, 0)
	with("ds64", uint32(len(ds64)), ds64)
	rf64 := bytes.Clone(seeds[len(seeds)-1])
	copy(rf64, "RF64")
	le.PutUint32(rf64[len(rf64)-10:], math.MaxUint32)
	return append(seeds, rf64)
}

// plain formats take memory in proportion to their size, and none of their
// decoder's panics is a library's.
func plain(t *testing.T, data []byte) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Decode(bytes.NewReader(data), "fuzz")
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 2<<20+64*uint64(len(data)) && !isCompressed(data) {
		t.Fatalf("%d bytes allocated for %d of file", used, len(data))
	}
	if err != nil && strings.Contains(err.Error(), "the decoder failed") && !isCompressed(data) {
		t.Fatal(err)
	}
	compressed(t, data)
}

func isCompressed(data []byte) bool {
	for _, d := range decoders {
		if d.match(data[:min(len(data), headBytes)]) {
			return d.name == "FLAC" || d.name == "MP3" || d.name == "Ogg"
		}
	}
	return false
}

// compressed formats may say much in few bytes: time bounds them here, and
// maxSamples.
func compressed(t *testing.T, data []byte) {
	if len(data) > 1<<16 {
		return
	}
	start := time.Now()
	defer func() {
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%v for %d bytes", took, len(data))
		}
	}()
	rec, err := Decode(bytes.NewReader(data), "fuzz")
	if err != nil {
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || !strings.HasPrefix(err.Error(), "fuzz: ") {
			t.Fatalf("kind %d: %v", fault.KindOf(err), err)
		}
		return
	}
	if rec.Rate < 1 || rec.Channels < 1 || len(rec.Samples) == 0 || len(rec.Samples)%rec.Channels != 0 {
		t.Fatalf("%d samples of %d channels at %d Hz", len(rec.Samples), rec.Channels, rec.Rate)
	}
	info, err := inspect(context.Background(), bytes.NewReader(data), "fuzz")
	finite := true
	for _, v := range rec.Samples {
		finite = finite && v-v == 0
	}
	switch {
	case finite != (err == nil):
		t.Fatalf("finite samples: %v, but %v", finite, err)
	case finite && (info.Frames != int64(len(rec.Samples)/rec.Channels) || info.Container == "" || info.Encoding == "" || math.IsNaN(info.RMS)):
		t.Fatalf("%d samples, and %+v", len(rec.Samples), info)
	}
	sameInPieces(t, data, rec)
}

// sameInPieces reads a few frames at a time, and the second half after a seek.
func sameInPieces(t *testing.T, data []byte, whole Recording) {
	for _, first := range []int64{0, int64(len(whole.Samples) / whole.Channels / 2)} {
		s, err := open(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if first > 0 {
			if at, err := s.seek(first); err != nil || at != first {
				t.Fatalf("a seek to frame %d ends at %d: %v", first, at, err)
			}
		}
		i := int(first) * s.channels
		buf := make([]float32, 7*s.channels)
		for err == nil {
			var n int
			n, err = s.read(buf)
			for _, v := range buf[:n] {
				if i >= len(whole.Samples) || math.Float32bits(v) != math.Float32bits(whole.Samples[i]) {
					t.Fatalf("from frame %d on, sample %d differs", first, i)
				}
				i++
			}
		}
		if !errors.Is(err, io.EOF) || i != len(whole.Samples) {
			t.Fatalf("from frame %d on: %d samples, want %d: %v", first, i, len(whole.Samples), err)
		}
	}
}
