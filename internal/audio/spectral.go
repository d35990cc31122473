package audio

import (
	"fmt"
	"math"
	"slices"

	"clr/internal/kernel"
)

// Spectral are numbers that say in few words what a spectrum looks like, as
// librosa.feature defines them, over magnitudes.
type Spectral struct {
	Values      []string `yaml:"values" doc:"which, in this order: centroid (Hz), bandwidth (Hz), rolloff (Hz), flatness (0 to 1), contrast (dB, n_bands+1 bins), zcr (zero crossings per sample), rms"`
	NFFT        int      `yaml:"n_fft" doc:"samples per Fourier transform, and per frame of zcr and rms"`
	WinLength   int      `yaml:"win_length" doc:"samples per window"`
	HopLength   int      `yaml:"hop_length" doc:"samples from one frame to the next"`
	Window      string   `yaml:"window" doc:"hann, hamming, blackman, rectangular or povey, all periodic"`
	Center      bool     `yaml:"center" doc:"frame t is centred on sample t*hop_length; the clip's ends are padded"`
	PadMode     string   `yaml:"pad_mode" doc:"reflect or constant (zeros), with center; zcr repeats the ends and rms has zeros, as in librosa"`
	P           float64  `yaml:"p" doc:"bandwidth: exponent of the distance from the centroid"`
	RollPercent float64  `yaml:"roll_percent" doc:"rolloff: share of the magnitudes that lies below; 0 to 1"`
	FMin        float64  `yaml:"f_min" doc:"contrast: upper end of the lowest band, the others are an octave each; Hz"`
	NBands      int      `yaml:"n_bands" doc:"contrast: octaves above f_min"`
	Quantile    float64  `yaml:"quantile" doc:"contrast: share of a band's bins that are its peaks, and its valleys; 0 to 1"`
}

// spectralBins are the numbers there are, with how many bins each has; 0 is n_bands+1.
var spectralBins = map[string]int{"centroid": 1, "bandwidth": 1, "rolloff": 1, "flatness": 1, "contrast": 0, "zcr": 1, "rms": 1}

// Doc describes the feature in one line.
func (o Spectral) Doc() string {
	return "spectral centroid, bandwidth, rolloff, flatness and contrast, zero crossings, RMS, as librosa computes them"
}

// Unit implements FeatureOptions.
func (o Spectral) Unit() string { return "" }

// Check finds settings that make no feature of clips at a rate.
func (o Spectral) Check(rate int) error {
	rules := o.stft().framing(rate)
	rules = append(rules, rule{len(o.Values) > 0, "values", "is empty, name at least one"})
	for i, name := range o.Values {
		rules = append(rules, oneOf("values", name, "centroid", "bandwidth", "rolloff", "flatness", "contrast", "zcr", "rms"),
			rule{!slices.Contains(o.Values[:i], name), "values", fmt.Sprintf("has %s twice, name it once", name)})
	}
	rules = append(rules, []rule{
		{o.P >= 0.01 && o.P <= 16, "p", fmt.Sprintf("is %v, set it from 0.01 to 16", o.P)},
		{o.RollPercent > 0 && o.RollPercent < 1, "roll_percent", fmt.Sprintf("is %v, set it between 0 and 1", o.RollPercent)},
		{o.Quantile > 0 && o.Quantile < 1, "quantile", fmt.Sprintf("is %v, set it between 0 and 1", o.Quantile)},
		{o.FMin > 0, "f_min", fmt.Sprintf("is %v, set it above 0", o.FMin)},
		{o.NBands >= 1 && o.NBands <= 32, "n_bands", fmt.Sprintf("is %d, set it from 1 to 32", o.NBands)},
	}...)
	if err := broken(rules); err != nil || !slices.Contains(o.Values, "contrast") {
		return err
	}
	return o.checkContrast(rate)
}

func (o Spectral) stft() STFT {
	return STFT{NFFT: o.NFFT, WinLength: o.WinLength, HopLength: o.HopLength, Window: o.Window, Center: o.Center, PadMode: o.PadMode, Value: "magnitude"}
}

// New readies the window for clips of a rate.
func (o Spectral) New(rate int) (Feature, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	f := &spectral{options: o, rate: rate, stft: newSTFT(o.stft()), bands: o.bands(rate), magnitudes: make([]float64, o.NFFT/2+1)}
	for k := range f.magnitudes {
		f.hz = append(f.hz, float64(k)*float64(rate)/float64(o.NFFT))
	}
	for _, name := range o.Values {
		n := spectralBins[name]
		if n == 0 {
			n = len(f.bands)
		}
		f.bins += n
	}
	return f, nil
}

type spectral struct {
	options    Spectral
	rate, bins int
	stft       *stft
	bands      []contrastBand
	hz         []float64   // (n_fft/2+1)
	magnitudes []float64   // (n_fft/2+1), of one frame
	sorted     []float64   // of one band
	valleys    Spectrogram // (bands, frames)
}

