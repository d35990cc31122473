package pipeline

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"

	"clr/internal/audio"
	"clr/internal/disk"
	"clr/internal/fault"
)

// A journal is embeddings in the order in which they are made, on disk until all
// of them are there: a file beside the one that is to be written. What it holds
// when a process dies is where the next goes on.
//
// It begins with journalMagic, a key of all that decides the embeddings, and the
// key's CRC. Then come records, each its length, its CRC-32C and its bytes; the
// first byte says what it is. All numbers are little-endian.
type journal struct {
	f     *disk.File
	path  string
	dim   int
	end   int64 // of what is written
	buf   []byte
	begun int       // line that was begun by this process; -1: none
	ends  []float64 // of the clips that are in it, seconds
}

const (
	journalMagic = "clrembd1"
	journalHead  = len(journalMagic) + 32 + 4

	recordLine = 'L' // a line begins: its mark
	recordRow  = 'R' // a clip: its end in seconds (float64), its embedding (float32)
	recordLeft = 'E' // the line cannot be used: why, what to do
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// partialPath is where embeddings are kept until all of them are there.
func partialPath(out string) string { return out + ".partial" }

// openJournal opens the journal beside a file for this process alone, or begins it.
// One of another key is begun anew, which it says.
func openJournal(out string, key [32]byte, dim int, con Console) (*journal, error) {
	j := &journal{path: partialPath(out), dim: dim, begun: -1, end: int64(journalHead)}
	f, err := disk.OpenLocked(j.path, os.O_RDWR|os.O_CREATE)
	if errors.Is(err, disk.ErrLocked) {
		return nil, fault.New(fault.Resource, "wait until it is done, or end it", "%s: %w", j.path, err)
	}
	if err != nil {
		return nil, disk.Failed(j.path, err)
	}
	j.f = f
	if err := j.begin(key, con); err != nil {
		f.Close()
		return nil, err
	}
	return j, nil
}

// journalBegins is what a journal of a key begins with.
func journalBegins(key [32]byte) []byte {
	head := append([]byte(journalMagic), key[:]...)
	return binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
}

// begin sees what begins the file.
func (j *journal) begin(key [32]byte, con Console) error {
	head := journalBegins(key)
	was := make([]byte, journalHead)
	n, err := j.f.ReadAt(was, 0)
	if err != nil && err != io.EOF {
		return disk.Failed(j.path, err)
	}
	switch was = was[:n]; {
	case bytes.Equal(was, head):
		return nil
	case !bytes.HasPrefix(was, []byte(journalMagic)[:min(n, len(journalMagic))]):
		return fault.New(fault.Usage, "name another file with --out, or remove this one if nobody needs it", "%s is there, and is not what clr embed has begun", j.path)
	case n == journalHead:
		con.Say("%s was begun with another encoder or other settings: starting anew", j.path)
	}
	if err := j.f.Truncate(0); err != nil {
		return disk.Failed(j.path, err)
	}
	if _, err := j.f.WriteAt(head, 0); err != nil {
		return disk.Failed(j.path, err)
	}
	return nil
}

// record adds a record, which flush writes.
func (j *journal) record(payload []byte) {
	j.buf = binary.LittleEndian.AppendUint32(j.buf, uint32(len(payload)))
	j.buf = binary.LittleEndian.AppendUint32(j.buf, crc32.Checksum(payload, castagnoli))
	j.buf = append(j.buf, payload...)
}

// line says that what follows is of a clip's line, once a line.
func (j *journal) line(s *audio.Stream, clip int) error {
	if j.begun == s.Line(clip) {
		return nil
	}
	mark, err := s.Mark(clip)
	if err != nil {
		return err
	}
	j.begun = s.Line(clip)
	j.record(append([]byte{recordLine}, mark[:]...))
	return nil
}

// row adds a clip that ends at so many seconds.
func (j *journal) row(s *audio.Stream, clip int, end float64, x []float32) error {
	if err := j.line(s, clip); err != nil {
		return err
	}
	b := binary.LittleEndian.AppendUint64([]byte{recordRow}, math.Float64bits(end))
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	j.record(b)
	j.ends[clip] = end
	return nil
}

// left adds that a clip's line cannot be used.
func (j *journal) left(s *audio.Stream, clip int, why error) error {
	if err := j.line(s, clip); err != nil {
		return err
	}
	remedy := fault.Remedy(why)
	b := binary.LittleEndian.AppendUint32([]byte{recordLeft}, uint32(len(remedy)))
	j.record(append(append(b, remedy...), why.Error()...))
	return nil
}

// flush writes what was added.
func (j *journal) flush() error {
	if len(j.buf) == 0 {
		return nil
	}
	if _, err := j.f.WriteAt(j.buf, j.end); err != nil {
		return disk.Failed(j.path, err)
	}
	j.end += int64(len(j.buf))
	j.buf = j.buf[:0]
	return nil
}

// next reads the next record, into buf where there is room; it is nil where none is
// whole.
func (j *journal) next(r io.Reader, buf []byte) (payload, grown []byte, err error) {
	var head [8]byte
	const longest = 1 << 20 // of a reason
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, buf, ended(err)
	}
	n := int(binary.LittleEndian.Uint32(head[:]))
	if n < 1 || n > max(longest, 9+4*j.dim) {
		return nil, buf, nil
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		return nil, buf, ended(err)
	}
	if crc32.Checksum(buf[:n], castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
		return nil, buf, nil
	}
	return buf[:n], buf, nil
}

