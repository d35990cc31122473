package audio

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"
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
//	         per clip its record, start, end, its recording's SHA-256, path;
//	         only where the manifest's lines are not the clips, per line how many
//	         clips it gave, the seconds of its recording if windows depend on
//	         them, and, if there are none, start, end, SHA-256, path as above
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
	lines    []storedLine  // of the manifest; nil where each is a clip
	checked  []atomic.Bool // by record: its CRC was right once
	byKey    map[key]int
	digest   [32]byte // of the index

	mu      sync.Mutex
	changed time.Time // of the file, when last seen
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

// end is where the next record begins.
func (r record) end() int64 { return r.offset + padded(r.size()) }

// A storedClip is one line of the corpus that the store was made from.
type storedClip struct {
	record     int
	start, end float64
	sum        [32]byte // SHA-256 of the recording's file
	path       string
}

// A storedLine is one line of the manifest.
type storedLine struct {
	clips   int        // that were cut from it; 0: it is left out
	seconds float64    // of its recording; 0 where nothing depends on it
	was     storedClip // what was left out
}

const (
	storeMagic   = "clrfeats"
	storeVersion = 2
	recordMagic  = "clip"
	align        = 64 // of all parts; a cache line
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func crc(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// padded is n rounded up to the alignment.
func padded(n int64) int64 { return (n + align - 1) / align * align }

const (
	makeAgain  = "delete it and run clr features again; features are computed from the recordings"
	mendRecord = "run clr features again: it makes what is damaged anew and keeps the rest"
)

// OpenStore maps a store and checks its index. A file that is missing, damaged
// or something else is a data error.
func OpenStore(path string) (*Store, error) {
	s, err := mapStore(path)
	if err == nil {
		tidy(path)
	}
	return s, err
}

func mapStore(path string) (*Store, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // to open a pipe may never end
		return nil, fault.New(fault.Data, "name another file for the features", "feature store %s: this is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		remedy := "see that the file may be read"
		if errors.Is(err, fs.ErrNotExist) {
			remedy = "run clr features first"
		}
		return nil, fault.New(fault.Data, remedy, "feature store: %w", err)
	}
	s, err := openStore(path, f)
	if err != nil {
		f.Close()
		return nil, err
	}
	if err := fault.Guard(s.readIndex); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func openStore(path string, f *os.File) (*Store, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("feature store: %w", err)
	}
	s := &Store{path: path, size: info.Size(), changed: info.ModTime()}
	if info.Size() < align || info.Size() != int64(int(info.Size())) {
		return nil, s.damaged("it has %d bytes, its header alone has %d", info.Size(), align)
	}
	if s.view, err = openView(f, info.Size(), s.unreadable); err != nil {
		return nil, fault.New(fault.Resource, "free some address space or memory", "feature store %s: map: %w", path, err)
	}
	return s, nil
}

func (s *Store) damaged(format string, args ...any) error {
	return fault.New(fault.Data, makeAgain, "feature store %s is damaged: %w", s.path, fmt.Errorf(format, args...))
}

// unreadable says what stands at an offset that could be read once.
func (s *Store) unreadable(offset int) error {
	what := "the index"
	for n, r := range s.records {
		if r.offset-align <= int64(offset) && int64(offset) < r.end() {
			what = "the features of clip " + s.clipOf(n)
		}
	}
	return fault.New(fault.Data, makeAgain, "feature store %s: %s cannot be read any more: the file was cut off, or its disk fails", s.path, what)
}

// clipOf is the path of the first clip with a record.
func (s *Store) clipOf(n int) string {
	for _, c := range s.clips {
		if c.record == n {
			return c.path
		}
	}
	return "of no line"
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
// checks its CRC; an error names the clip. The file may be cut off or changed
// later: read the values under a fault.Guard, and ask Unchanged before what was
// made of them counts.
func (s *Store) Spectrogram(i int) (Spectrogram, error) {
	n := s.clips[i].record
	data, err := s.data(n)
	if err != nil {
		return Spectrogram{}, err
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
		return nil, fault.New(fault.Data, makeAgain, "feature store %s: the features of clip %s: %w", s.path, s.clipOf(n), err)
	}
	if !s.checked[n].Load() {
		if err := s.check(n, data); err != nil {
			return nil, err
		}
		s.checked[n].Store(true)
	}
	return data, nil
}

// check compares a record's checksum.
func (s *Store) check(n int, data []byte) error {
	return fault.Guard(func() error {
		if got, want := crc(data), s.records[n].crc; got != want {
			return fault.New(fault.Data, mendRecord, "feature store %s is damaged: the features of clip %s have the checksum %08x, should have %08x",
				s.path, s.clipOf(n), got, want)
		}
		return nil
	})
}

// Unchanged sees that the file still is what was opened. Reading does not: where
// a file was cut off, the rest of its last page reads as zeros. A file that
// was touched has all its checksums computed again.
func (s *Store) Unchanged() error {
	info, err := s.view.file.Stat()
	if err != nil {
		return fault.New(fault.Data, "see that the file may be read", "feature store: %w", err)
	}
	if info.Size() != s.size {
		return s.damaged("it has %d bytes now, it had %d when it was opened", info.Size(), s.size)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if info.ModTime().Equal(s.changed) {
		return nil
	}
	for n := range s.records {
		s.checked[n].Store(false)
		if _, err := s.data(n); err != nil {
			return err
		}
	}
	s.changed = info.ModTime()
	return nil
}
