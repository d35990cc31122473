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
	var data []byte
	for i := range 2 * 10001 {
		data = binary.LittleEndian.AppendUint16(data, uint16(31*i))
	}
	fsys := fstest.MapFS{"a.wav": riff(1, 2, 16, data), "none.wav": riff(1, 1, 16, nil), "text.wav": {Data: []byte("no sound here, only words")}}

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
	rec, err := Decode(bytes.NewReader(fsys["a.wav"].Data), "a.wav")
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
	var data []byte
	for _, v := range []float32{0, 0.5, float32(math.NaN())} {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	_, _, err := Scan(fstest.MapFS{"n.wav": riff(3, 1, 32, data)}, "n.wav", func(Form, int64, []float32) error { return nil })
	if fault.KindOf(err) != fault.Data || err == nil || err.Error() != "n.wav: sample 2 is NaN" {
		t.Errorf("%v", err)
	}
}

// riff is a WAV file at 16 kHz.
func riff(tag, channels, bits uint16, data []byte) *fstest.MapFile {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("RIFF"), uint32(36+len(data)))
	b = le.AppendUint32(append(b, "WAVEfmt "...), 16)
	b = le.AppendUint16(le.AppendUint16(b, tag), channels)
	b = le.AppendUint32(le.AppendUint32(b, 16000), 16000*uint32(channels*bits/8))
	b = le.AppendUint16(le.AppendUint16(b, channels*bits/8), bits)
	b = le.AppendUint32(append(b, "data"...), uint32(len(data)))
	return &fstest.MapFile{Data: append(b, data...)}
}
