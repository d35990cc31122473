package audio

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
)

func extract(t *testing.T, o FeatureOptions, c Clip) Spectrogram {
	t.Helper()
	f, err := o.New(c.Rate)
	if err != nil {
		t.Fatal(err)
	}
	var s Spectrogram
	if err := f.Extract(&s, c); err != nil {
		t.Fatal(err)
	}
	if bins, frames := f.Shape(len(c.Samples)); bins != s.Bins || frames != s.Frames {
		t.Errorf("Shape says (%d, %d), Extract made (%d, %d)", bins, frames, s.Bins, s.Frames)
	}
	return s
}

func TestMelBanksMatchTorchaudio(t *testing.T) {
	cases := referenceCases(t)
	for _, name := range []string{"htk_none", "htk_slaney", "slaney_none", "slaney_slaney", "htk_none_64"} {
		c := cases["audio/melbank_"+name]
		var p struct {
			Bins  int     `json:"n_freqs"`
			Low   float64 `json:"f_min"`
			High  float64 `json:"f_max"`
			Mels  int     `json:"n_mels"`
			Norm  string
			Scale string `json:"mel_scale"`
		}
		c.params(t, &p)
		got := make([]float64, p.Bins*p.Mels)
		for i, f := range newMelBank(p.Bins, p.Mels, 16000, p.Low, p.High, p.Scale, p.Norm) {
			for k, w := range f.weights {
				got[(f.first+k)*p.Mels+i] = w
			}
		}
		c.matches(t, "fb", p.Bins, p.Mels, got)
	}
}

func TestDCTMatchesTorchaudio(t *testing.T) {
	dct := newDCT(20, 40)
	got := make([]float64, 0, 800)
	for n := range 40 {
		for k := range 20 {
			got = append(got, dct[k][n])
		}
	}
	referenceCases(t)["audio/dct2_ortho"].matches(t, "dct", 40, 20, got)
}

func TestLogMelMatchesTorchaudio(t *testing.T) {
	cases := referenceCases(t)
	for _, name := range []string{"audio/logmel_htk_1024x64", "audio/logmel_slaney_512x40", "audio/logmel_htk_400x80"} {
		c := cases[name]
		var p struct {
			NFFT  int     `json:"n_fft"`
			Mels  int     `json:"n_mels"`
			Low   float64 `json:"f_min"`
			High  float64 `json:"f_max"`
			Norm  string
			Scale string `json:"mel_scale"`
		}
		c.params(t, &p)
		o := Features["logmel"].(LogMel)
		o.NFFT, o.NMels, o.FMin, o.FMax, o.MelScale = p.NFFT, p.Mels, p.Low, p.High, p.Scale
		if p.Norm != "" {
			o.MelNorm = p.Norm
		}
		for output, log := range map[string]string{"mel": "none", "log": "ln", "db": "db"} {
			o.Log = log
			s := extract(t, o, c.wave(t, 16000))
			c.matches(t, output, s.Bins, s.Frames, wide(s.Data))
		}
		o.Log = "log10" // the natural logarithm over that of 10
		s := extract(t, o, c.wave(t, 16000))
		x := wide(s.Data)
		for i := range x {
			x[i] *= math.Ln10
		}
		c.matches(t, "log", s.Bins, s.Frames, x)
	}
}

func TestMFCCMatchesTorchaudio(t *testing.T) {
	cases := referenceCases(t)
	for name, log := range map[string]string{"audio/mfcc_db": "db", "audio/mfcc_log": "ln"} {
		o := Features["mfcc"].(MFCC)
		o.Mel.Log = log
		s := extract(t, o, cases[name].wave(t, 16000))
		cases[name].matches(t, "mfcc", s.Bins, s.Frames, wide(s.Data))
	}
}

func TestKaldiMatchesTorchaudio(t *testing.T) {
	type params struct {
		NumMelBins     int     `json:"num_mel_bins"`
		WindowType     string  `json:"window_type"`
		SnipEdges      bool    `json:"snip_edges"`
		UseEnergy      bool    `json:"use_energy"`
		HTKCompat      bool    `json:"htk_compat"`
		NumCeps        int     `json:"num_ceps"`
		CepstralLifter float64 `json:"cepstral_lifter"`
	}
	cases := referenceCases(t)
	for _, name := range []string{"fbank40", "fbank40_int16_scale", "fbank23_energy_noedge", "fbank128_hanning", "mfcc13", "mfcc20_energy"} {
		c := cases["audio/kaldi_"+name]
		var p params
		c.params(t, &p)
		o := kaldiDefaults
		o.Scale, o.NumMelBins, o.WindowType = 1, p.NumMelBins, p.WindowType
		o.SnipEdges, o.UseEnergy, o.HTKCompat = p.SnipEdges, p.UseEnergy, p.HTKCompat
		var options FeatureOptions = o
		if strings.HasPrefix(name, "mfcc") {
			options = KaldiMFCC{NumCeps: p.NumCeps, CepstralLifter: p.CepstralLifter, Fbank: o}
		}
		s := extract(t, options, c.wave(t, 16000))
		c.matches(t, "feat", s.Frames, s.Bins, transposed(s))
	}
}

