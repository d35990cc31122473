package audio

import (
	"fmt"
	"math"

	"clr/internal/onnx"
)

// Constant-Q transforms in ONNX: each filter is a convolution with its samples.

// translates has nothing to refuse: rules bound the filters.
func (f *wavelets) translates() error { return nil }

// span is the samples that an octave's filters hear, around a frame's.
func (g octave) span() (from, to int) {
	for _, s := range g.shapes {
		from, to = min(from, s.from), max(to, s.from+s.length)
	}
	return from, to
}

// translate gives the transforms of x (N, S), power or magnitude (N, K, T).
func (f *wavelets) translate(g *onnx.Graph, x onnx.Value, magnitude bool) onnx.Value {
	var all []onnx.Value
	for _, o := range f.octaves {
		from, to := o.span()
		width := to - from
		taps := onnx.Value{Name: fmt.Sprintf("filters %d to %d", o.first, o.first+o.count-1), Shape: []int{2 * o.count, 1, width}, Data: make([]float32, 2*o.count*width)}
		for k, s := range o.shapes {
			for p := range s.length {
				at := s.from - from + p
				sin, cos := math.Sincos(-s.turn * float64(s.from+p))
				taps.Data[k*width+at] = float32(s.under(p) * cos)
				taps.Data[(o.count+k)*width+at] = float32(s.under(p) * sin)
			}
		}
		var padded onnx.Value
		if o.mirror {
			padded = reflected(g, x, -from, to, 0)
		} else {
			padded = g.Do("Pad", x.Shape, []onnx.Value{x, onnx.Wholes(0, -from, 0, to)}, onnx.Attr{Name: "mode", Value: "constant"})
		}
		all = append(all, sizes(g, slide(g, g.Reshape(padded, onnx.Free, 1, onnx.Free), taps, o.hop), magnitude))
	}
	return stacked(g, all)
}

// reflected is x (N, S) with samples before and after it, mirrored as often as there
// is room: each end stands there once, or with ends of 1 twice.
func reflected(g *onnx.Graph, x onnx.Value, before, after, ends int) onnx.Value {
	whole := onnx.Whole
	n := g.Side(x, 1)
	at := g.Each("Sub", g.Range(g.Each("Add", n, whole(before+after))), whole(before))
	return g.Do("Gather", x.Shape, []onnx.Value{x, mirroredAt(g, at, n, ends)}, onnx.Attr{Name: "axis", Value: 1})
}

// mirroredAt reflects places into 0 to n-1: mirrored, or with ends of 1 mirroredTwice.
func mirroredAt(g *onnx.Graph, at, n onnx.Value, ends int) onnx.Value {
	whole := onnx.Whole
	turn := g.Each("Max", g.Each("Sub", g.Each("Mul", n, whole(2)), whole(2-2*ends)), whole(1))
	at = g.Each("Mod", at, turn)
	return g.Each("Min", at, g.Each("Sub", g.Each("Sub", turn, whole(ends)), at))
}

func (f *cqt) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	o := f.options
	return logarithm(g, f.wavelets.translate(g, x, o.Value == "magnitude"), o.Value, 2, o.Floor, o.TopDB)
}

func (f *chromaCQT) translates() error { return f.wavelets.translates() }

func (f *chromaCQT) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	classes, k := f.options.NChroma, f.wavelets.bins
	of := onnx.Value{Name: "pitch classes", Shape: []int{classes, k}, Data: make([]float32, classes*k)}
	for i := range k {
		of.Data[f.options.class(i)*k+i] = 1
	}
	x = g.Do("MatMul", spectrograms(classes), []onnx.Value{g.Apart(of), f.wavelets.translate(g, x, true)})
	if least := f.options.Threshold; least > 0 {
		x = g.Do("Where", x.Shape, []onnx.Value{g.Each("Less", x, onnx.Number(least)), onnx.Number(0), x})
	}
	return normalised(g, x, f.options.Norm)
}
