package audio

import (
	"fmt"
	"math"

	"clr/internal/fault"
	"clr/internal/onnx"
)

// ONNX writes to g a feature of waveforms x (N, S), at its rate, and returns the
// spectrograms (N, C·F, T), of as many frames as the feature makes of S samples.
// Fourier transforms are convolutions with sines and cosines, for which every runtime is
// fast at any size. A feature without words there is an error that says so.
func ONNX(g *onnx.Graph, o FeatureOptions, rate int, x onnx.Value) (onnx.Value, error) {
	f, err := o.New(rate)
	if err != nil {
		return onnx.Value{}, err
	}
	if err := translates(f); err != nil {
		return onnx.Value{}, err
	}
	y := f.(translatable).translate(g, x)
	return y, g.Err()
}

// translates refuses a feature without words.
func translates(f Feature) error {
	t, ok := f.(translatable)
	if !ok {
		return noWords("features of the kind %T", f)
	}
	return t.translates()
}

func noWords(format string, args ...any) error {
	return fault.New(fault.Usage, "leave --front-end out, and compute the feature outside", "ONNX has no words for "+format, args...)
}

// A translatable feature can be said in ONNX, unless its options are in the way.
type translatable interface {
	translates() error
	translate(g *onnx.Graph, x onnx.Value) onnx.Value // (N, S) → (N, C·F, T)
}

// spectrograms is the shape of those of so many bins.
func spectrograms(bins int) []int { return []int{onnx.Free, bins, onnx.Free} }

// tapsLimit bounds the numbers of a transform: a gigabyte.
const tapsLimit = 1 << 28

// translates refuses transforms that are too large.
func (s *stft) translates() error {
	if n := 2 * s.bins() * len(s.window); n > tapsLimit {
		return noWords("a transform of %d samples in windows of %d: they would be %d numbers, of which %d are allowed", s.size, len(s.window), n, tapsLimit)
	}
	return nil
}

// translate gives the spectra of x (N, S), power or magnitude (N, K, T), of the K
// bins from first on.
func (s *stft) translate(g *onnx.Graph, x onnx.Value, first, bins int) onnx.Value {
	size, win := s.size, len(s.window)
	before, after := -((size - win) / 2), 0 // samples that are laid around; what is negative is taken away
	if s.center {
		before += size / 2
		after = size / 2 * 2
	}
	after += win - size - before
	mode := "constant"
	if s.center && s.mirror {
		mode = "reflect"
	}
	x = g.Reshape(x, onnx.Free, 1, onnx.Free)
	x = g.Do("Pad", x.Shape, []onnx.Value{x, onnx.Wholes(0, 0, before, 0, 0, after)}, onnx.Attr{Name: "mode", Value: mode})
	taps := onnx.Value{Name: fmt.Sprintf("fourier %d from %d, window %d", size, first, win), Shape: []int{2 * bins, 1, win}, Data: make([]float32, 2*bins*win)}
	for k := range bins {
		for i, w := range s.window {
			sin, cos := math.Sincos(2 * math.Pi * float64((first+k)*i%size) / float64(size))
			taps.Data[k*win+i] = float32(w * cos)
			taps.Data[(bins+k)*win+i] = float32(w * sin)
		}
	}
	return sizes(g, slide(g, x, taps, s.hop), s.magnitude)
}

// slide convolves x (N, 1, S) with taps (K, 1, size), a frame every hop: (N, K, T).
func slide(g *onnx.Graph, x, taps onnx.Value, hop int) onnx.Value {
	return g.Do("Conv", spectrograms(taps.Shape[0]), []onnx.Value{x, g.Apart(taps)},
		onnx.Attr{Name: "kernel_shape", Value: []int{taps.Shape[2]}}, onnx.Attr{Name: "strides", Value: []int{hop}})
}

// sizes are the powers, or magnitudes, of numbers (N, 2K, T), all real parts before
// all imaginary ones: (N, K, T).
func sizes(g *onnx.Graph, x onnx.Value, magnitude bool) onnx.Value {
	bins := x.Shape[1] / 2
	norm := "ReduceSumSquare"
	if magnitude {
		norm = "ReduceL2"
	}
	return over(g, norm, g.Reshape(x, onnx.Free, 2, bins, onnx.Free), spectrograms(bins), 0, 1)
}

