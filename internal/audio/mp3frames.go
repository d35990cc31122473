package audio

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"clr/internal/fault"
)

// An mp3Header is the four bytes before each frame of MPEG audio, layer III
// (ISO/IEC 11172-3, 2.4.2.3; 13818-3).
type mp3Header struct {
	mpeg2     bool // the lower rates
	mono      bool
	intensity bool // intensity stereo
	middle    bool // the channels are middle and side
	sum       bool // a CRC of two bytes follows
	rate      int
	size      int // of the frame in bytes, these four with it; 0: free format
	kind      uint32
}

const (
	mp3Free = 0        // bitrate index: the size must be guessed
	mp3Most = 64 << 10 // bytes before the first frame
)

// mp3Reach is how many bytes before its frame main data may begin, at most.
const mp3Reach = 511

// mp3Sync tells whether bytes can be a frame's header, of any version.
func mp3Sync(b []byte) bool {
	return b[0] == 0xff && b[1]&0xe6 == 0xe2 && b[1]&0x18 != 0x08 && b[2]>>4 != 15 && b[2]&0x0c != 0x0c && b[3]&3 != 2
}

// mp3Header25 tells MPEG 2.5, below 16 kHz, which is nobody's standard.
func mp3Header25(b []byte) bool { return b[1]&0x18 == 0 }

