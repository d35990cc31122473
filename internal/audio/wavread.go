package audio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	goaudio "github.com/go-audio/audio"
	"github.com/go-audio/wav"

	"clr/internal/fault"
)

// A wavReader reads the samples of a data chunk of n bytes at base.
type wavReader struct {
	wavFormat
	r        io.ReadSeeker
	base, n  int64
	at       int64 // bytes of the chunk given to pcm, or read
	pcm      *wav.Decoder
	pcmEnd   int64 // where pcm's part of the chunk ends
	ints     goaudio.IntBuffer
	raw      []byte
	atOffset bool // the file stands at base+at
}

// wavSource leaves out a last frame that is not whole: writers that count the
// pad byte leave one.
func wavSource(r io.ReadSeeker, f wavFormat, base, n int64) *source {
	w := &wavReader{wavFormat: f, r: r, base: base, n: n - n%f.frame()}
	s := &source{container: "wav", encoding: f.name(), rate: f.rate, channels: f.channels, frames: w.n / f.frame(), seek: w.seek, read: w.readPCM}
	if f.tag == tagFloat || f.bits == 16 {
		s.read = w.readRaw
	}
	return s
}

// name is the encoding's: pcm_u8, pcm_s16, float32, ...
func (f wavFormat) name() string {
	switch {
	case f.tag == tagFloat:
		return fmt.Sprintf("float%d", f.bits)
	case f.bits == 8:
		return "pcm_u8"
	}
	return fmt.Sprintf("pcm_s%d", f.bits)
}

func (w *wavReader) seek(frame int64) error {
	w.at, w.pcm, w.atOffset = min(frame*w.frame(), w.n), nil, false
	return nil
}

// position sees that the file stands where reading goes on.
func (w *wavReader) position() error {
	if w.atOffset {
		return nil
	}
	w.atOffset = true
	_, err := w.r.Seek(w.base+w.at, io.SeekStart)
	return err
}

// readPCM reads integers of other than 16 bits with go-audio/wav.
func (w *wavReader) readPCM(dst []float32) (int, error) {
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
	bytes := int64(w.bits / 8)
	w.ints.Data = w.ints.Data[:min(int64(len(dst)), (w.pcmEnd-w.at)/bytes)]
	n, err := w.pcm.PCMBuffer(&w.ints)
	if err != nil {
		return 0, err
	}
	if n < len(w.ints.Data) {
		return 0, fault.New(fault.Data, replace, "the samples end at byte %d, the data chunk at byte %d", w.base+w.at+int64(n)*bytes, w.base+w.n)
	}
	w.at += int64(n) * bytes
	offset, scale := 0, 1/float64(int64(1)<<(w.bits-1))
	if w.bits == 8 {
		offset = 128 // unsigned
	}
	for i, v := range w.ints.Data {
		dst[i] = float32(float64(v-offset) * scale)
	}
	return n, nil
}

// openPCM gives go-audio/wav the next part of the samples behind a header that
// is sure to be right.
func (w *wavReader) openPCM() error {
	if err := w.position(); err != nil {
		return err
	}
	const part = 1 << 30 // a header's 32 bits must hold it
	n := min(w.n-w.at, part/w.frame()*w.frame())
	w.pcmEnd = w.at + n
	le := binary.LittleEndian
	h := append(make([]byte, 0, 44), "RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00"...)
	h = le.AppendUint16(h, uint16(w.channels))
	h = le.AppendUint32(h, uint32(w.rate))
	h = le.AppendUint32(h, uint32(w.rate*int(w.frame())))
	h = le.AppendUint16(h, uint16(w.frame()))
	h = le.AppendUint16(h, uint16(w.bits))
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

// readRaw reads IEEE floats, which go-audio/wav would take for integers, and
// integers of 16 bits, which nearly all recordings hold and which it reads five
// times slower than a feature is made of them.
func (w *wavReader) readRaw(dst []float32) (int, error) {
	if w.at == w.n {
		return 0, io.EOF
	}
	if err := w.position(); err != nil {
		return 0, err
	}
	bytes := int64(w.bits / 8)
	n := min(int64(len(dst)), (w.n-w.at)/bytes)
	if int64(cap(w.raw)) < n*bytes {
		w.raw = make([]byte, n*bytes)
	}
	w.raw = w.raw[:n*bytes]
	if _, err := io.ReadFull(w.r, w.raw); err != nil {
		return 0, err
	}
	w.at += n * bytes
	le := binary.LittleEndian
	dst = dst[:n]
	switch w.bits {
	case 16:
		raw := w.raw[:2*len(dst)]
		for i := range dst {
			dst[i] = float32(int16(le.Uint16(raw[2*i:]))) * (1.0 / (1 << 15))
		}
	case 32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(w.raw[4*i:]))
		}
	default:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(w.raw[8*i:])))
		}
	}
	return int(n), nil
}
