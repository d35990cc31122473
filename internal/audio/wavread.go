package audio

import (
	"bytes"
	"encoding/binary"
	"io"

	goaudio "github.com/go-audio/audio"
	"github.com/go-audio/wav"

	"clr/internal/fault"
)

// A pcmReader reads integers of a data chunk with go-audio/wav.
type pcmReader struct {
	stretch
	sampleFormat
	channels, rate int
	frame          int64 // bytes
	pcm            *wav.Decoder
	pcmEnd         int64 // where pcm's part of the chunk ends
	ints           goaudio.IntBuffer
}

// pcmSource leaves out a last frame that is not whole: writers that count the
// pad byte leave one.
func pcmSource(r io.ReadSeeker, f wavFormat, base, n int64) *source {
	w := &pcmReader{sampleFormat: f.sample(), channels: f.channels, rate: f.rate, frame: int64(f.align)}
	w.stretch = stretch{r: r, base: base, n: n - n%w.frame}
	return &source{encoding: w.name(), rate: f.rate, channels: f.channels, frames: w.n / w.frame, seek: w.seek, read: w.samples}
}

func (w *pcmReader) seek(frame int64) (int64, error) {
	frame = min(frame, w.n/w.frame)
	w.move(frame * w.frame)
	w.pcm = nil
	return frame, nil
}

func (w *pcmReader) samples(dst []float32) (int, error) {
	if w.at == w.n {
		return 0, io.EOF
	}
	if w.pcm == nil || w.at == w.pcmEnd {
		if err := w.openPCM(); err != nil {
			return 0, err
		}
	}
	if cap(w.ints.Data) < len(dst) {
		w.ints.Data = make([]int, len(dst))
	}
	size := int64(w.bytes)
	w.ints.Data = w.ints.Data[:min(int64(len(dst)), (w.pcmEnd-w.at)/size)]
	n, err := w.pcm.PCMBuffer(&w.ints)
	if err != nil {
		return 0, err
	}
	if n < len(w.ints.Data) {
		return 0, fault.New(fault.Data, replace, "the samples end at byte %d, the data chunk at byte %d", w.base+w.at+int64(n)*size, w.base+w.n)
	}
	w.at += int64(n) * size
	offset, scale := 0, 1/float64(int64(1)<<(8*w.bytes-1))
	if w.coding == unsigned {
		offset = 128
	}
	for i, v := range w.ints.Data {
		dst[i] = float32(float64(v-offset) * scale)
	}
	return n, nil
}

// openPCM gives go-audio/wav the next part of the samples behind a header that
// is sure to be right.
func (w *pcmReader) openPCM() error {
	if err := w.place(); err != nil {
		return err
	}
	const part = 1 << 30 // a header's 32 bits must hold it
	n := min(w.n-w.at, part/w.frame*w.frame)
	w.pcmEnd = w.at + n
	le := binary.LittleEndian
	h := append(make([]byte, 0, 44), "RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00"...)
	h = le.AppendUint16(h, uint16(w.channels))
	h = le.AppendUint32(h, uint32(w.rate))
	h = le.AppendUint32(h, uint32(w.rate*int(w.frame)))
	h = le.AppendUint16(h, uint16(w.frame))
	h = le.AppendUint16(h, uint16(8*w.bytes))
	h = append(h, "data"...)
	h = le.AppendUint32(h, uint32(n))
	le.PutUint32(h[4:], uint32(36+n))
	w.pcm = wav.NewDecoder(canned{io.MultiReader(bytes.NewReader(h), io.LimitReader(full{w.r}, n))})
	return w.pcm.FwdToPCM()
}

// canned is a file for go-audio/wav, which asks for a seeker but seeks only
// where something precedes the fmt chunk.
type canned struct{ io.Reader }

func (canned) Seek(int64, int) (int64, error) { panic("audio: go-audio/wav seeks in a canned header") }

// full fills each read as far as the file goes: go-audio/wav takes a short
// read for the end of a sample.
type full struct{ r io.Reader }

func (f full) Read(p []byte) (int, error) {
	n, err := io.ReadFull(f.r, p)
	if n > 0 {
		return n, nil
	}
	return n, err
}