func (f *spectral) Shape(samples int) (bins, frames int) { return f.bins, f.stft.frames(samples) }

func (f *spectral) Extract(dst *Spectrogram, c Clip) error {
	if err := ready(dst, f, c, f.rate, f.stft.needs()); err != nil {
		return err
	}
	f.valleys.Resize(len(f.bands), dst.Frames)
	for from := 0; from < dst.Frames; from += kernel.Lanes {
		rows := f.stft.block(from, c.Samples)
		for t := from; t < min(from+kernel.Lanes, dst.Frames); t++ {
			for k := range f.magnitudes {
				f.magnitudes[k] = float64(rows[k*kernel.Lanes+t-from])
			}
			f.frame(dst, t, c.Samples)
		}
	}
	at := 0
	for _, name := range f.options.Values {
		if name == "contrast" {
			inContrast(dst.Data[at*dst.Frames:][:len(f.valleys.Data)], f.valleys.Data)
			at += len(f.bands)
		} else {
			at++
		}
	}
	return nil
}

// frame writes frame t, but for contrast's logarithm.
func (f *spectral) frame(dst *Spectrogram, t int, x []float32) {
	at := 0
	for _, name := range f.options.Values {
		v := 0.0
		switch name {
		case "centroid":
			v = f.centroid()
		case "bandwidth":
			v = f.bandwidth()
		case "rolloff":
			v = f.rolloff()
		case "flatness":
			v = f.flatness()
		case "zcr":
			v = f.crossings(t, x)
		case "rms":
			v = f.rms(t, x)
		case "contrast":
			for i, b := range f.bands {
				peak, valley := f.ends(b)
				dst.Row(at)[t], f.valleys.Row(i)[t] = float32(peak), float32(valley)
				at++
			}
			continue
		}
		dst.Row(at)[t] = float32(v)
		at++
	}
}

// centroid is Σ f·S / Σ S, and 0 in silence.
func (f *spectral) centroid() float64 {
	sum, all := 0.0, 0.0
	for k, s := range f.magnitudes {
		sum += float64(f.hz[k] * s)
		all += s
	}
	if all == 0 {
		return 0
	}
	return sum / all
}

// bandwidth is (Σ |f - centroid|^p·S / Σ S)^(1/p), and 0 in silence.
func (f *spectral) bandwidth() float64 {
	center, p := f.centroid(), f.options.P
	sum, all := 0.0, 0.0
	for k, s := range f.magnitudes {
		d := math.Abs(f.hz[k] - center)
		if p == 2 { // the usual one, without Pow's time
			d *= d
		} else {
			d = math.Pow(d, p)
		}
		sum += float64(d * s)
		all += s
	}
	if all == 0 {
		return 0
	}
	return math.Pow(sum/all, 1/p)
}

// rolloff is the lowest frequency up to which lies the share of Σ S.
func (f *spectral) rolloff() float64 {
	all := 0.0
	for _, s := range f.magnitudes {
		all += s
	}
	below, k := f.magnitudes[0], 0
	for threshold := f.options.RollPercent * all; below < threshold && k+1 < len(f.magnitudes); {
		k++
		below += f.magnitudes[k]
	}
	return f.hz[k]
}

// flatness is the geometric mean of the powers over their mean: 1 for white noise.
func (f *spectral) flatness() float64 {
	logs, sum := 0.0, 0.0
	for _, s := range f.magnitudes {
		p := max(amplitudeMin, s*s)
		logs += math.Log(p)
		sum += p
	}
	n := float64(len(f.magnitudes))
	return math.Exp(logs/n) / (sum / n)
}

// start is the first sample of frame t.
func (f *spectral) start(t int) int {
	if f.options.Center {
		return t*f.options.HopLength - f.options.NFFT/2
	}
	return t * f.options.HopLength
}

// crossings is how many samples of the frame have another sign than the one
// before them, per sample. What is within 1e-10 of 0 counts as positive.
func (f *spectral) crossings(t int, x []float32) float64 {
	from, count := f.start(t), 0
	negative := func(i int) bool { return x[min(max(i, 0), len(x)-1)] < -amplitudeMin }
	for i := from + 1; i < from+f.options.NFFT; i++ {
		if negative(i) != negative(i-1) {
			count++
		}
	}
	return float64(count) / float64(f.options.NFFT)
}

// rms is the root of the frame's mean square.
func (f *spectral) rms(t int, x []float32) float64 {
	from, sum := f.start(t), 0.0
	for i := max(from, 0); i < min(from+f.options.NFFT, len(x)); i++ {
		sum += float64(float64(x[i]) * float64(x[i]))
	}
	return math.Sqrt(sum / float64(f.options.NFFT))
}
