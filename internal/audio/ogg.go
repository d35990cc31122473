package audio

import (
	"bytes"
	"io"

	"clr/internal/fault"
)

// oggCodecs are known by how the first packet of a stream begins.
var oggCodecs = []struct{ magic, name string }{
	{"\x01vorbis", "Vorbis"}, {"OpusHead", "Opus"}, {"\x7fFLAC", "FLAC"}, {"Speex   ", "Speex"}, {"\x80theora", "Theora"},
}

// openOgg names what an Ogg file holds. None of it is read: no Go library for
// Vorbis could be had, and Opus has none without C.
func openOgg(r io.ReadSeeker, size int64) (*source, error) {
	head := make([]byte, min(size, 512))
	if err := readAt(r, 0, head); err != nil {
		return nil, err
	}
	codec := "an unknown codec"
	if len(head) > 26 && len(head) > 27+int(head[26]) {
		for _, c := range oggCodecs {
			if bytes.HasPrefix(head[27+int(head[26]):], []byte(c.magic)) {
				codec = c.name
			}
		}
	}
	return nil, fault.New(fault.Data, convert, "its codec is %s, which is not supported; %s are", codec, supported)
}
