package audio

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"sync/atomic"

	"clr/internal/fault"
)

// errOlder says that a store only has to be made again.
var errOlder = errors.New("an older clr made it")

// readIndex believes no number that the file does not bear out.
func (s *Store) readIndex() error {
	head, err := s.view.bytes(0, align)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	if string(head[:8]) != storeMagic {
		return fault.New(fault.Data, "name another file for the features, or delete this one if nobody needs it",
			"%s is not a feature store: it begins with %q", s.path, head[:8])
	}
	v, right := le.Uint32(head[8:]), crc(head[16:]) == le.Uint32(head[12:])
	switch {
	case v > 0 && v < storeVersion && right:
		return fault.New(fault.Data, "run clr features again; it makes the store anew",
			"feature store %s is of version %d, this clr reads version %d: %w", s.path, v, storeVersion, errOlder)
	case v != storeVersion:
		return fault.New(fault.Data, makeAgain, "feature store %s is of version %d, this clr reads version %d", s.path, v, storeVersion)
	case !right:
		return s.damaged("the header's checksum is %08x, should be %08x", crc(head[16:]), le.Uint32(head[12:]))
	}
	offset, length := le.Uint64(head[16:]), le.Uint64(head[24:])
	if offset < align || offset > uint64(s.size) || length != uint64(s.size)-offset {
		return s.damaged("the index is at %d, %d bytes long, the file has %d", offset, length, s.size)
	}
	b, err := s.view.bytes(int64(offset), int64(length))
	if err != nil {
		return err
	}
	if got, want := crc(b), le.Uint32(head[32:]); got != want {
		return s.damaged("the index's checksum is %08x, should be %08x", got, want)
	}
	s.digest = sha256.Sum256(b)
	return s.parseIndex(b, int64(offset))
}

func (s *Store) parseIndex(b []byte, end int64) error {
	c := cursor{b: b}
	s.settings = string(c.take(int(c.uint32())))
	s.records = make([]record, c.count(52))
	s.byKey = make(map[key]int, len(s.records))
	s.checked = make([]atomic.Bool, len(s.records))
	for i := range s.records {
		r := record{key: key(c.take(32)), offset: int64(c.uint64()), bins: int(c.uint32()), frames: int(c.uint32()), crc: c.uint32()}
		room := uint64(end-r.offset) / 4
		if r.offset < 2*align || r.offset > end || r.offset%align != 0 || r.bins < 1 || r.frames < 1 || uint64(r.bins)*uint64(r.frames) > room {
			return s.damaged("record %d is (%d, %d) at %d, the records end at %d", i, r.bins, r.frames, r.offset, end)
		}
		s.records[i] = r
		s.byKey[r.key] = i
	}
	s.clips = make([]storedClip, c.count(56))
	for i := range s.clips {
		clip := storedClip{record: int(c.uint32()), start: math.Float64frombits(c.uint64()), end: math.Float64frombits(c.uint64()), sum: [32]byte(c.take(32))}
		clip.path = string(c.take(int(c.uint32())))
		if clip.record >= len(s.records) {
			return s.damaged("clip %d (%s) is record %d of %d", i, clip.path, clip.record, len(s.records))
		}
		s.clips[i] = clip
	}
	if err := s.parseLines(&c); err != nil {
		return err
	}
	if c.short || len(c.b) > 0 {
		return s.damaged("the index holds %d bytes too many or too few", len(c.b))
	}
	return nil
}

// parseLines reads what became of the manifest's lines, where they are not the
// clips.
func (s *Store) parseLines(c *cursor) error {
	if len(c.b) == 0 {
		return nil
	}
	s.lines = make([]storedLine, c.count(12))
	clips := 0
	for i := range s.lines {
		l := storedLine{clips: int(c.uint32()), seconds: math.Float64frombits(c.uint64())}
		if l.clips == 0 {
			l.was = storedClip{start: math.Float64frombits(c.uint64()), end: math.Float64frombits(c.uint64()), sum: [32]byte(c.take(32))}
			l.was.path = string(c.take(int(c.uint32())))
		}
		if clips += l.clips; clips > len(s.clips) {
			return s.damaged("%d lines or more have %d clips, there are %d", i+1, clips, len(s.clips))
		}
		s.lines[i] = l
	}
	if clips != len(s.clips) {
		return s.damaged("its lines have %d clips, there are %d", clips, len(s.clips))
	}
	return nil
}

// A cursor reads an index; past its end it gives zeros and says so.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.short = true
		c.b = nil
		return make([]byte, min(max(n, 0), 32)) // 32 is the longest part of a fixed length
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) uint32() uint32 { return binary.LittleEndian.Uint32(c.take(4)) }
func (c *cursor) uint64() uint64 { return binary.LittleEndian.Uint64(c.take(8)) }

// count reads the number of parts of at least size bytes that follow.
func (c *cursor) count(size int) int {
	n := int(c.uint32())
	if n < 0 || n > len(c.b)/size {
		c.short = true
		return 0
	}
	return n
}

// index lays out the index of the records that were written.
func (b *builder) index(records []record) []byte {
	le := binary.LittleEndian
	out := le.AppendUint32(nil, uint32(len(b.settings)))
	out = append(out, b.settings...)
	out = le.AppendUint32(out, uint32(len(records)))
	for _, r := range records {
		out = append(out, r.key[:]...)
		out = le.AppendUint64(out, uint64(r.offset))
		out = le.AppendUint32(out, uint32(r.bins))
		out = le.AppendUint32(out, uint32(r.frames))
		out = le.AppendUint32(out, r.crc)
	}
	stretch := func(it Item) {
		out = le.AppendUint64(out, math.Float64bits(it.Start))
		out = le.AppendUint64(out, math.Float64bits(it.End))
		out = append(out, b.originals.files[it.File].sum[:]...)
		out = le.AppendUint32(out, uint32(len(it.Path)))
		out = append(out, it.Path...)
	}
	out = le.AppendUint32(out, uint32(len(b.items)))
	for i, it := range b.items {
		out = le.AppendUint32(out, uint32(b.number[b.keys[i]]))
		stretch(it)
	}
	if !b.corpus.reading.Windows.on() && b.left == 0 {
		return out
	}
	out = le.AppendUint32(out, uint32(len(b.lines)))
	for i, l := range b.lines {
		clips := l.clips
		if l.err != nil {
			clips = 0
		}
		out = le.AppendUint32(out, uint32(clips))
		out = le.AppendUint64(out, math.Float64bits(l.seconds))
		if clips == 0 {
			stretch(b.corpus.Items[i])
		}
	}
	return out
}
