package audio

import (
	"encoding/binary"
	"io"
	"math"

	"clr/internal/fault"
)

// WAV is parsed here up to the samples, and go-audio/wav is handed a canned
// 44-byte header with plain PCM behind it. Left alone, it allocates what a
// header claims, reads floats as integers, takes 8-bit samples for signed
// and never looks at the sub-format of an extensible file.
//
// RIFX is WAV with its numbers the other way round. RF64 (EBU Tech 3306) and
// BW64 (ITU-R BS.2088) are WAV with lengths of 64 bits in a ds64 chunk.

func openWAV(r io.ReadSeeker, size int64) (*source, error) {
	return (&wavHeader{r: r, size: size, order: binary.LittleEndian}).open("wav")
}

func openRIFX(r io.ReadSeeker, size int64) (*source, error) {
	return (&wavHeader{r: r, size: size, order: binary.BigEndian}).open("rifx")
}

func openRF64(r io.ReadSeeker, size int64) (*source, error) {
	return (&wavHeader{r: r, size: size, order: binary.LittleEndian, wide: true}).open("rf64")
}

func openBW64(r io.ReadSeeker, size int64) (*source, error) {
	return (&wavHeader{r: r, size: size, order: binary.LittleEndian, wide: true}).open("bw64")
}

// A wavHeader is what the chunks before the samples say.
type wavHeader struct {
	r     io.ReadSeeker
	size  int64
	order binary.ByteOrder
	wide  bool // lengths of 64 bits

	riff   uint32 // as claimed
	ds64   *ds64
	format *wavFormat
}

// unknown stands for a length that is elsewhere, or that nobody knows.
const unknown = math.MaxUint32

// open walks the chunks up to the samples. It trusts no length: what the
// file does not hold is an error, except that a streaming writer could not
// know the length and left a mark in its place.
func (w *wavHeader) open(container string) (*source, error) {
	var riff [12]byte
	if w.size < int64(len(riff)) {
		return nil, fault.New(fault.Data, replace, "the file has %d bytes, its header alone has %d", w.size, len(riff))
	}
	if err := readAt(w.r, 0, riff[:]); err != nil {
		return nil, err
	}
	w.riff = w.order.Uint32(riff[4:])
	const most = 1 << 14
	at := int64(len(riff))
	for range most {
		if at+8 > w.size {
			missing := "fmt"
			if w.format != nil {
				missing = "data"
			}
			return nil, fault.New(fault.Data, replace, "the file ends at byte %d without a %s chunk", w.size, missing)
		}
		var head [8]byte
		if err := readAt(w.r, at, head[:]); err != nil {
			return nil, err
		}
		id, n := string(head[:4]), int64(w.order.Uint32(head[4:]))
		at += int64(len(head))
		if id == "data" {
			s, err := w.data(at, n)
			if s != nil {
				s.container = container
			}
			return s, err
		}
		if n == unknown && w.ds64 != nil {
			n = w.ds64.chunks[id]
		}
		if n > w.size-at {
			return nil, fault.New(fault.Data, replace, "chunk %q claims %d bytes, the file has %d left", id, n, w.size-at)
		}
		if err := w.chunk(id, at, n); err != nil {
			return nil, err
		}
		at += n + n&1 // chunks begin at even places
	}
	return nil, fault.New(fault.Data, replace, "there are more than %d chunks before the samples", most)
}

// chunk reads what matters of a chunk of n bytes, which the file holds.
func (w *wavHeader) chunk(id string, at, n int64) error {
	b := make([]byte, min(n, fmtBytes))
	switch id {
	case "fmt ", "ds64":
		if err := readAt(w.r, at, b); err != nil {
			return err
		}
	}
	switch {
	case id == "fmt ":
		f, err := parseFormat(b, w.order)
		if err != nil {
			return err
		}
		w.format = &f
	case id == "ds64" && w.wide:
		d, err := parseDS64(b)
		if err != nil {
			return err
		}
		w.ds64 = d
	}
	return nil
}

// data makes the source of a data chunk.
func (w *wavHeader) data(at, claimed int64) (*source, error) {
	if w.format == nil {
		return nil, fault.New(fault.Data, replace, "the data chunk at byte %d comes before any fmt chunk", at-8)
	}
	n, err := w.dataBytes(claimed, w.size-at)
	if err != nil {
		return nil, err
	}
	f := *w.format
	switch f.tag {
	case tagMSADPCM, tagIMAADPCM:
		return adpcmSource(w.r, f, at, n)
	case tagPCM:
		if !f.big && f.bits <= 32 && f.bits != 16 { // which nearly all recordings have: go-audio/wav takes five times as long for them as a feature of them
			return pcmSource(w.r, f, at, n), nil
		}
	}
	return rawSource(w.r, f.sample(), f.channels, f.rate, at, n), nil
}

// dataBytes is how long the data chunk is, where it claims a length and the
// file holds left bytes from there on.
func (w *wavHeader) dataBytes(claimed, left int64) (int64, error) {
	if w.wide && claimed == unknown {
		switch {
		case w.ds64 == nil:
			return 0, fault.New(fault.Data, replace, "the data chunk's length stands in a ds64 chunk, which is not there")
		case w.ds64.data == 0 && w.ds64.riff == 0: // never filled in
			return left, nil
		case w.ds64.data > left:
			return 0, fault.New(fault.Data, replace, "the file is cut: the ds64 chunk claims %d bytes of data, %d are there", w.ds64.data, left)
		}
		return w.ds64.data, nil
	}
	switch {
	case claimed == 0 && w.riff == 0, // never filled in
		claimed >= 0xfffff000, // ffmpeg and others, into a pipe
		claimed >= 0x7ffff000-4096 && claimed <= 0x7fffffff && claimed > left: // sox, into a pipe
		return left, nil
	case claimed > left:
		return 0, fault.New(fault.Data, replace, "the file is cut: the data chunk claims %d bytes, %d are there", claimed, left)
	}
	// Beyond 4 GiB a plain WAV's 32 bits have gone round, once or more.
	return claimed + (left-claimed)>>32<<32, nil
}

// A ds64 is RF64's chunk of long lengths.
type ds64 struct {
	riff, data int64
	chunks     map[string]int64 // of others that are longer than 32 bits tell
}

func parseDS64(b []byte) (*ds64, error) {
	le := binary.LittleEndian
	if len(b) < 24 {
		return nil, fault.New(fault.Data, replace, "the ds64 chunk has %d bytes, at least 24 are needed", len(b))
	}
	long := func(b []byte) int64 { return int64(min(le.Uint64(b), math.MaxInt64)) }
	d := &ds64{riff: long(b), data: long(b[8:]), chunks: map[string]int64{}}
	for i := 28; i+12 <= len(b); i += 12 {
		d.chunks[string(b[i:i+4])] = long(b[i+4:])
	}
	return d, nil
}
