package audio

import "fmt"

// Waveform is the samples themselves, cut into frames, for encoders that learn
// their own filters: bin b of frame t is sample t*hop_length + b.
type Waveform struct {
	FrameLength int `yaml:"frame_length" doc:"samples per frame, which are its bins"`
	HopLength   int `yaml:"hop_length" doc:"samples from one frame to the next"`
}

// Doc describes the feature in one line.
func (o Waveform) Doc() string { return "the samples themselves, in frames: for 1-D encoders" }

// Unit implements FeatureOptions.
func (o Waveform) Unit() string { return unitSamples }

// Check finds settings that make no feature of clips at a rate.
func (o Waveform) Check(rate int) error {
	return broken([]rule{
		{rate >= 1, "sample_rate", fmt.Sprintf("is %d, set it to 1 Hz or more", rate)},
		{o.FrameLength >= 1 && o.FrameLength <= sizeLimit, "frame_length", fmt.Sprintf("is %d, set it from 1 to %d", o.FrameLength, sizeLimit)},
		{o.HopLength >= 1 && o.HopLength <= sizeLimit, "hop_length", fmt.Sprintf("is %d, set it from 1 to %d", o.HopLength, sizeLimit)},
	})
}

// New makes the feature for clips of a rate.
func (o Waveform) New(rate int) (Feature, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	return &waveform{o, rate}, nil
}

type waveform struct {
	options Waveform
	rate    int
}

func (f *waveform) Shape(samples int) (bins, frames int) {
	if samples < f.options.FrameLength {
		return f.options.FrameLength, 0
	}
	return f.options.FrameLength, 1 + (samples-f.options.FrameLength)/f.options.HopLength
}

func (f *waveform) Extract(dst *Spectrogram, c Clip) error {
	if err := ready(dst, f, c, f.rate, f.options.FrameLength); err != nil {
		return err
	}
	for b := range dst.Bins {
		row, x := dst.Row(b), c.Samples[b:]
		if f.options.HopLength == 1 {
			copy(row, x)
			continue
		}
		for t := range row {
			row[t] = x[t*f.options.HopLength]
		}
	}
	return nil
}
