package audio

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Host is the machine's own file system: Open takes any path that the
// operating system does, absolute or with "..", which os.DirFS refuses, and
// opens files only: a pipe or a device may never end, or never begin.
func Host() fs.FS { return host{} }

type host struct{}

func (host) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

func (host) Open(name string) (fs.File, error) {
	if info, err := os.Stat(name); err == nil { // before it is opened: a pipe without a writer would never be
		if err := irregular(info); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return os.Open(name)
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
	in, err := openInput(fsys, path)
	if err != nil {
		return Clip{}, err
	}
	defer in.Close()
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
// way that can be believed, all of it is read, block by block.
func secondsOf(r io.ReadSeeker, path string) (seconds float64, err error) {
	defer named(path, &err)
	s, err := open(r)
	if err != nil {
		return 0, err
	}
	switch {
	case s.frames > 0:
	case s.walk != nil:
		s.frames, err = s.walk()
	default:
		s.frames, err = s.count()
	}
	if err != nil {
		return 0, err
	}
	return float64(s.frames) / float64(s.rate), s.check()
}

// count decodes all frames.
func (s *source) count() (frames int64, err error) {
	for buf := s.block(); ; {
		n, err := s.read(buf)
		frames += int64(n / s.channels)
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
