package audio

import (
	"errors"
	"io"
	"io/fs"

	"clr/internal/fault"
)

// An Info is what there is to know of a recording beside its sound.
type Info struct {
	Container      string // wav, flac, ...
	Encoding       string // of the samples: pcm_s16, float32, flac_s16, ...
	Rate, Channels int
	Frames         int64 // decoded
}

// Scan decodes a whole recording in order and shows it block by block, so that
// its length does not matter. visit is given whole interleaved frames, at most
// a few thousand samples, which are its own only until it returns; at counts
// the frames before them. An error of visit ends the scan. Errors are data
// errors that name the file; a sample that is not finite is one.
func Scan(fsys fs.FS, path string, visit func(at Info, block []float32) error) (info Info, err error) {
	r, f, err := seekable(fsys, path)
	if err != nil {
		return Info{}, err
	}
	defer f.Close()
	defer named(path, &err)
	s, err := open(r)
	if err != nil {
		return Info{}, err
	}
	info = Info{Container: s.container, Encoding: s.encoding, Rate: s.rate, Channels: s.channels}
	buf := s.block()
	for {
		n, err := s.read(buf)
		if ended := errors.Is(err, io.EOF); err != nil && !ended {
			return info, err
		}
		for i, v := range buf[:n] {
			if d := v - v; d != 0 { // NaN and the infinities
				return info, fault.New(fault.Data, replace, "sample %d is %v", info.Frames+int64(i/s.channels), v)
			}
		}
		if n > 0 {
			if err := visit(info, buf[:n]); err != nil {
				return info, err
			}
		}
		info.Frames += int64(n / s.channels)
		switch {
		case err == nil:
		case info.Frames == 0:
			s.frames = 0
			return info, s.check()
		default:
			return info, nil
		}
	}
}
