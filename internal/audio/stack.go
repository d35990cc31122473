package audio

import (
	"cmp"
	"fmt"
	"slices"

	"clr/internal/fault"
)

// Stack lays several features of a clip on each other as channels, as an image
// has colours; CLAR (Al-Tahan and Mohsenzadeh 2021, section 3.1) learns from log
// power, phase and log-mel. A stack of C features of F bins is a spectrogram of
// (C·F, T), one channel below the other.
type Stack struct {
	Of   []FeatureOptions `yaml:"of" doc:"the features, a channel each; as many frames in all"`
	Bins int              `yaml:"bins" doc:"each channel is the lowest so many bins of its feature; 0: all, of which each must have as many"`
}

// clarDefaults are CLAR's frames of 16 ms every 8. Its filters come from
// transforms of 1024, for with 256 the lowest of 128 would be empty.
var clarDefaults = Stack{Bins: 128, Of: []FeatureOptions{
	STFT{NFFT: 256, WinLength: 256, HopLength: 128, Window: "hann", Center: true, PadMode: "reflect", Value: "ln", Floor: 1e-6, TopDB: 80},
	STFT{NFFT: 256, WinLength: 256, HopLength: 128, Window: "hann", Center: true, PadMode: "reflect", Value: "phase", Floor: 1e-6, TopDB: 80},
	LogMel{NFFT: 1024, WinLength: 256, HopLength: 128, NMels: 128,
		MelScale: "htk", MelNorm: "none", Power: 2, Center: true, PadMode: "reflect", Log: "ln", Floor: 1e-6, TopDB: 80}}}

// mostChannels is what a stack may have.
const mostChannels = 64

// Doc describes the feature in one line.
func (o Stack) Doc() string { return "several features as channels: CLAR's log power, phase, log-mel" }

// Unit implements FeatureOptions: what the channels have in common.
func (o Stack) Unit() string {
	unit := ""
	for i, of := range o.Of {
		if i > 0 && of.Unit() != unit {
			return ""
		}
		unit = of.Unit()
	}
	return unit
}

// channels tells Channels.
func (o Stack) channels() []FeatureOptions { return o.Of }

// Check finds settings that make no feature of clips at a rate.
func (o Stack) Check(rate int) error {
	_, err := o.New(rate)
	return err
}

// New readies all features for clips of a rate.
func (o Stack) New(rate int) (Feature, error) {
	if err := o.checkParts(rate); err != nil {
		return nil, err
	}
	f := &stack{rate: rate}
	var bins []int
	for _, of := range o.Of {
		one, err := of.New(rate)
		if err != nil {
			return nil, err
		}
		f.of = append(f.of, one)
		n, _ := one.Shape(rate)
		bins = append(bins, n)
	}
	f.bins = cmp.Or(o.Bins, bins[0])
	for i, n := range bins {
		if n < f.bins || n > f.bins && o.Bins == 0 {
			return nil, fault.New(fault.Usage, fmt.Sprintf("set feature.bins to %d, the fewest that any has, or change what is in feature.of", slices.Min(bins)),
				"feature.of.%d has %d bins, a channel needs %d", i, n, f.bins)
		}
	}
	if err := f.checkFrames(rate); err != nil {
		return nil, err
	}
	return f, nil
}

// checkParts asks each feature by itself.
func (o Stack) checkParts(rate int) error {
	if len(o.Of) < 1 || len(o.Of) > mostChannels {
		return fault.New(fault.Usage, "list the features that should be channels", "feature.of has %d features, it needs 1 to %d", len(o.Of), mostChannels)
	}
	for i, of := range o.Of {
		if len(Channels(of)) > 1 {
			return fault.New(fault.Usage, "list what it is made of", "feature.of.%d has several channels itself", i)
		}
		if err := of.Check(rate); err != nil {
			return fmt.Errorf("in feature.of.%d: %w", i, err)
		}
	}
	return broken([]rule{{o.Bins >= 0 && o.Bins <= sizeLimit, "bins", fmt.Sprintf("is %d, set it from 0 to %d", o.Bins, sizeLimit)}})
}

// checkFrames sees that the features have their frames at the same places.
func (f *stack) checkFrames(rate int) error {
	// Windows and hops that agree for these lengths agree for all: hop by hop the
	// number of frames grows by one, at the same places.
	lengths := []int{rate, 2 * rate, 10*rate + 1, 60*rate - 1, 3600 * rate}
	for n := 1; n < 64; n++ {
		lengths = append(lengths, 2*rate+n*37)
	}
	for i, one := range f.of {
		for _, n := range lengths {
			_, want := f.of[0].Shape(n)
			if _, frames := one.Shape(n); frames != want {
				return fault.New(fault.Usage, "give all of them one hop_length, and center: true to each or one window to each",
					"feature.of.%d makes %d frames of %d samples, feature.of.0 makes %d", i, frames, n, want)
			}
		}
	}
	return nil
}

type stack struct {
	rate int
	of   []Feature
	bins int // of a channel
	one  Spectrogram
}

func (f *stack) Shape(samples int) (bins, frames int) {
	_, frames = f.of[0].Shape(samples)
	return f.bins * len(f.of), frames
}

func (f *stack) Extract(dst *Spectrogram, c Clip) error {
	for i, of := range f.of {
		if err := of.Extract(&f.one, c); err != nil {
			return err
		}
		if i == 0 { // which refuses a clip that is too short for all
			if err := ready(dst, f, c, f.rate, 1); err != nil {
				return err
			}
		}
		if f.one.Frames != dst.Frames {
			return fault.New(fault.Data, "choose features with one hop and one window", "channel %d has %d frames, channel 0 has %d", i, f.one.Frames, dst.Frames)
		}
		copy(dst.Channel(i, len(f.of)).Data, f.one.Data)
	}
	return nil
}

// Channels are the features whose values lie in the channels of a feature,
// itself where it has but one.
func Channels(o FeatureOptions) []FeatureOptions {
	if c, ok := o.(interface{ channels() []FeatureOptions }); ok {
		return c.channels()
	}
	return []FeatureOptions{o}
}

// Channel is channel i of count: (F, T), in the memory of s.
func (s *Spectrogram) Channel(i, count int) Spectrogram {
	bins := s.Bins / count
	n := bins * s.Frames
	return Spectrogram{Bins: bins, Frames: s.Frames, Data: s.Data[i*n : (i+1)*n : (i+1)*n]}
}
