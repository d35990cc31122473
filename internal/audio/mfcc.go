package audio

import (
	"fmt"

	"clr/internal/kernel"
)

// MFCC are mel-frequency cepstral coefficients in torchaudio's convention: an
// orthonormal DCT-II over the log-mel bins.
type MFCC struct {
	NMFCC int    `yaml:"n_mfcc" doc:"coefficients kept, from the 0th"`
	Mel   LogMel `yaml:"mel" doc:"the log-mel spectrogram they are made from; log: db (torchaudio's default), ln or log10"`
}

// Doc describes the feature in one line.
func (o MFCC) Doc() string { return "mel-frequency cepstral coefficients, as torchaudio computes them" }

// Unit implements FeatureOptions.
func (o MFCC) Unit() string { return "" }

// Check finds settings that make no feature of clips at a rate.
func (o MFCC) Check(rate int) error {
	if err := o.Mel.Check(rate); err != nil {
		return fmt.Errorf("in feature.mel: %w", err)
	}
	return broken([]rule{{o.NMFCC >= 1 && o.NMFCC <= o.Mel.NMels, "n_mfcc",
		fmt.Sprintf("is %d, set it from 1 to mel.n_mels = %d", o.NMFCC, o.Mel.NMels)}})
}

// New readies window, filters and transform for clips of a rate.
func (o MFCC) New(rate int) (Feature, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	mel, err := newLogMel(o.Mel, rate)
	if err != nil {
		return nil, err
	}
	return &mfcc{mel: mel, dct: denseBank(newDCT(o.NMFCC, o.Mel.NMels)), columns: make([]float32, o.Mel.NMels*kernel.Lanes)}, nil
}

type mfcc struct {
	mel     *logMel
	dct     bank
	buffer  Spectrogram
	columns []float32 // (mels)[16], for the last frames
}

func (f *mfcc) Shape(samples int) (bins, frames int) {
	_, frames = f.mel.Shape(samples)
	return f.dct.rows, frames
}

func (f *mfcc) Extract(dst *Spectrogram, c Clip) error {
	if err := f.mel.Extract(&f.buffer, c); err != nil {
		return err
	}
	dst.Resize(f.dct.rows, f.buffer.Frames)
	for t := 0; t < dst.Frames; t += kernel.Lanes {
		src, stride := f.buffer.Data[t:], f.buffer.Frames
		if dst.Frames-t < kernel.Lanes {
			for b := range f.buffer.Bins {
				copy(f.columns[b*kernel.Lanes:], f.buffer.Row(b)[t:])
			}
			src, stride = f.columns, kernel.Lanes
		}
		f.dct.project(dst, 0, t, src, stride)
	}
	return nil
}
