package audio

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"clr/internal/fault"
)

func TestSettingsAreChecked(t *testing.T) {
	mel, bank := Features["logmel"].(LogMel), kaldiDefaults
	line, slopes := Features["stft"].(STFT), Features["deltas"].(Deltas)
	stft := func(change func(*STFT)) STFT { o := line; change(&o); return o }
	deltas := func(change func(*Deltas)) Deltas { o := slopes; change(&o); return o }
	with := func(change func(*LogMel)) LogMel { o := mel; change(&o); return o }
	kaldi := func(change func(*KaldiFbank)) KaldiFbank { o := bank; change(&o); return o }
	pitch, classes, gain := Features["vqt"].(VQT), Features["chroma_cqt"].(ChromaCQT), Features["pcen"].(PCEN)
	vqt := func(change func(*VQT)) VQT { o := pitch; change(&o); return o }
	chroma := func(change func(*ChromaCQT)) ChromaCQT { o := classes; change(&o); return o }
	chromaSTFT := func(change func(*ChromaSTFT)) ChromaSTFT {
		o := Features["chroma_stft"].(ChromaSTFT)
		change(&o)
		return o
	}
	pcen := func(change func(*PCEN)) PCEN { o := gain; change(&o); return o }
	gammatone := func(change func(*Gammatone)) Gammatone {
		o := Features["gammatone"].(Gammatone)
		change(&o)
		return o
	}
	for _, c := range []struct {
		rate    int
		options FeatureOptions
		want    string
	}{
		{8000, mel, "f_max"},
		{0, mel, "sample_rate"},
		{16000, with(func(o *LogMel) { o.NFFT = 0 }), "n_fft"},
		{16000, with(func(o *LogMel) { o.NFFT = 1 << 40 }), "n_fft"},
		{16000, with(func(o *LogMel) { o.WinLength = 2000 }), "win_length"},
		{16000, with(func(o *LogMel) { o.HopLength = 0 }), "hop_length"},
		{16000, with(func(o *LogMel) { o.NMels = -1 }), "n_mels"},
		{16000, with(func(o *LogMel) { o.FMin = 7900 }), "f_min"},
		{16000, with(func(o *LogMel) { o.FMin = math.NaN() }), "f_min"},
		{16000, with(func(o *LogMel) { o.FMax = math.NaN() }), "f_m"},
		{16000, with(func(o *LogMel) { o.MelScale = "bark" }), "mel_scale"},
		{16000, with(func(o *LogMel) { o.MelNorm = "" }), "mel_norm"},
		{16000, with(func(o *LogMel) { o.Power = 3 }), "power"},
		{16000, with(func(o *LogMel) { o.PadMode = "edge" }), "pad_mode"},
		{16000, with(func(o *LogMel) { o.Log = "log2" }), "log"},
		{16000, with(func(o *LogMel) { o.Floor = 0 }), "floor"},
		{16000, with(func(o *LogMel) { o.TopDB = -1 }), "top_db"},
		{16000, MFCC{NMFCC: 65, Mel: mel}, "n_mfcc"},
		{16000, MFCC{NMFCC: 5, Mel: LogMel{}}, "n_fft"},
		{16000, kaldi(func(o *KaldiFbank) { o.FrameLength = 0 }), "frame_length"},
		{16000, kaldi(func(o *KaldiFbank) { o.FrameShift = math.Inf(1) }), "frame_shift"},
		{16000, kaldi(func(o *KaldiFbank) { o.WindowType = "kaiser" }), "window_type"},
		{16000, kaldi(func(o *KaldiFbank) { o.HighFreq = -8000 }), "low_freq"},
		{16000, kaldi(func(o *KaldiFbank) { o.Scale = 0 }), "scale"},
		{22050, kaldi(func(o *KaldiFbank) { o.RoundToPowerOfTwo = false }), "frame_length"},
		{16000, KaldiMFCC{NumCeps: 24, Fbank: bank}, "num_ceps"},
		{16000, KaldiMFCC{NumCeps: 5, Fbank: kaldi(func(o *KaldiFbank) { o.UsePower = false })}, "use_power"},
		{0, line, "sample_rate"},
		{16000, stft(func(o *STFT) { o.NFFT = 1 }), "n_fft"},
		{16000, stft(func(o *STFT) { o.WinLength = 1025 }), "win_length"},
		{16000, stft(func(o *STFT) { o.HopLength = -1 }), "hop_length"},
		{16000, stft(func(o *STFT) { o.Window = "hanning" }), "window"},
		{16000, stft(func(o *STFT) { o.PadMode = "edge" }), "pad_mode"},
		{16000, stft(func(o *STFT) { o.Value = "angle" }), "value"},
		{16000, stft(func(o *STFT) { o.Floor = 0 }), "floor"},
		{16000, stft(func(o *STFT) { o.TopDB = math.NaN() }), "top_db"},
		{16000, deltas(func(o *Deltas) { o.Of = LogMel{} }), "in feature.of: feature.n_fft"},
		{16000, deltas(func(o *Deltas) { o.Order = 0 }), "order"},
		{16000, deltas(func(o *Deltas) { o.Order = 3 }), "order"},
		{16000, deltas(func(o *Deltas) { o.WinLength = 4 }), "win_length"},
		{16000, deltas(func(o *Deltas) { o.Convention = "htk" }), "convention"},
		{0, Waveform{1, 1}, "sample_rate"},
		{16000, Waveform{0, 1}, "frame_length"},
		{16000, Waveform{1, 1 << 30}, "hop_length"},
		{0, cqtDefaults, "sample_rate"},
		{8000, cqtDefaults, "n_bins puts the highest bin at 3951.1 Hz, from where it reaches up to 4122 Hz, above half the sample rate, 4000"},
		{16000, vqt(func(o *VQT) { o.HopLength = 0 }), "hop_length"},
		{16000, vqt(func(o *VQT) { o.FMin = 0 }), "f_min"},
		{16000, vqt(func(o *VQT) { o.FMin = math.NaN() }), "f_min"},
		{16000, vqt(func(o *VQT) { o.NBins = 0 }), "n_bins"},
		{16000, vqt(func(o *VQT) { o.NBins = 97 }), "n_bins"},
		{16000, vqt(func(o *VQT) { o.NBins, o.Gamma, o.FilterScale = 95, 1e-6, 0.5 }), "n_bins puts the highest bin at 7458.6 Hz, from where it reaches up to 8104"},
		{16000, vqt(func(o *VQT) { o.NBins, o.Gamma = 95, 500 }), "n_bins puts the highest bin at 7458.6 Hz, from where it reaches up to 8031"},
		{16000, vqt(func(o *VQT) { o.NBins, o.BinsPerOctave, o.Gamma = 1200, 200, 1e-6 }), "f_min is 32.7032: the windows of all bins"},
		{16000, vqt(func(o *VQT) { o.BinsPerOctave = 0 }), "bins_per_octave"},
		{16000, vqt(func(o *VQT) { o.FilterScale = 0 }), "filter_scale"},
		{16000, CQT{HopLength: 1, FMin: 1600, NBins: 1, BinsPerOctave: 1, FilterScale: 0.114, Window: "hann", PadMode: "constant", Value: "power"}, "filter_scale"},
		{16000, vqt(func(o *VQT) { o.Tuning = 1 }), "tuning"},
		{16000, vqt(func(o *VQT) { o.Window = "" }), "window"},
		{16000, vqt(func(o *VQT) { o.PadMode = "edge" }), "pad_mode"},
		{16000, vqt(func(o *VQT) { o.Value = "phase" }), "value"},
		{16000, vqt(func(o *VQT) { o.Floor = 2 }), "floor"},
		{16000, vqt(func(o *VQT) { o.TopDB = -1 }), "top_db"},
		{16000, vqt(func(o *VQT) { o.Gamma = -1 }), "gamma"},
		{16000, vqt(func(o *VQT) { o.Gamma = math.NaN() }), "gamma"},
		{16000, CQT{HopLength: 1, FMin: 1e-3, NBins: 1, BinsPerOctave: 12, FilterScale: 1, Window: "hann", PadMode: "constant", Value: "power"}, "f_min"},
		{16000, chromaSTFT(func(o *ChromaSTFT) { o.NFFT = 1 }), "n_fft"},
		{16000, chromaSTFT(func(o *ChromaSTFT) { o.NChroma = 0 }), "n_chroma"},
		{16000, chromaSTFT(func(o *ChromaSTFT) { o.NChroma, o.NFFT = 1000, 1<<20 }), "n_chroma"},
		{16000, chromaSTFT(func(o *ChromaSTFT) { o.Tuning = -1 }), "tuning"},
		{16000, chromaSTFT(func(o *ChromaSTFT) { o.CtrOct = math.NaN() }), "ctroct"},
		{16000, chromaSTFT(func(o *ChromaSTFT) { o.OctWidth = -1 }), "octwidth"},
		{16000, chromaSTFT(func(o *ChromaSTFT) { o.Norm = "max" }), "norm"},
		{8000, classes, "n_octaves puts the highest bin"},
		{16000, chroma(func(o *ChromaCQT) { o.NChroma = 0 }), "n_chroma"},
		{16000, chroma(func(o *ChromaCQT) { o.NOctaves = 0 }), "n_octaves"},
		{16000, chroma(func(o *ChromaCQT) { o.BinsPerOctave = 30 }), "bins_per_octave"},
		{16000, chroma(func(o *ChromaCQT) { o.HopLength = 0 }), "hop_length"},
		{16000, chroma(func(o *ChromaCQT) { o.Threshold = -1 }), "threshold"},
		{16000, chroma(func(o *ChromaCQT) { o.Norm = "" }), "norm"},
		{16000, pcen(func(o *PCEN) { o.Mel.NFFT = 0 }), "in feature.mel: feature.n_fft"},
		{16000, pcen(func(o *PCEN) { o.Mel.Log = "ln" }), "mel.log"},
		{16000, pcen(func(o *PCEN) { o.Gain = 2 }), "gain"},
		{16000, pcen(func(o *PCEN) { o.Bias = -1 }), "bias"},
		{16000, pcen(func(o *PCEN) { o.Power = math.NaN() }), "power"},
		{16000, pcen(func(o *PCEN) { o.TimeConstant = 0 }), "time_constant"},
		{16000, pcen(func(o *PCEN) { o.Eps = 0 }), "eps"},
		{16000, pcen(func(o *PCEN) { o.Initial = "zero" }), "initial"},
		{16000, pcen(func(o *PCEN) { o.Scale = 0 }), "scale"},
		{16000, gammatone(func(o *Gammatone) { o.WinLength = 1 }), "win_length"},
		{16000, gammatone(func(o *Gammatone) { o.NFilters = 0 }), "n_filters"},
		{16000, gammatone(func(o *Gammatone) { o.NFilters, o.NFFT = 4096, 1<<17 }), "n_filters"},
		{16000, gammatone(func(o *Gammatone) { o.NFFT = 1000000 }), "n_filters is 64: with n_fft = 1000000 that is more than 8388608 weights"},
		{16000, gammatone(func(o *Gammatone) { o.FMin = 0 }), "f_min"},
		{16000, gammatone(func(o *Gammatone) { o.FMax = 9000 }), "f_max"},
		{16000, gammatone(func(o *Gammatone) { o.Width = 0 }), "width"},
		{16000, gammatone(func(o *Gammatone) { o.Power = 3 }), "power"},
		{16000, gammatone(func(o *Gammatone) { o.Log = "log2" }), "log"},
		{16000, gammatone(func(o *Gammatone) { o.Floor = 0 }), "floor"},
		{16000, gammatone(func(o *Gammatone) { o.TopDB = -1 }), "top_db"},
	} {
		err := c.options.Check(c.rate)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v at %d Hz: error %v, want a usage error about %s", c.options, c.rate, err, c.want)
		}
		if _, err := c.options.New(c.rate); err == nil {
			t.Errorf("%+v at %d Hz: New gives no error", c.options, c.rate)
		}
	}
}

