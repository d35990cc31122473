package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/fstest"

	"clr/internal/fault"
)

func TestScan(t *testing.T) {
	samples := make([]int16, 2*10001)
	for i := range samples {
		samples[i] = int16(31 * i)
	}
	stereo := pcm16(samples...)
	stereo.channels, stereo.align = 2, 4
	fsys := fstest.MapFS{"a.wav": {Data: stereo.bytes()}, "none.wav": {Data: pcm16().bytes()}, "text.wav": {Data: []byte("no sound here, only words")}}

	var got []float32
	blocks := 0
	form, frames, err := Scan(fsys, "a.wav", func(form Form, at int64, block []float32) error {
		if at != int64(len(got)/2) || len(block)%2 != 0 || form.Rate != 16000 {
			t.Fatalf("block of %d samples at %d, %d samples came before", len(block), at, len(got))
		}
		got = append(got, block...)
		blocks++
		return nil
	})
	if want := (Form{"wav", "pcm_s16", 16000, 2}); err != nil || form != want || frames != 10001 {
		t.Errorf("form %+v, want %+v; %d frames, %v", form, want, frames, err)
	}
	rec, err := Decode(bytesOf(fsys, "a.wav"), "a.wav")
	if err != nil || !slices.Equal(got, rec.Samples) || blocks < 3 {
		t.Errorf("%d samples in %d blocks differ from the %d that Decode gives, %v", len(got), blocks, len(rec.Samples), err)
	}

	stop := errors.New("enough")
	if _, _, err := Scan(fsys, "a.wav", func(Form, int64, []float32) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("visit's error comes back as %v", err)
	}
	for _, name := range []string{"none.wav", "text.wav", "gone.wav"} {
		if _, _, err := Scan(fsys, name, func(Form, int64, []float32) error { return nil }); fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScanNotFinite(t *testing.T) {
	w := wavFile{tag: 3, channels: 1, rate: 16000, align: 4, bits: 32, dataSize: -1, riffSize: -1}
	for _, v := range []float32{0, 0.5, float32(math.NaN())} {
		w.data = appendFloat(w.data, v)
	}
	_, _, err := Scan(fstest.MapFS{"n.wav": {Data: w.bytes()}}, "n.wav", func(Form, int64, []float32) error { return nil })
	if fault.KindOf(err) != fault.Data || err == nil || err.Error() != "n.wav: sample 2 is NaN" {
		t.Errorf("%v", err)
	}
}

func bytesOf(fsys fstest.MapFS, name string) *bytes.Reader { return bytes.NewReader(fsys[name].Data) }

func appendFloat(b []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
}
