package audio

import (
	"fmt"
	"math"
	"math/bits"

	"clr/internal/kernel"
)

// KaldiFbank are Kaldi's log-mel filterbank energies; the names are those of
// torchaudio.compliance.kaldi. There is no dither: a stored feature must come
// out the same each time.
type KaldiFbank struct {
	FrameLength       float64 `yaml:"frame_length" doc:"milliseconds per window"`
	FrameShift        float64 `yaml:"frame_shift" doc:"milliseconds from one frame to the next"`
	NumMelBins        int     `yaml:"num_mel_bins" doc:"mel bins"`
	LowFreq           float64 `yaml:"low_freq" doc:"lowest frequency of the mel filters, Hz"`
	HighFreq          float64 `yaml:"high_freq" doc:"highest frequency, Hz; 0 or below counts from half the sample rate"`
	WindowType        string  `yaml:"window_type" doc:"povey, hanning, hamming, blackman or rectangular"`
	Preemphasis       float64 `yaml:"preemphasis_coefficient" doc:"share of the sample before that is taken off each sample"`
	RemoveDCOffset    bool    `yaml:"remove_dc_offset" doc:"take off each window's mean"`
	SnipEdges         bool    `yaml:"snip_edges" doc:"only whole windows; otherwise the clip is mirrored at its ends"`
	RoundToPowerOfTwo bool    `yaml:"round_to_power_of_two" doc:"pad the window with zeros to a power of two"`
	UsePower          bool    `yaml:"use_power" doc:"power rather than magnitude"`
	UseEnergy         bool    `yaml:"use_energy" doc:"one more bin with the window's log energy"`
	RawEnergy         bool    `yaml:"raw_energy" doc:"energy before pre-emphasis and window"`
	EnergyFloor       float64 `yaml:"energy_floor" doc:"floor of the energy; 0 is none"`
	HTKCompat         bool    `yaml:"htk_compat" doc:"the energy comes last, as in HTK"`
	SubtractMean      bool    `yaml:"subtract_mean" doc:"take off each bin's mean over the clip"`
	Scale             float64 `yaml:"scale" doc:"multiplies the samples first; 32768 is Kaldi's 16-bit scale, 1 keeps -1..1"`
}

// Doc describes the feature in one line.
func (o KaldiFbank) Doc() string { return "log-mel filterbank energies, as Kaldi computes them" }

// Unit implements FeatureOptions.
func (o KaldiFbank) Unit() string {
	if !o.UsePower { // where a gain counts half
		return "ln of magnitude"
	}
	return "ln"
}

// Check finds settings that make no feature of clips at a rate.
func (o KaldiFbank) Check(rate int) error {
	size, hop, high := o.samples(rate, o.FrameLength), o.samples(rate, o.FrameShift), o.high(rate)
	return broken([]rule{
		{rate >= 1, "sample_rate", fmt.Sprintf("is %d, set it to 1 Hz or more", rate)},
		{size >= 2 && size <= sizeLimit, "frame_length",
			fmt.Sprintf("is %v ms, %d samples at %d Hz; set it to 2 samples or more", o.FrameLength, size, rate)},
		{o.RoundToPowerOfTwo || size%2 == 0, "frame_length",
			fmt.Sprintf("is %v ms, %d samples at %d Hz; set an even number, or round_to_power_of_two", o.FrameLength, size, rate)},
		{hop >= 1 && hop <= sizeLimit, "frame_shift",
			fmt.Sprintf("is %v ms, %d samples at %d Hz; set it to 1 sample or more", o.FrameShift, hop, rate)},
		{o.NumMelBins >= 1 && o.NumMelBins <= 4096, "num_mel_bins", fmt.Sprintf("is %d, set it from 1 to 4096", o.NumMelBins)},
		{o.LowFreq >= 0 && o.LowFreq < high, "low_freq", fmt.Sprintf("is %v, set it from 0 to below high_freq, here %v", o.LowFreq, high)},
		{high <= float64(rate)/2, "high_freq", fmt.Sprintf("is %v, above half the sample rate, %v; set it to 0 for that", o.HighFreq, float64(rate)/2)},
		oneOf("window_type", o.WindowType, "povey", "hanning", "hamming", "blackman", "rectangular"),
		{o.Preemphasis >= 0 && o.Preemphasis <= 1, "preemphasis_coefficient", fmt.Sprintf("is %v, set it from 0 to 1", o.Preemphasis)},
		{o.EnergyFloor >= 0, "energy_floor", fmt.Sprintf("is %v, set it to 0 or more", o.EnergyFloor)},
		{o.Scale > 0 && o.Scale <= 1<<31, "scale", fmt.Sprintf("is %v, set it above 0, to 2^31 at most", o.Scale)},
	})
}

// samples is a time in milliseconds, rounded down as Kaldi does.
func (o KaldiFbank) samples(rate int, ms float64) int {
	if !(ms >= 0 && ms < 1e9) {
		return 0
	}
	return int(float64(rate) * ms * 0.001)
}

func (o KaldiFbank) high(rate int) float64 {
	if o.HighFreq <= 0 {
		return o.HighFreq + float64(rate)/2
	}
	return o.HighFreq
}