// HTK's order: what Kaldi puts first comes last, and C0 is √2 larger.
func TestKaldiHTKOrder(t *testing.T) {
	c := referenceCases(t)["audio/kaldi_fbank40"].wave(t, 16000)
	o := kaldiDefaults
	o.UseEnergy = true
	plain := extract(t, o, c)
	o.HTKCompat = true
	htk := extract(t, o, c)
	for b := range plain.Bins {
		if plain.Row(b)[3] != htk.Row((b + plain.Bins - 1) % plain.Bins)[3] {
			t.Fatalf("fbank: bin %d is not where HTK has it", b)
		}
	}
	m := KaldiMFCC{NumCeps: 13, CepstralLifter: 22, Fbank: kaldiDefaults}
	plain = extract(t, m, c)
	m.Fbank.HTKCompat = true
	htk = extract(t, m, c)
	if got, want := float64(htk.Row(12)[3]), math.Sqrt2*float64(plain.Row(0)[3]); math.Abs(got-want) > 1e-4*math.Abs(want) {
		t.Errorf("C0 is %v, want %v", got, want)
	}
	if htk.Row(0)[3] != plain.Row(1)[3] {
		t.Errorf("C1 is not first")
	}
}

func TestKaldiSubtractMean(t *testing.T) {
	o := kaldiDefaults
	o.SubtractMean = true
	s := extract(t, o, referenceCases(t)["audio/kaldi_fbank40"].wave(t, 16000))
	for b := range s.Bins {
		sum := 0.0
		for _, v := range s.Row(b) {
			sum += float64(v)
		}
		if math.Abs(sum) > 1e-3 {
			t.Errorf("bin %d sums to %g", b, sum)
		}
	}
}

// Every entry of the table works at both ends of its clip lengths, twice with
// the same bytes, and on silence.
func TestFeatureTable(t *testing.T) {
	natural := []string{"logmel", "logmel_byola", "kaldi_fbank", "stft", "cqt", "vqt", "gammatone"}
	window := map[string]int{"logmel_librosa": 2048, "mfcc_librosa": 2048, "logmel_byola": 1024, "spectral": 2048, "waveform": 1,
		"chroma_stft": 2048, "cqt": 71, "vqt": 67, "chroma_cqt": 203, "stack": 256} // others 400; of constant Q the shortest, its highest bin's
	for name, o := range Features {
		if unit := o.Unit(); SilenceIsZero(o) != (name == "waveform") || (unit == "ln") != slices.Contains(natural, name) {
			t.Errorf("%s: the values are in %q", name, unit)
		}
		if o.Doc() == "" || strings.Contains(o.Doc(), "\n") {
			t.Errorf("%s: Doc is %q, want one line", name, o.Doc())
		}
		if err := o.Check(16000); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f, err := o.New(16000)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		shortest := 0
		for n := range 3000 {
			bins, frames := f.Shape(n)
			if bins < 1 {
				t.Fatalf("%s: %d bins", name, bins)
			}
			clip := Clip{Rate: 16000, Samples: make([]float32, n)}
			var s Spectrogram
			if frames == 0 {
				shortest = n + 1
				err := f.Extract(&s, clip)
				if fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "samples") {
					t.Fatalf("%s: %d samples: error %v, want a data error", name, n, err)
				}
				continue
			}
			if n > shortest+2 && n%97 != 0 {
				continue
			}
			if err := f.Extract(&s, clip); err != nil {
				t.Fatalf("%s: %d samples: %v", name, n, err)
			}
			for i, v := range s.Data {
				if v-v != 0 {
					t.Fatalf("%s: silence of %d samples: value %d is %v", name, n, i, v)
				}
			}
		}
		if want := cmp.Or(window[name], 400); shortest != want {
			t.Errorf("%s: the shortest clip is %d samples, want one window, %d", name, shortest, want)
		}
		if err := f.Extract(new(Spectrogram), Clip{Rate: 44100, Samples: make([]float32, 9999)}); err == nil ||
			!strings.Contains(err.Error(), "44100") || !strings.Contains(err.Error(), "16000") {
			t.Errorf("%s: a clip of another rate: %v", name, err)
		}
	}
}

