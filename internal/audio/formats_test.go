package audio

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clr/internal/fault"
)

const formatsDir = "../../testdata/formats"

func formatFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(formatsDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// formats are the files of testdata/formats, with the file whose samples they
// must give and by how much these may differ.
var formats = []struct {
	file, container, encoding, same string
	within                          float64
}{
	{"8k.wav", "wav", "pcm_s16", "8k.wav", 0},
	{"rifx.wav", "rifx", "pcm_s16be", "8k.wav", 0},
	{"rf64.wav", "rf64", "pcm_s16", "8k.wav", 0},
	{"stream.wav", "wav", "pcm_s16", "8k.wav", 0},
	{"stream2.wav", "wav", "pcm_s16", "8k.wav", 0},
	{"mulaw.wav", "wav", "mulaw", "mulaw.wav.wav", 0},
	{"alaw.wav", "wav", "alaw", "alaw.wav.wav", 0},
	{"ms_adpcm.wav", "wav", "ms_adpcm", "ms_adpcm.wav.wav", 0},
	{"ima_adpcm.wav", "wav", "ima_adpcm", "ima_adpcm.wav.wav", 0},
	{"stream.aiff", "aiff", "pcm_s16be", "8k.wav", 0},
	{"s24.aiff", "aiff", "pcm_s24be", "8k.wav", 0},
	{"s32.aiff", "aiff", "pcm_s32be", "8k.wav", 0},
	{"sowt.aiff", "aifc", "pcm_s16", "8k.wav", 0},
	{"fl32.aiff", "aifc", "float32be", "8k.wav", 0},
	{"fl64.aiff", "aifc", "float64be", "8k.wav", 0},
	{"mulaw.aiff", "aifc", "mulaw", "mulaw.wav.wav", 0},
	{"alaw.aiff", "aifc", "alaw", "alaw.wav.wav", 0},
	{"stream.au", "au", "pcm_s16be", "8k.wav", 0},
	{"s32.au", "au", "pcm_s32be", "8k.wav", 0},
	{"f32.au", "au", "float32be", "8k.wav", 0},
	{"mulaw.au", "au", "mulaw", "mulaw.wav.wav", 0},
	{"alaw.au", "au", "alaw", "alaw.wav.wav", 0},
	{"24k.flac", "flac", "flac_s16", "24k.flac.wav", 0},
	// go-mp3 rounds towards zero, ffmpeg to the nearest.
	{"mpeg1_joint.mp3", "mp3", "mp3", "mpeg1_joint.mp3.wav", 2.0 / (1 << 15)},
	{"mpeg1_bare.mp3", "mp3", "mp3", "mpeg1_bare.mp3.wav", 2.0 / (1 << 15)},
	{"mpeg2_joint.mp3", "mp3", "mp3", "mpeg2_joint.mp3.wav", 2.0 / (1 << 15)},
	{"mpeg2_padded.mp3", "mp3", "mp3", "mpeg2_padded.mp3.wav", 2.0 / (1 << 15)},
	{"mpeg2_mono_vbr.mp3", "mp3", "mp3", "mpeg2_mono_vbr.mp3.wav", 2.0 / (1 << 15)},
}

func TestFormats(t *testing.T) {
	for _, f := range formats {
		want, err := Decode(bytes.NewReader(formatFile(t, f.same)), f.same)
		if err != nil {
			t.Fatal(err)
		}
		data := formatFile(t, f.file)
		got, err := Decode(bytes.NewReader(data), f.file)
		if err != nil {
			t.Error(err)
			continue
		}
		if got.Rate != want.Rate || got.Channels != want.Channels || len(got.Samples) != len(want.Samples) {
			t.Errorf("%s: %d samples of %d channels at %d Hz, want %d of %d at %d", f.file, len(got.Samples), got.Channels, got.Rate,
				len(want.Samples), want.Channels, want.Rate)
			continue
		}
		worst := 0.0
		for i, v := range want.Samples {
			worst = max(worst, math.Abs(float64(got.Samples[i])-float64(v)))
		}
		if worst > f.within {
			t.Errorf("%s: samples differ by up to %v, allowed are %v", f.file, worst, f.within)
		}
		info, err := Inspect(context.Background(), os.DirFS(formatsDir), f.file)
		if err != nil || info.Container != f.container || info.Encoding != f.encoding || info.Frames != int64(len(got.Samples)/got.Channels) {
			t.Errorf("%s: %+v, %v; want %s, %s and %d frames", f.file, info, err, f.container, f.encoding, len(got.Samples)/got.Channels)
		}
		checkSeeks(t, f.file, data, got)
	}
}

// checkSeeks holds what is read after a seek against the whole recording.
func checkSeeks(t *testing.T, name string, data []byte, whole Recording) {
	t.Helper()
	frames := int64(len(whole.Samples) / whole.Channels)
	for _, first := range []int64{0, 1, frames / 3, frames / 2, frames - 1, frames, frames + 1000, 7} {
		s, err := open(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		at, err := s.seek(first)
		if err != nil || at != min(first, frames) {
			t.Errorf("%s: seeking %d of %d frames ends at %d: %v", name, first, frames, at, err)
			continue
		}
		i := int(at) * s.channels
		buf := s.block()
		for err == nil {
			var n int
			n, err = s.read(buf)
			for _, v := range buf[:n] {
				if i >= len(whole.Samples) || v != whole.Samples[i] {
					t.Fatalf("%s from frame %d on: sample %d differs", name, first, i)
				}
				i++
			}
		}
		if i != len(whole.Samples) {
			t.Errorf("%s from frame %d on: %d samples, want %d: %v", name, first, i, len(whole.Samples), err)
		}
	}
}

// What is not read is refused by its name.
func TestRefused(t *testing.T) {
	for file, what := range map[string]string{
		"mpeg25.mp3": "MPEG 2.5", "layer2.mp2": "layer I or II", "opus.ogg": "Opus", "flac.ogg": "FLAC", "vorbis.ogg": "Vorbis",
		"wave64.w64": "Wave64", "gsm610.wav": "GSM 6.10",
	} {
		_, err := Decode(bytes.NewReader(formatFile(t, file)), file)
		if fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), what) ||
			!strings.Contains(err.Error(), "not supported") || fault.Remedy(err) == "" {
			t.Errorf("%s: error %v, want one that names %s", file, err, what)
		}
	}
}

