package audio

// Features are the features a config can name, with their defaults.
var Features = map[string]FeatureOptions{
	"logmel": LogMel{NFFT: 1024, WinLength: 400, HopLength: 160, NMels: 64, FMin: 60, FMax: 7800,
		MelScale: "htk", MelNorm: "none", Power: 2, Center: true, PadMode: "reflect", Log: "ln", Floor: 1e-6, TopDB: 80},
	"logmel_librosa":    LogMelLibrosa{librosaMel},
	"logmel_torchaudio": LogMelTorchaudio{torchaudioMel},
	"logmel_byola":      LogMelBYOLA{byolaMel},
	"mfcc":              mfccDefaults,
	"mfcc_librosa":      MFCCLibrosa{MFCC{NMFCC: 20, Mel: librosaMel}},
	"mfcc_torchaudio":   MFCCTorchaudio{MFCC{NMFCC: 40, Mel: withTopDB(torchaudioMel, 80)}},
	"kaldi_fbank":       kaldiDefaults,
	"kaldi_mfcc":        KaldiMFCC{NumCeps: 13, CepstralLifter: 22, Fbank: kaldiDefaults},
	"cqt":               cqtDefaults,
	"vqt":               VQT{CQT: cqtDefaults},
	"chroma_stft": ChromaSTFT{NFFT: 2048, WinLength: 2048, HopLength: 512, Window: "hann", Center: true, PadMode: "constant",
		NChroma: 12, CtrOct: 5, OctWidth: 2, Norm: "inf"},
	"chroma_cqt": ChromaCQT{HopLength: 512, FMin: 32.7032, NChroma: 12, NOctaves: 7, BinsPerOctave: 36, Window: "hann", PadMode: "constant", Norm: "inf"},
	"pcen": PCEN{Gain: 0.98, Bias: 2, Power: 0.5, TimeConstant: 0.4, Eps: 1e-6, Initial: "first", Scale: 1 << 31,
		Mel: LogMel{NFFT: 1024, WinLength: 400, HopLength: 160, NMels: 64, FMin: 60,
			MelScale: "htk", MelNorm: "none", Power: 1, Center: true, PadMode: "reflect", Log: "none", Floor: 1e-6, TopDB: 80}},
	"gammatone": Gammatone{NFFT: 1024, WinLength: 400, HopLength: 160, NFilters: 64, FMin: 50, Width: 1, Power: 2, Center: true, PadMode: "reflect",
		Log: "ln", Floor: 1e-6, TopDB: 80},
	"deltas": Deltas{Of: mfccDefaults, Order: 2, WinLength: 5, Convention: "torchaudio"},
	"stft": STFT{NFFT: 1024, WinLength: 400, HopLength: 160, Window: "hann", Center: true, PadMode: "reflect",
		Value: "ln", Floor: 1e-6, TopDB: 80},
	"spectral": Spectral{Values: []string{"centroid", "bandwidth", "rolloff", "flatness", "contrast"}, NFFT: 2048, WinLength: 2048, HopLength: 512,
		Window: "hann", Center: true, PadMode: "constant", P: 2, RollPercent: 0.85, FMin: 200, NBands: 6, Quantile: 0.02},
	"stack":    clarDefaults,
	"waveform": Waveform{FrameLength: 1, HopLength: 1},
}

var mfccDefaults = MFCC{NMFCC: 20, Mel: LogMel{NFFT: 512, WinLength: 400, HopLength: 160, NMels: 40,
	MelScale: "htk", MelNorm: "none", Power: 2, Center: true, PadMode: "reflect", Log: "db", Floor: 1e-6, TopDB: 80}}

// kaldiDefaults are those of Kaldi's compute-fbank-feats, but for dither,
// energy (left out of fbank, as torchaudio does) and the energy floor.
var kaldiDefaults = KaldiFbank{FrameLength: 25, FrameShift: 10, NumMelBins: 23, LowFreq: 20, WindowType: "povey", Preemphasis: 0.97,
	RemoveDCOffset: true, SnipEdges: true, RoundToPowerOfTwo: true, UsePower: true, RawEnergy: true, EnergyFloor: 1, Scale: 32768}

var cqtDefaults = CQT{HopLength: 512, FMin: 32.7032, NBins: 84, BinsPerOctave: 12, FilterScale: 1, Window: "hann", Scale: true, PadMode: "constant",
	Value: "ln", Floor: 1e-6, TopDB: 80}
