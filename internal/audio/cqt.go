package audio

import (
	"fmt"
	"math"

	"clr/internal/kernel"
)

// CQT is the constant-Q transform (Brown 1991; Schörkhuber and Klapuri 2010)
// under librosa's conventions: bin k lies at f_k = f_min·2^((k+tuning)/bins_per_octave)
// and hears through a window of L_k = Q·rate/f_k samples, as many periods in
// each bin, where Q = filter_scale/α and α = (r²-1)/(r²+1), r = 2^(1/bins_per_octave).
// Frame t is
//
//	X[k,t] = √L_k·Σ x[t·hop_length+n]·w_k[n]·exp(-2πi·f_k·n/rate) / Σ |w_k[n]|
//
// over the window's samples, -L_k/2 to L_k/2. librosa takes the lower octaves
// from clips that it resamples to lower rates, and drops 1 % of each filter;
// here all filters are whole and work at the clip's rate.
type CQT struct {
	HopLength     int     `yaml:"hop_length" doc:"samples from one frame to the next; frame t is centred on sample t*hop_length"`
	FMin          float64 `yaml:"f_min" doc:"frequency of the lowest bin, Hz; C1 is 32.7032"`
	NBins         int     `yaml:"n_bins" doc:"bins"`
	BinsPerOctave int     `yaml:"bins_per_octave" doc:"bins per octave"`
	FilterScale   float64 `yaml:"filter_scale" doc:"multiplies the windows' lengths: below 1 sharper in time, above 1 in frequency"`
	Tuning        float64 `yaml:"tuning" doc:"moves all bins up, in bins; it is not estimated"`
	Window        string  `yaml:"window" doc:"hann, hamming, blackman or rectangular, all periodic"`
	Scale         bool    `yaml:"scale" doc:"values grow with the square root of the window's length, so that white noise is even; otherwise with the length"`
	PadMode       string  `yaml:"pad_mode" doc:"reflect or constant (zeros) beyond the clip's ends"`
	Value         string  `yaml:"value" doc:"magnitude; power; ln or log10: of power + floor; db: decibels, with top_db"`
	Floor         float64 `yaml:"floor" doc:"added to the power before ln and log10"`
	TopDB         float64 `yaml:"top_db" doc:"db: no value lies more than this below the clip's maximum; 0 is no limit; dB"`
}

// Doc describes the feature in one line.
func (o CQT) Doc() string {
	return "constant-Q transform: bins equally far apart in pitch, as librosa defines it"
}

// Unit implements FeatureOptions.
func (o CQT) Unit() string { return o.Value }

// Check finds settings that make no feature of clips at a rate.
func (o CQT) Check(rate int) error { return broken(o.rules(rate, 0)) }

// New readies the filters for clips of a rate.
func (o CQT) New(rate int) (Feature, error) { return o.widened(rate, 0) }

// widened is the feature whose filters are gamma Hz wider than constant Q's.
func (o CQT) widened(rate int, gamma float64) (Feature, error) {
	if err := broken(o.rules(rate, gamma)); err != nil {
		return nil, err
	}
	return &cqt{newWavelets(o, gamma, rate), o}, nil
}

