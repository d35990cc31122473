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
	want := slices.DeleteFunc(slices.Sorted(maps.Keys(Features)), func(name string) bool { return name == "stack" }) // of which one channel is a phase
	if !slices.Equal(with, want) {
		t.Errorf("these have words: %v", with)
	}
}

func TestONNXRefuses(t *testing.T) {
	large := Features["stft"].(STFT)
	large.NFFT, large.WinLength = 1<<17, 1<<17
	phase := Features["stft"].(STFT)
	phase.Value = "if_hz"
	fbank := Features["kaldi_fbank"].(KaldiFbank)
	fbank.FrameLength = 5000
	phases := Deltas{Of: phase, Order: 1, WinLength: 5, Convention: "kaldi"}
	for want, o := range map[string]FeatureOptions{"a transform of 131072": large, "stft of value if_hz": phase, "stft of value phase": Features["stack"],
		"a transform of 131072 samples in windows of 80000": fbank, "features of the kind audio.wordless": wordless{}, "of value if": phases} {
		g := &onnx.Graph{}
		_, err := ONNX(g, o, 16000, g.Input("x", []int{onnx.Free, onnx.Free}, "N", "S"))
		if err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// wordless is a feature that nobody has told ONNX of.
type wordless struct{ FeatureOptions }

func (wordless) New(int) (Feature, error)               { return wordless{}, nil }
func (wordless) Shape(int) (bins, frames int)           { return 0, 0 }
func (wordless) Extract(dst *Spectrogram, c Clip) error { return nil }
