package audio

import "fmt"

// MFCC are mel-frequency cepstral coefficients in torchaudio's convention: an
// orthonormal DCT-II over the log-mel bins.
type MFCC struct {
	NMFCC int    `yaml:"n_mfcc" doc:"coefficients kept, from the 0th"`
	Mel   LogMel `yaml:"mel" doc:"the log-mel spectrogram they are made from; log: db (torchaudio's default) or ln"`
}

// Doc describes the feature in one line.
func (o MFCC) Doc() string { return "mel-frequency cepstral coefficients, as torchaudio computes them" }

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
	return &mfcc{mel: mel, dct: newDCT(o.NMFCC, o.Mel.NMels), column: make([]float64, o.Mel.NMels)}, nil
}

type mfcc struct {
	mel    *logMel
	dct    [][]float64 // (coefficients, mels)
	buffer Spectrogram
	column []float64 // (mels)
}

func (f *mfcc) Shape(samples int) (bins, frames int) {
	_, frames = f.mel.Shape(samples)
	return len(f.dct), frames
}

func (f *mfcc) Extract(dst *Spectrogram, c Clip) error {
	if err := f.mel.Extract(&f.buffer, c); err != nil {
		return err
	}
	dst.Resize(len(f.dct), f.buffer.Frames)
	for t := range dst.Frames {
		for b := range f.column {
			f.column[b] = float64(f.buffer.Data[b*dst.Frames+t])
		}
		for k, row := range f.dct {
			dst.Data[k*dst.Frames+t] = float32(dot(row, f.column))
		}
	}
	return nil
}