// over lays a Reduce over axes of x, which stay with one value each if keep is 1.
func over(g *onnx.Graph, op string, x onnx.Value, shape []int, keep int, axes ...int) onnx.Value {
	return g.Do(op, shape, []onnx.Value{x}, onnx.Attr{Name: "axes", Value: axes}, onnx.Attr{Name: "keepdims", Value: keep})
}

// span is the rows that the bank's filters weigh: those from first on.
func (b *bank) span() (first, rows int) {
	first, last := math.MaxInt, 0
	for i, w := range b.weights {
		if len(w) > 0 {
			first, last = min(first, b.first[i]), max(last, b.first[i]+len(w))
		}
	}
	return min(first, last), max(last-first, 1)
}

// translate weighs rows (N, K, T), the first of which is row first of those that
// the bank is for.
func (b *bank) translate(g *onnx.Graph, name string, x onnx.Value, first int) onnx.Value {
	rows := x.Shape[1]
	w := onnx.Value{Name: name, Shape: []int{b.rows, rows}, Data: make([]float32, b.rows*rows)}
	for i, row := range b.weights {
		for k, v := range row {
			w.Data[i*rows+b.first[i]-first+k] = float32(v)
		}
	}
	return g.Do("MatMul", spectrograms(b.rows), []onnx.Value{g.Apart(w), x})
}

// logarithm is compress, of each of N clips.
func logarithm(g *onnx.Graph, x onnx.Value, log string, power, floor, topDB float64) onnx.Value {
	number := onnx.Number
	switch log {
	case "ln":
		return g.Each("Log", g.Each("Add", x, number(floor)))
	case "log10":
		return g.Each("Mul", g.Each("Log", g.Each("Add", x, number(floor))), number(1/math.Ln10))
	case "db":
		x = g.Each("Mul", g.Each("Log", g.Each("Max", x, number(amplitudeMin))), number(10/math.Ln10*(3-power)))
		if topDB > 0 {
			top := over(g, "ReduceMax", x, []int{onnx.Free, 1, 1}, 1, 1, 2)
			x = g.Each("Max", x, g.Each("Sub", top, number(topDB)))
		}
	}
	return x
}

func (f *logMel) translates() error { return f.stft.translates() }

func (f *logMel) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	o := f.options
	first, bins := f.bank.span()
	x = f.bank.translate(g, "mel filters", f.stft.translate(g, x, first, bins), first)
	return logarithm(g, x, o.Log, o.Power, o.Floor, o.TopDB)
}

func (f *mfcc) translates() error { return f.mel.translates() }

func (f *mfcc) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	return f.dct.translate(g, "cosines", f.mel.translate(g, x), 0)
}

func (f *gammatone) translates() error { return f.stft.translates() }

func (f *gammatone) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	o := f.options
	x = f.bank.translate(g, "gammatone filters", f.stft.translate(g, x, 0, f.stft.bins()), 0)
	return logarithm(g, x, o.Log, o.Power, o.Floor, o.TopDB)
}

func (f *spectrogram) translates() error {
	if v := f.options.Value; v == "phase" || v == "if" || v == "if_hz" {
		return noWords("the feature stft of value %s", v)
	}
	return f.stft.translates()
}

func (f *spectrogram) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	o := f.options
	return logarithm(g, f.stft.translate(g, x, 0, f.stft.bins()), o.Value, 2, o.Floor, o.TopDB)
}

func (f *waveform) translates() error { return nil }

// translate takes sample t·hop + b for bin b of frame t.
func (f *waveform) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	bins, hop := f.options.FrameLength, f.options.HopLength
	if bins == 1 && hop == 1 {
		return g.Reshape(x, onnx.Free, 1, onnx.Free)
	}
	// frames = (samples - bins) / hop + 1
	frames := g.Each("Add", g.Each("Div", g.Each("Sub", g.Side(x, 1), onnx.Whole(bins)), onnx.Whole(hop)), onnx.Whole(1))
	at := g.Each("Mul", g.Range(frames), onnx.Whole(hop))
	from := onnx.Value{Name: "bins", Shape: []int{bins, 1}}
	for b := range bins {
		from.Ints = append(from.Ints, int64(b))
	}
	places := g.Do("Add", []int{bins, onnx.Free}, []onnx.Value{from, at})
	return g.Do("Gather", spectrograms(bins), []onnx.Value{x, places}, onnx.Attr{Name: "axis", Value: 1})
}
