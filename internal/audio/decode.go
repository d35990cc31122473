package audio

import (
	"io"
	"io/fs"
	"os"

	"clr/internal/fault"
)

// A Recording is what a file holds: interleaved frames of Channels samples at
// the file's own rate; full scale is -1..1.
type Recording struct {
	Rate, Channels int
	Samples        []float32 // (frames, channels)
}

// Decode reads a whole recording, whatever its name says: the first bytes tell
// the format. name is for messages.
func Decode(r io.ReadSeeker, name string) (Recording, error) {
	return Recording{}, fault.New(fault.Data, "", "%s: not yet", name)
}

// Host is the machine's own file system: Open takes any path that the
// operating system does, absolute or with "..", which os.DirFS refuses.
func Host() fs.FS { return host{} }

type host struct{}

func (host) Open(name string) (fs.File, error)     { return os.Open(name) }
func (host) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// ReadClip is ReadClipFS on the machine's own files.
func ReadClip(path string, rate int, start, end float64) (Clip, error) {
	return ReadClipFS(Host(), path, rate, start, end)
}

// ReadClipFS reads the stretch from start to end (seconds; an end of 0 means
// the recording's end) of a recording as one clip: the mean of its channels,
// resampled to rate where the file has another (rate 0 keeps the file's own).
func ReadClipFS(fsys fs.FS, path string, rate int, start, end float64) (Clip, error) {
	return Clip{}, fault.New(fault.Data, "", "%s: not yet", path)
}
