package audio

import "errors"

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
	Log       string  `yaml:"log" doc:"ln: ln(mel + floor); db: decibels, with top_db; none"`
	Floor     float64 `yaml:"floor" doc:"added before ln"`
	TopDB     float64 `yaml:"top_db" doc:"db: no value lies more than this below the clip's maximum; 0 is no limit"`
}

func (o LogMel) Doc() string                   { return "log-mel spectrogram, as librosa and torchaudio compute it" }
func (o LogMel) Check(rate int) error          { return nil }
func (o LogMel) New(rate int) (Feature, error) { return nil, errors.New("not yet") }

// MFCC are mel-frequency cepstral coefficients in torchaudio's convention.
type MFCC struct {
	NMFCC int    `yaml:"n_mfcc" doc:"coefficients kept, from the 0th"`
	Mel   LogMel `yaml:"mel" doc:"the log-mel spectrogram they are made from; log: db (torchaudio's default) or ln"`
}

func (o MFCC) Doc() string                   { return "mel-frequency cepstral coefficients, as torchaudio computes them" }
func (o MFCC) Check(rate int) error          { return nil }
func (o MFCC) New(rate int) (Feature, error) { return nil, errors.New("not yet") }
