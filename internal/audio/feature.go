package audio

// Features are the features a config can name, with their defaults.
var Features = map[string]FeatureOptions{
	"logmel": LogMel{NFFT: 1024, WinLength: 400, HopLength: 160, NMels: 64, FMin: 60, FMax: 7800,
		MelScale: "htk", MelNorm: "none", Power: 2, Center: true, PadMode: "reflect", Log: "ln", Floor: 1e-6, TopDB: 80},
	"mfcc": MFCC{NMFCC: 20, Mel: LogMel{NFFT: 512, WinLength: 400, HopLength: 160, NMels: 40,
		MelScale: "htk", MelNorm: "none", Power: 2, Center: true, PadMode: "reflect", Log: "db", Floor: 1e-6, TopDB: 80}},
	"kaldi_fbank": kaldiDefaults,
	"kaldi_mfcc":  KaldiMFCC{NumCeps: 13, CepstralLifter: 22, Fbank: kaldiDefaults},
}

// kaldiDefaults are those of Kaldi's compute-fbank-feats, but for dither,
// energy (left out of fbank, as torchaudio does) and the energy floor.
var kaldiDefaults = KaldiFbank{FrameLength: 25, FrameShift: 10, NumMelBins: 23, LowFreq: 20, WindowType: "povey", Preemphasis: 0.97,
	RemoveDCOffset: true, SnipEdges: true, RoundToPowerOfTwo: true, UsePower: true, RawEnergy: true, EnergyFloor: 1, Scale: 32768}
