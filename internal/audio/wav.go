package audio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"clr/internal/fault"
)

// WAV is parsed here up to the samples, and go-audio/wav is handed a canned
// 44-byte header with plain PCM behind it. Left alone, it allocates what a
// header claims, reads floats as integers, takes 8-bit samples for signed
// and never looks at the sub-format of an extensible file.

// wavTags names the encodings one may meet (mmreg.h).
var wavTags = map[uint16]string{
	1: "PCM", 2: "Microsoft ADPCM", 3: "IEEE float", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10",
	0x50: "MPEG", 0x55: "MP3", 0x161: "WMA", 0x674f: "Vorbis", 0xf1ac: "FLAC in WAV", 0xfffe: "extensible",
}

const (
	tagPCM        = 1
	tagFloat      = 3
	tagExtensible = 0xfffe
)

func tagName(tag uint16) string {
	if name, ok := wavTags[tag]; ok {
		return name
	}
	return fmt.Sprintf("format 0x%04x", tag)
}

// subFormatTail is what follows the tag in the GUID of a sub-format that is a tag.
var subFormatTail = []byte("\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71")

// A wavFormat is a fmt chunk.
type wavFormat struct {
	tag      uint16 // of the samples: for an extensible file, its sub-format
	channels int
	rate     int
	bits     int // per sample, as stored
}

// frame is the size of one frame in bytes.
func (f wavFormat) frame() int64 { return int64(f.channels * f.bits / 8) }

// parseFormat reads a fmt chunk (16, 18 or 40 bytes) and refuses what is not
// read here, by its name.
func parseFormat(b []byte) (wavFormat, error) {
	le := binary.LittleEndian
	if len(b) < 16 {
		return wavFormat{}, fault.New(fault.Data, replace, "the fmt chunk has %d bytes, at least 16 are needed", len(b))
	}
	f := wavFormat{tag: le.Uint16(b), channels: int(le.Uint16(b[2:])), bits: int(le.Uint16(b[14:]))}
	rate, align := le.Uint32(b[4:]), int(le.Uint16(b[12:]))
	valid := f.bits
	if f.tag == tagExtensible {
		if len(b) < 40 {
			return f, fault.New(fault.Data, replace, "the extensible fmt chunk has %d bytes, 40 are needed", len(b))
		}
		if !bytes.Equal(b[26:40], subFormatTail) {
			return f, fault.New(fault.Data, convert, "sub-format %x is not supported", b[24:40])
		}
		f.tag = le.Uint16(b[24:])
		if v := int(le.Uint16(b[18:])); v != 0 {
			valid = v
		}
	}
	if f.tag != tagPCM && f.tag != tagFloat {
		return f, fault.New(fault.Data, convert, "its encoding is %s, which is not supported; PCM and IEEE float are", tagName(f.tag))
	}
	if rate > math.MaxInt32 {
		return f, fault.New(fault.Data, replace, "the header says %d Hz", rate)
	}
	f.rate = int(rate)
	return f, f.check(align, valid)
}

// check holds the fmt chunk's numbers against each other.
func (f wavFormat) check(align, valid int) error {
	known := f.bits == 8 || f.bits == 16 || f.bits == 24 || f.bits == 32
	if f.tag == tagFloat {
		known = f.bits == 32 || f.bits == 64
	}
	switch {
	case f.channels == 0:
		return fault.New(fault.Data, replace, "the header says 0 channels and %d Hz", f.rate)
	case !known:
		return fault.New(fault.Data, convert, "%d-bit %s is not supported; 8, 16, 24 and 32-bit PCM, 32 and 64-bit IEEE float are",
			f.bits, tagName(f.tag))
	case int64(align) != f.frame():
		return fault.New(fault.Data, convert, "frames take %d bytes (block align), %d channels of %d bits take %d",
			align, f.channels, f.bits, f.frame())
	case valid > f.bits:
		return fault.New(fault.Data, replace, "%d valid bits do not fit samples of %d bits", valid, f.bits)
	case f.bits == 32 && valid != 32:
		// The specification puts them in the high bits; writers do either.
		return fault.New(fault.Data, convert, "%d valid bits in samples of %d are not supported: writers do not agree on where they are", valid, f.bits)
	}
	return nil
}

// openWAV walks the chunks up to the samples. It trusts no length: what the
// file does not hold is an error, except that a streaming writer could not
// know the length and left a mark in its place.
func openWAV(r io.ReadSeeker, size int64) (*source, error) {
	var riff [12]byte
	if size < int64(len(riff)) {
		return nil, fault.New(fault.Data, replace, "the file has %d bytes, its header alone has %d", size, len(riff))
	}
	if err := readAt(r, 0, riff[:]); err != nil {
		return nil, err
	}
	var format *wavFormat
	const most = 1 << 14
	at := int64(len(riff))
	for range most {
		if at+8 > size {
			missing := "fmt"
			if format != nil {
				missing = "data"
			}
			return nil, fault.New(fault.Data, replace, "the file ends at byte %d without a %s chunk", size, missing)
		}
		var head [8]byte
		if err := readAt(r, at, head[:]); err != nil {
			return nil, err
		}
		id, n := string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:]))
		at += int64(len(head))
		switch {
		case id == "data" && format == nil:
			return nil, fault.New(fault.Data, replace, "the data chunk at byte %d comes before any fmt chunk", at-8)
		case id == "data":
			n, err := dataBytes(n, size-at, binary.LittleEndian.Uint32(riff[4:]))
			if err != nil {
				return nil, err
			}
			return wavSource(r, *format, at, n), nil
		case n > size-at:
			return nil, fault.New(fault.Data, replace, "chunk %q claims %d bytes, the file has %d left", id, n, size-at)
		case id == "fmt ":
			b := make([]byte, min(n, 40))
			if err := readAt(r, at, b); err != nil {
				return nil, err
			}
			f, err := parseFormat(b)
			if err != nil {
				return nil, err
			}
			format = &f
		}
		at += n + n&1 // chunks begin at even places
	}
	return nil, fault.New(fault.Data, replace, "there are more than %d chunks before the samples", most)
}

// dataBytes is how long the data chunk is, where it claims a length and the
// file holds left bytes from there on.
func dataBytes(claimed, left int64, riff uint32) (int64, error) {
	switch {
	case claimed == 0 && riff == 0, // never filled in
		claimed >= 0xfffff000, // ffmpeg and others, into a pipe
		claimed >= 0x7ffff000-4096 && claimed <= 0x7fffffff && claimed > left: // sox, into a pipe
		return left, nil
	case claimed > left:
		return 0, fault.New(fault.Data, replace, "the file is cut: the data chunk claims %d bytes, %d are there", claimed, left)
	}
	return claimed, nil
}