// A mirrored clip may be longer than a window and shorter than what Kaldi counts
// as one frame, half a hop.
func TestKaldiWithoutFrames(t *testing.T) {
	fbank := kaldiDefaults
	fbank.SnipEdges, fbank.FrameShift = false, 100 // 1600 samples
	for _, o := range []FeatureOptions{fbank, KaldiMFCC{NumCeps: 13, Fbank: fbank}} {
		f, err := o.New(16000)
		if err != nil {
			t.Fatal(err)
		}
		var s Spectrogram
		if err := f.Extract(&s, Clip{Rate: 16000, Samples: make([]float32, 799)}); fault.KindOf(err) != fault.Data || !strings.Contains(err.Error(), "one frame needs 800") {
			t.Errorf("799 samples: error %v", err)
		}
		if err := f.Extract(&s, Clip{Rate: 16000, Samples: make([]float32, 800)}); err != nil || s.Frames != 1 {
			t.Errorf("800 samples: %d frames, error %v", s.Frames, err)
		}
	}
}

// A short hop and a long transform make more values than memory holds.
func TestSpectrogramsAreBounded(t *testing.T) {
	line := Features["stft"].(STFT)
	line.NFFT, line.HopLength = 1<<15, 1
	for want, o := range map[string]FeatureOptions{"20001 frames of 16385 bins": line, "20001 frames of 20000 bins": Waveform{20000, 1}} {
		f, err := o.New(16000)
		if err != nil {
			t.Fatal(err)
		}
		samples := 20000
		if _, ok := o.(Waveform); ok {
			samples = 40000
		}
		var s Spectrogram
		err = f.Extract(&s, Clip{Rate: 16000, Samples: make([]float32, samples)})
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if cap(s.Data) > 0 {
			t.Errorf("%s: memory for %d values was taken", want, cap(s.Data))
		}
	}
}

// Defaults suit the rates that recordings have; at 8 kHz those do not that name
// a frequency near 8 kHz or seven octaves.
func TestDefaultsAtOtherRates(t *testing.T) {
	high := []string{"logmel", "logmel_byola", "spectral", "cqt", "vqt", "chroma_cqt"}
	for name, o := range Features {
		for _, rate := range []int{16000, 22050, 32000, 44100, 48000, 96000} {
			if err := o.Check(rate); err != nil {
				t.Errorf("%s at %d Hz: %v", name, rate, err)
			}
		}
		if err := o.Check(8000); (err != nil) != slices.Contains(high, name) {
			t.Errorf("%s at 8000 Hz: %v", name, err)
		}
	}
}

// Logarithms of magnitudes are none of powers, but for decibels.
func TestUnits(t *testing.T) {
	mel, kaldi := Features["logmel"].(LogMel), kaldiDefaults
	kaldi.UsePower = false
	with := func(power float64, log string) LogMel { o := mel; o.Power, o.Log = power, log; return o }
	for want, o := range map[string]FeatureOptions{"ln": mel, "log10": with(2, "log10"), "db": with(1, "db"), "power": with(2, "none"),
		"magnitude": with(1, "none"), "log10 of magnitude": with(1, "log10"), "ln of magnitude": kaldi, "": Features["deltas"]} {
		if o.Unit() != want {
			t.Errorf("%+v is in %q, want %q", o, o.Unit(), want)
		}
	}
}

func TestExtractAllocatesNothing(t *testing.T) {
	clip := Clip{Rate: 16000, Samples: make([]float32, 16000)}
	for name, o := range Features {
		f, err := o.New(16000)
		if err != nil {
			t.Fatal(err)
		}
		var s Spectrogram
		if a := testing.AllocsPerRun(5, func() {
			if err := f.Extract(&s, clip); err != nil {
				t.Fatal(err)
			}
		}); a != 0 {
			t.Errorf("%s: %v allocations a clip", name, a)
		}
	}
}

func BenchmarkExtract(b *testing.B) {
	clip := Clip{Rate: 16000, Samples: make([]float32, 16000*5)}
	for i := range clip.Samples {
		clip.Samples[i] = float32(i*i%1001)/500 - 1
	}
	for _, name := range slices.Sorted(maps.Keys(Features)) {
		b.Run(name, func(b *testing.B) {
			f, err := Features[name].New(16000)
			if err != nil {
				b.Fatal(err)
			}
			var s Spectrogram
			for b.Loop() {
				if err := f.Extract(&s, clip); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(5*float64(b.N)/b.Elapsed().Seconds(), "audio-s/s")
		})
	}
}
