package audio

import (
	"fmt"
	"math"

	"clr/internal/kernel"
)

// ChromaSTFT is how much of each pitch class a spectrum holds, whatever the
// octave: librosa.feature.chroma_stft over its filters.chroma (Ellis 2007), with a
// tuning that is given instead of estimated. Class 0 is C.
type ChromaSTFT struct {
	NFFT      int     `yaml:"n_fft" doc:"samples per Fourier transform; the window is padded with zeros to it, on both sides"`
	WinLength int     `yaml:"win_length" doc:"samples per window"`
	HopLength int     `yaml:"hop_length" doc:"samples from one frame to the next"`
	Window    string  `yaml:"window" doc:"hann, hamming, blackman, rectangular or povey, all periodic"`
	Center    bool    `yaml:"center" doc:"frame t is centred on sample t*hop_length; the clip's ends are padded"`
	PadMode   string  `yaml:"pad_mode" doc:"reflect or constant (zeros), with center"`
	NChroma   int     `yaml:"n_chroma" doc:"pitch classes per octave"`
	Tuning    float64 `yaml:"tuning" doc:"how far A lies above 440 Hz, in classes; it is not estimated"`
	CtrOct    float64 `yaml:"ctroct" doc:"centre of the octaves' weights, in octaves above 27.5 Hz"`
	OctWidth  float64 `yaml:"octwidth" doc:"standard deviation of these Gaussian weights, in octaves; 0 is none, all octaves count"`
	Norm      string  `yaml:"norm" doc:"inf: a frame's largest class is 1; 1 or 2: its sum or Euclidean length is; none"`
}

// Doc describes the feature in one line.
func (o ChromaSTFT) Doc() string { return "pitch classes of power spectra, as librosa computes them" }

// Unit implements FeatureOptions.
func (o ChromaSTFT) Unit() string { return chromaUnit(o.Norm, "power") }

func (o ChromaSTFT) stft() STFT {
	return STFT{NFFT: o.NFFT, WinLength: o.WinLength, HopLength: o.HopLength, Window: o.Window, Center: o.Center, PadMode: o.PadMode, Value: "power"}
}

// Check finds settings that make no feature of clips at a rate.
func (o ChromaSTFT) Check(rate int) error {
	return broken(append(o.stft().framing(rate), []rule{
		{o.NChroma >= 1 && o.NChroma <= 1200, "n_chroma", fmt.Sprintf("is %d, set it from 1 to 1200", o.NChroma)},
		weightsRule("n_chroma", o.NChroma, o.NFFT),
		{o.Tuning >= -0.5 && o.Tuning <= 0.5, "tuning", fmt.Sprintf("is %v, set it from -0.5 to 0.5", o.Tuning)},
		{math.Abs(o.CtrOct) <= 20, "ctroct", fmt.Sprintf("is %v, set it from -20 to 20", o.CtrOct)},
		{o.OctWidth >= 0 && o.OctWidth <= 100, "octwidth", fmt.Sprintf("is %v, set it from 0 to 100", o.OctWidth)},
		oneOf("norm", o.Norm, "inf", "1", "2", "none"),
	}...))
}

// New readies window and filters for clips of a rate.
func (o ChromaSTFT) New(rate int) (Feature, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	return &chromaSTFT{options: o, rate: rate, stft: newSTFT(o.stft()), bank: denseBank(o.filters(rate))}, nil
}

// filters are librosa's: each bin gives to the classes around its pitch, under a
// Gaussian as wide as the bin or a class, whichever is more. The weights that a
// bin gives have the length 1, before its octave is weighed.
func (o ChromaSTFT) filters(rate int) [][]float64 {
	classes, bins := float64(o.NChroma), o.NFFT/2+1
	a0 := 440.0 / 16 * math.Exp2(o.Tuning/classes) // Hz
	pitch := func(k int) float64 {                 // in classes above a0
		if k == 0 { // no pitch: librosa makes one up, an octave and a half below bin 1
			return classes * (math.Log2(float64(rate)/float64(o.NFFT)/a0) - 1.5)
		}
		return classes * math.Log2(float64(k)*float64(rate)/float64(o.NFFT)/a0)
	}
	filters := make([][]float64, o.NChroma)
	for c := range filters {
		filters[c] = make([]float64, bins)
	}
	// Classes count from A here, and from C in the result.
	fromC := o.NChroma - 3*(o.NChroma/12)%o.NChroma
	half := math.RoundToEven(classes / 2)
	for k := range bins {
		at, width, length := pitch(k), max(pitch(k+1)-pitch(k), 1), 0.0
		for c := range o.NChroma {
			off := at - float64(c) + half
			off -= float64(classes*math.Floor(off/classes)) + half // into -half..half
			w := math.Exp(-0.5 * math.Pow(2*off/width, 2))
			filters[(c+fromC)%o.NChroma][k] = w
			length += float64(w * w)
		}
		scale := 1.0
		if length > 0 {
			scale = 1 / math.Sqrt(length)
		}
		if o.OctWidth > 0 {
			scale *= math.Exp(-0.5 * math.Pow((at/classes-o.CtrOct)/o.OctWidth, 2))
		}
		for c := range filters {
			filters[c][k] *= scale
		}
	}
	return filters
}

type chromaSTFT struct {
	options ChromaSTFT
	rate    int
	stft    *stft
	bank    bank
}

func (f *chromaSTFT) Shape(samples int) (bins, frames int) {
	return f.options.NChroma, f.stft.frames(samples)
}

func (f *chromaSTFT) Extract(dst *Spectrogram, c Clip) error {
	if err := ready(dst, f, c, f.rate, f.stft.needs()); err != nil {
		return err
	}
	for t := 0; t < dst.Frames; t += kernel.Lanes {
		f.bank.project(dst, 0, t, f.stft.block(t, c.Samples), kernel.Lanes)
	}
	normaliseFrames(dst, f.options.Norm)
	return nil
}

// chromaUnit is what values are that were plain before norm.
func chromaUnit(norm, plain string) string {
	if norm == "none" {
		return plain
	}
	return "relative"
}

// normaliseFrames divides each frame by its largest value, its sum or its length,
// as librosa.util.normalize does: silence stays 0.
func normaliseFrames(s *Spectrogram, norm string) {
	if norm == "none" {
		return
	}
	for t := range s.Frames {
		size := 0.0
		for b := range s.Bins {
			v := math.Abs(float64(s.Data[b*s.Frames+t]))
			switch norm {
			case "inf":
				size = max(size, v)
			case "1":
				size += v
			case "2":
				size += float64(v * v)
			}
		}
		if norm == "2" {
			size = math.Sqrt(size)
		}
		if size < leastNormal {
			continue
		}
		for b := range s.Bins {
			s.Data[b*s.Frames+t] = float32(float64(s.Data[b*s.Frames+t]) / size)
		}
	}
}

// leastNormal is float32's smallest number with all its digits.
const leastNormal = 1.0 / (1 << 63) / (1 << 63)
