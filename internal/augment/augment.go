// Package augment draws random views of a clip. Every draw comes from a
// generator addressed by (seed, epoch, clip, view), so views do not depend on
// who makes them or in which order.
//
// Spectrograms are (F, T). Most hold the logarithm of a power, and augmentations
// of the level need that: options in dB are turned into its unit, natural log
// unless the view's options say db.
package augment

import (
	"math"
	"math/rand/v2"
	"reflect"

	"clr/internal/audio"
)

// A Draw is what an augmentation may take its choices from.
type Draw struct {
	Rand *rand.Rand
	// Source is what Rand draws from, if there are several channels to change alike.
	Source *rand.PCG
	// OtherSpec and OtherWave give a second clip of the training part, chosen
	// with Rand, for augmentations that mix, and only to be read; nil where there
	// is none.
	OtherSpec func() (audio.Spectrogram, error)
	OtherWave func() (audio.Clip, error)
	// Background gives a recording of a manifest, chosen with Rand, at the clip's
	// rate and only to be read; nil where there is none.
	Background func(manifest string) (audio.Clip, error)

	unit    unit     // of the spectrogram; Views sets it
	scratch *scratch // memory of Views, so that a view allocates nothing; may be nil
}

// An Augmentation is a random change with its options. It is a Wave or a Spec.
type Augmentation interface {
	Doc() string // one line for clr list
	Check() error
}

// A Wave changes a clip's samples in place.
type Wave interface {
	Augmentation
	Wave(c *audio.Clip, d Draw) error
}

// A Spec changes a spectrogram in place; it may resize it.
type Spec interface {
	Augmentation
	Spec(s *audio.Spectrogram, d Draw) error
}

// NeedsLog tells whether an augmentation takes the values for logarithms of
// power, as those with options in dB do and those that add powers. Others only
// move, smooth or wipe values, whatever they are.
func NeedsLog(a Augmentation) bool {
	l, ok := a.(interface{ needsLog() bool })
	return ok && l.needsLog()
}

// Always is an augmentation with probability 1, to be looked at.
func Always(a Augmentation) Augmentation {
	v := reflect.New(reflect.TypeOf(a)).Elem()
	v.Set(reflect.ValueOf(a))
	if p := v.FieldByName("P"); p.IsValid() {
		p.SetFloat(1)
	}
	return v.Interface().(Augmentation)
}