// A cut MP3 without a tag ends earlier, one with a tag is cut; what stands
// between frames is damage, what stands around them is not.
func TestSpoiltMP3(t *testing.T) {
	tagged, bare := formatFile(t, "mpeg2_padded.mp3"), formatFile(t, "mpeg1_bare.mp3")
	whole, err := Decode(bytes.NewReader(bare), "whole")
	if err != nil {
		t.Fatal(err)
	}
	size := parseMP3Header(bare).size
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	junk := bytes.Repeat([]byte("no frame. "), 30)
	for name, c := range map[string]struct {
		data    []byte
		samples int // -1: an error
		says    string
	}{
		"tail":   {join(bare, junk), len(whole.Samples), ""},
		"id3v1":  {join(bare, []byte("TAG"), make([]byte, 125)), len(whole.Samples), ""},
		"id3v2":  {join([]byte("ID3\x03\x00\x00\x00\x00\x02\x2c"), make([]byte, 300), bare), len(whole.Samples), ""},
		"piece":  {bare[:len(bare)-10], len(whole.Samples) - 1152, ""},
		"begun":  {bare[size:], len(whole.Samples) - 1152, ""},
		"twice":  {join(bare, bare), 2 * len(whole.Samples), ""},
		"middle": {join(bare[:2*size], junk, bare[2*size:]), -1, "damaged at byte"},
		"cut":    {tagged[:len(tagged)-10], -1, "the file is cut"},
		"more":   {join(tagged, tagged), -1, "several recordings"},
		"empty":  {[]byte("ID3\x03\x00\x00\x7f\x7f\x7f\x7f and no more"), -1, "no MP3 frame"},
		"flac":   {join([]byte("ID3\x03\x00\x00\x00\x00\x00\x04xxxx"), []byte("fLaC and so on")), -1, "FLAC behind an ID3 tag"},
	} {
		rec, err := Decode(bytes.NewReader(c.data), name)
		switch {
		case c.samples < 0:
			if fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), c.says) || fault.Remedy(err) == "" {
				t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
			}
		case err != nil || len(rec.Samples) != c.samples || rec.Channels != 1:
			t.Errorf("%s: %d samples of %d channels, want %d: %v", name, len(rec.Samples), rec.Channels, c.samples, err)
		}
	}
}
