package audio

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Samples that stand in a file one behind the other, each in the same number
// of bytes: PCM, IEEE floats and G.711 of WAV, AIFF and AU.

// A coding is what a sample's bits mean.
type coding int

const (
	signed coding = iota
	unsigned
	float
	mulaw
	alaw
)

// A sampleFormat is how one sample is stored. Integers of fewer bits than
// their bytes hold stand in the high bits, so bits is only a name: the bytes
// are read as one integer, whose full scale is 1.
type sampleFormat struct {
	coding
	bits, bytes int
	big         bool // most significant byte first
}

// name is the encoding's in the field's words: pcm_s16, pcm_s20_in_3, float32be.
func (f sampleFormat) name() string {
	name := ""
	switch f.coding {
	case mulaw:
		return "mulaw"
	case alaw:
		return "alaw"
	case float:
		name = fmt.Sprintf("float%d", f.bits)
	case unsigned:
		name = fmt.Sprintf("pcm_u%d", f.bits)
	default:
		name = fmt.Sprintf("pcm_s%d", f.bits)
	}
	if f.bits != 8*f.bytes {
		name += fmt.Sprintf("_in_%d", f.bytes)
	}
	if f.big && f.bytes > 1 {
		name += "be"
	}
	return name
}

// decode turns raw bytes into len(dst) samples.
func (f sampleFormat) decode(dst []float32, raw []byte) {
	var order binary.ByteOrder = binary.LittleEndian
	if f.big {
		order = binary.BigEndian
	}
	switch {
	case f.coding == mulaw:
		decodeTable(dst, raw, &mulawTable)
	case f.coding == alaw:
		decodeTable(dst, raw, &alawTable)
	case f.coding == float && f.bytes == 4:
		for i := range dst {
			dst[i] = math.Float32frombits(order.Uint32(raw[4*i:]))
		}
	case f.coding == float:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(order.Uint64(raw[8*i:])))
		}
	case f.coding == signed && f.bytes == 2 && !f.big:
		decode16(dst, raw)
	default:
		f.integers(dst, raw)
	}
}

// decode16 is for what nearly all recordings are; four at a time take half as long.
func decode16(dst []float32, raw []byte) {
	const scale = 1.0 / (1 << 15)
	for len(dst) >= 4 {
		v := binary.LittleEndian.Uint64(raw)
		dst[0], dst[1], dst[2], dst[3] = float32(int16(v))*scale, float32(int16(v>>16))*scale, float32(int16(v>>32))*scale, float32(int16(v>>48))*scale
		dst, raw = dst[4:], raw[8:]
	}
	for i := range dst {
		dst[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) * scale
	}
}

func decodeTable(dst []float32, raw []byte, table *[256]float32) {
	for i := range dst {
		dst[i] = table[raw[i]]
	}
}

// integers gathers each sample's bytes in the high bits of 64.
func (f sampleFormat) integers(dst []float32, raw []byte) {
	flip := uint64(0)
	if f.coding == unsigned {
		flip = 1 << 63 // zero lies in the middle
	}
	for i := range dst {
		v := uint64(0)
		for b, x := range raw[i*f.bytes : (i+1)*f.bytes] {
			if f.big {
				b = f.bytes - 1 - b
			}
			v |= uint64(x) << (8 * (8 - f.bytes + b))
		}
		dst[i] = float32(float64(int64(v^flip)) * 0x1p-63)
	}
}

// A stretch is the part of a file that holds the samples: n bytes from base on.
type stretch struct {
	r       io.ReadSeeker
	base, n int64
	at      int64 // bytes of it that were read
	placed  bool  // the file stands at base+at
}

// place sees that the file stands where reading goes on.
func (s *stretch) place() error {
	if s.placed {
		return nil
	}
	s.placed = true
	_, err := s.r.Seek(s.base+s.at, io.SeekStart)
	return err
}

func (s *stretch) move(at int64) { s.at, s.placed = min(at, s.n), false }

// read fills p, which the stretch must hold.
func (s *stretch) read(p []byte) error {
	if err := s.place(); err != nil {
		return err
	}
	_, err := io.ReadFull(s.r, p)
	s.at += int64(len(p))
	return err
}

// A rawReader reads frames of fixed size.
type rawReader struct {
	stretch
	sampleFormat
	frame int64 // bytes
	raw   []byte
}

// rawSource reads channels of one format from n bytes at base. A last frame
// that is not whole is left out: writers that count the pad byte leave one.
func rawSource(r io.ReadSeeker, f sampleFormat, channels, rate int, base, n int64) *source {
	w := &rawReader{sampleFormat: f, frame: int64(channels * f.bytes)}
	w.stretch = stretch{r: r, base: base, n: n - n%w.frame}
	return &source{encoding: f.name(), rate: rate, channels: channels, frames: w.n / w.frame, seek: w.seek, read: w.samples}
}

func (w *rawReader) seek(frame int64) (int64, error) {
	frame = min(frame, w.n/w.frame)
	w.move(frame * w.frame)
	return frame, nil
}

func (w *rawReader) samples(dst []float32) (int, error) {
	if w.at == w.n {
		return 0, io.EOF
	}
	n := int(min(int64(len(dst)), (w.n-w.at)/int64(w.bytes)))
	if cap(w.raw) < n*w.bytes {
		w.raw = make([]byte, n*w.bytes)
	}
	w.raw = w.raw[:n*w.bytes]
	if err := w.stretch.read(w.raw); err != nil {
		return 0, err
	}
	w.decode(dst[:n], w.raw)
	return n, nil
}
