package audio

import (
	"math"

	"clr/internal/onnx"
)

// Numbers of spectra in ONNX. A rolloff is a bin's, and may be the next one's there
// where rounding decides which of two it is.

func (f *spectral) translates() error { return f.stft.translates() }

func (f *spectral) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	s := f.stft.translate(g, x, 0, f.stft.bins()) // (N, K, T)
	var all []onnx.Value
	for _, name := range f.options.Values {
		var y onnx.Value
		switch name {
		case "centroid":
			y, _ = f.onnxCentroid(g, s)
			y = g.Each("Mul", y, onnx.Number(f.nyquist()))
		case "bandwidth":
			y = f.onnxBandwidth(g, s)
		case "rolloff":
			y = f.onnxRolloff(g, s)
		case "flatness":
			power := g.Each("Max", g.Each("Mul", s, s), onnx.Number(amplitudeMin))
			y = g.Each("Div", g.Each("Exp", meanBin(g, g.Each("Log", power))), meanBin(g, power))
		case "contrast":
			y = f.onnxContrast(g, s)
		case "zcr":
			y = f.onnxCrossings(g, x)
		case "rms":
			y = f.onnxRMS(g, x)
		}
		all = append(all, y)
	}
	return stacked(g, all)
}

// meanBin is x's over bins.
func meanBin(g *onnx.Graph, x onnx.Value) onnx.Value {
	return over(g, "ReduceMean", x, spectrograms(1), 1, 1)
}

// sumBin is the sum of x over bins.
func sumBin(g *onnx.Graph, x onnx.Value) onnx.Value {
	return g.Do("ReduceSum", spectrograms(1), []onnx.Value{x, onnx.Wholes(1)}, onnx.Attr{Name: "keepdims", Value: 1})
}

func (f *spectral) nyquist() float64 { return float64(f.rate) / 2 }

// frequencies are the bins', in half the sample rate, so that powers of them are numbers.
func (f *spectral) frequencies(g *onnx.Graph) onnx.Value {
	v := onnx.Value{Name: "frequencies", Shape: []int{1, len(f.hz), 1}}
	for _, hz := range f.hz {
		v.Data = append(v.Data, float32(hz/f.nyquist()))
	}
	return g.Apart(v)
}

// onnxCentroid is centroid, in half the sample rate, with what it is divided by.
func (f *spectral) onnxCentroid(g *onnx.Graph, s onnx.Value) (y, all onnx.Value) {
	all = g.Each("Max", sumBin(g, s), onnx.Number(leastNormal))
	return g.Each("Div", sumBin(g, g.Each("Mul", s, f.frequencies(g))), all), all
}

func (f *spectral) onnxBandwidth(g *onnx.Graph, s onnx.Value) onnx.Value {
	p, number := f.options.P, onnx.Number
	centre, all := f.onnxCentroid(g, s)
	off := g.Do("Sub", s.Shape, []onnx.Value{f.frequencies(g), centre})
	off = g.Each("Pow", g.Each("Abs", off), number(p))
	y := g.Each("Div", sumBin(g, g.Each("Mul", s, off)), all)
	return g.Each("Mul", g.Each("Pow", y, number(1/p)), number(f.nyquist()))
}

// onnxRolloff counts the bins up to which there is less than the share.
func (f *spectral) onnxRolloff(g *onnx.Graph, s onnx.Value) onnx.Value {
	s = g.Double(s)
	below := g.Do("CumSum", s.Shape, []onnx.Value{s, onnx.Whole(1)})
	share := g.Each("Mul", sumBin(g, s), g.Double(onnx.Number(f.options.RollPercent)))
	less := g.Do("Cast", s.Shape, []onnx.Value{g.Each("Less", below, share)}, onnx.Attr{Name: "to", Value: 1})
	k := g.Each("Min", sumBin(g, less), onnx.Number(float64(len(f.hz)-1)))
	return g.Each("Mul", k, onnx.Number(f.hz[1]))
}

func (f *spectral) onnxContrast(g *onnx.Graph, s onnx.Value) onnx.Value {
	var peaks, valleys []onnx.Value
	for _, b := range f.bands {
		band := rows(g, s, b.from, b.to)
		peaks = append(peaks, meanBin(g, g.Top(band, 1, b.count, true)))
		valleys = append(valleys, meanBin(g, g.Top(band, 1, b.count, false)))
	}
	db := func(x []onnx.Value) onnx.Value { return logarithm(g, stacked(g, x), "db", 2, 0, contrastTopDB) }
	return g.Each("Sub", db(peaks), db(valleys))
}

// windowed is x (N, S), its ends continued, times weight and summed over each frame's
// first size samples.
func (f *spectral) windowed(g *onnx.Graph, x onnx.Value, size int, weight float64) onnx.Value {
	ones := onnx.Value{Name: "sums", Shape: []int{1, 1, size}, Data: make([]float32, size)}
	for i := range ones.Data {
		ones.Data[i] = float32(weight)
	}
	return slide(g, g.Reshape(x, onnx.Free, 1, onnx.Free), ones, f.options.HopLength)
}

// padded is x with as much around it as a frame's centre needs.
func (f *spectral) padded(g *onnx.Graph, x onnx.Value, mode string) onnx.Value {
	n := 0
	if f.options.Center {
		n = f.options.NFFT / 2
	}
	return g.Do("Pad", x.Shape, []onnx.Value{x, onnx.Wholes(0, n, 0, n)}, onnx.Attr{Name: "mode", Value: mode})
}

func (f *spectral) onnxCrossings(g *onnx.Graph, x onnx.Value) onnx.Value {
	below := g.Each("Less", x, onnx.Number(-amplitudeMin))
	x = f.padded(g, g.Do("Cast", x.Shape, []onnx.Value{below}, onnx.Attr{Name: "to", Value: 1}), "edge")
	part := func(from, to int) onnx.Value {
		return g.Do("Slice", x.Shape, []onnx.Value{x, onnx.Wholes(from), onnx.Wholes(to), onnx.Wholes(1)})
	}
	crossed := g.Each("Abs", g.Each("Sub", part(1, math.MaxInt32), part(0, -1)))
	n := f.options.NFFT
	return g.Each("Div", f.windowed(g, crossed, n-1, 1), onnx.Number(float64(n)))
}

func (f *spectral) onnxRMS(g *onnx.Graph, x onnx.Value) onnx.Value {
	n := f.options.NFFT
	return g.Each("Sqrt", f.windowed(g, f.padded(g, g.Each("Mul", x, x), "constant"), n, 1/float64(n)))
}
