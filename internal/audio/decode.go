package audio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"clr/internal/fault"
)

// A Recording is what a file holds: interleaved frames of Channels samples at
// the file's own rate; full scale is -1..1, though float files may go beyond.
type Recording struct {
	Rate, Channels int
	Samples        []float32 // (frames, channels)
}

// maxSamples bounds one clip or recording, 1 GiB as float32 (4.6 hours of mono
// at 16 kHz). A few bytes of FLAC can claim any length of silence, and a few
// samples at "1 Hz" any length after resampling.
const maxSamples = 1 << 28

const (
	convert = "convert it to 16-bit WAV or FLAC, for example with sox or ffmpeg, and name the new file in the manifest"
	replace = "fetch or export the recording again, or take its line out of the manifest"
)

// A source is an opened recording, read frame by frame.
type source struct {
	container      string // wav, flac, ...
	encoding       string // of the samples: pcm_s16, float32, mulaw, ...; big-endian ones end in be
	rate, channels int
	frames         int64 // that the file holds; -1 where a header's claim is all there is
	seek           seeker
	walk           func() (frames int64, err error) // set where a seek reads all that lies before: so it goes to the end, and counts
	read           func(dst []float32) (int, error) // whole interleaved frames into dst; samples read; io.EOF after the last
}

// A seeker takes reading to a frame, and says which frame comes next: that
// one, or the recording's end where it lies before it.
type seeker func(frame int64) (at int64, err error)

// A decoder knows one format by its first bytes.
type decoder struct {
	name  string
	match func(head []byte) bool
	open  func(r io.ReadSeeker, size int64) (*source, error) // nil: known, but not read here
}

// supported names what can be read, for messages.
const supported = "WAV, FLAC, MP3, AIFF and AU"

// headBytes is how much of a file the decoders see to know it by.
const headBytes = 16

// extensions end the names of recordings, whether they are read here or not.
var extensions = []string{".wav", ".wave", ".bwf", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".m4a", ".caf"}

// NamesRecording says whether a file's name promises a recording. What it is, and
// whether it can be read, its first bytes decide.
func NamesRecording(name string) bool {
	return slices.Contains(extensions, strings.ToLower(path.Ext(name)))
}

// decoders are tried in order. A new format is a line here and a file beside wav.go.
var decoders = []decoder{
	{"WAV", magic("RIFF", "WAVE"), openWAV},
	{"RIFX (big-endian WAV)", magic("RIFX", "WAVE"), openRIFX},
	{"RF64 (WAV beyond 4 GiB)", magic("RF64", "WAVE"), openRF64},
	{"BW64 (WAV beyond 4 GiB)", magic("BW64", "WAVE"), openBW64},
	{"FLAC", magic("fLaC", ""), openFLAC},
	{"AIFF", magic("FORM", "AIFF"), openAIFF},
	{"AIFF-C", magic("FORM", "AIFC"), openAIFF},
	{"AU", magic(".snd", ""), openAU},
	{"MP3", magic("ID3", ""), openMP3},
	{"MP3", func(h []byte) bool { return len(h) >= 4 && mp3Sync(h) }, openMP3},
	{"Ogg", magic("OggS", ""), openOgg},
	{"Wave64", magic("riff\x2e\x91\xcf\x11", ""), nil},
	{"RIFF without WAVE", magic("RIFF", ""), nil},
	{"RIFX without WAVE", magic("RIFX", ""), nil},
	{"IFF without AIFF", magic("FORM", ""), nil},
	{"AU with its bytes the other way round", magic("dns.", ""), nil},
	{"MPEG audio of layer I or II", func(h []byte) bool { return len(h) > 1 && h[0] == 0xff && h[1]&0xe4 == 0xe4 }, nil},
	{"AAC (ADTS)", func(h []byte) bool { return len(h) > 1 && h[0] == 0xff && h[1]&0xf6 == 0xf0 }, nil},
	{"MP4 (AAC or ALAC)", func(h []byte) bool { return len(h) >= 8 && string(h[4:8]) == "ftyp" }, nil},
	{"CAF", magic("caff", ""), nil},
	{"WavPack", magic("wvpk", ""), nil},
	{"Matroska or WebM", magic("\x1a\x45\xdf\xa3", ""), nil},
	{"ASF (WMA)", magic("\x30\x26\xb2\x75\x8e\x66\xcf\x11", ""), nil},
	{"AMR", magic("#!AMR", ""), nil},
	{"NIST Sphere", magic("NIST_1A", ""), nil},
	{"Monkey's Audio", magic("MAC ", ""), nil},
}