// parseMP3Header reads four bytes that mp3Sync takes for a header.
func parseMP3Header(b []byte) mp3Header {
	kbits := [2][15]int{
		{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
		{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
	}
	word := binary.BigEndian.Uint32(b)
	h := mp3Header{mpeg2: b[1]&0x18 == 0x10, mono: b[3]>>6 == 3, intensity: b[3]>>6 == 1 && b[3]&0x10 != 0,
		middle: b[3]>>6 == 1 && b[3]&0x20 != 0, sum: b[1]&1 == 0,
		rate: [3]int{44100, 48000, 32000}[b[2]>>2&3], kind: word & 0xfffe0c00}
	per, row := 144, 0
	if h.mpeg2 {
		h.rate, per, row = h.rate/2, 72, 1
	}
	if rate := kbits[row][b[2]>>4]; rate != mp3Free {
		h.size = per*1000*rate/h.rate + int(b[2]>>1&1)
	}
	return h
}

// samples is how many frames of sound a frame holds, of each channel.
func (h mp3Header) samples() int64 {
	if h.mpeg2 {
		return 576
	}
	return 1152
}

// An mp3Walker goes from frame to frame.
type mp3Walker struct {
	r     io.ReadSeeker
	buf   *bufio.Reader
	at    int64  // of the next byte
	kind  uint32 // version and rate, in all frames the same
	mono  bool
	count int64 // frames given
	frame []byte
	// Main data may begin up to 511 bytes before their frame, among those of
	// frames before it.
	reservoir []byte
	held      mp3Whole // the next to give
	ahead     mp3Whole
	err       error // behind held
}

func (w *mp3Walker) moveTo(at int64) error {
	if _, err := w.r.Seek(at, io.SeekStart); err != nil {
		return err
	}
	w.at, w.count, w.reservoir, w.err = at, 0, w.reservoir[:0], nil
	w.held.frame = w.held.frame[:0]
	if w.buf == nil {
		w.buf = bufio.NewReaderSize(w.r, 1<<14)
	} else {
		w.buf.Reset(w.r)
	}
	return nil
}

func (w *mp3Walker) discard(n int64) {
	for n > 0 {
		k, err := w.buf.Discard(int(min(n, 1<<20)))
		w.at += int64(k)
		n -= int64(k)
		if err != nil {
			return // the next look finds the end, or fails the same way
		}
	}
}

// peek shows the next n bytes; fewer at the end.
func (w *mp3Walker) peek(n int) ([]byte, error) {
	b, err := w.buf.Peek(n)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, err
}

// skipID3 passes tags of ID3 version 2.
func (w *mp3Walker) skipID3() (n int, err error) {
	for ; ; n++ {
		b, err := w.peek(10)
		if err != nil || len(b) < 10 || !bytes.HasPrefix(b, []byte("ID3")) {
			return n, err
		}
		length := 10 + int64(b[6]&0x7f)<<21 + int64(b[7]&0x7f)<<14 + int64(b[8]&0x7f)<<7 + int64(b[9]&0x7f)
		if b[5]&0x10 != 0 { // a footer
			length += 10
		}
		w.discard(length)
	}
}

// first finds the first frame: a header with another of its kind, a tag or
// the file's end behind its frame.
func (w *mp3Walker) first() (mp3Header, error) {
	start := w.at
	for w.at-start <= mp3Most {
		b, err := w.peek(4)
		if err != nil {
			return mp3Header{}, err
		}
		if len(b) < 4 {
			break
		}
		if mp3Sync(b) {
			h := parseMP3Header(b)
			switch {
			case w.at == start && mp3Header25(b):
				return h, fault.New(fault.Data, convert, "MPEG 2.5 (8, 11.025 and 12 kHz) is not supported")
			case w.at == start && h.size == 0:
				return h, fault.New(fault.Data, convert, "free-format bitrates are not supported")
			}
			w.kind = h.kind
			if ok, err := w.isFrame(b); err != nil || ok {
				return h, err
			}
		}
		w.discard(1)
	}
	return mp3Header{}, fault.New(fault.Data, replace, "no MP3 frame begins in %d bytes from byte %d on", min(w.at-start, mp3Most), start)
}

// isFrame tells whether the next bytes are a frame of the stream with another,
// a tag or the end behind it.
func (w *mp3Walker) isFrame(b []byte) (bool, error) {
	if len(b) < 4 || !w.isNext(b) {
		return false, nil
	}
	n := parseMP3Header(b).size
	b, err := w.peek(n + 4)
	if err != nil || len(b) < n {
		return false, err
	}
	rest := b[n:]
	return len(rest) < 3 || string(rest[:3]) == "TAG" || string(rest[:3]) == "ID3" || string(rest) == "APET" || len(rest) == 4 && w.isNext(rest), nil
}

// isNext tells whether b begins a frame of the stream's kind.
func (w *mp3Walker) isNext(b []byte) bool {
	return mp3Sync(b) && !mp3Header25(b) && parseMP3Header(b).kind == w.kind && b[2]>>4 != mp3Free
}

// next gives a frame as go-mp3 wants it, or io.EOF.
func (w *mp3Walker) next() ([]byte, error) {
	if len(w.held.frame) == 0 && w.err == nil {
		w.err = w.find(&w.held)
	}
	if w.err != nil {
		return nil, w.err
	}
	if w.err = w.find(&w.ahead); w.err == nil {
		w.err = w.held.carry(w.ahead.over)
	}
	given := w.held.frame
	w.held, w.ahead = w.ahead, w.held
	w.count++
	return given, nil
}

// pass goes on to frame n without making those before it anew.
func (w *mp3Walker) pass(n int64) error {
	if w.err == nil && w.count < n && len(w.held.frame) > 0 { // it was found already
		w.held.frame = w.held.frame[:0]
		w.count++
	}
	for w.err == nil && w.count < n {
		if w.err = w.find(nil); w.err == nil {
			w.count++
		}
	}
	return w.err
}

// find reads the next frame into dst; nil passes it by. What stands behind the last one, such as tags and
// a piece of one more frame, is passed over as all players do; what stands
// between two frames is damage.
func (w *mp3Walker) find(dst *mp3Whole) error {
	for {
		b, err := w.peek(4)
		if err != nil {
			return err
		}
		if len(b) < 4 {
			return io.EOF
		}
		if w.isNext(b) {
			return w.take(dst, parseMP3Header(b))
		}
		n, err := w.skipID3()
		if err != nil {
			return err
		}
		if n == 0 {
			return w.lost()
		}
	}
}

// take reads the frame that begins here.
func (w *mp3Walker) take(dst *mp3Whole, h mp3Header) error {
	if cap(w.frame) < h.size {
		w.frame = make([]byte, h.size)
	}
	w.frame = w.frame[:h.size]
	n, err := io.ReadFull(w.buf, w.frame)
	at := w.at
	w.at += int64(n)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return io.EOF
	case err != nil:
		return err
	case h.intensity:
		return fault.New(fault.Data, convert, "intensity stereo (in the frame at byte %d) is not supported", at)
	case w.mono && !h.mono:
		return fault.New(fault.Data, convert, "the frame at byte %d is stereo, those before are mono: that is not supported", at)
	}
	if dst != nil {
		if err := dst.gather(h, w.frame, w.reservoir); err != nil {
			return fault.New(fault.Data, fault.Remedy(err), "the frame at byte %d: %w", at, err)
		}
	}
	_, own := h.split(w.frame)
	w.reservoir = append(w.reservoir, own...)
	w.reservoir = w.reservoir[max(0, len(w.reservoir)-mp3Reach):]
	return nil
}

// lost tells trailing bytes (io.EOF) from damage, behind which frames go on.
func (w *mp3Walker) lost() error {
	at := w.at
	for {
		b, err := w.peek(4)
		if err != nil {
			return err
		}
		if len(b) < 4 {
			return io.EOF
		}
		ok, err := w.isFrame(b)
		if err != nil {
			return err
		}
		if ok {
			return fault.New(fault.Data, replace, "damaged at byte %d, after %d frames: the next frame begins at byte %d", at, w.count, w.at)
		}
		w.discard(1)
	}
}
