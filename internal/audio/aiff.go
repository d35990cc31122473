package audio

import (
	"encoding/binary"
	"io"
	"math"

	"clr/internal/fault"
)

// AIFF (Apple, version 1.3, 1989) and AIFF-C (draft of 1991): chunks as in
// WAV, big-endian, in any order. Parsed here, for its samples are rawSource's.

// aifcTypes are the compression types that are read; where bits is 0 the
// header's count holds.
var aifcTypes = map[string]sampleFormat{
	"NONE": {coding: signed, big: true},
	"twos": {coding: signed, big: true},
	"sowt": {coding: signed},
	"raw ": {coding: unsigned, bits: 8},
	"in24": {coding: signed, bits: 24, big: true},
	"in32": {coding: signed, bits: 32, big: true},
	"fl32": {coding: float, bits: 32, big: true},
	"FL32": {coding: float, bits: 32, big: true},
	"fl64": {coding: float, bits: 64, big: true},
	"FL64": {coding: float, bits: 64, big: true},
	"ulaw": {coding: mulaw, bits: 8},
	"ULAW": {coding: mulaw, bits: 8},
	"alaw": {coding: alaw, bits: 8},
	"ALAW": {coding: alaw, bits: 8},
}

// An aiffCommon is a COMM chunk.
type aiffCommon struct {
	channels, rate int
	frames         int64
	sample         sampleFormat
}

func openAIFF(r io.ReadSeeker, size int64) (*source, error) {
	var form [12]byte
	if size < int64(len(form)) {
		return nil, fault.New(fault.Data, replace, "the file has %d bytes, its header alone has %d", size, len(form))
	}
	if err := readAt(r, 0, form[:]); err != nil {
		return nil, err
	}
	container := map[bool]string{true: "aifc", false: "aiff"}[string(form[8:]) == "AIFC"]
	var common *aiffCommon
	base, n := int64(-1), int64(0) // of the samples
	const most = 1 << 14
	at := int64(len(form))
	for range most {
		if at+8 > size || common != nil && base >= 0 {
			break
		}
		var head [8]byte
		if err := readAt(r, at, head[:]); err != nil {
			return nil, err
		}
		id, length := string(head[:4]), int64(binary.BigEndian.Uint32(head[4:]))
		at += int64(len(head))
		left := size - at
		if id == "SSND" && base < 0 {
			var err error
			if base, n, err = soundData(r, at, length, left); err != nil {
				return nil, err
			}
			if length > left {
				break // a streaming writer's: the samples go on to the end
			}
		}
		if length > left {
			return nil, fault.New(fault.Data, replace, "chunk %q claims %d bytes, the file has %d left", id, length, left)
		}
		if id == "COMM" {
			b := make([]byte, min(length, 22))
			if err := readAt(r, at, b); err != nil {
				return nil, err
			}
			c, err := parseCommon(b, container == "aifc")
			if err != nil {
				return nil, err
			}
			common = &c
		}
		at += length + length&1
	}
	switch {
	case common == nil:
		return nil, fault.New(fault.Data, replace, "there is no COMM chunk before byte %d", at)
	case base < 0 && common.frames > 0:
		return nil, fault.New(fault.Data, replace, "the header says %d frames, but there is no SSND chunk before byte %d", common.frames, at)
	}
	// The chunk may be longer than its frames, and a streaming writer could
	// not know their number.
	frame := int64(common.channels * common.sample.bytes)
	switch claimed := common.frames * frame; {
	case claimed > n && claimed < streamedAIFF-frame:
		return nil, fault.New(fault.Data, replace, "the file is cut: the header says %d frames, the SSND chunk holds %d", common.frames, n/frame)
	case claimed > 0:
		n = min(n, claimed)
	}
	s := rawSource(r, common.sample, common.channels, common.rate, max(base, 0), n)
	s.container = container
	return s, nil
}

// streamedAIFF and more is what sox claims of samples written into a pipe.
const streamedAIFF = 0x7f000000

// soundData finds the samples of an SSND chunk of length bytes at a place with
// left bytes to the file's end.
func soundData(r io.ReadSeeker, at, length, left int64) (base, n int64, err error) {
	var head [8]byte // offset, block size
	if left < int64(len(head)) || length < int64(len(head)) {
		return 0, 0, fault.New(fault.Data, replace, "the SSND chunk has %d bytes, its header alone has %d", min(length, left), len(head))
	}
	if err := readAt(r, at, head[:]); err != nil {
		return 0, 0, err
	}
	switch {
	case length <= left:
		left = length
	case length < streamedAIFF:
		return 0, 0, fault.New(fault.Data, replace, "the file is cut: the SSND chunk claims %d bytes, %d are there", length, left)
	}
	skip := int64(len(head)) + int64(binary.BigEndian.Uint32(head[:]))
	if skip > left {
		return 0, 0, fault.New(fault.Data, replace, "the samples begin %d bytes into an SSND chunk of %d", skip, left)
	}
	return at + skip, left - skip, nil
}

// parseCommon reads a COMM chunk and refuses what is not read here, by its name.
func parseCommon(b []byte, aifc bool) (aiffCommon, error) {
	be := binary.BigEndian
	need := 18
	if aifc {
		need = 22
	}
	if len(b) < need {
		return aiffCommon{}, fault.New(fault.Data, replace, "the COMM chunk has %d bytes, %d are needed", len(b), need)
	}
	kind := "NONE"
	if aifc {
		kind = string(b[18:22])
	}
	c := aiffCommon{channels: int(be.Uint16(b)), frames: int64(be.Uint32(b[2:]))}
	sample, ok := aifcTypes[kind]
	if !ok {
		return c, fault.New(fault.Data, convert, "its compression is %q, which is not supported; PCM, IEEE float, mu-law and A-law are", kind)
	}
	bits := int(be.Uint16(b[6:]))
	if sample.bits == 0 {
		if bits < 1 || bits > 32 {
			return c, fault.New(fault.Data, convert, "%d-bit samples are not supported; 1 to 32 are", bits)
		}
		sample.bits = bits
	}
	sample.bytes = (sample.bits + 7) / 8
	c.sample = sample
	if c.channels == 0 {
		return c, fault.New(fault.Data, replace, "the header says 0 channels")
	}
	rate := extended(b[8:18])
	if !(rate >= 1 && rate <= math.MaxInt32) || rate != math.Trunc(rate) {
		return c, fault.New(fault.Data, convert, "the header says %v Hz; whole numbers are supported", rate)
	}
	c.rate = int(rate)
	return c, nil
}

// extended is an IEEE 754 number of 80 bits: sign, 15 bits of exponent, 64 of
// mantissa.
func extended(b []byte) float64 {
	v := math.Ldexp(float64(binary.BigEndian.Uint64(b[2:])), int(b[0]&0x7f)<<8+int(b[1])-16383-63)
	if b[0]&0x80 != 0 {
		return -v
	}
	return v
}
