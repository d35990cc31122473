package augment

import (
	"math"

	"clr/internal/fault"
	"clr/internal/onnx"
)

// runningLimit is the longest view whose running mean is said in ONNX, by a matrix.
const runningLimit = 1 << 12

// ONNX writes to g what Windows makes of spectrograms s (N, C·F, T): the views
// (N·W, C, F, T′), and how many there are of each, W. All N have one length.
func (v *Views) ONNX(g *onnx.Graph, s onnx.Value, hop int) (views, count onnx.Value, err error) {
	want := v.Options.Frames
	if v.Options.Normalize == "running" && want > runningLimit {
		return views, count, fault.New(fault.Usage, "leave --front-end out, and make views outside",
			"view.normalize is running and views have %d frames, of which ONNX is told up to %d", want, runningLimit)
	}
	t := translation{g, v, len(v.Channels), s.Shape[1] / len(v.Channels)}
	places, there, w := t.places(g.Side(s, 2), hop)
	x := g.Do("Gather", []int{onnx.Free, s.Shape[1], onnx.Free, want}, []onnx.Value{s, places}, onnx.Attr{Name: "axis", Value: 2})
	x = g.Do("Transpose", []int{onnx.Free, onnx.Free, s.Shape[1], want}, []onnx.Value{x}, onnx.Attr{Name: "perm", Value: []int{0, 2, 1, 3}})
	x = g.Do("Reshape", []int{onnx.Free, onnx.Free, t.channels, t.bins, want}, []onnx.Value{x, onnx.Wholes(0, 0, t.channels, t.bins, want)}) // (N, W, C, F, T′)
	x = t.normalized(x, there)
	return g.Do("Reshape", []int{onnx.Free, t.channels, t.bins, want}, []onnx.Value{x, onnx.Wholes(onnx.Free, t.channels, t.bins, want)}), w, nil
}

type translation struct {
	*onnx.Graph
	*Views
	channels, bins int
}

// places are the frames of each window of T frames (W, T′). Places before the first
// frame and behind the last are those; there tells which are not (W, 1, 1, T′).
func (t translation) places(frames onnx.Value, hop int) (places, there, count onnx.Value) {
	g, want, whole := t.Graph, t.Options.Frames, onnx.Whole
	room := g.Each("Max", g.Each("Sub", frames, whole(want)), whole(0))
	gaps := g.Each("Div", g.Each("Add", room, whole(hop-1)), whole(hop)) // one less than windows
	count = g.Each("Add", gaps, whole(1))
	// window i starts at (i·room + gaps/2) / gaps
	starts := g.Each("Mul", g.Range(count), room)
	starts = g.Each("Div", g.Each("Add", starts, g.Each("Div", gaps, whole(2))), g.Each("Max", gaps, whole(1)))
	short := g.Each("Max", g.Each("Sub", whole(want), frames), whole(0))
	starts = g.Each("Sub", starts, g.Each("Div", short, whole(2))) // a short clip is in the middle
	along := onnx.Value{Name: "frames of a view", Shape: []int{want}}
	for i := range want {
		along.Ints = append(along.Ints, int64(i))
	}
	at := g.Do("Add", []int{onnx.Free, want}, []onnx.Value{g.Do("Unsqueeze", []int{onnx.Free, 1}, []onnx.Value{starts, onnx.Wholes(1)}), along})
	places = g.Each("Min", g.Each("Max", at, whole(0)), g.Each("Sub", frames, whole(1)))
	there = g.Each("Equal", at, places)
	return places, g.Do("Unsqueeze", []int{onnx.Free, 1, 1, want}, []onnx.Value{there, onnx.Wholes(1, 2)}), count
}

// where is x where frames are there, and y elsewhere.
func (t translation) where(there, x, y onnx.Value) onnx.Value {
	return t.Do("Where", x.Shape, []onnx.Value{there, x, y})
}

