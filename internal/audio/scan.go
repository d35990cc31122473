package audio

import (
	"errors"
	"io"
	"io/fs"

	"clr/internal/fault"
)

// A Form is how a recording holds its sound.
type Form struct {
	Container      string // wav, flac, ...
	Encoding       string // of the samples: pcm_s16, float32, flac_s16, ...
	Rate, Channels int
}

// Scan decodes a whole recording in order and shows it block by block, so that
// its length costs time and no memory; it gives the number of frames. visit is
// given whole interleaved frames, a few thousand samples, which it may not
// keep; at counts the frames before them. An error of visit ends the scan.
// Errors are data errors that name the file; a sample that is not finite is one.
func Scan(fsys fs.FS, path string, visit func(form Form, at int64, block []float32) error) (form Form, frames int64, err error) {
	in, err := openInput(fsys, path)
	if err != nil {
		return Form{}, 0, err
	}
	defer in.Close()
	defer named(path, &err)
	s, err := open(in)
	if err != nil {
		return Form{}, 0, err
	}
	form = Form{Container: s.container, Encoding: s.encoding, Rate: s.rate, Channels: s.channels}
	buf := s.block()
	for {
		n, err := s.read(buf)
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return form, frames, err
		}
		for i, v := range buf[:n] {
			if d := v - v; d != 0 { // NaN and the infinities
				return form, frames, fault.New(fault.Data, replace, "sample %d is %v", frames+int64(i/s.channels), v)
			}
		}
		if n > 0 {
			if err := visit(form, frames, buf[:n]); err != nil {
				return form, frames, err
			}
		}
		frames += int64(n / s.channels)
		if ended && frames == 0 {
			s.frames = 0
			return form, 0, s.check()
		}
		if ended {
			return form, frames, nil
		}
	}
}
