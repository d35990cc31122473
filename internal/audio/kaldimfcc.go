package audio

import (
	"fmt"
	"math"
)

// KaldiMFCC are Kaldi's mel-frequency cepstral coefficients.
type KaldiMFCC struct {
	NumCeps        int        `yaml:"num_ceps" doc:"coefficients kept, from the 0th"`
	CepstralLifter float64    `yaml:"cepstral_lifter" doc:"scaling of higher coefficients; 0 is none"`
	Fbank          KaldiFbank `yaml:"fbank" doc:"the filterbank they are made from; use_energy puts the energy in the 0th coefficient's place"`
}

// Doc describes the feature in one line.
func (o KaldiMFCC) Doc() string { return "mel-frequency cepstral coefficients, as Kaldi computes them" }

// Check finds settings that make no feature of clips at a rate.
func (o KaldiMFCC) Check(rate int) error {
	if err := o.Fbank.Check(rate); err != nil {
		return fmt.Errorf("in feature.fbank: %w", err)
	}
	return broken([]rule{
		{o.NumCeps >= 1 && o.NumCeps <= o.Fbank.NumMelBins, "num_ceps",
			fmt.Sprintf("is %d, set it from 1 to fbank.num_mel_bins = %d", o.NumCeps, o.Fbank.NumMelBins)},
		{o.CepstralLifter >= 0, "cepstral_lifter", fmt.Sprintf("is %v, set it to 0 or more", o.CepstralLifter)},
		{o.Fbank.UsePower, "fbank.use_power", "is false, set it to true: Kaldi's MFCC are made from power"},
	})
}

// New readies window, filters and transform for clips of a rate.
func (o KaldiMFCC) New(rate int) (Feature, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	bank, err := newKaldi(o.Fbank, rate)
	if err != nil {
		return nil, err
	}
	dct := newDCT(o.NumCeps, o.Fbank.NumMelBins)
	for k, row := range dct {
		if o.CepstralLifter == 0 {
			continue
		}
		lift := 1 + 0.5*o.CepstralLifter*math.Sin(math.Pi*float64(k)/o.CepstralLifter)
		for i := range row {
			row[i] *= lift
		}
	}
	return &kaldiMFCC{bank: bank, dct: dct}, nil
}

type kaldiMFCC struct {
	bank *kaldi
	dct  [][]float64 // (coefficients, mels), lifted
}

func (f *kaldiMFCC) Shape(samples int) (bins, frames int) {
	return len(f.dct), f.bank.frames(samples)
}

func (f *kaldiMFCC) Extract(dst *Spectrogram, c Clip) error {
	if err := fits(c, f.bank.rate, f.bank.needs()); err != nil {
		return err
	}
	dst.Resize(f.Shape(len(c.Samples)))
	o := f.bank.options
	for t := range dst.Frames {
		energy := f.bank.compute(t, c.Samples)
		for k, row := range f.dct {
			v := dot(row, f.bank.mel)
			at := k
			if k == 0 && o.UseEnergy {
				v = energy
			} else if k == 0 && o.HTKCompat {
				v *= math.Sqrt2 // HTK leaves out this part of the transform's scale
			}
			if o.HTKCompat { // C0 comes last
				at = (k + len(f.dct) - 1) % len(f.dct)
			}
			dst.Data[at*dst.Frames+t] = float32(v)
		}
	}
	if o.SubtractMean {
		for b := range dst.Bins {
			subtractMean(dst.Row(b))
		}
	}
	return nil
}
