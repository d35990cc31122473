package augment

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/fault"
)

func names() []string { return slices.Sorted(maps.Keys(Table)) }

// withP is a with its probability set.
func withP(a Augmentation, p float64) Augmentation {
	v := reflect.New(reflect.TypeOf(a)).Elem()
	v.Set(reflect.ValueOf(a))
	v.FieldByName("P").SetFloat(p)
	return v.Interface().(Augmentation)
}

// still is a with the strength of everything it does at zero; nil for those
// that have no such setting.
var still = map[string]Augmentation{
	"gain":         Gain{P: 1},
	"color":        Color{P: 1},
	"mixup":        Mixup{P: 1, Beta: 1},
	"mix_back":     MixBack{P: 1},
	"time_warp":    TimeWarp{P: 1},
	"crop":         Crop{P: 1, Freq: [2]float64{1, 1}, Time: [2]float64{1, 1}, Fill: "noise"},
	"erase":        Erase{P: 1, Aspect: [2]float64{1, 1}, Count: 3, Fill: "min"},
	"eq":           EQ{P: 1, Points: 2},
	"fader":        Fader{P: 1},
	"stretch":      Stretch{P: 1},
	"mel_warp":     MelWarp{P: 1},
	"shift":        Shift{P: 1},
	"time_shift":   TimeShift{P: 1},
	"resized_crop": ResizedCrop{P: 1, Freq: [2]float64{1, 1}, Time: [2]float64{1, 1}, Canvas: [2]float64{1, 1}, Interpolation: "bicubic"},
	"time_mask":    TimeMask{P: 1, Frames: 5, Count: 3, Fill: "min"},
	"freq_mask":    FreqMask{P: 1, Most: 1, Count: 3, Fill: "noise"},
	"blur":         Blur{P: 1, Axis: "both", Kernel: "box"},
	"wave_gain":    WaveGain{P: 1},
	"fade":         Fade{P: 1, Shape: "half_sine"},
	"wave_mask":    WaveMask{P: 1, Seconds: 1, Count: 3},
	"wave_shift":   WaveShift{P: 1},
	"wave_speed":   WaveSpeed{P: 1, Factor: [2]float64{1, 1}},
	"wave_stretch": WaveStretch{P: 1, Factor: [2]float64{1, 1}},
	"pitch":        Pitch{P: 1},
	"freq_shift":   FreqShift{P: 1},
	"delay":        Delay{P: 1},
	"clipping":     Clipping{P: 1, By: "percent", Shape: "hard"},
	"compressor":   Compressor{P: 1, Ratio: [2]float64{1, 1}},
	"mix":          nil, "noise_floor": nil, "flip": nil, "noise": nil, "wave_mix": nil, "polarity": nil,
	"background": nil, "reverb": nil, "low_pass": nil, "high_pass": nil, "band_pass": nil, "notch": nil, "mu_law": nil, "codec": nil,
}

// resizes names the augmentations that change how many frames or samples there are.
var resizes = map[string]bool{"stretch": true, "wave_speed": true, "wave_stretch": true}

