package audio

import (
	"math"

	"clr/internal/onnx"
)

// What is made of other features' values in ONNX.

func (f *pcen) translates() error { return f.logMel.translates() }

// translate has the running mean as a Scan.
func (f *pcen) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	o, number := f.options, onnx.Number
	e := g.Each("Mul", f.logMel.translate(g, x), number(o.Scale))
	before := g.Do("Gather", []int{onnx.Free, e.Shape[1]}, []onnx.Value{e, onnx.Whole(0)}, onnx.Attr{Name: "axis", Value: 2}) // the first frame
	if o.Initial == "one" {
		before = g.Each("Add", g.Each("Mul", before, number(0)), number(1))
	}
	b := g.Double(number(f.b))
	mean := g.Scan(before, e, func(body *onnx.Graph, mean, e onnx.Value) onnx.Value {
		return body.Each("Add", mean, body.Each("Mul", body.Each("Sub", e, mean), b))
	})
	y := g.Each("Mul", e, g.Each("Exp", g.Each("Mul", g.Each("Log", g.Each("Add", mean, number(o.Eps))), number(-o.Gain))))
	switch {
	case o.Power == 0:
		return g.Each("Log", g.Each("Add", y, number(1)))
	case o.Bias == 0:
		return g.Each("Pow", y, number(o.Power))
	}
	return g.Each("Sub", g.Each("Pow", g.Each("Add", y, number(o.Bias)), number(o.Power)), number(math.Pow(o.Bias, o.Power)))
}

func (f *deltas) translates() error { return translates(f.of) }

func (f *deltas) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	plain := f.of.(translatable).translate(g, x)
	all := []onnx.Value{plain}
	for order := 1; order <= f.order; order++ {
		if f.again {
			all = append(all, summed(g, all[order-1], f.slopes[0]))
		} else {
			all = append(all, summed(g, plain, f.slopes[order-1]))
		}
	}
	return stacked(g, all)
}

// summed is the weighted sums around each value of x (N, F, T), its ends repeated.
func summed(g *onnx.Graph, x onnx.Value, weights []float64) onnx.Value {
	bins, n := x.Shape[1], len(weights)/2
	x = g.Do("Pad", []int{onnx.Free, 1, bins, onnx.Free}, []onnx.Value{g.Reshape(x, onnx.Free, 1, bins, onnx.Free), onnx.Wholes(0, 0, 0, n, 0, 0, 0, n)}, onnx.Attr{Name: "mode", Value: "edge"})
	w := onnx.Value{Name: "slopes", Shape: []int{1, 1, 1, len(weights)}, Data: narrowed(weights)}
	x = g.Do("Conv", x.Shape, []onnx.Value{x, g.Apart(w)}, onnx.Attr{Name: "kernel_shape", Value: []int{1, len(weights)}})
	return g.Reshape(x, onnx.Free, bins, onnx.Free)
}

// stacked is spectrograms one below the other.
func stacked(g *onnx.Graph, all []onnx.Value) onnx.Value {
	bins := 0
	for _, x := range all {
		bins += x.Shape[1]
	}
	return g.Do("Concat", spectrograms(bins), all, onnx.Attr{Name: "axis", Value: 1})
}

// rows are rows from to to-1 of x (N, F, T).
func rows(g *onnx.Graph, x onnx.Value, from, to int) onnx.Value {
	return g.Do("Slice", spectrograms(to-from), []onnx.Value{x, onnx.Wholes(from), onnx.Wholes(to), onnx.Wholes(1)})
}

func (f *stack) translates() error {
	for _, of := range f.of {
		if err := translates(of); err != nil {
			return err
		}
	}
	return nil
}

func (f *stack) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	var all []onnx.Value
	for _, of := range f.of {
		all = append(all, rows(g, of.(translatable).translate(g, x), 0, f.bins))
	}
	return stacked(g, all)
}

// normalised is normaliseFrames.
func normalised(g *onnx.Graph, x onnx.Value, norm string) onnx.Value {
	op := map[string]string{"inf": "ReduceMax", "1": "ReduceL1", "2": "ReduceL2"}[norm]
	if op == "" {
		return x
	}
	size := over(g, op, g.Each("Abs", x), spectrograms(1), 1, 1)
	size = g.Do("Where", size.Shape, []onnx.Value{g.Each("Less", size, onnx.Number(leastNormal)), onnx.Number(1), size})
	return g.Each("Div", x, size)
}

func (f *chromaSTFT) translates() error { return f.stft.translates() }

func (f *chromaSTFT) translate(g *onnx.Graph, x onnx.Value) onnx.Value {
	x = f.bank.translate(g, "pitch classes", f.stft.translate(g, x, 0, f.stft.bins()), 0)
	return normalised(g, x, f.options.Norm)
}

func narrowed(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}
