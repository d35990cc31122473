package audio

import (
	"fmt"
	"math"

	"clr/internal/kernel"
)

// STFT is the short-time Fourier transform as torch.stft and librosa.stft lay
// it, in one of the ways to look at its complex values X[k, t].
type STFT struct {
	NFFT      int     `yaml:"n_fft" doc:"samples per Fourier transform; the window is padded with zeros to it, on both sides"`
	WinLength int     `yaml:"win_length" doc:"samples per window"`
	HopLength int     `yaml:"hop_length" doc:"samples from one frame to the next"`
	Window    string  `yaml:"window" doc:"hann, hamming, blackman, rectangular or povey (Kaldi's), all periodic"`
	Center    bool    `yaml:"center" doc:"frame t is centred on sample t*hop_length; the clip's ends are padded"`
	PadMode   string  `yaml:"pad_mode" doc:"reflect or constant (zeros), with center"`
	Value     string  `yaml:"value" doc:"magnitude; power; ln: ln(power + floor); log10: log10(power + floor); db: decibels, with top_db; phase: radians; if: instantaneous frequency as radians per hop off the bin's own; if_hz: the same in Hz"`
	Floor     float64 `yaml:"floor" doc:"added to the power before ln and log10"`
	TopDB     float64 `yaml:"top_db" doc:"db: no value lies more than this below the clip's maximum; 0 is no limit; dB"`
}

// Doc describes the feature in one line.
func (o STFT) Doc() string {
	return "spectrogram of linear frequency: magnitude, power, logarithm, phase or instantaneous frequency"
}

// Unit implements FeatureOptions.
func (o STFT) Unit() string {
	switch o.Value {
	case "phase", "if":
		return unitRadians
	case "if_hz":
		return "Hz"
	}
	return o.Value
}

// Check finds settings that make no feature of clips at a rate.
func (o STFT) Check(rate int) error {
	return broken(append(o.framing(rate),
		oneOf("value", o.Value, "magnitude", "power", "ln", "log10", "db", "phase", "if", "if_hz"),
		floorRule(o.Value, o.Floor), topDBRule(o.TopDB)))
}

// framing are the rules of how frames are cut.
func (o STFT) framing(rate int) []rule {
	return []rule{
		{rate >= 1, "sample_rate", fmt.Sprintf("is %d, set it to 1 Hz or more", rate)},
		{o.NFFT >= 2 && o.NFFT <= sizeLimit, "n_fft", fmt.Sprintf("is %d, set it from 2 to %d", o.NFFT, sizeLimit)},
		{o.WinLength >= 2 && o.WinLength <= o.NFFT, "win_length", fmt.Sprintf("is %d, set it from 2 to n_fft = %d", o.WinLength, o.NFFT)},
		{o.HopLength >= 1 && o.HopLength <= sizeLimit, "hop_length", fmt.Sprintf("is %d, set it from 1 to %d", o.HopLength, sizeLimit)},
		windowRule(o.Window),
		oneOf("pad_mode", o.PadMode, "reflect", "constant"),
	}
}

// New readies the window for clips of a rate.
func (o STFT) New(rate int) (Feature, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	f := &spectrogram{options: o, rate: rate, stft: newSTFT(o), before: make([]float64, o.NFFT/2+1), advance: make([]float64, o.NFFT/2+1)}
	for k := range f.advance {
		f.advance[k] = 2 * math.Pi * float64(k*o.HopLength%o.NFFT) / float64(o.NFFT)
	}
	return f, nil
}

type spectrogram struct {
	options STFT
	rate    int
	stft    *stft
	before  []float64 // (bins) phases of the frame before
	advance []float64 // (bins) what a bin's own frequency turns in a hop
}

func (f *spectrogram) Shape(samples int) (bins, frames int) {
	return f.stft.bins(), f.stft.frames(samples)
}

func (f *spectrogram) Extract(dst *Spectrogram, c Clip) error {
	if err := ready(dst, f, c, f.rate, f.stft.needs()); err != nil {
		return err
	}
	for t := 0; t < dst.Frames; t += kernel.Lanes {
		n := min(kernel.Lanes, dst.Frames-t)
		switch f.options.Value {
		case "phase", "if", "if_hz":
			pairs := f.stft.numbers(t, c.Samples)
			for k := range dst.Bins {
				f.turn(dst.Row(k)[t:][:n], pairs[2*k*kernel.Lanes:], k, t == 0)
			}
		default:
			rows := f.stft.block(t, c.Samples)
			for k := range dst.Bins {
				copy(dst.Row(k)[t:][:n], rows[k*kernel.Lanes:])
			}
		}
	}
	compress(dst.Data, f.options.Value, 2, f.options.Floor, f.options.TopDB)
	return nil
}

// turn fills row with what the phases of bin k say, of frames whose numbers are
// in pairs.
//
// The instantaneous frequency is the phase vocoder's (Flanagan and Golden 1966):
// with H samples a hop, a bin's own frequency 2πk/n_fft turns the phase by
// 2πkH/n_fft from frame to frame, and what it turned beyond that, brought into
// -π..π, is how far in radians per hop the sound in the bin lies off the bin's
// frequency. The first frame has none before it and counts as 0 off.
func (f *spectrogram) turn(row, pairs []float32, k int, first bool) {
	hop := float64(f.options.HopLength)
	for i := range row {
		phase := phaseOf(pairs[i], pairs[kernel.Lanes+i], k == 0 || 2*k == f.options.NFFT)
		off := 0.0
		if !first || i > 0 {
			off = phase - f.before[k] - f.advance[k]
			off -= float64(2 * math.Pi * math.Round(off/(2*math.Pi)))
		}
		f.before[k] = phase
		switch f.options.Value {
		case "phase":
			row[i] = float32(phase)
		case "if":
			row[i] = float32(off)
		case "if_hz":
			row[i] = float32(float64(f.rate) * (float64(k)/float64(f.options.NFFT) + off/(2*math.Pi*hop)))
		}
	}
}

// phaseOf is the angle of a number, -π..π, and 0 of zeros with any sign. The
// first and the last number of an even transform are real but for rounding.
func phaseOf(re, im float32, isReal bool) float64 {
	if im == 0 || isReal {
		im = 0 // not -0, which would make π -π
	}
	if re == 0 {
		re = 0 // not -0, which would make 0 π
	}
	return math.Atan2(float64(im), float64(re))
}
