package audio

import "errors"

// KaldiFbank are Kaldi's log-mel filterbank energies; the names are those of
// torchaudio.compliance.kaldi.
type KaldiFbank struct {
	FrameLength       float64 `yaml:"frame_length" doc:"milliseconds per window"`
	FrameShift        float64 `yaml:"frame_shift" doc:"milliseconds from one frame to the next"`
	NumMelBins        int     `yaml:"num_mel_bins" doc:"mel bins"`
	LowFreq           float64 `yaml:"low_freq" doc:"lowest frequency of the mel filters, Hz"`
	HighFreq          float64 `yaml:"high_freq" doc:"highest frequency, Hz; 0 or below counts from half the sample rate"`
	WindowType        string  `yaml:"window_type" doc:"povey, hanning, hamming, blackman or rectangular"`
	Preemphasis       float64 `yaml:"preemphasis_coefficient" doc:"share of the sample before that is taken off each sample"`
	RemoveDCOffset    bool    `yaml:"remove_dc_offset" doc:"take off each window's mean"`
	SnipEdges         bool    `yaml:"snip_edges" doc:"only whole windows; otherwise the clip is mirrored at its ends"`
	RoundToPowerOfTwo bool    `yaml:"round_to_power_of_two" doc:"pad the window with zeros to a power of two"`
	UsePower          bool    `yaml:"use_power" doc:"power rather than magnitude"`
	UseEnergy         bool    `yaml:"use_energy" doc:"one more bin with the window's log energy"`
	RawEnergy         bool    `yaml:"raw_energy" doc:"energy before pre-emphasis and window"`
	EnergyFloor       float64 `yaml:"energy_floor" doc:"floor of the energy; 0 is none"`
	HTKCompat         bool    `yaml:"htk_compat" doc:"the energy comes last, as in HTK"`
	SubtractMean      bool    `yaml:"subtract_mean" doc:"take off each bin's mean over the clip"`
	Scale             float64 `yaml:"scale" doc:"multiplies the samples first; 32768 is Kaldi's 16-bit scale, 1 keeps -1..1"`
}

func (o KaldiFbank) Doc() string                   { return "log-mel filterbank energies, as Kaldi computes them (no dither)" }
func (o KaldiFbank) Check(rate int) error          { return nil }
func (o KaldiFbank) New(rate int) (Feature, error) { return nil, errors.New("not yet") }

// KaldiMFCC are Kaldi's cepstral coefficients.
type KaldiMFCC struct {
	NumCeps        int        `yaml:"num_ceps" doc:"coefficients kept"`
	CepstralLifter float64    `yaml:"cepstral_lifter" doc:"scaling of higher coefficients; 0 is none"`
	Fbank          KaldiFbank `yaml:"fbank" doc:"the filterbank they are made from"`
}

func (o KaldiMFCC) Doc() string                   { return "mel-frequency cepstral coefficients, as Kaldi computes them (no dither)" }
func (o KaldiMFCC) Check(rate int) error          { return nil }
func (o KaldiMFCC) New(rate int) (Feature, error) { return nil, errors.New("not yet") }
