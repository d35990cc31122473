package audio

import (
	"fmt"
	"math"

	"clr/internal/onnx"
)

// Kaldi's features in ONNX: frames are cut out whole, for what is done to each before
// its transform is no convolution's.

// translates refuses transforms that are too large.
func (f *kaldi) translates() error {
	if n := 2 * f.bins() * len(f.window); n > tapsLimit {
		return noWords("a transform of %d samples in windows of %d: they would be %d numbers, of which %d are allowed", f.size, len(f.window), n, tapsLimit)
	}
	return nil
}

// bands are the logarithms of the filters' sums (N, F, T) and the frames' log
// energies (N, 1, T), which only UseEnergy asks for.
func (f *kaldi) bands(g *onnx.Graph, x onnx.Value) (bands, energy onnx.Value) {
	o, size := f.options, len(f.window)
	v := g.Each("Mul", f.cutOut(g, x), onnx.Number(o.Scale)) // (N, T, size)
	if o.RemoveDCOffset {
		v = g.Each("Sub", v, over(g, "ReduceMean", v, v.Shape, 1, 2))
	}
	if o.UseEnergy && o.RawEnergy {
		energy = f.energyOf(g, v)
	}
	if o.Preemphasis != 0 {
		part := func(from, to int) onnx.Value {
			return g.Do("Slice", v.Shape, []onnx.Value{v, onnx.Wholes(from), onnx.Wholes(to), onnx.Wholes(2)})
		}
		before := g.Do("Concat", v.Shape, []onnx.Value{part(0, 1), part(0, size-1)}, onnx.Attr{Name: "axis", Value: 2})
		v = g.Each("Sub", v, g.Each("Mul", before, onnx.Number(o.Preemphasis)))
	}
	if o.UseEnergy && !o.RawEnergy {
		window := onnx.Value{Name: "window", Shape: []int{size}, Data: narrowed(f.window)}
		energy = f.energyOf(g, g.Each("Mul", v, g.Apart(window)))
	}
	first, bins := f.bank.span()
	waves := onnx.Value{Name: fmt.Sprintf("fourier %d from %d, frames of %d", f.size, first, size), Shape: []int{size, 2 * bins}, Data: make([]float32, 2*bins*size)}
	for i, w := range f.window {
		for k := range bins {
			sin, cos := math.Sincos(2 * math.Pi * float64((first+k)*i%f.size) / float64(f.size))
			waves.Data[i*2*bins+k], waves.Data[i*2*bins+bins+k] = float32(w*cos), float32(w*sin)
		}
	}
	v = g.Do("MatMul", []int{onnx.Free, onnx.Free, 2 * bins}, []onnx.Value{v, g.Apart(waves)})
	v = g.Do("Transpose", spectrograms(2*bins), []onnx.Value{v}, onnx.Attr{Name: "perm", Value: []int{0, 2, 1}})
	v = f.bank.translate(g, "mel filters", sizes(g, v, !o.UsePower), first)
	return g.Each("Log", g.Each("Max", v, onnx.Number(kaldiEpsilon))), energy
}

// cutOut are the windows' samples (N, T, size) of x (N, S).
func (f *kaldi) cutOut(g *onnx.Graph, x onnx.Value) onnx.Value {
	size, whole := len(f.window), onnx.Whole
	n, from, room := g.Side(x, 1), 0, f.hop-size
	if !f.options.SnipEdges {
		from, room = f.hop/2-size/2, f.hop/2
	}
	frames := g.Each("Div", g.Each("Add", n, whole(room)), whole(f.hop))
	starts := g.Each("Add", g.Each("Mul", g.Range(frames), whole(f.hop)), whole(from))
	along := onnx.Value{Name: "samples of a window", Shape: []int{size}}
	for i := range size {
		along.Ints = append(along.Ints, int64(i))
	}
	at := g.Do("Add", []int{onnx.Free, size}, []onnx.Value{g.Do("Unsqueeze", []int{onnx.Free, 1}, []onnx.Value{starts, onnx.Wholes(1)}), g.Apart(along)})
	if !f.options.SnipEdges {
		at = mirroredAt(g, at, n, 1)
	}
	return g.Do("Gather", []int{onnx.Free, onnx.Free, size}, []onnx.Value{x, at}, onnx.Attr{Name: "axis", Value: 1})
}

// energyOf is logEnergy of frames (N, T, size), as a row.
func (f *kaldi) energyOf(g *onnx.Graph, v onnx.Value) onnx.Value {
	e := over(g, "ReduceSumSquare", v, []int{onnx.Free, onnx.Free}, 0, 2)
	least := math.Log(max(kaldiEpsilon, f.options.EnergyFloor))
	e = g.Each("Log", g.Each("Max", e, onnx.Number(kaldiEpsilon)))
	return g.Do("Unsqueeze", spectrograms(1), []onnx.Value{g.Each("Max", e, onnx.Number(least)), onnx.Wholes(1)})
}

// centred is finish.
func (f *kaldi) centred(g *onnx.Graph, x onnx.Value) onnx.Value {
	if !f.options.SubtractMean {
		return x
	}
	return g.Each("Sub", x, over(g, "ReduceMean", x, x.Shape, 1, 2))
}

func (f *kaldi) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	y, energy := f.bands(g, x)
	switch {
	case f.options.UseEnergy && f.options.HTKCompat:
		y = stacked(g, []onnx.Value{y, energy})
	case f.options.UseEnergy:
		y = stacked(g, []onnx.Value{energy, y})
	}
	return f.centred(g, y)
}

func (f *kaldiMFCC) translates() error { return f.bank.translates() }

func (f *kaldiMFCC) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	y, energy := f.bank.bands(g, x)
	y = f.dct.translate(g, "cosines", y, 0)
	switch n := f.dct.rows; {
	case !f.bank.options.UseEnergy:
	case n == 1:
		y = energy
	case f.bank.options.HTKCompat:
		y = stacked(g, []onnx.Value{rows(g, y, 0, n-1), energy})
	default:
		y = stacked(g, []onnx.Value{energy, rows(g, y, 1, n)})
	}
	return f.bank.centred(g, y)
}
