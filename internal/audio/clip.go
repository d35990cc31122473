package audio

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"

	"clr/internal/fault"
)

// Host is the machine's own file system: Open takes any path that the
// operating system does, absolute or with "..", which os.DirFS refuses, and
// opens files only: a pipe or a device may never end, or never begin.
func Host() fs.FS { return host{} }

type host struct{}

func (host) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

func (host) Open(name string) (fs.File, error) {
	if info, err := os.Stat(name); err == nil { // before it is opened: a pipe without a writer would never be
		if err := isFile(info); err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
	return os.Open(name)
}

// isFile says what something is that is not a file with bytes in it.
func isFile(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errors.New("this is a folder, not a file")
	case !info.Mode().IsRegular():
		return errors.New("this is not a regular file")
	}
	return nil
}

// seekable opens a file for decoding. What cannot seek is read into memory.
func seekable(fsys fs.FS, path string) (io.ReadSeeker, fs.File, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, nil, fault.New(fault.Data, "see that the path is right and the file may be read", "%w", err)
	}
	if r, ok := f.(io.ReadSeeker); ok {
		return r, f, nil
	}
	data, err := io.ReadAll(f)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return bytes.NewReader(data), f, nil
}

// ReadClip is ReadClipFS on the machine's own files.
func ReadClip(path string, rate int, start, end float64) (Clip, error) {
	return ReadClipFS(Host(), path, rate, start, end)
}

// ReadClipFS reads the stretch from start to end (seconds; an end of 0 means
// the recording's end) of a recording as one clip: the mean of its channels,
// resampled to rate where the file has another (rate 0 keeps the file's own).
// Errors are data errors that name the file.
func ReadClipFS(fsys fs.FS, path string, rate int, start, end float64) (Clip, error) {
	return newReader(DefaultReading).file(fsys, path, rate, start, end)
}

// file reads a clip of a file.
func (r *reader) file(fsys fs.FS, path string, rate int, start, end float64) (Clip, error) {
	in, f, err := seekable(fsys, path)
	if err != nil {
		return Clip{}, err
	}
	defer f.Close()
	return r.from(in, path, rate, start, end)
}

// from reads a clip of what is open.
func (r *reader) from(in io.ReadSeeker, path string, rate int, start, end float64) (c Clip, err error) {
	defer named(path, &err)
	s, err := open(in)
	if err != nil {
		return Clip{}, err
	}
	return r.clip(newTape(s, r.mix), rate, start, end)
}

// secondsOf is how long a recording is. Where its format does not say so in a
// way that can be believed, all of it is decoded, block by block.
func secondsOf(r io.ReadSeeker, path string) (seconds float64, err error) {
	defer named(path, &err)
	s, err := open(r)
	if err != nil {
		return 0, err
	}
	frames := s.frames
	if frames < 0 {
		frames = 0
		for buf := s.block(); ; {
			n, err := s.read(buf)
			frames += int64(n / s.channels)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return 0, err
			}
		}
		if frames == 0 {
			s.frames = 0
			return 0, s.check()
		}
	}
	return float64(frames) / float64(s.rate), nil
}