// Keys of stores hang on these bytes.
func TestSettingsJSON(t *testing.T) {
	got, err := settingsOf(MFCC{NMFCC: 3, Mel: tinyMel}, 8000)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"extraction":2,"feature":"MFCC","options":{"n_mfcc":3,"mel":{"n_fft":64,"win_length":64,"hop_length":32,"n_mels":5,` +
		`"f_min":0,"f_max":0,"mel_scale":"htk","mel_norm":"none","power":2,"center":true,"pad_mode":"reflect","log":"ln","floor":0.000001,"top_db":0}},"sample_rate":8000}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if again, err := settingsOf(&MFCC{NMFCC: 3, Mel: tinyMel}, 8000); again != want {
		t.Errorf("of a pointer: %s, %v", again, err)
	}
	want = `{"extraction":2,"feature":"Deltas","options":{"of":{"feature":"Waveform","frame_length":2,"hop_length":1},"order":1,"win_length":3,"convention":"kaldi"},"sample_rate":8000}`
	if got, err := settingsOf(Deltas{Of: Waveform{2, 1}, Order: 1, WinLength: 3, Convention: "kaldi"}, 8000); got != want {
		t.Errorf("got  %s\nwant %s: %v", got, want, err)
	}
	// What is embedded stands in its place.
	if got, err := settingsOf(Features["vqt"], 8000); !strings.HasPrefix(got, `{"extraction":2,"feature":"VQT","options":{"hop_length":512,"f_min":32.7032,`) ||
		!strings.HasSuffix(got, `,"top_db":80,"gamma":0},"sample_rate":8000}`) {
		t.Errorf("vqt: %s, %v", got, err)
	}
	for name, o := range Features {
		s, err := settingsOf(o, 16000)
		if err != nil || !json.Valid([]byte(s)) {
			t.Errorf("%s: %s, %v", name, s, err)
		}
		documented(t, reflect.TypeOf(o))
	}
}

func documented(t *testing.T, options reflect.Type) {
	t.Helper()
	for i := range options.NumField() {
		f := options.Field(i)
		if f.Anonymous {
			documented(t, f.Type)
			continue
		}
		if f.Tag.Get("doc") == "" || f.Tag.Get("yaml") == "" {
			t.Errorf("%s.%s has no doc or yaml tag", options, f.Name)
		}
		if f.Type.Kind() == reflect.Struct {
			documented(t, f.Type)
		}
	}
}