// mean is x's over axes (from the last one), counting frames that are there alone.
func (t translation) mean(x, there onnx.Value, axes ...int) onnx.Value {
	g := t.Graph
	x = t.where(there, x, onnx.Number(0))
	n := g.Do("Cast", there.Shape, []onnx.Value{there}, onnx.Attr{Name: "to", Value: 1})
	n = g.Do("ReduceMean", n.Shape, []onnx.Value{n}, onnx.Attr{Name: "axes", Value: []int{-1}})
	return g.Each("Div", g.Do("ReduceMean", x.Shape, []onnx.Value{x}, onnx.Attr{Name: "axes", Value: axes}), n)
}

// standardized is x with the moments over axes taken off.
func (t translation) standardized(x, there onnx.Value, axes ...int) onnx.Value {
	g := t.Graph
	x = g.Each("Sub", x, t.mean(x, there, axes...))
	deviation := g.Each("Sqrt", t.mean(g.Each("Mul", x, x), there, axes...))
	return g.Each("Div", x, g.Each("Max", deviation, onnx.Number(leastDeviation)))
}

// perRow is a constant of a value a channel, or a bin, as x (N, W, C, F, T′) takes it.
func (t translation) perRow(name string, values []float32) onnx.Value {
	return onnx.Value{Name: "view." + name, Shape: []int{t.channels, len(values) / t.channels, 1}, Data: values}
}

// channel is a value of each channel.
func (t translation) channel(name string, of func(Channel) float32) onnx.Value {
	var values []float32
	for _, c := range t.Channels {
		values = append(values, of(c))
	}
	return t.perRow(name, values)
}

// normalized does what place does.
func (t translation) normalized(x, there onnx.Value) onnx.Value {
	g := t.Graph
	std := func() onnx.Value { return t.channel("std", func(c Channel) float32 { return c.Std }) }
	silent := func(x onnx.Value) onnx.Value { return t.where(there, x, onnx.Number(0)) }
	switch t.Options.Normalize {
	case "band":
		return silent(g.Each("Div", g.Each("Sub", x, t.mean(x, there, -1)), std()))
	case "band_std":
		return silent(t.standardized(x, there, -1))
	case "running":
		return silent(g.Each("Div", g.Do("MatMul", x.Shape, []onnx.Value{x, t.withoutRunningMean()}), std()))
	case "clip":
		return t.standardized(t.quiet(x, there), there, -2, -1)
	case "corpus":
		mean := t.channel("mean", func(c Channel) float32 { return c.Mean })
		return g.Each("Div", g.Each("Sub", t.quiet(x, there), mean), std())
	case "corpus_band":
		return g.Each("Div", g.Each("Sub", t.quiet(x, there), t.perRow("bin_mean", t.BinMean)), t.perRow("bin_std", t.BinStd))
	}
	return t.quiet(x, there)
}

// quiet is x with its quietest value, or the silence of a channel that has 0 for it,
// where no frame is.
func (t translation) quiet(x, there onnx.Value) onnx.Value {
	g := t.Graph
	least := g.Do("ReduceMin", x.Shape, []onnx.Value{x}, onnx.Attr{Name: "axes", Value: []int{-2, -1}}) // (N, W, C, 1, 1); places repeat frames, and add none
	sounds := t.channel("silence", func(c Channel) float32 {
		if c.Zero {
			return 0
		}
		return 1
	})
	return t.where(there, x, g.Each("Mul", least, sounds))
}

// withoutRunningMean is the matrix (T′, T′) that takes off each frame what runningMean does.
// In front of a short clip stands its first frame, as often as there is room, and leaves the mean what it is.
func (t translation) withoutRunningMean() onnx.Value {
	want := t.Options.Frames
	a := -math.Expm1(-1 / t.Options.Running)
	m := onnx.Value{Name: "view.running", Shape: []int{want, want}, Data: make([]float32, want*want)}
	for to := range want {
		for from := 0; from <= to; from++ {
			share := float64(a * math.Pow(1-a, float64(to-from))) // of frame from in the mean at frame to
			if from == 0 {
				share = math.Pow(1-a, float64(to))
			}
			if from == to {
				share--
			}
			m.Data[from*want+to] = float32(-share)
		}
	}
	return m
}
