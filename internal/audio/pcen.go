package audio

import (
	"fmt"
	"math"
)

// PCEN is per-channel energy normalisation (Wang, Getreuer, Hughes, Lyon and
// Saurous 2017) under librosa.pcen's conventions: of a mel spectrogram E, each bin
// is divided by its own running mean M, and what is left compressed,
//
//	M[t]    = (1-b)·M[t-1] + b·E[t]
//	PCEN[t] = (E[t]/(eps + M[t])^gain + bias)^power - bias^power
//
// where b is (√(1+4T²)-1)/(2T²) and T time_constant in frames.
type PCEN struct {
	Gain         float64 `yaml:"gain" doc:"exponent of the running mean that a value is divided by; 0 to 1"`
	Bias         float64 `yaml:"bias" doc:"added before the power"`
	Power        float64 `yaml:"power" doc:"exponent that compresses; 0 is ln(1 + x), without bias, as in librosa"`
	TimeConstant float64 `yaml:"time_constant" doc:"of the running mean, seconds"`
	Eps          float64 `yaml:"eps" doc:"added to the running mean"`
	Initial      string  `yaml:"initial" doc:"the running mean before the clip: first is the first frame (Wang et al.), one is 1 (librosa)"`
	Scale        float64 `yaml:"scale" doc:"multiplies the mel spectrogram first; 2147483648 (2^31) is what librosa advises for samples of -1..1"`
	Mel          LogMel  `yaml:"mel" doc:"the mel spectrogram; log: none"`
}

// Doc describes the feature in one line.
func (o PCEN) Doc() string {
	return "mel spectrogram with per-channel energy normalisation: automatic gain control in place of a logarithm"
}

// Unit implements FeatureOptions.
func (o PCEN) Unit() string { return "relative" }

// Check finds settings that make no feature of clips at a rate.
func (o PCEN) Check(rate int) error {
	if err := o.Mel.Check(rate); err != nil {
		return fmt.Errorf("in feature.mel: %w", err)
	}
	return broken([]rule{
		{o.Gain >= 0 && o.Gain <= 1, "gain", fmt.Sprintf("is %v, set it from 0 to 1", o.Gain)},
		{o.Bias >= 0 && o.Bias <= 1e6, "bias", fmt.Sprintf("is %v, set it from 0 to 1e6", o.Bias)},
		{o.Power >= 0 && o.Power <= 1, "power", fmt.Sprintf("is %v, set it from 0 to 1", o.Power)},
		{o.TimeConstant > 0 && o.TimeConstant <= 1e6, "time_constant", fmt.Sprintf("is %v, set it above 0, to 1e6 at most", o.TimeConstant)},
		{o.Eps > 0 && o.Eps <= 1e6, "eps", fmt.Sprintf("is %v, set it above 0, to 1e6 at most", o.Eps)},
		oneOf("initial", o.Initial, "first", "one"),
		{o.Scale > 0 && o.Scale <= 1<<40, "scale", fmt.Sprintf("is %v, set it above 0, to 2^40 at most", o.Scale)},
		{o.Mel.Log == "none", "mel.log", fmt.Sprintf("is %q, set it to none: the gain control takes the logarithm's place", o.Mel.Log)},
	})
}

// New readies the mel filters for clips of a rate.
func (o PCEN) New(rate int) (Feature, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	mel, err := newLogMel(o.Mel, rate)
	if err != nil {
		return nil, err
	}
	return &pcen{mel, o, o.smoothing(rate)}, nil
}

// smoothing is b, as librosa derives it from the time constant.
func (o PCEN) smoothing(rate int) float64 {
	frames := o.TimeConstant * float64(rate) / float64(o.Mel.HopLength)
	// (√(1+4T²)-1)/(2T²) without the difference, which loses digits where T is small.
	return 2 / (math.Sqrt(1+float64(4*frames*frames)) + 1)
}

type pcen struct {
	*logMel
	options PCEN
	b       float64
}

func (f *pcen) Extract(dst *Spectrogram, c Clip) error {
	if err := f.logMel.Extract(dst, c); err != nil {
		return err
	}
	o := f.options
	for b := range dst.Bins {
		row := dst.Row(b)
		mean := 1.0
		if o.Initial == "first" {
			mean = o.Scale * float64(row[0])
		}
		for t, v := range row {
			e := o.Scale * float64(v)
			mean = float64((1-f.b)*mean) + float64(f.b*e)
			row[t] = float32(o.compressed(e * math.Exp(-o.Gain*math.Log(o.Eps+mean))))
		}
	}
	return nil
}

// compressed is (x + bias)^power - bias^power, right also where x is small.
func (o PCEN) compressed(x float64) float64 {
	switch {
	case o.Power == 0:
		return math.Log1p(x)
	case o.Bias == 0:
		return math.Pow(x, o.Power)
	}
	return math.Pow(o.Bias, o.Power) * math.Expm1(o.Power*math.Log1p(x/o.Bias))
}
