package audio

import (
	"fmt"
	"math"
	"math/cmplx"

	"clr/internal/kernel"
)

// Gammatone are the log energies of a gammatone filterbank: Slaney's filters of
// the fourth order (Apple TR 35, 1993), equally far apart on the scale of
// equivalent rectangular bandwidths (ERB). They weigh spectra, as in Ellis's
// gammatonegram (2009), instead of running over the samples:
//
//	G[m,t] = Σ |H_m(k)·X[k,t]|^power
//
// With power 2 that is, but for a factor, the energy of the windowed frame after
// the filter. What a filter still rings of earlier frames is left out.
type Gammatone struct {
	NFFT      int     `yaml:"n_fft" doc:"samples per Fourier transform; the window is padded with zeros to it, on both sides"`
	WinLength int     `yaml:"win_length" doc:"samples per window (periodic Hann)"`
	HopLength int     `yaml:"hop_length" doc:"samples from one frame to the next"`
	NFilters  int     `yaml:"n_filters" doc:"filters"`
	FMin      float64 `yaml:"f_min" doc:"centre of the lowest filter, Hz"`
	FMax      float64 `yaml:"f_max" doc:"where the centre of one filter more would lie, Hz; 0 is half the sample rate"`
	Width     float64 `yaml:"width" doc:"multiplies the filters' bandwidths, of one ERB each"`
	Power     float64 `yaml:"power" doc:"exponent of the magnitude: 2 is energy, 1 is magnitude, as in Ellis's"`
	Center    bool    `yaml:"center" doc:"frame t is centred on sample t*hop_length; the clip's ends are padded"`
	PadMode   string  `yaml:"pad_mode" doc:"reflect or constant (zeros), with center"`
	Log       string  `yaml:"log" doc:"ln: ln(energy + floor); log10: log10(energy + floor); db: decibels, with top_db; none"`
	Floor     float64 `yaml:"floor" doc:"added before ln and log10"`
	TopDB     float64 `yaml:"top_db" doc:"db: no value lies more than this below the clip's maximum; 0 is no limit; dB"`
}

// Doc describes the feature in one line.
func (o Gammatone) Doc() string {
	return "log energies of gammatone filters, equally far apart on the ear's scale (ERB)"
}

// Unit implements FeatureOptions.
func (o Gammatone) Unit() string { return unitOf(o.Log, o.Power) }

func (o Gammatone) stft() STFT {
	return LogMel{NFFT: o.NFFT, WinLength: o.WinLength, HopLength: o.HopLength, Center: o.Center, PadMode: o.PadMode, Power: o.Power}.stft()
}

// Check finds settings that make no feature of clips at a rate.
func (o Gammatone) Check(rate int) error {
	nyquist := float64(rate) / 2
	return broken(append(o.stft().framing(rate), []rule{
		{o.NFilters >= 1 && o.NFilters <= 4096, "n_filters", fmt.Sprintf("is %d, set it from 1 to 4096", o.NFilters)},
		weightsRule("n_filters", o.NFilters, o.NFFT),
		{o.FMin > 0 && o.FMin < o.high(rate), "f_min", fmt.Sprintf("is %v, set it above 0 and below f_max = %v", o.FMin, o.high(rate))},
		{o.high(rate) <= nyquist, "f_max", fmt.Sprintf("is %v, above half the sample rate, %v; set it to 0 for that", o.FMax, nyquist)},
		{o.Width >= 0.01 && o.Width <= 100, "width", fmt.Sprintf("is %v, set it from 0.01 to 100", o.Width)},
		{o.Power == 1 || o.Power == 2, "power", fmt.Sprintf("is %v, set it to 1 or 2", o.Power)},
		oneOf("log", o.Log, "ln", "log10", "db", "none"),
		floorRule(o.Log, o.Floor), topDBRule(o.TopDB),
	}...))
}

func (o Gammatone) high(rate int) float64 {
	if o.FMax == 0 {
		return float64(rate) / 2
	}
	return o.FMax
}

// New readies the window and the filters for clips of a rate.
func (o Gammatone) New(rate int) (Feature, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	filters := make([][]float64, o.NFilters)
	for m := range filters {
		filters[m] = make([]float64, o.NFFT/2+1)
		response := o.response(m, rate)
		for k := range filters[m] {
			filters[m][k] = math.Pow(response(2*math.Pi*float64(k)/float64(o.NFFT)), o.Power)
		}
	}
	return &gammatone{options: o, rate: rate, stft: newSTFT(o.stft()), bank: denseBank(filters)}, nil
}

// Glasberg and Moore's ERB is minimumERB + f/earQ; Slaney's spacing has these.
const (
	earQ       = 9.26449
	minimumERB = 24.7 // Hz
)

// centre is filter m's, Hz: Slaney's ERBSpace from below.
func (o Gammatone) centre(m, rate int) float64 {
	low, high := o.FMin+earQ*minimumERB, o.high(rate)+earQ*minimumERB
	return high*math.Pow(low/high, float64(o.NFilters-m)/float64(o.NFilters)) - earQ*minimumERB
}

// response is filter m's |H| at a number of radians per sample, 1 at the centre:
// four sections with the same pair of poles and a zero each, which is Slaney's
// MakeERBFilters without what cancels.
func (o Gammatone) response(m, rate int) func(w float64) float64 {
	centre := o.centre(m, rate)
	b := 1.019 * 2 * math.Pi * o.Width * (centre/earQ + minimumERB) / float64(rate)
	theta := 2 * math.Pi * centre / float64(rate)
	sin, cos := math.Sincos(theta)
	r := math.Exp(-b)
	pole := complex(r*cos, r*sin)
	magnitude := func(w float64) float64 {
		z := cmplx.Exp(complex(0, w))
		d := cmplx.Abs((z - pole) * (z - cmplx.Conj(pole)))
		h := 1.0
		for _, s := range []float64{3 + 2*math.Sqrt2, 3 - 2*math.Sqrt2} {
			for _, sign := range []float64{1, -1} {
				h *= cmplx.Abs(z-complex(r*(cos+sign*math.Sqrt(s)*sin), 0)) / d
			}
		}
		return h
	}
	top := magnitude(theta)
	return func(w float64) float64 { return magnitude(w) / top }
}

type gammatone struct {
	options Gammatone
	rate    int
	stft    *stft
	bank    bank
}

func (f *gammatone) Shape(samples int) (bins, frames int) {
	return f.options.NFilters, f.stft.frames(samples)
}

func (f *gammatone) Extract(dst *Spectrogram, c Clip) error {
	if err := ready(dst, f, c, f.rate, f.stft.needs()); err != nil {
		return err
	}
	for t := 0; t < dst.Frames; t += kernel.Lanes {
		f.bank.project(dst, 0, t, f.stft.block(t, c.Samples), kernel.Lanes)
	}
	o := f.options
	compress(dst.Data, o.Log, o.Power, o.Floor, o.TopDB)
	return nil
}
