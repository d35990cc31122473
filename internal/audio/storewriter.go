package audio

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"

	"clr/internal/disk"
)

// encodeRecord lays out a record: head, data, padding.
func encodeRecord(k key, bins, frames int, data []byte) []byte {
	b := make([]byte, align+padded(int64(len(data))))
	copy(b[align:], data)
	encodeHead(b, k, bins, frames, len(data))
	return b
}

func encodeSpectrogram(k key, s *Spectrogram) []byte {
	n := 4 * len(s.Data)
	b := make([]byte, align+padded(int64(n)))
	for i, v := range s.Data {
		binary.LittleEndian.PutUint32(b[align+4*i:], math.Float32bits(v))
	}
	encodeHead(b, k, s.Bins, s.Frames, n)
	return b
}

// encodeHead writes the head of a record whose data stand behind it.
func encodeHead(b []byte, k key, bins, frames, n int) {
	le := binary.LittleEndian
	copy(b, recordMagic)
	le.PutUint32(b[4:], uint32(bins))
	le.PutUint32(b[8:], uint32(frames))
	le.PutUint32(b[12:], crc(b[align:align+n]))
	copy(b[16:], k[:])
	le.PutUint32(b[48:], crc(b[:48]))
}

// A storeWriter is a store that grows.
type storeWriter struct {
	file    *disk.File
	path    string // of the finished store
	end     int64
	records []record
	made    []bool // of each, by this build
}

// partialPath is where a store grows.
func partialPath(path string) string { return path + ".partial" }

// resume opens the partial store and keeps as many of its records as come in
// the order of those that this build would write. Some may be missing between
// them: they could not be made. The builder holds the lock.
func (b *builder) resume() (*storeWriter, error) {
	w := &storeWriter{path: b.path, end: align}
	var err error
	if w.file, err = disk.OpenFile(partialPath(b.path), os.O_RDWR|os.O_CREATE); err != nil {
		return nil, w.failed(err)
	}
	if err := w.recover(b); err != nil {
		w.file.Close()
		return nil, w.failed(err)
	}
	return w, nil
}

func (w *storeWriter) recover(b *builder) error {
	info, err := w.file.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, align)
	for w.end+align <= info.Size() {
		if _, err := w.file.ReadAt(head, w.end); err != nil {
			break // what cannot be read is written again
		}
		r, ok := decodeHead(head, w.end+align, info.Size())
		if !ok || !b.follows(r, w.records) {
			break
		}
		raw := make([]byte, align+padded(r.size()))
		if _, err := w.file.ReadAt(raw, w.end); err != nil || !whole(raw, r) {
			break
		}
		w.records, w.made = append(w.records, r), append(w.made, false)
		w.end = r.end()
	}
	// A head of zeros says that the store is not finished.
	if err := w.file.Truncate(w.end); err != nil {
		return err
	}
	if _, err := w.file.WriteAt(make([]byte, align), 0); err != nil {
		return err
	}
	_, err = w.file.Seek(w.end, io.SeekStart)
	return err
}

// follows says whether a record may stand behind others.
func (b *builder) follows(r record, before []record) bool {
	n, ok := b.number[r.key]
	return ok && (len(before) == 0 || b.number[before[len(before)-1].key] < n)
}

// keep takes off the end what does not come in the builder's order, or not
// before a place in it.
func (w *storeWriter) keep(b *builder, before int) error {
	n := 0
	for n < len(w.records) && b.follows(w.records[n], w.records[:n]) && b.number[w.records[n].key] < before {
		n++
	}
	if n < len(w.records) {
		w.end = w.records[n].offset - align
		w.records, w.made = w.records[:n], w.made[:n]
		if err := w.file.Truncate(w.end); err != nil {
			return w.failed(err)
		}
	}
	if _, err := w.file.Seek(w.end, io.SeekStart); err != nil {
		return w.failed(err)
	}
	return nil
}

// whole says whether b is exactly what is written for a record: be its head or
// its padding damaged, equal builds would no longer be equal bytes. An index may
// have another checksum for it than its head.
func whole(b []byte, r record) bool {
	return binary.LittleEndian.Uint32(b[12:]) == r.crc && bytes.Equal(b, encodeRecord(r.key, r.bins, r.frames, b[align:align+r.size()]))
}

// decodeHead reads the head of a record with its data at an offset of a file.
func decodeHead(b []byte, offset, size int64) (record, bool) {
	le := binary.LittleEndian
	r := record{key: key(b[16:48]), offset: offset, bins: int(le.Uint32(b[4:])), frames: int(le.Uint32(b[8:])), crc: le.Uint32(b[12:])}
	room := uint64(size-offset) / 4
	ok := string(b[:4]) == recordMagic && crc(b[:48]) == le.Uint32(b[48:]) &&
		r.bins > 0 && r.frames > 0 && uint64(r.bins)*uint64(r.frames) <= room && offset+padded(r.size()) <= size
	return r, ok
}

func (w *storeWriter) failed(err error) error { return disk.Failed(partialPath(w.path), err) }

func (w *storeWriter) append(b []byte) error {
	if _, err := w.file.Write(b); err != nil {
		return w.failed(err)
	}
	r, ok := decodeHead(b, w.end+align, w.end+int64(len(b)))
	if !ok {
		panic("audio: a record was laid out wrong")
	}
	w.records = append(w.records, r)
	w.end += int64(len(b))
	return nil
}

// finish writes the index, then the header, and puts the file in its place,
// each on disk before the next.
func (w *storeWriter) finish(b *builder) (size int64, err error) {
	index := b.index(w.records)
	le := binary.LittleEndian
	head := make([]byte, align)
	copy(head, storeMagic)
	le.PutUint32(head[8:], storeVersion)
	le.PutUint64(head[16:], uint64(w.end))
	le.PutUint64(head[24:], uint64(len(index)))
	le.PutUint32(head[32:], crc(index))
	le.PutUint32(head[12:], crc(head[16:]))
	for _, step := range []func() error{
		func() error { _, err := w.file.Write(index); return err },
		w.file.Sync,
		func() error { _, err := w.file.WriteAt(head, 0); return err },
		w.file.Sync,
		w.file.Close,
		b.close, // some systems rename over no open file
		func() error { return disk.Rename(partialPath(w.path), w.path) },
		func() error { return disk.SyncDir(filepath.Dir(w.path)) },
	} {
		if err := step(); err != nil {
			return 0, w.failed(err)
		}
	}
	return w.end + int64(len(index)), nil
}
