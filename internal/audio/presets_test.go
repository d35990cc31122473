package audio

import (
	"math"
	"testing"
)

// What each library's own code says its defaults are, apart from the table:
// librosa 0.10 (feature/spectral.py, core/spectrum.py), torchaudio 0.13
// (transforms/_transforms.py), BYOL-A (config.yaml, dataset.py).
var presetMels = map[string]struct {
	nfft, hop, mels int
	low, high       float64 // Hz; 0: half the rate
	scale, norm     string
	pad             string
	db              bool
	floor, topDB    float64 // of ln; below the maximum
}{
	"logmel_librosa":    {2048, 512, 128, 0, 0, "slaney", "slaney", "constant", true, 0, 80},
	"mfcc_librosa":      {2048, 512, 128, 0, 0, "slaney", "slaney", "constant", true, 0, 80},
	"logmel_torchaudio": {400, 200, 128, 0, 0, "htk", "none", "reflect", true, 0, math.Inf(1)},
	"mfcc_torchaudio":   {400, 200, 128, 0, 0, "htk", "none", "reflect", true, 0, 80},
	"logmel_byola":      {1024, 160, 64, 60, 7800, "htk", "none", "reflect", false, 1.1920929e-7, 0},
}

// Each preset against the definition in float64: Hann windows as long as the
// transform, centred frames, power, filters that TestMelBanksMatchTorchaudio
// proves, and the logarithm.
func TestPresetsAgainstDefinition(t *testing.T) {
	c := tone(1500, 2600)
	copy(c.Samples[:1200], make([]float32, 1200)) // longer than BYOL-A's window, so that its floor shows
	for name, p := range presetMels {
		high := p.high
		if high == 0 {
			high = 8000
		}
		o := STFT{NFFT: p.nfft, WinLength: p.nfft, HopLength: p.hop, Window: "hann", Center: true, PadMode: p.pad}
		bank := newMelBank(p.nfft/2+1, p.mels, 16000, p.low, high, p.scale, p.norm)
		frames := 1 + len(c.Samples)/p.hop
		want, top := make([][]float64, p.mels), math.Inf(-1) // (mels)[frames]
		for i := range frames {
			powers := make([]float64, p.nfft/2+1)
			for k := range powers {
				z := definedSTFT(o, c.Samples, i, k)
				powers[k] = real(z)*real(z) + imag(z)*imag(z)
			}
			for b, f := range bank {
				sum := 0.0
				for k, w := range f.weights {
					sum += w * powers[f.first+k]
				}
				if p.db {
					sum = 10 * math.Log10(max(sum, 1e-10))
				} else {
					sum = math.Log(sum + p.floor)
				}
				want[b], top = append(want[b], sum), max(top, sum)
			}
		}
		for b := range want {
			for i, v := range want[b] {
				if p.db {
					want[b][i] = max(v, top-p.topDB)
				}
			}
		}
		// MFCC: the orthonormal DCT-II of each frame, librosa's 20 and torchaudio's 40.
		if n := map[string]int{"mfcc_librosa": 20, "mfcc_torchaudio": 40}[name]; n > 0 {
			cepstra := make([][]float64, n)
			for q := range cepstra {
				for i := range frames {
					sum := 0.0
					for b := range want {
						sum += want[b][i] * math.Cos(math.Pi*float64(q)*(float64(b)+0.5)/128)
					}
					sum *= math.Sqrt(2.0 / 128)
					if q == 0 {
						sum *= math.Sqrt(0.5)
					}
					cepstra[q] = append(cepstra[q], sum)
				}
			}
			want = cepstra
		}
		s := extract(t, Features[name], c)
		if s.Bins != len(want) || s.Frames != frames {
			t.Fatalf("%s: shape (%d, %d), want (%d, %d)", name, s.Bins, s.Frames, len(want), frames)
		}
		for b := range want {
			for i, w := range want[b] {
				if got := float64(s.Row(b)[i]); math.Abs(got-w) > 2e-3*(1+math.Abs(w)/100) {
					t.Fatalf("%s: bin %d, frame %d is %v, want %v", name, b, i, got, w)
				}
			}
		}
	}
}

// A preset is the feature that it embeds: it gives the same store.
func TestPresetsAreTheirFeature(t *testing.T) {
	for _, c := range []struct{ preset, plain FeatureOptions }{
		{Features["logmel_byola"], byolaMel},
		{Features["mfcc_librosa"], MFCC{NMFCC: 20, Mel: librosaMel}},
		{Deltas{Of: Features["logmel_torchaudio"], Order: 1}, Deltas{Of: torchaudioMel, Order: 1}},
	} {
		a, err := settingsOf(c.preset, 16000)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := settingsOf(c.plain, 16000); err != nil || a != b {
			t.Errorf("%s\n%s\n%v", a, b, err)
		}
	}
}
