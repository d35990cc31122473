package audio

import (
	"crypto/md5"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"

	"clr/internal/fault"
)

// openFLAC reads FLAC with mewkiz/flac, which checks each frame's CRC. The
// length and the MD5 sum of the stream's head are checked here.
func openFLAC(r io.ReadSeeker, size int64) (*source, error) {
	// The library would parse any block that comes first, and believe its lengths.
	var head [8]byte
	if err := readAt(r, 0, head[:]); err != nil {
		return nil, fault.New(fault.Data, replace, "%w", atEnd(err))
	}
	if kind, n := head[4]&0x7f, int(head[5])<<16|int(head[6])<<8|int(head[7]); kind != 0 || n != 34 {
		return nil, fault.New(fault.Data, replace, "the first block is of type %d and %d bytes long; stream info, type 0 and 34 bytes, must be first", kind, n)
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	stream, err := flac.New(r)
	if err != nil {
		return nil, fault.New(fault.Data, replace, "%w", atEnd(err))
	}
	info := stream.Info
	if info.BitsPerSample < 4 || info.BitsPerSample > 24 {
		return nil, fault.New(fault.Data, convert, "%d-bit samples are not supported; 4 to 24 are", info.BitsPerSample)
	}
	f := &flacReader{r: r, size: size, stream: stream, nextBlock: stream.Next, begin: -1, bits: int(info.BitsPerSample), channels: int(info.NChannels)}
	if info.MD5sum != [md5.Size]byte{} {
		f.sum = md5.New()
	}
	return &source{container: "flac", encoding: fmt.Sprintf("flac_s%d", f.bits), rate: int(info.SampleRate),
		channels: f.channels, frames: -1, seek: f.seek, read: f.read}, nil
}

// atEnd says in words that a file stops too early.
func atEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file is cut")
	}
	return err
}

// A flacReader gives the blocks of a stream in pieces.
type flacReader struct {
	r              io.ReadSeeker
	size           int64
	stream         *flac.Stream
	nextBlock      func() (*frame.Frame, error)
	begin, start   int64 // where the first block begins, and its number; -1: not looked for yet
	bits, channels int
	block          [][]int32 // (channels, frames) of the current block
	next           int       // the first frame of it that was not given
	frames         int64     // decoded so far, or passed by a seek
	sum            hash.Hash // MD5 of the samples; nil where the stream has none
	raw            []byte
}

func (f *flacReader) read(dst []float32) (int, error) {
	for len(f.block) == 0 || f.next == len(f.block[0]) {
		if err := f.decode(); err != nil {
			return 0, err
		}
	}
	n := min(len(dst)/f.channels, len(f.block[0])-f.next)
	scale := 1 / float32(int32(1)<<(f.bits-1))
	for c, x := range f.block {
		for i, v := range x[f.next : f.next+n] {
			dst[i*f.channels+c] = float32(v) * scale
		}
	}
	f.next += n
	return n * f.channels, nil
}

// decode reads one block, or the end of the stream.
func (f *flacReader) decode() error {
	info := f.stream.Info
	frame, err := f.nextBlock()
	if errors.Is(err, io.EOF) {
		return f.end()
	}
	bad := func(err error) error {
		return fault.New(fault.Data, replace, "damaged after %d of %d samples: %w", f.frames, info.NSamples, atEnd(err))
	}
	if err != nil {
		return bad(err)
	}
	if frame.BitsPerSample == 0 { // the library would read samples of 0 bits
		frame.BitsPerSample = info.BitsPerSample
	}
	switch {
	case int(frame.BitsPerSample) != f.bits:
		return fault.New(fault.Data, convert, "a block of %d bits in a stream of %d bits is not supported", frame.BitsPerSample, f.bits)
	case frame.Channels.Count() != f.channels:
		return fault.New(fault.Data, convert, "a block of %d channels in a stream of %d is not supported", frame.Channels.Count(), f.channels)
	case frame.SampleRate != 0 && frame.SampleRate != info.SampleRate:
		return fault.New(fault.Data, convert, "a block at %d Hz in a stream at %d Hz is not supported", frame.SampleRate, info.SampleRate)
	}
	if err := frame.Parse(); err != nil {
		return bad(err)
	}
	f.block, f.next = f.block[:0], 0
	for _, s := range frame.Subframes {
		if len(s.Samples) != len(frame.Subframes[0].Samples) {
			return bad(errors.New("its channels differ in length"))
		}
		f.block = append(f.block, s.Samples)
	}
	f.frames += int64(len(f.block[0]))
	if info.NSamples != 0 && f.frames > int64(info.NSamples) {
		return fault.New(fault.Data, replace, "there are more samples than the %d that the head claims", info.NSamples)
	}
	f.hash()
	return nil
}

// hash adds the block to the sum: interleaved, little-endian, in whole bytes.
func (f *flacReader) hash() {
	if f.sum == nil {
		return
	}
	f.raw = f.raw[:0]
	for i := range f.block[0] {
		for _, x := range f.block {
			for b := 0; b < f.bits; b += 8 {
				f.raw = append(f.raw, byte(x[i]>>b))
			}
		}
	}
	f.sum.Write(f.raw)
}

// end sees that all that the head promised has come.
func (f *flacReader) end() error {
	info := f.stream.Info
	if info.NSamples != 0 && f.frames != int64(info.NSamples) {
		return fault.New(fault.Data, replace, "the file is cut: the head claims %d samples, %d are there", info.NSamples, f.frames)
	}
	if f.sum != nil && f.frames > 0 {
		if got := [md5.Size]byte(f.sum.Sum(nil)); got != info.MD5sum {
			return fault.New(fault.Data, replace, "the samples' MD5 is %x, the head says %x", got, info.MD5sum)
		}
	}
	return io.EOF
}
