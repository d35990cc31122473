package audio

import (
	"bytes"
	"io"
	"io/fs"
	"math"
	"os"

	"clr/internal/fault"
)

// Host is the machine's own file system: Open takes any path that the
// operating system does, absolute or with "..", which os.DirFS refuses.
func Host() fs.FS { return host{} }

type host struct{}

func (host) Open(name string) (fs.File, error)     { return os.Open(name) }
func (host) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

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

// endSlack is how far an end may lie behind a recording's last sample, in
// seconds: manifests round their times.
const endSlack = 0.01

// ReadClipFS reads the stretch from start to end (seconds; an end of 0 means
// the recording's end) of a recording as one clip: the mean of its channels,
// resampled to rate where the file has another (rate 0 keeps the file's own).
// Errors are data errors that name the file.
func ReadClipFS(fsys fs.FS, path string, rate int, start, end float64) (Clip, error) {
	r, f, err := seekable(fsys, path)
	if err != nil {
		return Clip{}, err
	}
	defer f.Close()
	return readClip(r, path, rate, start, end)
}

func readClip(r io.ReadSeeker, path string, rate int, start, end float64) (c Clip, err error) {
	defer named(path, &err)
	s, err := open(r)
	if err != nil {
		return Clip{}, err
	}
	c, err = s.clip(start, end)
	if err != nil {
		return Clip{}, err
	}
	for i, v := range c.Samples {
		if d := v - v; d != 0 { // NaN and the infinities
			return Clip{}, fault.New(fault.Data, replace, "sample %d is %v", i, v)
		}
	}
	if rate != 0 && rate != c.Rate {
		return resampleClip(c, rate)
	}
	return c, nil
}

func (s *source) clip(start, end float64) (Clip, error) {
	if !(start >= 0) || end != 0 && !(end > start) || math.IsInf(end, 0) {
		return Clip{}, fault.New(fault.Data, "set 0 <= start < end, in seconds", "a clip from %v s to %v s holds nothing", start, end)
	}
	rate := float64(s.rate)
	first, last := int64(math.Round(min(start*rate, 1<<53))), int64(-1)
	if end != 0 {
		last = int64(math.Round(min(end*rate, 1<<53)))
	}
	samples, total, err := s.mono(first, last)
	if err != nil {
		return Clip{}, err
	}
	const mend = "mend start and end in the manifest"
	switch {
	case len(samples) == 0 && total == 0:
		s.frames = 0
		return Clip{}, s.check()
	case len(samples) == 0 && total > 0:
		return Clip{}, fault.New(fault.Data, mend, "the clip starts at %v s, the recording ends at %v s", start, float64(total)/rate)
	case len(samples) == 0:
		return Clip{}, fault.New(fault.Data, mend, "the clip from %v s to %v s is shorter than one sample at %d Hz", start, end, s.rate)
	case total >= 0 && float64(last-total) > endSlack*rate:
		return Clip{}, fault.New(fault.Data, mend, "the clip ends at %v s, the recording at %v s", end, float64(total)/rate)
	}
	return Clip{Rate: s.rate, Samples: samples}, nil
}
