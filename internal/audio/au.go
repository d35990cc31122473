package audio

import (
	"encoding/binary"
	"io"
	"math"

	"clr/internal/fault"
)

// auEncodings are those of Sun's and NeXT's AU files that are read.
var auEncodings = map[uint32]sampleFormat{
	1:  {mulaw, 8, 1, true},
	2:  {signed, 8, 1, true},
	3:  {signed, 16, 2, true},
	4:  {signed, 24, 3, true},
	5:  {signed, 32, 4, true},
	6:  {float, 32, 4, true},
	7:  {float, 64, 8, true},
	27: {alaw, 8, 1, true},
}

// openAU reads a header of six big-endian numbers; the samples follow at the
// offset that the second one gives.
func openAU(r io.ReadSeeker, size int64) (*source, error) {
	var head [24]byte
	if size < int64(len(head)) {
		return nil, fault.New(fault.Data, replace, "the file has %d bytes, its header alone has %d", size, len(head))
	}
	if err := readAt(r, 0, head[:]); err != nil {
		return nil, err
	}
	word := func(i int) uint32 { return binary.BigEndian.Uint32(head[4*i:]) }
	base, n, encoding, rate, channels := int64(word(1)), int64(word(2)), word(3), word(4), word(5)
	sample, ok := auEncodings[encoding]
	const mostChannels = math.MaxUint16
	switch {
	case !ok:
		return nil, fault.New(fault.Data, convert, "encoding %d is not supported; PCM, IEEE float, mu-law and A-law (1 to 7, 27) are", encoding)
	case base < int64(len(head)) || base > size:
		return nil, fault.New(fault.Data, replace, "the samples begin at byte %d of a file of %d", base, size)
	case n != unknown && n > size-base:
		return nil, fault.New(fault.Data, replace, "the file is cut: the header claims %d bytes of samples, %d are there", n, size-base)
	case channels < 1 || channels > mostChannels:
		return nil, fault.New(fault.Data, replace, "the header says %d channels; 1 to %d are supported", channels, mostChannels)
	case rate > math.MaxInt32:
		return nil, fault.New(fault.Data, replace, "the header says %d Hz", rate)
	}
	if n == unknown { // a streaming writer's
		n = size - base
	}
	s := rawSource(r, sample, int(channels), int(rate), base, n)
	s.container = "au"
	return s, nil
}