// apply runs a on copies of the inputs and returns what came out, with the
// shape for spectrograms.
func apply(t testing.TB, a Augmentation, s *audio.Spectrogram, wave []float32, d Draw) (out []float32, bins, frames int) {
	t.Helper()
	var err error
	switch a := a.(type) {
	case Spec:
		c := &audio.Spectrogram{Bins: s.Bins, Frames: s.Frames, Data: slices.Clone(s.Data)}
		err = a.Spec(c, d)
		out, bins, frames = c.Data, c.Bins, c.Frames
	case Wave:
		c := &audio.Clip{Rate: 8000, Samples: slices.Clone(wave)}
		err = a.Wave(c, d)
		out = c.Samples
	default:
		t.Fatalf("%T is neither a Wave nor a Spec", a)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, bins, frames
}

// second is a second clip, which nobody changes.
var second = noisy(20, 30, 9)

// draws has both kinds of second clip.
func draws(seed uint64, clip int) Draw {
	return Draw{Rand: Rand(seed, 0, clip, 0), OtherSpec: others(second), OtherWave: func() (audio.Clip, error) {
		return audio.Clip{Rate: 8000, Samples: waveform(700, 9)}, nil
	}, Background: func(string) (audio.Clip, error) {
		return audio.Clip{Rate: 8000, Samples: waveform(500, 10)}, nil
	}}
}

func waveform(n int, seed uint64) []float32 {
	x := make([]float32, n)
	r := Rand(seed, 0, 0, 0)
	for i := range x {
		x[i] = float32(0.1 * r.NormFloat64())
	}
	return x
}

func TestTable(t *testing.T) {
	for _, name := range names() {
		a := Table[name]
		if err := a.Check(); err != nil {
			t.Errorf("defaults of %s: %v", name, err)
		}
		if a.Doc() == "" {
			t.Errorf("%s has no line for the list", name)
		}
		_, isSpec := a.(Spec)
		_, isWave := a.(Wave)
		if isSpec == isWave {
			t.Errorf("%s must be a Spec or a Wave", name)
		}
		for i := range reflect.TypeOf(a).NumField() {
			if f := reflect.TypeOf(a).Field(i); f.Tag.Get("yaml") == "" || f.Tag.Get("doc") == "" {
				t.Errorf("%s: option %s lacks a tag", name, f.Name)
			}
		}
		if _, ok := still[name]; !ok {
			t.Errorf("%s has no line in still", name)
		}
		for _, p := range []float64{-0.1, 1.1, math.NaN()} {
			err := withP(a, p).Check()
			if err == nil || fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" ||
				!strings.HasPrefix(err.Error(), name+": p is ") || !strings.Contains(err.Error(), "0 to 1") {
				t.Errorf("%s with p %g: %v", name, p, err)
			}
		}
	}
}

func TestIdentityAtZero(t *testing.T) {
	s, wave := noisy(20, 40, 1), waveform(800, 1)
	for _, name := range names() {
		for i := range 20 {
			for _, a := range []Augmentation{withP(Table[name], 0), still[name]} {
				if a == nil {
					continue
				}
				got, _, _ := apply(t, a, s, wave, draws(1, i))
				want := wave
				if _, ok := a.(Spec); ok {
					want = s.Data
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s at zero changed its input: %+v", name, a)
				}
			}
		}
	}
}

// An augmentation of probability p happens where the view's first draw lies below
// p, and then as with p 1: what it draws after that does not depend on p.
func TestProbability(t *testing.T) {
	s, wave := noisy(20, 40, 1), waveform(2000, 1)
	const p, n = 0.3, 150
	for _, name := range names() {
		in := wave
		if _, ok := Table[name].(Spec); ok {
			in = s.Data
		}
		happens, changes := 0, 0
		for i := range n {
			want := in
			if draws(2, i).Rand.Float64() < p {
				happens++
				if want, _, _ = apply(t, withP(Table[name], 1), s, wave, draws(2, i)); !slices.Equal(want, in) {
					changes++ // even then, some draws change nothing
				}
			}
			got, _, _ := apply(t, withP(Table[name], p), s, wave, draws(2, i))
			if name != "fade" && !slices.Equal(got, want) {
				t.Fatalf("%s: draw %d of p %g", name, i, p)
			}
		}
		if happens < n/5 || changes < happens/2 {
			t.Errorf("%s happened in %d of %d draws, and changed something in %d", name, happens, n, changes)
		}
	}
}

// A fade decides at both ends.
func TestFadeProbability(t *testing.T) {
	x := waveform(2000, 1)
	const p, n = 0.3, 2000
	var in, out, both float64
	for i := range n {
		y := wave(t, Fade{P: p, Seconds: 1, Shape: "linear"}, x, draws(2, i))
		first, last := y[0] != x[0], y[len(y)-1] != x[len(x)-1]
		switch {
		case first && last:
			both++
		case first:
			in++
		case last:
			out++
		}
	}
	for what, c := range map[string][2]float64{"in": {in, p * (1 - p)}, "out": {out, p * (1 - p)}, "in and out": {both, p * p}} {
		if !near(c[0]/n, c[1], 4*math.Sqrt(c[1]*(1-c[1])/n)) {
			t.Errorf("fades %s in %g of the draws, want %g", what, c[0]/n, c[1])
		}
	}
}

func TestDeterminedByAddress(t *testing.T) {
	s, wave := noisy(20, 40, 1), waveform(800, 1)
	for _, name := range names() {
		a := withP(Table[name], 1)
		first, _, _ := apply(t, a, s, wave, draws(3, 5))
		again, _, _ := apply(t, a, s, wave, draws(3, 5))
		if !slices.Equal(first, again) {
			t.Errorf("%s: one address, two results", name)
		}
		differ := false
		for i := range 10 {
			other, _, _ := apply(t, a, s, wave, draws(3, 6+i))
			differ = differ || !slices.Equal(first, other)
		}
		if !differ && name != "polarity" && name != "flip" {
			t.Errorf("%s: ten addresses, one result", name)
		}
	}
}

// Shapes that break index arithmetic, and values that break logarithms.
func TestAwkwardInputs(t *testing.T) {
	for _, name := range names() {
		a := withP(Table[name], 1)
		for _, shape := range [][2]int{{1, 1}, {1, 7}, {7, 1}, {2, 2}, {64, 3}, {3, 64}} {
			for fill, v := range map[string]float32{"silence": -23.03, "loud": 30, "zero": 0, "very quiet": -1e4} {
				s := &audio.Spectrogram{}
				s.Resize(shape[0], shape[1])
				wave := make([]float32, shape[0]*shape[1])
				for i := range s.Data {
					s.Data[i], wave[i] = v, v/1e4
				}
				for i := range 30 {
					d := draws(4, i)
					d.OtherSpec = others(noisy(shape[0], 1+i, 5))
					out, bins, frames := apply(t, a, s, wave, d)
					for _, x := range out {
						if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
							t.Fatalf("%s of %s %v gave %g", name, fill, shape, x)
						}
					}
					_, isSpec := a.(Spec)
					if isSpec && (len(out) != bins*frames || bins != shape[0] || !resizes[name] && frames != shape[1]) {
						t.Fatalf("%s of %v gave %d bins, %d frames, %d values", name, shape, bins, frames, len(out))
					}
					if !isSpec && (len(out) != len(wave) && !resizes[name] || len(out) == 0) {
						t.Fatalf("%s: %d samples became %d", name, len(wave), len(out))
					}
				}
			}
		}
	}
}

