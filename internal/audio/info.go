package audio

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"

	"clr/internal/fault"
)

// Info is what a recording is, found by decoding all of it.
type Info struct {
	Container string  `json:"container"` // wav, rf64, flac, mp3, ...
	Encoding  string  `json:"encoding"`  // of the samples: pcm_s16, float32, mulaw, ms_adpcm, flac_s16, ...
	Channels  int     `json:"channels"`
	Rate      int     `json:"rate"`     // Hz
	Frames    int64   `json:"frames"`   // samples of each channel
	Duration  float64 `json:"duration"` // seconds
	Peak      float64 `json:"peak"`     // largest magnitude of all channels; full scale is 1
	RMS       float64 `json:"rms"`      // root mean square over all channels
}

// Inspect decodes a whole recording, block by block: its length costs time and
// no memory. Errors are data errors that name the file.
func Inspect(ctx context.Context, fsys fs.FS, path string) (Info, error) {
	in, err := openInput(fsys, path)
	if err != nil {
		return Info{}, err
	}
	defer in.Close()
	return inspect(ctx, in, path)
}

func inspect(ctx context.Context, r io.ReadSeeker, name string) (info Info, err error) {
	defer named(name, &err)
	s, err := open(r)
	if err != nil {
		return Info{}, err
	}
	samples, sum, peak := int64(0), 0.0, 0.0
	buf := s.block()
	for {
		if err := ctx.Err(); err != nil {
			return Info{}, err
		}
		n, err := s.read(buf)
		for i, v := range buf[:n] {
			x := math.Abs(float64(v))
			if !(x <= math.MaxFloat32) {
				return Info{}, fault.New(fault.Data, replace, "sample %d of channel %d is %v", (samples+int64(i))/int64(s.channels), (samples+int64(i))%int64(s.channels), v)
			}
			peak = max(peak, x)
			sum += float64(x * x)
		}
		samples += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Info{}, err
		}
	}
	if samples == 0 {
		s.frames = 0
		return Info{}, s.check()
	}
	frames := samples / int64(s.channels)
	return Info{Container: s.container, Encoding: s.encoding, Channels: s.channels, Rate: s.rate, Frames: frames,
		Duration: float64(frames) / float64(s.rate), Peak: peak, RMS: math.Sqrt(sum / float64(samples))}, nil
}
