package audio

import (
	"fmt"
	"math"

	"clr/internal/kernel"
)

// KaldiMFCC are Kaldi's mel-frequency cepstral coefficients.
type KaldiMFCC struct {
	NumCeps        int        `yaml:"num_ceps" doc:"coefficients kept, from the 0th"`
	CepstralLifter float64    `yaml:"cepstral_lifter" doc:"scaling of higher coefficients; 0 is none"`
	Fbank          KaldiFbank `yaml:"fbank" doc:"the filterbank they are made from; use_energy puts the energy in the 0th coefficient's place"`
}

// Doc describes the feature in one line.
func (o KaldiMFCC) Doc() string { return "mel-frequency cepstral coefficients, as Kaldi computes them" }

// Unit implements FeatureOptions.
func (o KaldiMFCC) Unit() string { return "" }

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
	if o.Fbank.HTKCompat {
		for i := range dct[0] {
			dct[0][i] *= math.Sqrt2 // HTK leaves out this part of the transform's scale
		}
		dct = append(dct[1:], dct[0]) // and has C0 last
	}
	return &kaldiMFCC{bank: bank, dct: denseBank(dct), mel: make([]float32, o.Fbank.NumMelBins*kernel.Lanes)}, nil
}

type kaldiMFCC struct {
	bank *kaldi
	dct  bank      // (coefficients, mels), lifted
	mel  []float32 // (mels)[16]
}

func (f *kaldiMFCC) Shape(samples int) (bins, frames int) {
	return f.dct.rows, f.bank.frames(samples)
}

func (f *kaldiMFCC) Extract(dst *Spectrogram, c Clip) error {
	if err := ready(dst, f, c, f.bank.rate, f.bank.needs()); err != nil {
		return err
	}
	energyAt := 0
	if f.bank.options.HTKCompat {
		energyAt = dst.Bins - 1
	}
	for t := 0; t < dst.Frames; t += kernel.Lanes {
		f.bank.bank.Apply(f.mel, kernel.Lanes, f.bank.block(t, c.Samples), kernel.Lanes)
		kernel.Log(f.mel, kaldiEpsilon, 0, 1)
		f.dct.project(dst, 0, t, f.mel, kernel.Lanes)
		if f.bank.options.UseEnergy { // in C0's place
			f.bank.putEnergy(dst, energyAt, t)
		}
	}
	f.bank.finish(dst)
	return nil
}
