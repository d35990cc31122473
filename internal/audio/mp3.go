package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"

	"github.com/hajimehoshi/go-mp3"

	"clr/internal/fault"
)

// MP3 is decoded by go-mp3, which gives 16 bits in two channels whatever the
// file has, and takes damage for the end. It is handed one whole frame after
// another, found and counted here, and never a file to search.
//
// An encoder's delay and padding are cut off where a LAME tag tells them, as
// players do; other files keep them, some 1105 samples of silence in front
// and up to two frames behind.

// mp3Delay is the decoder's own delay in samples, which a LAME tag counts on.
const mp3Delay = 528 + 1

// An mp3Reader reads the samples of a stream.
type mp3Reader struct {
	walker   mp3Walker
	channels int
	begin    int64 // where the first frame with sound begins
	frames   int64 // of MP3, as a LAME tag claims; -1: there is none
	skip     int64 // samples of each channel to leave out in front
	total    int64 // to give; -1: all
	samples  int64 // that a frame holds

	dec     *mp3.Decoder
	pending []byte // frames that dec is to read before the walker's next
	drop    int64  // decoded samples of each channel to leave out yet
	at      int64  // samples of each channel given
	raw     []byte
}

func openMP3(r io.ReadSeeker, _ int64) (*source, error) {
	m := &mp3Reader{walker: mp3Walker{r: r}, frames: -1, total: -1}
	w := &m.walker
	if err := w.moveTo(0); err != nil {
		return nil, err
	}
	if _, err := w.skipID3(); err != nil {
		return nil, err
	}
	if b, err := w.peek(4); err != nil {
		return nil, err
	} else if string(b) == "fLaC" {
		return nil, fault.New(fault.Data, convert, "this is FLAC behind an ID3 tag, which is not supported")
	}
	h, err := w.first()
	if err != nil {
		return nil, err
	}
	m.begin, m.samples, m.channels = w.at, h.samples(), 2
	if h.mono {
		w.mono, m.channels = true, 1
	}
	frame, err := w.peek(h.size)
	if err != nil {
		return nil, err
	}
	if m.tag(h, frame) {
		m.begin += int64(h.size)
	}
	if err := m.restart(); err != nil {
		return nil, err
	}
	return &source{container: "mp3", encoding: "mp3", rate: h.rate, channels: m.channels, frames: -1, seek: m.seek, walk: m.walk, read: m.read}, nil
}

// tag reads what encoders put into a first frame without sound: how many
// frames follow and, from LAME and libavcodec, how many samples the encoder
// added in front and behind.
func (m *mp3Reader) tag(h mp3Header, frame []byte) bool {
	be := binary.BigEndian
	side, _ := h.split(frame)
	if len(frame) >= 4+32+4 && string(frame[4+32:4+32+4]) == "VBRI" { // the Fraunhofer encoder's
		return true
	}
	at := 4 + len(side) // the tag's place does not heed a CRC
	if at+8 > len(frame) || string(frame[at:at+4]) != "Xing" && string(frame[at:at+4]) != "Info" {
		return false
	}
	flags := be.Uint32(frame[at+4:])
	b := frame[at+8:]
	if flags&1 == 0 || len(b) < 4 {
		return true
	}
	frames := int64(be.Uint32(b))
	for bit, size := range [4]int{4, 4, 100, 4} {
		if flags&(1<<bit) != 0 {
			b = b[min(size, len(b)):]
		}
	}
	if len(b) < 24 {
		return true
	}
	if !bytes.HasPrefix(b, []byte("LAME")) && !bytes.HasPrefix(b, []byte("Lavc")) && !bytes.HasPrefix(b, []byte("Lavf")) {
		return true // other encoders do not agree on what they count
	}
	delay, padding := int64(b[21])<<4|int64(b[22])>>4, int64(b[22]&15)<<8|int64(b[23])
	// Padding that is shorter than the decoder's delay leaves no sound to cut off.
	if total := frames*m.samples - delay - max(padding, mp3Delay); total > 0 {
		m.frames, m.skip, m.total = frames, delay+mp3Delay, total
	}
	return true
}

func (m *mp3Reader) restart() error {
	m.dec, m.pending, m.at, m.drop = nil, nil, 0, m.skip
	return m.walker.moveTo(m.begin)
}

