package audio

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/onnx"
)

// docs/export.md lists which features have words in ONNX.
func TestONNXFeatures(t *testing.T) {
	var with []string
	for _, name := range slices.Sorted(maps.Keys(Features)) {
		g := &onnx.Graph{}
		const rate = 16000
		y, err := ONNX(g, Features[name], rate, g.Input("x", []int{onnx.Free, onnx.Free}, "N", "S"))
		if err != nil {
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "no words") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		with = append(with, name)
		f, err := Features[name].New(rate)
		if err != nil {
			t.Fatal(err)
		}
		if bins, _ := f.Shape(rate); !slices.Equal(y.Shape, []int{onnx.Free, bins, onnx.Free}) {
			t.Errorf("%s: %v, of %d bins", name, y.Shape, bins)
		}
	}
	if want := []string{"gammatone", "logmel", "logmel_byola", "logmel_librosa", "logmel_torchaudio", "mfcc", "mfcc_librosa", "mfcc_torchaudio", "stft", "waveform"}; !slices.Equal(with, want) {
		t.Errorf("these have words: %v", with)
	}
}

func TestONNXRefuses(t *testing.T) {
	large := Features["stft"].(STFT)
	large.NFFT, large.WinLength = 1<<17, 1<<17
	phase := Features["stft"].(STFT)
	phase.Value = "if_hz"
	for want, o := range map[string]FeatureOptions{"numbers, of which": large, "stft of value if_hz": phase, "audio.PCEN": Features["pcen"]} {
		g := &onnx.Graph{}
		_, err := ONNX(g, o, 16000, g.Input("x", []int{onnx.Free, onnx.Free}, "N", "S"))
		if err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