// magic matches files that begin with first and hold second at byte 8.
func magic(first, second string) func([]byte) bool {
	return func(head []byte) bool {
		return bytes.HasPrefix(head, []byte(first)) && (second == "" || len(head) >= 8 && bytes.HasPrefix(head[8:], []byte(second)))
	}
}

// open finds a recording's decoder by the recording's first bytes.
func open(r io.ReadSeeker) (*source, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, fault.New(fault.Data, replace, "the file is empty: 0 bytes")
	}
	head := make([]byte, min(size, headBytes))
	if err := readAt(r, 0, head); err != nil {
		return nil, err
	}
	for _, d := range decoders {
		if !d.match(head) {
			continue
		}
		if d.open == nil {
			return nil, fault.New(fault.Data, convert, "this is %s, which is not supported; %s are", d.name, supported)
		}
		s, err := d.open(r, size)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		return s, s.check()
	}
	return nil, fault.New(fault.Data, convert, "no recording known here begins with %q; %s are supported", head, supported)
}

// check refuses what no later step can use.
func (s *source) check() error {
	const most = 1 << 20 // Hz; bat detectors reach half of it
	switch {
	case s.channels < 1:
		return fault.New(fault.Data, replace, "the header says %d channels; at least 1 is needed", s.channels)
	case s.rate < 1 || s.rate > most:
		return fault.New(fault.Data, replace, "the header says %d Hz; a sample rate from 1 to %d Hz is needed", s.rate, most)
	case s.frames == 0:
		return fault.New(fault.Data, replace, "there are no samples: 0 frames of %d channels at %d Hz", s.channels, s.rate)
	}
	return nil
}

// readAt fills dst from one place of a file.
func readAt(r io.ReadSeeker, at int64, dst []byte) error {
	if _, err := r.Seek(at, io.SeekStart); err != nil {
		return err
	}
	_, err := io.ReadFull(r, dst)
	return err
}

// Decode reads a whole recording, whatever its name says: the first bytes tell
// the format. name stands in messages. A damaged or cut file is a data error,
// and so is a panic of the format's library.
func Decode(r io.ReadSeeker, name string) (rec Recording, err error) {
	defer named(name, &err)
	s, err := open(r)
	if err != nil {
		return Recording{}, err
	}
	rec = Recording{Rate: s.rate, Channels: s.channels}
	buf := s.block()
	for {
		n, err := s.read(buf)
		rec.Samples = append(rec.Samples, buf[:n]...)
		switch {
		case len(rec.Samples) > maxSamples:
			return Recording{}, tooLong(s.rate)
		case errors.Is(err, io.EOF) && len(rec.Samples) == 0:
			s.frames = 0
			return Recording{}, s.check()
		case errors.Is(err, io.EOF):
			return rec, nil
		case err != nil:
			return Recording{}, err
		}
	}
}

func tooLong(rate int) error {
	return fault.New(fault.Data, "cut it into clips, or give start and end columns in the manifest",
		"the clip is longer than %d samples (at %d Hz: %.0f minutes)", maxSamples, rate, maxSamples/60/float64(rate))
}

// blockSize is how many samples, of whole frames, are well read at a time.
func (s *source) blockSize() int { return max(1, 4096/s.channels) * s.channels }

// block is a buffer for that.
func (s *source) block() []float32 { return make([]float32, s.blockSize()) }

// named puts a file's name before an error, and turns a panic into one.
func named(name string, err *error) {
	if p := recover(); p != nil {
		*err = fault.New(fault.Data, replace, "the decoder failed on this file: %v", p)
	}
	if *err != nil {
		*err = fault.New(fault.Data, fault.Remedy(*err), "%s: %w", name, *err)
	}
}
