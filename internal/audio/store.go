package audio

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"sync/atomic"
	"unsafe"

	"clr/internal/fault"
)

// A Store is one file of spectrograms, one for each clip of a corpus, in the
// corpus's order. It is mapped into memory and safe for several goroutines.
//
// The file, all numbers little-endian:
//
//	header   64 bytes: "clrfeats", version, CRC of the rest, offset, length and CRC of the index
//	records  each a head of 64 bytes ("clip", bins, frames, CRC of the data, key, CRC of the head)
//	         and bins × frames float32, row-major, padded with zeros to 64 bytes
//	index    settings as JSON; per record key, offset of the data, bins, frames, CRC;
//	         per clip its record, start, end, path
//
// A key is the SHA-256 of the recording's SHA-256, the stretch and the
// settings, so equal recordings share a record, and a record serves whichever
// corpus asks for it. CRCs are CRC-32C.
type Store struct {
	path     string
	size     int64
	view     view
	settings string
	records  []record
	clips    []storedClip
	checked  []atomic.Bool // by record: its CRC was right once
	byKey    map[key]int
	digest   [32]byte // of the index
}

type key [32]byte

// A record is where a spectrogram is.
type record struct {
	key          key
	offset       int64 // of the data
	bins, frames int
	crc          uint32
}

// size is the length of the data in bytes.
func (r record) size() int64 { return 4 * int64(r.bins) * int64(r.frames) }

// A storedClip is one line of the corpus that the store was made from.
type storedClip struct {
	record     int
	start, end float64
	path       string
}

const (
	storeMagic   = "clrfeats"
	storeVersion = 1
	recordMagic  = "clip"
	align        = 64 // of all parts; a cache line
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// padded is n rounded up to the alignment.
func padded(n int64) int64 { return (n + align - 1) / align * align }

const makeAgain = "delete it and run clr features again; features are computed from the recordings"

// OpenStore maps a store and checks its index. A file that is missing, damaged
// or something else is a data error.
func OpenStore(path string) (*Store, error) {
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fault.New(fault.Data, "run clr features first", "feature store: %w", err)
		}
		return nil, fmt.Errorf("feature store: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("feature store: %w", err)
	}
	s := &Store{path: path, size: info.Size()}
	if info.Size() < align || info.Size() != int64(int(info.Size())) {
		return nil, s.damaged("it has %d bytes, its header alone has %d", info.Size(), align)
	}
	if s.view, err = openView(f, info.Size()); err != nil {
		return nil, fault.New(fault.Resource, "free some address space or memory", "feature store %s: map: %w", path, err)
	}
	if err := s.readIndex(); err != nil {
		s.view.close()
		return nil, err
	}
	return s, nil
}

func (s *Store) damaged(format string, args ...any) error {
	return fault.New(fault.Data, makeAgain, "feature store %s is damaged: %w", s.path, fmt.Errorf(format, args...))
}

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
	if v := le.Uint32(head[8:]); v != storeVersion {
		return fault.New(fault.Data, makeAgain, "feature store %s is of version %d, this clr reads version %d", s.path, v, storeVersion)
	}
	if got, want := crc(head[16:]), le.Uint32(head[12:]); got != want {
		return s.damaged("the header's checksum is %08x, should be %08x", got, want)
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
	s.clips = make([]storedClip, c.count(24))
	for i := range s.clips {
		clip := storedClip{record: int(c.uint32()), start: math.Float64frombits(c.uint64()), end: math.Float64frombits(c.uint64())}
		clip.path = string(c.take(int(c.uint32())))
		if clip.record >= len(s.records) {
			return s.damaged("clip %d (%s) is record %d of %d", i, clip.path, clip.record, len(s.records))
		}
		s.clips[i] = clip
	}
	if c.short || len(c.b) > 0 {
		return s.damaged("the index holds %d bytes too many or too few", len(c.b))
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

// Close gives the mapping back; no method may be called after it.
func (s *Store) Close() error { return s.view.close() }

// Len is the number of clips.
func (s *Store) Len() int { return len(s.clips) }

// Entry is the shape of clip i.
func (s *Store) Entry(i int) (bins, frames int) {
	r := s.records[s.clips[i].record]
	return r.bins, r.frames
}

// Path is clip i's path, as the manifest had it.
func (s *Store) Path(i int) string { return s.clips[i].path }

// Key names clip i's features by what they were made from: the recording's
// bytes, the stretch of it and the settings, hashed; hexadecimal.
func (s *Store) Key(i int) string {
	k := s.records[s.clips[i].record].key
	return hex.EncodeToString(k[:])
}

// Digest is the SHA-256 of the store's index, which holds what each record was
// made from and its checksum; hexadecimal.
func (s *Store) Digest() string { return hex.EncodeToString(s.digest[:]) }

// Settings are those the features were computed with, as JSON: the feature,
// its options and the sample rate.
func (s *Store) Settings() string { return s.settings }

// Spectrogram is that of clip i, (bins, frames), in the store's own memory: it
// must not be written to, nor used after Close. The first call for a record
// checks its CRC; an error names the clip.
func (s *Store) Spectrogram(i int) (Spectrogram, error) {
	n := s.clips[i].record
	data, err := s.data(n)
	if err != nil {
		return Spectrogram{}, fault.New(fault.Data, makeAgain, "clip %s: %w", s.clips[i].path, err)
	}
	return Spectrogram{s.records[n].bins, s.records[n].frames, floats(data)}, nil
}

// floats are little-endian float32s: on machines of that order the bytes
// themselves, which start at a multiple of 4.
func floats(b []byte) []float32 {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 && uintptr(unsafe.Pointer(unsafe.SliceData(b)))%4 == 0 {
		return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
	}
	x := make([]float32, len(b)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}

// data are the bytes of a record.
func (s *Store) data(n int) ([]byte, error) {
	r := s.records[n]
	data, err := s.view.bytes(r.offset, r.size())
	if err != nil {
		return nil, fmt.Errorf("feature store %s: %w", s.path, err)
	}
	if !s.checked[n].Load() {
		if got := crc(data); got != r.crc {
			return nil, s.damaged("the checksum of record %d is %08x, should be %08x", n, got, r.crc)
		}
		s.checked[n].Store(true)
	}
	return data, nil
}

// Check sees that the store holds exactly a corpus's clips, in order, with a
// feature at a rate; the error says what differs. Whether the recordings
// themselves have changed since, only Build finds out.
func (s *Store) Check(c *Corpus, feature FeatureOptions, rate int) error {
	const remedy = "run clr features again; it computes only what is missing"
	settings, err := settingsOf(feature, rate)
	if err != nil {
		return err
	}
	diff, err := differences(s.settings, settings)
	if err != nil {
		return s.damaged("%w", err)
	}
	if len(diff) > 0 {
		return fault.New(fault.Data, remedy, "feature store %s: %s", s.path, diff[0])
	}
	if len(c.Items) != len(s.clips) {
		return fault.New(fault.Data, remedy, "feature store %s holds %d clips, %s lists %d", s.path, len(s.clips), c.Path, len(c.Items))
	}
	for i, it := range c.Items {
		if have := s.clips[i]; have.path != it.Path || have.start != it.Start || have.end != it.End {
			return fault.New(fault.Data, remedy, "feature store %s: clip %d is %s from %v to %v s, line %d of %s is %s from %v to %v s",
				s.path, i, have.path, have.start, have.end, it.Line, c.Path, it.Path, it.Start, it.End)
		}
	}
	return nil
}
