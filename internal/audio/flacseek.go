package audio

import (
	"bufio"
	"errors"
	"io"

	"github.com/mewkiz/flac/frame"

	"clr/internal/fault"
)

// Seeking in FLAC goes by halves over the file's bytes, for each block says
// where it stands: seek tables are rare, and the library would decode all of the
// file to make one. The MD5 sum cannot be checked then; the blocks' CRCs are.

// flacNear is how close before the block that is wanted the search may end.
const flacNear = 1 << 16

// seek takes reading to a frame of the recording.
func (f *flacReader) seek(target int64) (int64, error) {
	if f.begin < 0 {
		begin, err := flacBegin(f.r, f.size)
		if err != nil {
			return 0, err
		}
		_, start, err := f.find(begin, begin+1)
		if err != nil {
			return 0, err
		}
		f.begin, f.start = begin, max(start, 0)
	}
	lo, hi, done := f.begin, f.size, int64(0)
	for hi-lo > flacNear {
		at, sample, err := f.find(lo+(hi-lo)/2, hi)
		if err != nil {
			return 0, err
		}
		if sample -= f.start; at < 0 || sample > target || sample <= done {
			hi = lo + (hi-lo)/2
		} else {
			lo, done = at, sample
		}
	}
	if _, err := f.r.Seek(lo, io.SeekStart); err != nil {
		return 0, err
	}
	r := bufio.NewReader(f.r)
	f.nextBlock = func() (*frame.Frame, error) { return frame.New(r) }
	f.block, f.next, f.frames, f.sum = nil, 0, done, nil
	for f.frames <= target {
		if err := f.decode(); errors.Is(err, io.EOF) {
			f.block = nil
			return f.frames, nil
		} else if err != nil {
			return 0, err
		}
	}
	f.next = len(f.block[0]) - int(f.frames-target)
	return target, nil
}

// find looks for the first whole block that begins in [from, to), and tells
// where it begins and which sample it begins with; -1 if there is none.
func (f *flacReader) find(from, to int64) (at, sample int64, err error) {
	if _, err := f.r.Seek(from, io.SeekStart); err != nil {
		return -1, -1, err
	}
	r := bufio.NewReader(f.r)
	for at := from; at < to; at++ {
		head, err := r.Peek(2)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return -1, -1, err
		}
		if head[0] == 0xff && head[1]&0xfe == 0xf8 {
			sample, err := f.number(at)
			if err != nil {
				return -1, -1, err
			}
			if sample >= 0 {
				return at, sample, nil
			}
			if _, err := f.r.Seek(at, io.SeekStart); err != nil {
				return -1, -1, err
			}
			r.Reset(f.r)
		}
		if _, err := r.Discard(1); err != nil {
			return -1, -1, err
		}
	}
	return -1, -1, nil
}

// number is the first sample of the block at a place, -1 if there is none: the
// block's sums must be right. Where there is none the library may panic.
func (f *flacReader) number(at int64) (sample int64, err error) {
	if _, err := f.r.Seek(at, io.SeekStart); err != nil {
		return -1, err
	}
	defer func() {
		if recover() != nil {
			sample, err = -1, nil
		}
	}()
	block, err := frame.New(bufio.NewReader(f.r))
	if err != nil || block.Channels.Count() != f.channels {
		return -1, nil
	}
	if block.BitsPerSample == 0 {
		block.BitsPerSample = f.stream.Info.BitsPerSample
	}
	switch {
	case block.Parse() != nil:
		return -1, nil
	case block.HasFixedBlockSize:
		return int64(min(block.Num, 1<<40)) * int64(f.stream.Info.BlockSizeMax), nil
	}
	return int64(min(block.Num, 1<<56)), nil
}

// flacBegin is where the first block begins, behind the metadata.
func flacBegin(r io.ReadSeeker, size int64) (int64, error) {
	at := int64(4)
	for at+4 <= size {
		var head [4]byte
		if err := readAt(r, at, head[:]); err != nil {
			return 0, err
		}
		at += 4 + int64(head[1])<<16 + int64(head[2])<<8 + int64(head[3])
		if head[0]&0x80 != 0 {
			return at, nil
		}
	}
	return 0, fault.New(fault.Data, replace, "the file is cut in its metadata")
}
