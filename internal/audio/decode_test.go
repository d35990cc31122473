package audio

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"clr/internal/fault"
)

func TestDecodeMatchesLibsndfile(t *testing.T) {
	cases := referenceCases(t)
	n := 0
	for name, c := range cases {
		if !strings.HasPrefix(name, "decode/") {
			continue
		}
		n++
		var p struct{ File string }
		c.params(t, &p)
		f, err := os.Open(filepath.Join(referenceDir, p.File))
		if err != nil {
			t.Fatal(err)
		}
		rec, err := Decode(f, p.File)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if rec.Rate != 16000 || rec.Channels != 2 {
			t.Errorf("%s: %d channels at %d Hz", name, rec.Channels, rec.Rate)
		}
		c.matches(t, "samples", len(rec.Samples)/2, 2, wide(rec.Samples))
	}
	if n != 16 {
		t.Errorf("%d decode cases, want 16", n)
	}
}

func TestReferenceWave(t *testing.T) {
	c, err := ReadClip(filepath.Join(referenceDir, "wave_16k.wav"), 16000, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range loadNPY(t, "audio/wave_16k.out.wave.npy").data {
		if float64(c.Samples[i]) != w {
			t.Fatalf("sample %d is %v, want %v", i, c.Samples[i], w)
		}
	}
}

// A testWAV is a WAV in parts, for tests to spoil.
type testWAV struct {
	tag                   uint16
	channels, rate, align int
	bits                  int
	data                  []byte
	dataSize, riffSize    int // as claimed; -1 is the truth
}

func pcm16(samples ...int16) testWAV {
	w := testWAV{tag: 1, channels: 1, rate: 16000, align: 2, bits: 16, dataSize: -1, riffSize: -1}
	for _, s := range samples {
		w.data = binary.LittleEndian.AppendUint16(w.data, uint16(s))
	}
	return w
}

func (w testWAV) bytes() []byte {
	le := binary.LittleEndian
	if w.dataSize < 0 {
		w.dataSize = len(w.data)
	}
	if w.riffSize < 0 {
		w.riffSize = 36 + len(w.data)
	}
	b := append([]byte("RIFF"), le.AppendUint32(nil, uint32(w.riffSize))...)
	b = append(b, "WAVEfmt \x10\x00\x00\x00"...)
	b = le.AppendUint16(le.AppendUint16(b, w.tag), uint16(w.channels))
	b = le.AppendUint32(le.AppendUint32(b, uint32(w.rate)), uint32(w.rate*w.align))
	b = le.AppendUint16(le.AppendUint16(b, uint16(w.align)), uint16(w.bits))
	b = le.AppendUint32(append(b, "data"...), uint32(w.dataSize))
	return append(b, w.data...)
}

func TestBrokenWAV(t *testing.T) {
	with := func(change func(*testWAV)) []byte { w := pcm16(1, 2, 3, 4); change(&w); return w.bytes() }
	nan := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(math.NaN())))
	for name, c := range map[string]struct {
		data []byte
		want []string
	}{
		"empty.wav":    {nil, []string{"0 bytes"}},
		"cut.wav":      {with(func(w *testWAV) { w.dataSize = 4000 }), []string{"4000", "8"}},
		"none.wav":     {with(func(w *testWAV) { w.data = nil }), []string{"0 frames"}},
		"rate.wav":     {with(func(w *testWAV) { w.rate = 0 }), []string{"0 Hz"}},
		"fast.wav":     {with(func(w *testWAV) { w.rate = 1<<32 - 1 }), []string{"4294967295 Hz"}},
		"channels.wav": {with(func(w *testWAV) { w.channels = 0 }), []string{"0 channels"}},
		"align.wav":    {with(func(w *testWAV) { w.align = 3; w.channels = 2 }), []string{"3 bytes", "2 channels of 16 bits take 4"}},
		"wide.wav":     {with(func(w *testWAV) { w.align = 4 }), []string{"pcm_s16_in_4", "block align 4"}},
		"bits.wav":     {with(func(w *testWAV) { w.bits, w.align = 65, 9 }), []string{"65-bit PCM"}},
		"tag.wav":      {with(func(w *testWAV) { w.tag = 0x55 }), []string{"MP3"}},
		"odd.wav":      {with(func(w *testWAV) { w.tag = 0x1234 }), []string{"0x1234"}},
		"nan.wav":      {with(func(w *testWAV) { w.tag, w.bits, w.align, w.data = 3, 32, 4, nan }), []string{"sample 0 is NaN"}},
		"head.wav":     {pcm16(1).bytes()[:30], []string{"claims 16 bytes", "10 left"}},
		"half.wav":     {with(func(w *testWAV) { w.data = w.data[:1] }), []string{"0 frames"}},
		"noise.mp3":    {[]byte("\xff\xfb\x90\x00 and so on"), []string{"MP3"}},
		"text.wav":     {[]byte("hello"), []string{`"hello"`}},
		"cut.flac":     {[]byte("fLaC\x00\x00\x00\x22"), []string{"cut"}},
	} {
		fsys := fstest.MapFS{name: {Data: c.data}}
		_, err := ReadClipFS(fsys, name, 16000, 0, 0)
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%s: error %v, want a data error with a remedy", name, err)
			continue
		}
		for _, want := range append(c.want, name) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q does not say %q", name, err, want)
			}
		}
	}
	if _, err := ReadClipFS(fstest.MapFS{}, "missing.wav", 16000, 0, 0); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "missing.wav") {
		t.Errorf("a missing file: %v", err)
	}
}