func (m *mp3Reader) read(dst []float32) (int, error) {
	frames := int64(len(dst) / m.channels)
	if m.total >= 0 {
		frames = min(frames, m.total-m.at)
		if frames == 0 {
			return 0, m.end()
		}
	}
	if m.dec == nil {
		dec, err := mp3.NewDecoder(mp3Feed{m})
		if err != nil {
			return 0, m.failed(err)
		}
		m.dec = dec
	}
	for {
		n := 4 * frames
		if m.drop > 0 {
			n = 4 * min(m.drop, int64(len(dst)))
		}
		if int64(cap(m.raw)) < n {
			m.raw = make([]byte, n)
		}
		k, err := m.dec.Read(m.raw[:n])
		if err != nil {
			return 0, m.failed(err)
		}
		if m.drop > 0 {
			m.drop -= int64(k / 4)
			continue
		}
		m.at += int64(k / 4)
		return m.convert(dst, m.raw[:k]), nil
	}
}

// convert takes 16-bit stereo; a mono stream's two channels are the same.
func (m *mp3Reader) convert(dst []float32, raw []byte) int {
	n := len(raw) / 4 * m.channels
	step := 4 / m.channels
	for i := range dst[:n] {
		dst[i] = float32(int16(binary.LittleEndian.Uint16(raw[step*i:]))) / (1 << 15)
	}
	return n
}

// failed gives go-mp3's error, or the end of the stream.
func (m *mp3Reader) failed(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return m.end()
	case fault.KindOf(err) == fault.Data: // found here
		return err
	}
	return fault.New(fault.Data, replace, "damaged in frame %d: %w", m.walker.count, err)
}

// end holds the frames that there were against the tag.
func (m *mp3Reader) end() error {
	for m.frames >= 0 { // what go-mp3 did not ask for
		if _, err := m.walker.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	switch count := m.walker.count; {
	case m.frames < 0:
	case count < m.frames:
		return fault.New(fault.Data, replace, "the file is cut: its tag counts %d frames, %d are there", m.frames, count)
	case count > m.frames:
		return fault.New(fault.Data, convert, "its tag counts %d frames, there are %d: several recordings in one file are not supported", m.frames, count)
	}
	return io.EOF
}

// seek walks the frames up to the one wanted without decoding them, but for
// the last two, whose windows and filterbank reach into the next, and one more
// that may end with their main data. It goes on from where reading stands, or,
// where that lies behind, begins anew.
func (m *mp3Reader) seek(frame int64) (int64, error) {
	if m.total >= 0 && frame >= m.total {
		m.at = m.total
		return m.total, nil
	}
	want := (frame + m.skip) / m.samples
	first := max(0, want-3)
	m.dec, m.pending = nil, nil
	if m.walker.count > first {
		if err := m.restart(); err != nil {
			return 0, err
		}
	}
	if err := m.walker.pass(first); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	for m.walker.count <= want {
		b, err := m.walker.next()
		if errors.Is(err, io.EOF) {
			m.pending = nil
			return max(0, m.walker.count*m.samples-m.skip), nil
		}
		if err != nil {
			return 0, err
		}
		if m.walker.count > first {
			m.pending = append(m.pending, b...)
			if h := parseMP3Header(b); len(m.pending) == len(b) && h.begins(b) > 0 { // its own are missing
				side, _ := h.split(m.pending)
				clear(side)
			}
		}
	}
	m.at, m.drop = frame, frame+m.skip-first*m.samples
	return frame, nil
}

// walk counts the samples, holding the frames against the tag.
func (m *mp3Reader) walk() (int64, error) {
	if err := m.walker.pass(math.MaxInt64); !errors.Is(err, io.EOF) {
		return 0, err
	}
	if err := m.end(); !errors.Is(err, io.EOF) {
		return 0, err
	}
	if m.total >= 0 {
		return m.total, nil
	}
	return m.walker.count * m.samples, nil
}

// An mp3Feed gives go-mp3 the bytes of whole frames.
type mp3Feed struct{ *mp3Reader }

func (f mp3Feed) Read(p []byte) (int, error) {
	if len(f.pending) == 0 {
		b, err := f.walker.next()
		if err != nil {
			return 0, err
		}
		f.pending = b
	}
	n := copy(p, f.pending)
	f.pending = f.pending[n:]
	return n, nil
}