// ended lets pass that a file ends within a record.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// resume takes what the journal holds of a stream's clips, in their order, marks
// the lines that it says cannot be used, and cuts off what does not belong. It
// gives the clip to go on with.
func (j *journal) resume(s *audio.Stream) (clip int, err error) {
	j.ends = make([]float64, s.Len())
	at := int64(journalHead)
	clip, err = j.walk(s, func(clip int, end float64, _ []byte, size int64) error {
		if at += size; clip >= 0 {
			j.ends[clip] = end
		}
		return nil
	})
	if err != nil {
		return 0, disk.Failed(j.path, err)
	}
	if err := j.f.Truncate(at); err != nil {
		return 0, disk.Failed(j.path, err)
	}
	j.end = at
	return clip, nil
}

// walk calls f for each record that belongs to a stream's clips, in order: with the
// clip of a row and its values, or with -1 for the others, and how long it is. It
// gives the clip behind the last.
func (j *journal) walk(s *audio.Stream, f func(clip int, end float64, row []byte, size int64) error) (clip int, err error) {
	info, err := j.f.Stat()
	if err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(io.NewSectionReader(j.f, int64(journalHead), max(0, info.Size()-int64(journalHead))), 1<<20)
	var buf, payload []byte
	line := -1 // that has begun
	for clip < s.Len() {
		if payload, buf, err = j.next(r, buf); err != nil || payload == nil {
			return clip, err
		}
		size, kind, body := int64(8+len(payload)), payload[0], payload[1:]
		switch of := s.Line(clip); {
		case kind == recordLine: // a line that is gone on with says so again
			mark, err := s.Mark(clip)
			if err != nil || !bytes.Equal(body, mark[:]) {
				return clip, err
			}
			if err := f(-1, 0, nil, size); err != nil {
				return clip, err
			}
			line = of
		case kind == recordRow && of == line && len(body) == 8+4*j.dim:
			if err := f(clip, math.Float64frombits(binary.LittleEndian.Uint64(body)), body[8:], size); err != nil {
				return clip, err
			}
			clip++
		case kind == recordLeft && of == line && len(body) >= 4:
			n := int(min(uint64(binary.LittleEndian.Uint32(body)), uint64(len(body)-4)))
			s.Leave(line, fault.New(fault.Data, string(body[4:4+n]), "%s", body[4+n:]))
			if err := f(-1, 0, nil, size); err != nil {
				return clip, err
			}
			for clip < s.Len() && s.Line(clip) == of {
				clip++
			}
		default:
			return clip, nil
		}
	}
	return clip, nil
}

// rows hands out all embeddings whose lines are not left out, in their order.
func (j *journal) rows(s *audio.Stream, f func(x []float32) error) error {
	x := make([]float32, j.dim)
	last, err := j.walk(s, func(clip int, _ float64, row []byte, _ int64) error {
		if clip < 0 || s.Left(clip) {
			return nil
		}
		for k := range x {
			x[k] = math.Float32frombits(binary.LittleEndian.Uint32(row[4*k:]))
		}
		return f(x)
	})
	if err == nil && last < s.Len() {
		err = fault.New(fault.Data, "start again when nobody touches the file and the recordings", "%s or a recording was changed meanwhile: of %d clips %d are there", j.path, s.Len(), last)
	}
	return err
}

// remove takes the journal away, when what it was for is written.
func (j *journal) remove() error {
	if err := disk.Remove(j.path); err != nil {
		return disk.Failed(j.path, fmt.Errorf("removing it: %w", err))
	}
	return j.f.Close()
}