// An augmentation that needs logarithms of power is one whose options are in
// dB, or that adds powers.
func TestNeedsLog(t *testing.T) {
	adds := map[string]bool{"mix": true, "mixup": true, "mix_back": true, "noise_floor": true}
	for _, name := range names() {
		a, ok := Table[name].(Spec)
		if !ok {
			if NeedsLog(Table[name]) {
				t.Errorf("%s works on waveforms", name)
			}
			continue
		}
		want := adds[name]
		for i := range reflect.TypeOf(a).NumField() {
			want = want || strings.HasSuffix(reflect.TypeOf(a).Field(i).Tag.Get("doc"), "dB")
		}
		if NeedsLog(a) != want {
			t.Errorf("%s: needs logarithms is %v, want %v", name, !want, want)
		}
	}
	if NeedsLog(Color{P: 1, Contrast: 0.5, Gamma: 0.5}) {
		t.Error("contrast and gamma are for any values")
	}
}

func TestCheck(t *testing.T) {
	half := [2]float64{0.5, 1.5}
	for _, c := range []struct {
		a    interface{ Check() error }
		want string
	}{
		{Gain{DB: -1}, "gain: db is -1, it must be 0 to 120"},
		{Gain{DB: math.NaN()}, "gain: db is NaN"},
		{EQ{DB: 1, Points: 1}, "eq: points is 1, it must be 2 to 64"},
		{Fader{DB: 121}, "fader: db is 121"},
		{Mix{SNR: [2]float64{30, 10}}, "mix: snr is [30, 10], its ends are the wrong way round"},
		{NoiseFloor{DB: [2]float64{-1, 10}}, "noise_floor: db[0] is -1"},
		{Stretch{By: 1}, "stretch: by is 1, it must be 0 to 0.9"},
		{MelWarp{Scale: 2}, "mel_warp: scale is 2"},
		{MelWarp{Shift: -1}, "mel_warp: shift is -1"},
		{Shift{Bins: -1}, "shift: bins is -1"},
		{TimeShift{By: 2}, "time_shift: by is 2"},
		{ResizedCrop{Freq: half, Time: half, Canvas: [2]float64{1, 1}, Interpolation: "nearest"}, `interpolation is "nearest", it must be bilinear or bicubic`},
		{ResizedCrop{Freq: half, Time: half, Canvas: [2]float64{1, 0.5}, Interpolation: "bilinear"}, "canvas[1] is 0.5"},
		{ResizedCrop{Freq: [2]float64{0, 1}, Time: half, Canvas: [2]float64{1, 1}, Interpolation: "bilinear"}, "freq[0] is 0"},
		{TimeMask{Frames: -1}, "time_mask: frames is -1"},
		{TimeMask{Most: 1.5}, "time_mask: most is 1.5, it must be 0 to 1"},
		{TimeMask{Fill: "zero"}, `time_mask: fill is "zero", it must be mean, min or noise`},
		{FreqMask{Most: -1}, "freq_mask: most is -1"},
		{FreqMask{Fill: ""}, `freq_mask: fill is ""`},
		{Erase{Area: [2]float64{0, 2}}, "erase: area[1] is 2"},
		{Erase{Aspect: [2]float64{0, 1}}, "erase: aspect[0] is 0, it must be 0.01 to 100"},
		{Erase{Aspect: [2]float64{1, 1}, Fill: "max"}, `erase: fill is "max"`},
		{Crop{Freq: [2]float64{0.5, 1.5}, Time: [2]float64{1, 1}}, "crop: freq[1] is 1.5, it must be 0.01 to 1"},
		{Crop{Freq: [2]float64{1, 1}, Time: [2]float64{0.9, 0.5}}, "crop: time is [0.9, 0.5], its ends are the wrong way round"},
		{Color{Brightness: 121}, "color: brightness is 121"},
		{Color{Contrast: 1.1}, "color: contrast is 1.1, it must be 0 to 1"},
		{Color{Gamma: 2}, "color: gamma is 2"},
		{Color{Tilt: -1}, "color: tilt is -1"},
		{Mixup{Ratio: 1.1}, "mixup: ratio is 1.1"},
		{Mixup{Beta: 0}, "mixup: beta is 0, it must be 0.01 to 100"},
		{MixBack{Ratio: -1}, "mix_back: ratio is -1"},
		{TimeWarp{Frames: -1}, "time_warp: frames is -1"},
		{Blur{Axis: "mel"}, `blur: axis is "mel", it must be time, freq or both`},
		{Blur{Axis: "time", Kernel: "bell"}, `blur: kernel is "bell", it must be gaussian or box`},
		{FreqMask{Count: 101}, "freq_mask: count is 101"},
		{Blur{Sigma: [2]float64{0, 21}}, "blur: sigma[1] is 21"},
		{WaveGain{DB: -1}, "wave_gain: db is -1"},
		{Noise{SNR: [2]float64{1, 0}}, "noise: snr is [1, 0]"},
		{Fade{Seconds: -1}, "fade: seconds is -1"},
		{WaveMix{SNR: [2]float64{-121, 0}}, "wave_mix: snr[0] is -121, it must be -120 to 120"},
		{WaveShift{By: -1}, "wave_shift: by is -1"},
		{Noise{Color: "red"}, `noise: color is "red", it must be white, pink, brown or any`},
		{Background{}, "background: no manifest is given"},
		{Background{Manifest: "m.csv", SNR: [2]float64{0, 121}}, "background: snr[1] is 121"},
		{Fade{Shape: "cubic"}, `fade: shape is "cubic", it must be linear, exponential, logarithmic, quarter_sine, half_sine or any`},
		{WaveMask{Seconds: -1}, "wave_mask: seconds is -1"},
		{WaveMask{Most: 2}, "wave_mask: most is 2"},
		{WaveMask{Count: 101}, "wave_mask: count is 101"},
		{WaveSpeed{Factor: [2]float64{0.2, 1}}, "wave_speed: factor[0] is 0.2, it must be 0.25 to 4"},
		{WaveStretch{Factor: [2]float64{1, 5}}, "wave_stretch: factor[1] is 5"},
		{Pitch{Semitones: 25}, "pitch: semitones is 25, it must be 0 to 24"},
		{FreqShift{Hz: -1}, "freq_shift: hz is -1"},
		{Reverb{RT60: [2]float64{0, 1}}, "reverb: rt60[0] is 0, it must be 0.01 to 20"},
		{Reverb{RT60: [2]float64{1, 1}, Early: -1}, "reverb: early is -1"},
		{Delay{Seconds: [2]float64{1, 0.5}}, "delay: seconds is [1, 0.5]"},
		{Delay{Feedback: [2]float64{0, 1}}, "delay: feedback[1] is 1, it must be 0 to 0.95"},
		{LowPass{Cutoff: [2]float64{5, 100}}, "low_pass: cutoff[0] is 5"},
		{LowPass{Cutoff: [2]float64{50, 100}, Order: 3}, "low_pass: order is 3, it must be even"},
		{HighPass{Cutoff: [2]float64{50, 100}, Order: 10}, "high_pass: order is 10, it must be 2 to 8"},
		{BandPass{Center: [2]float64{50, 100}}, "band_pass: octaves[0] is 0"},
		{Notch{Center: [2]float64{50, math.NaN()}}, "notch: center[1] is NaN"},
		{Clipping{By: "peak"}, `clipping: by is "peak", it must be percent or db`},
		{Clipping{By: "percent", Amount: [2]float64{0, 101}}, "clipping: amount[1] is 101, it must be 0 to 100"},
		{Clipping{By: "db", Amount: [2]float64{0, 101}, Shape: "round"}, `clipping: shape is "round"`},
		{Compressor{Ratio: [2]float64{0.5, 1}}, "compressor: ratio[0] is 0.5"},
		{Compressor{Ratio: [2]float64{1, 1}, Attack: 11}, "compressor: attack is 11"},
		{MuLaw{Bits: [2]float64{1, 8}}, "mu_law: bits[0] is 1"},
		{Codec{Cutoff: [2]float64{50, 8000}}, "codec: cutoff[0] is 50"},
		{Codec{Cutoff: [2]float64{500, 8000}, Holes: [2]float64{-1, 0}}, "codec: holes[0] is -1"},
		{ViewOptions{}, "view: frames is 0, it must be 1 to"},
		{ViewOptions{Frames: 1, Normalize: "x"}, `view: normalize is "x", it must be none, corpus, corpus_band, clip, band, band_std or running`},
		{ViewOptions{Frames: 1, Normalize: "band", Pair: "augmented", Crop: "left"}, `view: crop is "left", it must be random or center`},
		{ViewOptions{Frames: 1, Normalize: "band", Pair: "augmented", Crop: "random", Unit: "bel"}, `view: unit is "bel", it must be ln, log10 or db`},
		{ViewOptions{Frames: 1, Normalize: "running", Pair: "augmented", Crop: "random", Unit: "ln", Running: 0.5}, `view: running is 0.5, it must be 1 to 1e+06`},
	} {
		err := c.a.Check()
		if err == nil || fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.a, err, c.want)
		}
	}
	if err := DefaultView.Check(); err != nil {
		t.Error(err)
	}
}