func (o CQT) rules(rate int, gamma float64) []rule {
	rules := []rule{
		{rate >= 1, "sample_rate", fmt.Sprintf("is %d, set it to 1 Hz or more", rate)},
		{o.HopLength >= 1 && o.HopLength <= sizeLimit, "hop_length", fmt.Sprintf("is %d, set it from 1 to %d", o.HopLength, sizeLimit)},
		{o.FMin > 0 && o.FMin < float64(rate)/2, "f_min", fmt.Sprintf("is %v, set it above 0 and below half the sample rate, %v", o.FMin, float64(rate)/2)},
		{o.NBins >= 1 && o.NBins <= 4096, "n_bins", fmt.Sprintf("is %d, set it from 1 to 4096", o.NBins)},
		{o.BinsPerOctave >= 1 && o.BinsPerOctave <= 1200, "bins_per_octave", fmt.Sprintf("is %d, set it from 1 to 1200", o.BinsPerOctave)},
		{o.FilterScale > 0 && o.FilterScale <= 100, "filter_scale", fmt.Sprintf("is %v, set it above 0, to 100 at most", o.FilterScale)},
		{o.Tuning >= -0.5 && o.Tuning <= 0.5, "tuning", fmt.Sprintf("is %v, set it from -0.5 to 0.5", o.Tuning)},
		oneOf("window", o.Window, "hann", "hamming", "blackman", "rectangular"),
		oneOf("pad_mode", o.PadMode, "reflect", "constant"),
		oneOf("value", o.Value, "magnitude", "power", "ln", "log10", "db"),
		floorRule(o.Value, o.Floor), topDBRule(o.TopDB),
	}
	if broken(rules) != nil {
		return rules
	}
	longest, shortest := o.wavelet(0, gamma, rate), o.wavelet(o.NBins-1, gamma, rate)
	all := 0.0
	for k := range o.NBins {
		all += o.wavelet(k, gamma, rate).length
	}
	highest := shortest.hz*(1+0.5*noiseBandwidth(o.Window)*o.alpha()/o.FilterScale) + 0.5*gamma
	return append(rules, []rule{
		{highest <= float64(rate)/2, "n_bins", fmt.Sprintf("puts the highest bin at %.5g Hz, from where it reaches up to %.5g Hz, above half the sample rate, %v; set it or f_min lower",
			shortest.hz, highest, float64(rate)/2)},
		{longest.length <= sizeLimit, "f_min", fmt.Sprintf("is %v: the lowest bin's window has %.0f samples, set it higher, for %d at most", o.FMin, longest.length, sizeLimit)},
		{all <= weightsLimit, "f_min", fmt.Sprintf("is %v: the windows of all bins have %.0f samples together, set it higher or bins_per_octave lower, for %d at most", o.FMin, all, weightsLimit)},
		{shortest.length >= 4, "filter_scale", fmt.Sprintf("is %v: the highest bin's window has %.2g samples, set it higher, for 4 or more", o.FilterScale, shortest.length)},
	}...)
}

// alpha is the relative bandwidth, of which filter_scale/alpha is Q.
func (o CQT) alpha() float64 {
	r2 := math.Exp2(2 / float64(o.BinsPerOctave))
	return (r2 - 1) / (r2 + 1)
}

// A wavelet is a bin's filter: a complex exponential of a frequency under a
// window, which is as long as length says, whole samples alone.
type wavelet struct{ hz, length float64 }

// wavelet is that of bin k; with a gamma above 0 it is shorter than constant Q's
// (Schörkhuber, Klapuri, Holighaus, Dörfler 2014).
func (o CQT) wavelet(k int, gamma float64, rate int) wavelet {
	hz := o.FMin * math.Exp2((float64(k)+o.Tuning)/float64(o.BinsPerOctave))
	return wavelet{hz, o.FilterScale / o.alpha() * float64(rate) / (hz + gamma/o.alpha())}
}

// noiseBandwidth is how many bins wide the white noise is that a window lets
// through, length·Σw²/(Σw)²: 1.5 for Hann's.
func noiseBandwidth(window string) float64 {
	c := cosines[window]
	squares := float64(c[0] * c[0])
	for _, v := range c[1:] {
		squares += float64(v * v / 2)
	}
	return squares / (c[0] * c[0])
}

type cqt struct {
	*wavelets
	options CQT
}

func (f *cqt) Extract(dst *Spectrogram, c Clip) error {
	if err := f.power(dst, c); err != nil {
		return err
	}
	if f.options.Value == "magnitude" {
		kernel.Sqrt(dst.Data)
	}
	compress(dst.Data, f.options.Value, 2, f.options.Floor, f.options.TopDB)
	return nil
}
