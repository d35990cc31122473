package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"clr/internal/fault"
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
	file    *os.File
	path    string // of the finished store
	end     int64
	records []record
}

// resume opens the partial store and keeps as many of its records as are the
// first that this build would write.
func (b *builder) resume() (*storeWriter, error) {
	if err := os.MkdirAll(filepath.Dir(b.path), 0o777); err != nil {
		return nil, fmt.Errorf("feature store: %w", err)
	}
	f, err := os.OpenFile(partialPath(b.path), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("feature store: %w", err)
	}
	w := &storeWriter{file: f, path: b.path, end: align}
	if err := w.recover(b); err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

func (w *storeWriter) recover(b *builder) error {
	if err := lock(w.file); err != nil {
		return fault.New(fault.Resource, "wait for it, or end it", "feature store %s: another process is building it: %w", w.path, err)
	}
	info, err := w.file.Stat()
	if err != nil {
		return fmt.Errorf("feature store: %w", err)
	}
	head := make([]byte, align)
	for len(w.records) < len(b.unique) && w.end+align <= info.Size() {
		if _, err := w.file.ReadAt(head, w.end); err != nil {
			return fmt.Errorf("feature store: %w", err)
		}
		r, ok := decodeHead(head, w.end+align, info.Size())
		if !ok || r.key != b.keys[b.unique[len(w.records)]] {
			break
		}
		raw := make([]byte, align+padded(r.size()))
		if _, err := w.file.ReadAt(raw, w.end); err != nil {
			return fmt.Errorf("feature store: %w", err)
		}
		if !bytes.Equal(raw, encodeRecord(r.key, r.bins, r.frames, raw[align:align+r.size()])) {
			break // damaged, be it in the padding
		}
		w.records = append(w.records, r)
		w.end = r.offset + padded(r.size())
	}
	// A head of zeros says that the store is not finished.
	if err := w.file.Truncate(w.end); err != nil {
		return w.failed(err)
	}
	if _, err := w.file.WriteAt(make([]byte, align), 0); err != nil {
		return w.failed(err)
	}
	_, err = w.file.Seek(w.end, io.SeekStart)
	return err
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

// failed tells a full disk from other failures.
func (w *storeWriter) failed(err error) error {
	wrapped := fmt.Errorf("feature store %s: %w", partialPath(w.path), err)
	if k := fault.KindOf(err); k == fault.Resource {
		return fault.New(k, fault.Remedy(err), "%w", wrapped)
	}
	return wrapped
}

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
	if _, err := w.file.Write(index); err != nil {
		return 0, w.failed(err)
	}
	if err := w.file.Sync(); err != nil {
		return 0, w.failed(err)
	}
	le := binary.LittleEndian
	head := make([]byte, align)
	copy(head, storeMagic)
	le.PutUint32(head[8:], storeVersion)
	le.PutUint64(head[16:], uint64(w.end))
	le.PutUint64(head[24:], uint64(len(index)))
	le.PutUint32(head[32:], crc(index))
	le.PutUint32(head[12:], crc(head[16:]))
	if _, err := w.file.WriteAt(head, 0); err != nil {
		return 0, w.failed(err)
	}
	if err := w.file.Sync(); err != nil {
		return 0, w.failed(err)
	}
	if err := w.file.Close(); err != nil {
		return 0, w.failed(err)
	}
	if b.old != nil { // some systems rename over no open file
		b.old.Close()
		b.old = nil
	}
	if err := os.Rename(partialPath(w.path), w.path); err != nil {
		return 0, fmt.Errorf("feature store: %w", err)
	}
	return w.end + int64(len(index)), syncFolder(filepath.Dir(w.path))
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
	out = le.AppendUint32(out, uint32(len(b.corpus.Items)))
	for i, it := range b.corpus.Items {
		out = le.AppendUint32(out, uint32(b.number[b.keys[i]]))
		out = le.AppendUint64(out, math.Float64bits(it.Start))
		out = le.AppendUint64(out, math.Float64bits(it.End))
		out = le.AppendUint32(out, uint32(len(it.Path)))
		out = append(out, it.Path...)
	}
	return out
}

// syncFolder makes a rename last, where the system can sync a folder.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("feature store: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) && runtime.GOOS != "windows" {
		return fmt.Errorf("feature store: %w", err)
	}
	return nil
}
