package audio

import (
	"errors"
	"io"
	"math"
	"slices"

	"clr/internal/fault"
)

// A tape gives stretches of a source as one channel. Those that come in the
// order of their starts, as windows do, cost one pass through the source, and
// no more memory than the longest.
type tape struct {
	s    *source
	mix  Downmix
	held []float32 // what mix keeps of the frames from at on
	at   int64
	buf  []float32 // a block of frames that are to be mixed
	end  int64     // frames of the recording; -1 until reading has come there
	err  error     // why reading ended before
}

func newTape(s *source, mix Downmix) *tape { return &tape{s: s, mix: mix, end: -1} }

// next is the frame that is read next.
func (t *tape) next() int64 { return t.at + int64(len(t.held)/t.mix.width(t.s.channels)) }

// stretch reads frames first to last (-1: to the end). It gives what there is,
// until it is called again; total is the recording's frames, or -1 where reading
// stopped before its end.
func (t *tape) stretch(first, last int64) (samples []float32, total int64, err error) {
	width := t.mix.width(t.s.channels)
	switch next := t.next(); {
	case first < t.at || first > next+int64(t.s.rate): // to read on for a second costs less than most seeks
		at, err := t.s.seek(first)
		if err != nil {
			return nil, -1, err
		}
		t.held, t.at, t.end, t.err = t.held[:0], at, -1, nil
		if at < first {
			t.end = at
		}
	case first <= next:
		t.held = t.held[:copy(t.held, t.held[int(first-t.at)*width:])]
		t.at = first
	default:
		t.held, t.at = t.held[:0], next
	}
	if t.s.frames > 0 {
		n := t.s.frames
		if last >= 0 {
			n = min(n, last)
		}
		n -= max(t.at, first)
		if n := int(min(n, maxSamples/int64(width))) * width; n > cap(t.held) {
			t.held = append(make([]float32, 0, n), t.held...)
		}
	}
	for t.end < 0 && (last < 0 || t.next() < last) {
		if t.err == nil {
			t.err = t.read(first, last)
		}
		if t.err != nil {
			return nil, -1, t.err
		}
	}
	kept := t.held
	if t.at < first { // it ends before
		kept = nil
	}
	total = -1
	if last >= 0 && t.next() >= last {
		kept = kept[:max(0, min(len(kept), int(last-first)*width))]
	} else {
		total = t.end
	}
	return t.mix.finish(kept, t.s.channels), total, nil
}

// read takes one block from the source. Of what lies before first nothing is
// kept, and nothing is read that lies behind last.
func (t *tape) read(first, last int64) error {
	channels, next := t.s.channels, t.next()
	size := int64(t.s.blockSize())
	if last >= 0 {
		size = min(size, (last-next)*int64(channels))
	}
	if frames := t.s.frames; frames > 0 {
		if next >= frames {
			t.end = next
			return nil
		}
		size = min(size, (frames-next)*int64(channels))
	}
	var buf []float32
	straight := first <= next && t.mix.width(channels) == channels // all is kept as it is
	if straight {
		t.held = slices.Grow(t.held, int(size))
		buf = t.held[len(t.held):][:size]
	} else {
		if t.buf == nil {
			t.buf = t.s.block()
		}
		buf = t.buf[:size]
	}
	n, err := t.s.read(buf)
	frames := buf[:n-n%channels]
	if straight {
		t.held = t.held[:len(t.held)+len(frames)]
	} else {
		if skip := min(first-next, int64(len(frames)/channels)); skip > 0 {
			t.at += skip
			frames = frames[int(skip)*channels:]
		}
		t.held = t.mix.add(t.held, frames, channels)
	}
	switch {
	case len(t.held) > maxSamples:
		return tooLong(t.s.rate)
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		t.end = t.next()
		return nil
	}
	return err
}

// EndSlack is how far an end may lie behind a recording's last sample, in
// seconds: manifests round their times.
const EndSlack = 0.01

// clip is the stretch from start to end in seconds (an end of 0 is the
// recording's) at the recording's own rate.
func (t *tape) clip(start, end float64) (Clip, error) {
	if !(start >= 0) || end != 0 && !(end > start) || math.IsInf(end, 0) {
		return Clip{}, fault.New(fault.Data, "set 0 <= start < end, in seconds", "a clip from %v s to %v s holds nothing", start, end)
	}
	rate := float64(t.s.rate)
	first, last := FrameAt(start, t.s.rate), int64(-1)
	if end != 0 {
		last = FrameAt(end, t.s.rate)
	}
	samples, total, err := t.stretch(first, last)
	if err != nil {
		return Clip{}, err
	}
	const mend = "mend start and end in the manifest"
	switch {
	case len(samples) == 0 && total == 0:
		t.s.frames = 0
		return Clip{}, t.s.check()
	case len(samples) == 0 && total > 0:
		return Clip{}, fault.New(fault.Data, mend, "the clip starts at %v s, the recording ends at %v s", start, float64(total)/rate)
	case len(samples) == 0:
		return Clip{}, fault.New(fault.Data, mend, "the clip from %v s to %v s is shorter than one sample at %d Hz", start, end, t.s.rate)
	case total >= 0 && float64(last-total) > EndSlack*rate:
		return Clip{}, fault.New(fault.Data, mend, "the clip ends at %v s, the recording at %v s", end, float64(total)/rate)
	}
	return Clip{Rate: t.s.rate, Samples: samples}, nil
}

// FrameAt is the frame at a time in seconds, as clips are cut.
func FrameAt(seconds float64, rate int) int64 {
	return int64(math.Round(min(seconds*float64(rate), 1<<53)))
}
