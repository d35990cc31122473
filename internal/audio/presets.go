package audio

// Presets are features under the defaults of one library or paper. Each is a
// type of its own, since a config knows a feature's name by its type; but for
// that they are the feature that they embed, and give the same stores.
type (
	// LogMelLibrosa is librosa.power_to_db(librosa.feature.melspectrogram(y)).
	LogMelLibrosa struct {
		LogMel `yaml:",inline"`
	}
	// LogMelTorchaudio is AmplitudeToDB()(MelSpectrogram()(x)) of torchaudio.transforms.
	LogMelTorchaudio struct {
		LogMel `yaml:",inline"`
	}
	// LogMelBYOLA is the input of BYOL for Audio (Niizumi et al. 2021).
	LogMelBYOLA struct {
		LogMel `yaml:",inline"`
	}
	// MFCCLibrosa is librosa.feature.mfcc(y).
	MFCCLibrosa struct {
		MFCC `yaml:",inline"`
	}
	// MFCCTorchaudio is torchaudio.transforms.MFCC()(x).
	MFCCTorchaudio struct {
		MFCC `yaml:",inline"`
	}
)

// Doc describes the feature in one line.
func (o LogMelLibrosa) Doc() string { return "logmel with librosa's defaults (0.10), decibels" }

// Doc describes the feature in one line.
func (o LogMelTorchaudio) Doc() string { return "logmel with torchaudio's defaults, decibels" }

// Doc describes the feature in one line.
func (o LogMelBYOLA) Doc() string { return "logmel as BYOL-A has it: windows of 64 ms, 60 to 7800 Hz" }

// Doc describes the feature in one line.
func (o MFCCLibrosa) Doc() string { return "mfcc with librosa's defaults (0.10)" }

// Doc describes the feature in one line.
func (o MFCCTorchaudio) Doc() string { return "mfcc with torchaudio's defaults" }

var (
	librosaMel = LogMel{NFFT: 2048, WinLength: 2048, HopLength: 512, NMels: 128, MelScale: "slaney", MelNorm: "slaney",
		Power: 2, Center: true, PadMode: "constant", Log: "db", Floor: 1e-6, TopDB: 80}
	torchaudioMel = LogMel{NFFT: 400, WinLength: 400, HopLength: 200, NMels: 128, MelScale: "htk", MelNorm: "none",
		Power: 2, Center: true, PadMode: "reflect", Log: "db", Floor: 1e-6}
	byolaMel = LogMel{NFFT: 1024, WinLength: 1024, HopLength: 160, NMels: 64, FMin: 60, FMax: 7800, MelScale: "htk", MelNorm: "none",
		Power: 2, Center: true, PadMode: "reflect", Log: "ln", Floor: 1.0 / (1 << 23), TopDB: 80} // torch.finfo().eps
)

// withTopDB is a log-mel spectrogram under another limit.
func withTopDB(o LogMel, topDB float64) LogMel {
	o.TopDB = topDB
	return o
}
