package audio

import (
	"fmt"
	"math"

	"clr/internal/kernel"
)

// ChromaCQT is how much of each pitch class a clip holds: the magnitudes of a
// CQT, summed over octaves and over the bins around each class, as
// librosa.feature.chroma_cqt does, with a tuning that is given instead of
// estimated. Class 0 is C.
type ChromaCQT struct {
	HopLength     int     `yaml:"hop_length" doc:"samples from one frame to the next; frame t is centred on sample t*hop_length"`
	FMin          float64 `yaml:"f_min" doc:"frequency of the lowest bin, Hz; C1 is 32.7032"`
	NChroma       int     `yaml:"n_chroma" doc:"pitch classes per octave"`
	NOctaves      int     `yaml:"n_octaves" doc:"octaves above f_min"`
	BinsPerOctave int     `yaml:"bins_per_octave" doc:"bins of the CQT per octave, a multiple of n_chroma"`
	Tuning        float64 `yaml:"tuning" doc:"moves all bins of the CQT up, in bins; it is not estimated"`
	Window        string  `yaml:"window" doc:"hann, hamming, blackman or rectangular, all periodic"`
	PadMode       string  `yaml:"pad_mode" doc:"reflect or constant (zeros) beyond the clip's ends"`
	Threshold     float64 `yaml:"threshold" doc:"classes below this magnitude count as 0, before norm"`
	Norm          string  `yaml:"norm" doc:"inf: a frame's largest class is 1; 1 or 2: its sum or Euclidean length is; none"`
}

// Doc describes the feature in one line.
func (o ChromaCQT) Doc() string {
	return "pitch classes of constant-Q transforms, as librosa defines them"
}

// Unit implements FeatureOptions.
func (o ChromaCQT) Unit() string { return chromaUnit(o.Norm, "magnitude") }

func (o ChromaCQT) cqt() CQT {
	return CQT{HopLength: o.HopLength, FMin: o.FMin, NBins: o.NOctaves * o.BinsPerOctave, BinsPerOctave: o.BinsPerOctave, FilterScale: 1,
		Tuning: o.Tuning, Window: o.Window, Scale: true, PadMode: o.PadMode, Value: "magnitude"}
}

// Check finds settings that make no feature of clips at a rate.
func (o ChromaCQT) Check(rate int) error {
	own := []rule{
		{o.NChroma >= 1 && o.NChroma <= 256, "n_chroma", fmt.Sprintf("is %d, set it from 1 to 256", o.NChroma)},
		{o.NOctaves >= 1 && o.NOctaves <= 16, "n_octaves", fmt.Sprintf("is %d, set it from 1 to 16", o.NOctaves)},
		{o.BinsPerOctave >= 1 && o.BinsPerOctave <= 256 && o.BinsPerOctave%max(o.NChroma, 1) == 0, "bins_per_octave",
			fmt.Sprintf("is %d, set it to a multiple of n_chroma = %d, to 256 at most", o.BinsPerOctave, o.NChroma)},
		{o.Threshold >= 0, "threshold", fmt.Sprintf("is %v, set it to 0 or more", o.Threshold)},
		oneOf("norm", o.Norm, "inf", "1", "2", "none"),
	}
	if err := broken(own); err != nil {
		return err
	}
	rules := o.cqt().rules(rate, 0)
	for i, r := range rules {
		if r.setting == "n_bins" { // octaves here
			rules[i].setting = "n_octaves"
		}
	}
	return broken(rules)
}

// New readies the filters for clips of a rate.
func (o ChromaCQT) New(rate int) (Feature, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	return &chromaCQT{options: o, wavelets: newWavelets(o.cqt(), 0, rate)}, nil
}

// class is where bin k of the CQT belongs: to the class around which it is one
// of bins_per_octave/n_chroma.
func (o ChromaCQT) class(k int) int {
	merge := o.BinsPerOctave / o.NChroma
	midi := 12*math.Log2(o.FMin/440) + 69
	lowest := int(math.RoundToEven((midi - 12*math.Floor(midi/12)) * float64(o.NChroma) / 12))
	return ((k+merge/2)/merge + lowest) % o.NChroma
}

type chromaCQT struct {
	options  ChromaCQT
	wavelets *wavelets
	bins     Spectrogram // (octaves·bins_per_octave, frames)
}

func (f *chromaCQT) Shape(samples int) (bins, frames int) {
	_, frames = f.wavelets.Shape(samples)
	return f.options.NChroma, frames
}

func (f *chromaCQT) Extract(dst *Spectrogram, c Clip) error {
	if err := f.wavelets.power(&f.bins, c); err != nil {
		return err
	}
	kernel.Sqrt(f.bins.Data)
	dst.Resize(f.options.NChroma, f.bins.Frames)
	clear(dst.Data)
	for k := range f.bins.Bins {
		to := dst.Row(f.options.class(k))
		for t, v := range f.bins.Row(k) {
			to[t] += v
		}
	}
	if least := float32(f.options.Threshold); least > 0 {
		for i, v := range dst.Data {
			if v < least {
				dst.Data[i] = 0
			}
		}
	}
	normaliseFrames(dst, f.options.Norm)
	return nil
}
