package audio

import (
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
)

// Each channel is its feature, cut to the bins that are asked for.
func TestStackIsItsFeatures(t *testing.T) {
	o := clarDefaults
	f, err := o.New(16000)
	if err != nil {
		t.Fatal(err)
	}
	clip := tone(440, 8000)
	var all Spectrogram
	if err := f.Extract(&all, clip); err != nil {
		t.Fatal(err)
	}
	bins, frames := f.Shape(8000)
	if all.Bins != 3*128 || all.Bins != bins || all.Frames != 63 || all.Frames != frames {
		t.Fatalf("%d × %d, Shape says %d × %d", all.Bins, all.Frames, bins, frames)
	}
	for i, of := range o.Of {
		one, err := of.New(16000)
		if err != nil {
			t.Fatal(err)
		}
		var want Spectrogram
		if err := one.Extract(&want, clip); err != nil {
			t.Fatal(err)
		}
		if got := all.Channel(i, 3); !slices.Equal(got.Data, want.Data[:128*63]) {
			t.Errorf("channel %d is not its feature", i)
		}
	}
}

func TestStackRefuses(t *testing.T) {
	mel := Features["logmel"].(LogMel)
	other := mel
	other.HopLength = 161
	uncentred := mel
	uncentred.Center = false
	bad := mel
	bad.NMels = 0
	fewer := mel
	fewer.NMels = 40
	for want, o := range map[string]Stack{
		"has 0 features":                               {},
		"in feature.of.1: ":                            {Of: []FeatureOptions{mel, bad}},
		"feature.of.0 has several channels":            {Of: []FeatureOptions{Stack{Of: []FeatureOptions{mel, mel}}}},
		"feature.of.1 has 40 bins, a channel needs 64": {Of: []FeatureOptions{mel, fewer}},
		"feature.of.0 has 64 bins, a channel needs 65": {Of: []FeatureOptions{mel, mel}, Bins: 65},
		"feature.of.1 makes":                           {Of: []FeatureOptions{mel, other}},
		"feature.of.2 makes":                           {Of: []FeatureOptions{mel, mel, uncentred}},
		"bins is -1":                                   {Of: []FeatureOptions{mel}, Bins: -1},
		"it needs 1 to 64":                             {Of: slices.Repeat([]FeatureOptions{mel}, 65)},
	} {
		if err := o.Check(16000); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := (Stack{Of: []FeatureOptions{mel, fewer}, Bins: 40}).Check(16000); err != nil {
		t.Error(err)
	}
	d := Features["deltas"].(Deltas)
	d.Of = clarDefaults
	if err := d.Check(16000); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "feature.of has 3 channels") {
		t.Errorf("deltas of a stack: %v", err)
	}
}

// Settings tell every feature in the stack.
func TestStackSettings(t *testing.T) {
	one, err := settingsOf(clarDefaults, 16000)
	if err != nil {
		t.Fatal(err)
	}
	changed := clarDefaults
	changed.Of = slices.Clone(changed.Of)
	mel := changed.Of[2].(LogMel)
	mel.NMels = 130
	changed.Of[2] = mel
	two, err := settingsOf(changed, 16000)
	if err != nil || one == two || !strings.Contains(one, `"of":[{"feature":"STFT","n_fft":256,`) || !strings.Contains(two, `"n_mels":130`) {
		t.Errorf("%s\n%s\n%v", one, two, err)
	}
	if u := clarDefaults.Unit(); u != "" {
		t.Errorf("log power and phase have the unit %q in common", u)
	}
	if u := (Stack{Of: []FeatureOptions{mel, mel}}).Unit(); u != "ln" {
		t.Errorf("two log-mels are in %q", u)
	}
}