// New readies the window and the filters for clips of a rate.
func (o KaldiFbank) New(rate int) (Feature, error) {
	f, err := newKaldi(o, rate)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func newKaldi(o KaldiFbank, rate int) (*kaldi, error) {
	if err := o.Check(rate); err != nil {
		return nil, err
	}
	size := o.samples(rate, o.FrameLength)
	fft := size
	if o.RoundToPowerOfTwo {
		fft = 1 << bits.Len(uint(size-1))
	}
	return &kaldi{options: o, rate: rate, hop: o.samples(rate, o.FrameShift), spectra: newSpectra(windows[o.WindowType](size), fft),
		bank:    newKaldiBank(fft, o.NumMelBins, float64(rate), o.LowFreq, o.high(rate)).lanes(),
		samples: make([]float64, size)}, nil
}

type kaldi struct {
	spectra
	options   KaldiFbank
	rate, hop int
	bank      bank
	samples   []float64             // (window)
	energy    [kernel.Lanes]float64 // of the frames of the last block
}

// needs is how many samples the shortest clip has: one window, and without
// snip_edges enough for a frame.
func (f *kaldi) needs() int {
	if f.options.SnipEdges {
		return len(f.window)
	}
	return max(len(f.window), f.hop-f.hop/2)
}

func (f *kaldi) frames(samples int) int {
	switch {
	case samples < f.needs():
		return 0
	case f.options.SnipEdges:
		return 1 + (samples-len(f.window))/f.hop
	}
	return (samples + f.hop/2) / f.hop
}

func (f *kaldi) Shape(samples int) (bins, frames int) {
	bins = f.options.NumMelBins
	if f.options.UseEnergy {
		bins++
	}
	return bins, f.frames(samples)
}

func (f *kaldi) Extract(dst *Spectrogram, c Clip) error {
	if err := ready(dst, f, c, f.rate, f.needs()); err != nil {
		return err
	}
	at, energyAt := 0, 0
	if f.options.UseEnergy && !f.options.HTKCompat {
		at = 1
	} else {
		energyAt = f.bank.rows
	}
	for t := 0; t < dst.Frames; t += kernel.Lanes {
		f.bank.project(dst, at, t, f.block(t, c.Samples), kernel.Lanes)
		if f.options.UseEnergy {
			f.putEnergy(dst, energyAt, t)
		}
	}
	kernel.Log(dst.Data[at*dst.Frames:][:f.bank.rows*dst.Frames], kaldiEpsilon, 0, 1)
	f.finish(dst)
	return nil
}

// putEnergy writes the energies of the last block as a row from frame t on.
func (f *kaldi) putEnergy(dst *Spectrogram, row, t int) {
	to := dst.Row(row)[t:]
	for i, e := range f.energy[:min(len(to), kernel.Lanes)] {
		to[i] = float32(e)
	}
}

func (f *kaldi) finish(dst *Spectrogram) {
	if f.options.SubtractMean {
		for b := range dst.Bins {
			subtractMean(dst.Row(b))
		}
	}
}

// kaldiEpsilon is under every logarithm: FLT_EPSILON.
const kaldiEpsilon = 1.0 / (1 << 23)

// block computes the spectra of frames t to t+15, as stft's, and their energies.
func (f *kaldi) block(t int, x []float32) []float32 {
	last := f.frames(len(x))
	for i := range kernel.Lanes {
		if t+i < last {
			f.energy[i] = f.prepare(f.frame(i), t+i, x)
		} else {
			clear(f.frame(i))
		}
	}
	power := f.power(f.cuts())
	if !f.options.UsePower {
		kernel.Sqrt(power)
	}
	return power
}

// prepare fills dst with frame t as it comes under the window, in the order of
// Kaldi's feature-window.cc, and gives the window's log energy.
func (f *kaldi) prepare(dst []float32, t int, x []float32) (energy float64) {
	o, w := f.options, f.samples
	f.cut(t, x)
	mean := 0.0
	if o.RemoveDCOffset {
		mean = sum4(w) / float64(len(w))
	}
	if o.UseEnergy && o.RawEnergy {
		for i := range w {
			w[i] -= mean
		}
		mean, energy = 0, f.logEnergy()
	}
	before := w[0] - mean
	for i, v := range w {
		v -= mean
		w[i] = v - float64(o.Preemphasis*before)
		dst[i] = float32(w[i])
		before = v
	}
	if o.UseEnergy && !o.RawEnergy {
		for i, v := range f.window {
			w[i] *= v
		}
		energy = f.logEnergy()
	}
	return energy
}

// sum4 adds in four sums, which a processor does side by side.
func sum4(x []float64) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] {
		a, b, c, d = a+x[0], b+x[1], c+x[2], d+x[3]
	}
	for _, v := range x {
		a += v
	}
	return (a + b) + (c + d)
}

// cut copies the samples of frame t, scaled. Beyond the clip it is mirrored,
// the ends repeated.
func (f *kaldi) cut(t int, x []float32) {
	from := t * f.hop
	if !f.options.SnipEdges {
		from -= len(f.window)/2 - f.hop/2
	}
	if from >= 0 && from+len(f.samples) <= len(x) {
		scale, to := f.options.Scale, f.samples
		for i, v := range x[from:][:len(to)] {
			to[i] = float64(v) * scale
		}
		return
	}
	for i := range f.samples {
		at := from + i
		if at < 0 || at >= len(x) {
			at = mirroredTwice(at, len(x))
		}
		f.samples[i] = float64(x[at]) * f.options.Scale
	}
}

// mirroredTwice reflects i into [0, n), the ends repeated.
func mirroredTwice(i, n int) int {
	i %= 2 * n
	if i < 0 {
		i += 2 * n
	}
	return min(i, 2*n-1-i)
}

func (f *kaldi) logEnergy() float64 {
	e := math.Log(max(dot(f.samples, f.samples), kaldiEpsilon))
	if f.options.EnergyFloor > 0 {
		e = max(e, math.Log(f.options.EnergyFloor))
	}
	return e
}

func subtractMean(x []float32) {
	sum := 0.0
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / float64(len(x))
	for i, v := range x {
		x[i] = float32(float64(v) - mean)
	}
}
