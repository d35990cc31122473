package audio

import (
	"fmt"

	"clr/internal/kernel"
)

// LogMel is the log-mel spectrogram of librosa and torchaudio; the names are theirs.
type LogMel struct {
	NFFT      int     `yaml:"n_fft" doc:"samples per Fourier transform; the window is padded with zeros to it"`
	WinLength int     `yaml:"win_length" doc:"samples per window (periodic Hann)"`
	HopLength int     `yaml:"hop_length" doc:"samples from one frame to the next"`
	NMels     int     `yaml:"n_mels" doc:"mel bins"`
	FMin      float64 `yaml:"f_min" doc:"lowest frequency of the mel filters, Hz"`
	FMax      float64 `yaml:"f_max" doc:"highest frequency of the mel filters, Hz; 0 is half the sample rate"`
	MelScale  string  `yaml:"mel_scale" doc:"htk (torchaudio's default) or slaney (librosa's)"`
	MelNorm   string  `yaml:"mel_norm" doc:"none (torchaudio's default) or slaney: filters of equal area (librosa's)"`
	Power     float64 `yaml:"power" doc:"exponent of the magnitude: 2 is power, 1 is magnitude"`
	Center    bool    `yaml:"center" doc:"frame t is centred on sample t*hop_length; the clip's ends are padded"`
	PadMode   string  `yaml:"pad_mode" doc:"reflect or constant (zeros), with center"`
	Log       string  `yaml:"log" doc:"ln: ln(mel + floor); log10: log10(mel + floor); db: decibels, with top_db; none"`
	Floor     float64 `yaml:"floor" doc:"added before ln and log10"`
	TopDB     float64 `yaml:"top_db" doc:"db: no value lies more than this below the clip's maximum; 0 is no limit"`
}

// Doc describes the feature in one line.
func (o LogMel) Doc() string { return "log-mel spectrogram, as librosa and torchaudio compute it" }

// Unit implements FeatureOptions.
func (o LogMel) Unit() string { return unitOf(o.Log, o.Power) }

// stft is what the filters work on.
func (o LogMel) stft() STFT {
	s := STFT{NFFT: o.NFFT, WinLength: o.WinLength, HopLength: o.HopLength, Window: "hann", Center: o.Center, PadMode: o.PadMode, Value: "power"}
	if o.Power == 1 {
		s.Value = "magnitude"
	}
	return s
}

// Check finds settings that make no feature of clips at a rate.
func (o LogMel) Check(rate int) error {
	nyquist := float64(rate) / 2
	return broken(append(o.stft().framing(rate), []rule{
		{o.NMels >= 1 && o.NMels <= 4096, "n_mels", fmt.Sprintf("is %d, set it from 1 to 4096", o.NMels)},
		{o.FMin >= 0 && o.FMin < o.high(rate), "f_min", fmt.Sprintf("is %v, set it from 0 to below f_max = %v", o.FMin, o.high(rate))},
		{o.high(rate) <= nyquist, "f_max", fmt.Sprintf("is %v, above half the sample rate, %v; set it to 0 for that", o.FMax, nyquist)},
		oneOf("mel_scale", o.MelScale, "htk", "slaney"),
		oneOf("mel_norm", o.MelNorm, "none", "slaney"),
		{o.Power == 1 || o.Power == 2, "power", fmt.Sprintf("is %v, set it to 1 or 2", o.Power)},
		oneOf("log", o.Log, "ln", "log10", "db", "none"),
		floorRule(o.Log, o.Floor), topDBRule(o.TopDB),
	}...))
}

// high is the mel filters' upper end in Hz.
func (o LogMel) high(rate int) float64 {
	if o.FMax == 0 {
		return float64(rate) / 2
	}
	return o.FMax
}

// New readies the window and the filters for clips of a rate.
func (o LogMel) New(rate int) (Feature, error) {
	f, err := newLogMel(o, rate)
	if err != nil {
		return nil, err
	}
	return f, nil
}

type logMel struct {
	options LogMel
	rate    int
	stft    *stft
	bank    bank
}

func newLogMel(o LogMel, rate int) (*logMel, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	mel := newMelBank(o.NFFT/2+1, o.NMels, float64(rate), o.FMin, o.high(rate), o.MelScale, o.MelNorm)
	return &logMel{options: o, rate: rate, stft: newSTFT(o.stft()), bank: mel.lanes()}, nil
}

func (f *logMel) Shape(samples int) (bins, frames int) {
	return f.options.NMels, f.stft.frames(samples)
}

func (f *logMel) Extract(dst *Spectrogram, c Clip) error {
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