// All widths give the same samples, across reads of any length.
func TestPCMWidths(t *testing.T) {
	const n = 10000 // more than a block
	want := make([]float32, n)
	for i := range want {
		want[i] = float32(i%256-128) / 128
	}
	for _, bits := range []int{8, 16, 24, 32} {
		w := testWAV{tag: 1, channels: 1, rate: 16000, align: bits / 8, bits: bits, dataSize: -1, riffSize: -1}
		for _, v := range want {
			x := uint32(int32(float64(v) * (1 << 31)))
			if bits == 8 {
				w.data = append(w.data, byte(x>>24)+128)
				continue
			}
			var b [4]byte
			binary.LittleEndian.PutUint32(b[:], x)
			w.data = append(w.data, b[4-bits/8:]...)
		}
		rec, err := Decode(bytes.NewReader(w.bytes()), "x")
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range want {
			if rec.Samples[i] != v {
				t.Fatalf("%d bits: sample %d is %v, want %v", bits, i, rec.Samples[i], v)
			}
		}
	}
}

// A panic in a format's library is an error that names the file.
func TestPanicBecomesError(t *testing.T) {
	err := func() (err error) {
		defer named("a.flac", &err)
		panic("index out of range")
	}()
	if fault.KindOf(err) != fault.Data || err.Error() != "a.flac: the decoder failed on this file: index out of range" {
		t.Errorf("error %v", err)
	}
}

// The MD5 sum in a FLAC's head is held against the samples.
func TestFLACSum(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(referenceDir, "decode/flac_pcm_24.flac"))
	if err != nil {
		t.Fatal(err)
	}
	data[8+18] ^= 1
	if _, err := Decode(bytes.NewReader(data), "a.flac"); err == nil || !strings.Contains(err.Error(), "MD5") {
		t.Errorf("a wrong sum: %v", err)
	}
	clear(data[8+18 : 8+34]) // no sum
	if _, err := Decode(bytes.NewReader(data), "a.flac"); err != nil {
		t.Errorf("no sum: %v", err)
	}
}

// Spoilt bytes give an error or, in text fields and the like, the same samples.
func TestSpoiltFLAC(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(referenceDir, "decode/flac_pcm_s8.flac"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Decode(bytes.NewReader(data), "a.flac")
	if err != nil {
		t.Fatal(err)
	}
	for at := 4; at < len(data); at++ {
		for bit := range 8 {
			spoilt := bytes.Clone(data)
			spoilt[at] ^= 1 << bit
			got, err := Decode(bytes.NewReader(spoilt), "a.flac")
			if err != nil {
				if fault.KindOf(err) != fault.Data {
					t.Fatalf("byte %d bit %d: %v", at, bit, err)
				}
				continue
			}
			if len(got.Samples) != len(want.Samples) || got.Samples[100] != want.Samples[100] {
				t.Fatalf("byte %d bit %d: other samples without an error", at, bit)
			}
		}
	}
}

// Reading fails as the disk does, wherever the file stops.
func TestEveryCut(t *testing.T) {
	for _, name := range []string{"wav_pcm_24.wav", "wav_double.wav", "flac_pcm_16.flac"} {
		data, err := os.ReadFile(filepath.Join(referenceDir, "decode", name))
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(data); n += 1 + len(data)/300 {
			if _, err := Decode(bytes.NewReader(data[:n]), name); fault.KindOf(err) != fault.Data {
				t.Errorf("%s cut to %d of %d bytes: error %v, want a data error", name, n, len(data), err)
			}
		}
		if _, err := Decode(bytes.NewReader(data), name); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"wav_pcm_16.wav", "flac_pcm_16.flac", "wav_float.wav"} {
		data, err := os.ReadFile(filepath.Join(referenceDir, "decode", name))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Decode(bytes.NewReader(data), name); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(0.1*float64(b.N)/b.Elapsed().Seconds(), "audio-s/s") // two channels of 50 ms
		})
	}
}

// Integers of 16 bits are read here; go-audio/wav is the twin.
func TestPCM16BesideGoAudio(t *testing.T) {
	samples := make([]int16, 1<<16)
	for i := range samples {
		samples[i] = int16(i)
	}
	for _, channels := range []int{1, 2} {
		file := pcm16(samples...)
		file.channels, file.align = channels, 2*channels
		raw := file.bytes()
		var got [2][]float32
		for i := range got {
			s, err := openWAV(bytes.NewReader(raw), int64(len(raw)))
			if err != nil {
				t.Fatal(err)
			}
			if i == 1 {
				f := wavFormat{tag: tagPCM, channels: channels, rate: 16000, bits: 16, align: 2 * channels}
				s = pcmSource(bytes.NewReader(raw), f, int64(len(raw)-2*len(samples)), int64(2*len(samples)))
			}
			for buf := make([]float32, 1002); ; {
				n, err := s.read(buf)
				got[i] = append(got[i], buf[:n]...)
				if err != nil {
					break
				}
			}
		}
		if len(got[0]) != len(samples) || !slices.Equal(got[0], got[1]) || got[0][1<<15] != -1 || got[0][1] != 1.0/(1<<15) {
			t.Errorf("%d channels: %d samples, go-audio/wav gives %d", channels, len(got[0]), len(got[1]))
		}
	}
}