// Table names every augmentation with its defaults. A chain lists them in the
// order in which they are applied.
var Table = map[string]Augmentation{
	"gain":         Gain{P: 1, DB: 8},
	"color":        Color{P: 0.8, Brightness: 6, Contrast: 0.4, Gamma: 0.4, Tilt: 6},
	"eq":           EQ{P: 1, DB: 4, Points: 5},
	"fader":        Fader{P: 1, DB: 4},
	"mix":          Mix{P: 0.5, SNR: [2]float64{10, 30}},
	"mixup":        Mixup{P: 1, Ratio: 0.4, Beta: 1},
	"mix_back":     MixBack{P: 1, Ratio: 0.05},
	"noise_floor":  NoiseFloor{P: 0.5, DB: [2]float64{30, 60}},
	"stretch":      Stretch{P: 1, By: 0.25},
	"time_warp":    TimeWarp{P: 1, Frames: 20},
	"mel_warp":     MelWarp{P: 1, Scale: 0.05, Shift: 0.03},
	"shift":        Shift{P: 1, Bins: 2},
	"time_shift":   TimeShift{P: 1, By: 0.5},
	"flip":         Flip{P: 0.5},
	"crop":         Crop{P: 1, Freq: [2]float64{0.8, 1}, Time: [2]float64{0.6, 1}, Fill: "mean"},
	"resized_crop": ResizedCrop{P: 1, Freq: [2]float64{0.6, 1.5}, Time: [2]float64{0.6, 1.5}, Canvas: [2]float64{1, 1.5}, Interpolation: "bicubic"},
	"time_mask":    TimeMask{P: 1, Frames: 10, Most: 0.5, Count: 1, Fill: "mean"},
	"freq_mask":    FreqMask{P: 1, Bins: 8, Most: 0.5, Count: 1, Fill: "mean"},
	"erase":        Erase{P: 0.5, Area: [2]float64{0.02, 0.4}, Aspect: [2]float64{0.3, 3.3}, Count: 1, Fill: "noise"},
	"blur":         Blur{P: 0.5, Sigma: [2]float64{0, 1.5}, Axis: "both", Kernel: "gaussian"},

	"wave_gain":    WaveGain{P: 1, DB: 8},
	"polarity":     Polarity{P: 0.5},
	"noise":        Noise{P: 0.5, SNR: [2]float64{10, 40}, Color: "white"},
	"background":   Background{P: 0.5, Manifest: "builtin:fsdd", SNR: [2]float64{5, 30}},
	"wave_mix":     WaveMix{P: 0.5, SNR: [2]float64{10, 30}},
	"fade":         Fade{P: 0.5, Seconds: 0.25, Shape: "linear"},
	"wave_mask":    WaveMask{P: 1, Seconds: 0.1, Most: 0.5, Count: 1},
	"wave_shift":   WaveShift{P: 1, By: 0.5},
	"wave_speed":   WaveSpeed{P: 1, Factor: [2]float64{0.9, 1.1}},
	"wave_stretch": WaveStretch{P: 1, Factor: [2]float64{0.8, 1.25}},
	"pitch":        Pitch{P: 1, Semitones: 2},
	"freq_shift":   FreqShift{P: 0.5, Hz: 100},
	"reverb":       Reverb{P: 0.5, RT60: [2]float64{0.1, 1}, Direct: [2]float64{-3, 12}, Early: 12},
	"delay":        Delay{P: 0.5, Seconds: [2]float64{0.05, 0.3}, DB: [2]float64{3, 15}, Feedback: [2]float64{0, 0.5}},
	"low_pass":     LowPass{P: 0.5, Cutoff: [2]float64{1000, 7000}, Order: 2},
	"high_pass":    HighPass{P: 0.5, Cutoff: [2]float64{50, 1000}, Order: 2},
	"band_pass":    BandPass{P: 0.5, Center: [2]float64{300, 3000}, Octaves: [2]float64{1, 4}},
	"notch":        Notch{P: 0.5, Center: [2]float64{100, 4000}, Octaves: [2]float64{0.25, 1.5}},
	"clipping":     Clipping{P: 0.5, By: "percent", Amount: [2]float64{0, 10}, Shape: "hard"},
	"compressor":   Compressor{P: 0.5, Threshold: [2]float64{10, 40}, Ratio: [2]float64{2, 8}, Attack: 0.005, Release: 0.1},
	"mu_law":       MuLaw{P: 0.5, Bits: [2]float64{5, 8}},
	"codec":        Codec{P: 0.5, Cutoff: [2]float64{2500, 7500}, SNR: [2]float64{6, 20}, Holes: [2]float64{20, 50}},
}

// hit decides whether an augmentation of probability p happens. It draws
// whatever p is, so that changing p leaves the later choices as they were.
func (d Draw) hit(p float64) bool { return d.Rand.Float64() < p }

// between is uniform over r.
func (d Draw) between(r [2]float64) float64 { return r[0] + d.Rand.Float64()*(r[1]-r[0]) }

// logBetween is uniform over r on a logarithmic axis.
func (d Draw) logBetween(r [2]float64) float64 {
	return r[0] * math.Pow(r[1]/r[0], d.Rand.Float64())
}

// around is uniform over -by..by.
func (d Draw) around(by float64) float64 { return by * (2*d.Rand.Float64() - 1) }

// memory is the scratch of the views, or some for once.
func (d Draw) memory() *scratch {
	if d.scratch != nil {
		return d.scratch
	}
	return &scratch{}
}

// a scratch is what augmentations work in. Nothing in it outlives a call.
type scratch struct {
	next    audio.Spectrogram // the result, before it changes places with the argument
	taps    []tap
	kernels []kernel4
	curve   []float32
	wave    waveScratch
}

// swap makes the result in next the spectrogram, and its old memory the next
// scratch.
func (m *scratch) swap(s *audio.Spectrogram) { *s, m.next = m.next, *s }

// floats is memory for n values, not zeroed.
func (m *scratch) floats(n int) []float32 {
	if cap(m.curve) < n {
		m.curve = make([]float32, n)
	}
	return m.curve[:n]
}
