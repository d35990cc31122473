package audio

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"sync"

	"clr/internal/fault"
)

// An input is a recording's file, open for reading. Decoders take headers in
// small pieces and seek between them; it reads ahead, so that a small file is
// one read, and a seek is none.
type input struct {
	f    fs.File
	r    io.ReadSeeker
	info fs.FileInfo // what the file was when it was last looked at
	at   int64       // where reading goes on
	pos  int64       // where r stands
	held []byte      // what stands before pos in the file, in buf
	buf  *[aheadBytes]byte
	next int // bytes to read ahead
}

const (
	aheadBytes = 1 << 16 // that are read ahead
	afterJump  = 1 << 12 // behind a seek, which may be followed by another; then ever more
)

// openInput opens a recording. What is no regular file is refused, on the
// machine's own files before it is opened. What cannot seek is read into memory.
func openInput(fsys fs.FS, path string) (*input, error) {
	const remedy = "see that the path is right and the file may be read"
	f, err := fsys.Open(path)
	if err != nil {
		return nil, fault.New(fault.Data, remedy, "%w", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = irregular(info)
	}
	if err != nil {
		f.Close()
		return nil, fault.New(fault.Data, remedy, "%s: %w", path, err)
	}
	in := &input{f: f, info: info, next: aheadBytes}
	var ok bool
	if in.r, ok = f.(io.ReadSeeker); !ok {
		data, err := io.ReadAll(f)
		if err != nil {
			f.Close()
			return nil, err
		}
		in.r = bytes.NewReader(data)
	}
	return in, nil
}

// irregular refuses what holds no recording, whatever its content.
func irregular(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errors.New("this is a folder, not a file")
	case !info.Mode().IsRegular():
		return errors.New("this is not a regular file")
	}
	return nil
}

// aheads are buffers that no input has.
var aheads = sync.Pool{New: func() any { return new([aheadBytes]byte) }}

func (in *input) Close() error {
	if in.buf != nil {
		aheads.Put(in.buf)
		in.buf, in.held, in.pos = nil, nil, -1
	}
	return in.f.Close()
}

// look sees what the file is now, and forgets what was read of it.
func (in *input) look() (err error) {
	in.held = in.held[:0]
	in.info, err = in.f.Stat()
	return err
}

// same says whether the file is still what it was at the last look.
func (in *input) same() (bool, error) {
	now, err := in.f.Stat()
	return err == nil && sameFile(in.info, now), err
}

func (in *input) size() int64 {
	if b, ok := in.r.(*bytes.Reader); ok {
		return b.Size()
	}
	return in.info.Size()
}

// Seek implements io.Seeker; the file itself goes there when it is read.
func (in *input) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += in.at
	case io.SeekEnd:
		offset += in.size()
	}
	if offset < 0 {
		return in.at, errors.New("a seek to before the file's first byte")
	}
	in.at = offset
	return in.at, nil
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if from := in.at - in.pos + int64(len(in.held)); from >= 0 && in.at < in.pos {
		n := copy(p, in.held[from:])
		in.at += int64(n)
		return n, nil
	}
	in.held = in.held[:0]
	if in.at != in.pos {
		if _, err := in.r.Seek(in.at, io.SeekStart); err != nil {
			return 0, err
		}
		in.pos, in.next = in.at, afterJump
	}
	if len(p) >= aheadBytes {
		n, err := in.r.Read(p)
		in.at, in.pos = in.at+int64(n), in.pos+int64(n)
		return n, err
	}
	if in.buf == nil {
		in.buf = aheads.Get().(*[aheadBytes]byte)
	}
	n, err := in.r.Read(in.buf[:in.next])
	in.held, in.pos, in.next = in.buf[:n], in.pos+int64(n), min(2*in.next, aheadBytes)
	if n == 0 {
		return 0, err
	}
	n = copy(p, in.held)
	in.at += int64(n)
	return n, nil
}
