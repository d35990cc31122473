package audio

import (
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"clr/internal/fault"
)

// A Reading says how the lines of a manifest become clips.
type Reading struct {
	Channels Downmix    `yaml:"channels" doc:"how several channels become one: mean, left (the first) or loudest (that of the largest root mean square over the clip; of equal ones the first)"`
	Resample Resampling `yaml:"resample" doc:"filter that changes the sample rate: torchaudio (its default), kaiser_fast or kaiser_best; docs/features.md has what each was measured to pass and to stop"`
	Windows  Windows    `yaml:"windows" doc:"each line of the manifest is cut into windows, which are clips of their own"`
	OnError  OnError    `yaml:"on_error" doc:"what a recording that cannot be used does to the rest"`
}

// DefaultReading takes each line whole, and all lines or none.
var DefaultReading = Reading{Channels: "mean", Resample: "torchaudio", OnError: OnError{Do: "fail", Most: 0.05}}

// ReadCorpus is the function of that name, for recordings that are to be read so.
// Where what fails is skipped, files that are not there are found out when they are read.
func (r Reading) ReadCorpus(fsys fs.FS, name string) (*Corpus, error) {
	c := &Corpus{Path: name, fsys: fsys, reading: r, reader: newReader(r)}
	if err := c.read(); err != nil {
		return nil, err
	}
	return c, nil
}

// ParseCorpus is ReadCorpus of a manifest's text that is in memory, as if it stood
// under a name.
func (r Reading) ParseCorpus(fsys fs.FS, name string, text []byte) (*Corpus, error) {
	c := &Corpus{Path: name, fsys: fsys, reading: r, reader: newReader(r)}
	if err := c.parse(text); err != nil {
		return nil, err
	}
	return c, nil
}

// settings writes what features depend on as JSON. What a clip was read by
// stands there only where it is not the default, so that a store from before
// there was a choice stays as it is.
func (r Reading) settings(o FeatureOptions, rate int) (string, error) {
	s, err := settingsOf(o, rate)
	if err != nil {
		return "", err
	}
	for _, v := range []struct{ name, value, usual string }{
		{"channels", string(r.Channels), string(DefaultReading.Channels)}, {"resample", string(r.Resample), string(DefaultReading.Resample)},
	} {
		if v.value != v.usual {
			s = strings.TrimSuffix(s, "}") + fmt.Sprintf(",%q:%q}", v.name, v.value)
		}
	}
	return s, nil
}

// A reader makes clips as a Reading says; safe for several goroutines.
type reader struct {
	mix    Downmix
	filter ResampleOptions

	mu   sync.Mutex
	made map[[2]int]*Resampler // by rates
}

func newReader(r Reading) *reader {
	return &reader{mix: r.Channels, filter: Resamplings[r.Resample], made: map[[2]int]*Resampler{}}
}

// clip reads a stretch of a tape as a clip of a rate; 0 is the recording's own.
// A stretch is resampled as if it were all that there is: what lies beyond its
// ends counts as silent. So it is the same clip whether the rest is there or
// not, and needs none of it. The samples may be the tape's own.
func (r *reader) clip(t *tape, rate int, start, end float64) (Clip, error) {
	c, err := t.clip(start, end)
	if err != nil {
		return Clip{}, err
	}
	for i, v := range c.Samples {
		if d := v - v; d != 0 { // NaN and the infinities
			return Clip{}, fault.New(fault.Data, replace, "sample %d is %v", i, v)
		}
	}
	if rate == 0 || rate == c.Rate {
		return c, nil
	}
	if float64(len(c.Samples))*float64(rate)/float64(c.Rate) > maxSamples {
		return Clip{}, tooLong(rate)
	}
	f := r.resampler(c.Rate, rate, len(c.Samples))
	out := Clip{Rate: rate, Samples: make([]float32, f.Len(len(c.Samples)))}
	f.Apply(out.Samples, c.Samples)
	return out, nil
}

// resampler is one that is kept, or a new one.
func (r *reader) resampler(from, to, samples int) *Resampler {
	const kept = 8 // pairs of rates
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.made[[2]int{from, to}]; f != nil && f.reaches(samples) {
		return f
	}
	f := NewResampler(from, to, samples, r.filter)
	if len(r.made) == kept {
		clear(r.made)
	}
	r.made[[2]int{from, to}] = f
	return f
}
