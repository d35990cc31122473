package audio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"clr/internal/fault"
)

// wavTags names the encodings one may meet (mmreg.h).
var wavTags = map[uint16]string{
	1: "PCM", 2: "Microsoft ADPCM", 3: "IEEE float", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10",
	0x50: "MPEG", 0x55: "MP3", 0x161: "WMA", 0x674f: "Vorbis", 0xf1ac: "FLAC in WAV", 0xfffe: "extensible",
}

const (
	tagPCM        = 1
	tagMSADPCM    = 2
	tagFloat      = 3
	tagALaw       = 6
	tagMuLaw      = 7
	tagIMAADPCM   = 0x11
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
	bits     int    // per sample; they take whole bytes
	align    int    // bytes a frame takes, or a block of ADPCM
	extra    []byte // of ADPCM: what follows
	big      bool   // of a RIFX file
}

// fmtBytes is how much of a fmt chunk is looked at: Microsoft's ADPCM may
// list 256 pairs of coefficients.
const fmtBytes = 18 + 4 + 4*256

// parseFormat reads a fmt chunk (16, 18, 40 bytes, or more with ADPCM) and
// refuses what is not read here, by its name.
func parseFormat(b []byte, order binary.ByteOrder) (wavFormat, error) {
	if len(b) < 16 {
		return wavFormat{}, fault.New(fault.Data, replace, "the fmt chunk has %d bytes, at least 16 are needed", len(b))
	}
	f := wavFormat{tag: order.Uint16(b), channels: int(order.Uint16(b[2:])), align: int(order.Uint16(b[12:])),
		bits: int(order.Uint16(b[14:])), big: order == binary.BigEndian}
	rate := order.Uint32(b[4:])
	valid := f.bits
	if f.tag == tagExtensible {
		if len(b) < 40 {
			return f, fault.New(fault.Data, replace, "the extensible fmt chunk has %d bytes, 40 are needed", len(b))
		}
		if f.big || !bytes.Equal(b[26:40], subFormatTail) {
			return f, fault.New(fault.Data, convert, "sub-format %x is not supported", b[24:40])
		}
		f.tag = order.Uint16(b[24:])
		if v := int(order.Uint16(b[18:])); v != 0 {
			valid = v
		}
	}
	if rate > math.MaxInt32 {
		return f, fault.New(fault.Data, replace, "the header says %d Hz", rate)
	}
	f.rate = int(rate)
	if f.channels == 0 {
		return f, fault.New(fault.Data, replace, "the header says 0 channels and %d Hz", f.rate)
	}
	switch f.tag {
	case tagPCM, tagFloat, tagALaw, tagMuLaw:
		return f, f.check(valid)
	case tagMSADPCM, tagIMAADPCM:
		if f.big {
			return f, fault.New(fault.Data, convert, "big-endian %s is not supported", tagName(f.tag))
		}
		if len(b) < 18 {
			return f, fault.New(fault.Data, replace, "the fmt chunk has %d bytes, %s needs at least 20", len(b), tagName(f.tag))
		}
		f.extra = b[18:]
		return f, nil // adpcmSource checks them
	}
	return f, fault.New(fault.Data, convert, "its encoding is %s, which is not supported; PCM, IEEE float, mu-law, A-law, Microsoft and IMA ADPCM are", tagName(f.tag))
}

// sample is how the samples are stored where each takes the same bytes.
func (f wavFormat) sample() sampleFormat {
	s := sampleFormat{bits: f.bits, bytes: (f.bits + 7) / 8, big: f.big}
	switch {
	case f.tag == tagFloat:
		s.coding = float
	case f.tag == tagALaw:
		s.coding = alaw
	case f.tag == tagMuLaw:
		s.coding = mulaw
	case s.bytes == 1:
		s.coding = unsigned
	}
	return s
}

// check holds the fmt chunk's numbers against each other.
func (f wavFormat) check(valid int) error {
	known := f.bits >= 1 && f.bits <= 64
	switch f.tag {
	case tagFloat:
		known = f.bits == 32 || f.bits == 64
	case tagALaw, tagMuLaw:
		known = f.bits == 8
	}
	frame := f.channels * f.sample().bytes
	switch {
	case !known:
		return fault.New(fault.Data, convert, "%d-bit %s is not supported; PCM of 1 to 64 bits, 32 and 64-bit IEEE float, 8-bit mu-law and A-law are",
			f.bits, tagName(f.tag))
	case f.tag == tagPCM && f.align > frame && f.align%f.channels == 0 && f.align/f.channels <= 8:
		// In the low bytes or the high ones?
		return fault.New(fault.Data, convert, "pcm_s%d_in_%d, PCM of %d bits in %d bytes (block align %d), is not supported: writers do not agree on where the bits are",
			f.bits, f.align/f.channels, f.bits, f.align/f.channels, f.align)
	case f.align != frame:
		return fault.New(fault.Data, convert, "frames take %d bytes (block align), %d channels of %d bits take %d",
			f.align, f.channels, f.bits, frame)
	case valid > f.bits:
		return fault.New(fault.Data, replace, "%d valid bits do not fit samples of %d bits", valid, f.bits)
	case f.bits == 32 && valid != 32:
		// The specification puts them in the high bits; writers do either.
		return fault.New(fault.Data, convert, "%d valid bits in samples of %d are not supported: writers do not agree on where they are", valid, f.bits)
	}
	return nil
}
