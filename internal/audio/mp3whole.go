package audio

import "clr/internal/fault"

// go-mp3 is handed frames that are made anew, of the highest bitrate, each with
// its main data gathered in it. Left alone, it
//   - miscounts padded frames of MPEG 2 by a byte;
//   - takes others' bits for the main data that are missing where a stream was
//     cut: such a frame is silent here, as elsewhere;
//   - separates middle and side of short blocks only up to the last line before
//     they are sorted: they get zeros behind, up to the last line of all.

// An mp3Whole is a frame made anew.
type mp3Whole struct {
	frame []byte
	over  []byte // main data that did not fit: the frame before must end with them
	used  int    // bytes of the frame
}

// split gives a frame's side information and main data.
func (h mp3Header) split(frame []byte) (side, main []byte) {
	at, n := 4, 32
	if h.sum {
		at = 6
	}
	switch {
	case h.mpeg2 && h.mono:
		n = 9
	case h.mpeg2 || h.mono:
		n = 17
	}
	return frame[at : at+n], frame[at+n:]
}

// beginBits is the size of main_data_begin, with which side information begins.
func (h mp3Header) beginBits() int {
	if h.mpeg2 {
		return 8
	}
	return 9
}

// begins is how many bytes before a frame's own its main data begin.
func (h mp3Header) begins(frame []byte) int {
	side, _ := h.split(frame)
	return bitsAt(side, 0, h.beginBits())
}

// largest is the size of a frame of the highest bitrate, unpadded.
func (h mp3Header) largest() int {
	if h.mpeg2 {
		return 144 * 160000 / h.rate / 2
	}
	return 144 * 320000 / h.rate
}

// gather makes a frame of one that was read and the main data before it.
func (m *mp3Whole) gather(h mp3Header, frame, reservoir []byte) error {
	side, own := h.split(frame)
	back := h.begins(frame)
	m.frame = append(m.frame[:0], frame[:4]...)
	m.frame[1] |= 1                       // without a CRC
	m.frame[2] = 14<<4 | m.frame[2]&^0xf2 // the highest bitrate, no padding
	m.frame = append(m.frame, side...)
	m.over, m.used = m.over[:0], len(m.frame)
	size := h.largest()
	side = m.frame[4:]
	if back > len(reservoir) {
		clear(side)
	} else {
		main, err := h.mainData(side, append(reservoir[len(reservoir)-back:len(reservoir):len(reservoir)], own...))
		if err != nil {
			return err
		}
		over, begin := max(0, len(main)-(size-len(m.frame))), h.beginBits()
		if over >= 1<<begin {
			return errMainData
		}
		setBits(side, 0, begin, over)
		m.over = append(m.over, main[:over]...)
		m.frame = append(m.frame, main[over:]...)
		m.used = len(m.frame)
	}
	m.frame = append(m.frame, make([]byte, size-len(m.frame))...)
	return nil
}

// errMainData is of MPEG 2 at its highest bitrates alone.
var errMainData = fault.New(fault.Data, convert, "more main data in one frame than go-mp3 can be handed are not supported")

// carry puts the next frame's bytes at the end of this one.
func (m *mp3Whole) carry(over []byte) error {
	if len(over) > len(m.frame)-m.used {
		return errMainData
	}
	copy(m.frame[len(m.frame)-len(over):], over)
	return nil
}

// mainData takes the frame's bits of what begins with them, and widens short
// blocks of middle and side.
func (h mp3Header) mainData(side, data []byte) ([]byte, error) {
	channels, at, granules, size, compress := 2, 9+3+8, 2, 59, 4
	if h.mono {
		channels, at = 1, 9+5+4
	}
	if h.mpeg2 {
		at, granules, size, compress = 8+channels, 1, 63, 9
	}
	const most = 1<<12 - 1
	out, from, to := make([]byte, 0, len(data)+2*72), 0, 0
	for range granules {
		short, narrow := false, 0
		for c := range channels {
			block := at + c*size
			switching := block + 12 + 9 + 8 + compress // window_switching_flag
			short = short || bitsAt(side, switching, 1) == 1 && bitsAt(side, switching+1, 2) == 2
			if n := bitsAt(side, block, 12); n > 0 && (bitsAt(side, at+narrow*size, 12) == 0 || n < bitsAt(side, at+narrow*size, 12)) {
				narrow = c
			}
		}
		for c := range channels {
			block := at + c*size
			n := bitsAt(side, block, 12) // part2_3_length
			if from+n > 8*len(data) {
				return nil, fault.New(fault.Data, replace, "damaged: a frame claims %d bits of main data, %d are there", from+n, 8*len(data))
			}
			more := 0
			if h.middle && short && c == narrow && n > 0 {
				more = min(576, most-n) // ones, each a zero line or four of them
			}
			out = append(out, make([]byte, (to+n+more+7)/8-len(out))...)
			for i := range n {
				setBits(out, to+i, 1, bitsAt(data, from+i, 1))
			}
			for i := range more {
				setBits(out, to+n+i, 1, 1)
			}
			setBits(side, block, 12, n+more)
			from, to = from+n, to+n+more
		}
		at += channels * size
	}
	return out, nil
}

// bitsAt reads n bits.
func bitsAt(b []byte, at, n int) int {
	v := 0
	for i := at; i < at+n; i++ {
		v = v<<1 | int(b[i/8]>>(7-i%8)&1)
	}
	return v
}

// setBits writes n bits.
func setBits(b []byte, at, n, v int) {
	for i := range n {
		bit := byte(0x80) >> ((at + i) % 8)
		if v>>(n-1-i)&1 == 1 {
			b[(at+i)/8] |= bit
		} else {
			b[(at+i)/8] &^= bit
		}
	}
}
