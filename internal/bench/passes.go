package bench

import (
	"clr/internal/kernel"
	"clr/internal/model"
)

// All that this package knows of kernel's calls stands in this file.

// A pass is something to time.
type pass struct {
	name         string
	conv         bool
	flops, bytes float64
	run          func()
}

// buffers are memory for the largest maps, which all layers are timed in.
type buffers struct{ x, y, dx, dy []float32 }

func newBuffers(n int) buffers {
	x := random(n)
	m := buffers{x: x, y: make([]float32, n), dx: make([]float32, n), dy: make([]float32, n)}
	copy(m.y, x)
	copy(m.dy, x)
	return m
}

// passes are what a layer does in a training step over n rows.
func (m buffers) passes(l model.Layer, n int, first bool) ([]pass, error) {
	in, out := l.In, l.Out
	values := func(s [3]int) int { return kernel.Blocks(n) * kernel.Lanes * s[0] * s[1] * s[2] }
	x, dx, y, dy := m.x[:values(in)], m.dx[:values(in)], m.y[:values(out)], m.dy[:values(out)]
	switch l.Kind {
	case "conv", "linear":
		return convPasses(l, n, first, x, dx, y, dy)
	case "batch_norm":
		s := kernel.Norm{N: n, C: in[0], H: in[1], W: in[2], Groups: 1, Eps: 1e-5}
		stats, sums, gamma := make([]float32, 3*s.C), make([]float32, 2*s.C), random(s.C)
		s.Stats(stats, x)
		var residual []float32
		if l.Residual {
			residual = dx
		}
		if l.Kernel[0] > 0 {
			return normPoolPasses(l, s, stats, sums, gamma, x, dx, y, dy), nil
		}
		return []pass{
			{name: "stats", bytes: moved(x), run: func() { s.Stats(stats, x) }},
			{name: "apply", bytes: moved(x, residual, y), run: func() { s.Apply(y, x, stats, gamma, gamma, residual, l.ReLU) }},
			{name: "sums", bytes: moved(x, dy), run: func() { s.Sums(sums, x, stats, gamma, gamma, dy, l.ReLU) }},
			{name: "data", bytes: moved(dx, x, dy), run: func() { s.Data(dx, x, stats, gamma, gamma, sums, dy, l.ReLU) }},
		}, nil
	case "max_pool", "avg_pool":
		p := kernel.Pool{N: n, C: in[0], H: in[1], W: in[2], Kernel: l.Kernel, Stride: l.Stride, Pad: l.Pad}
		if l.Kind == "avg_pool" {
			return []pass{
				{name: "forward", bytes: moved(x, y), run: func() { p.AvgForward(y, x) }},
				{name: "data", bytes: moved(dx, dy), run: func() { p.AvgBackward(dx, dy) }},
			}, nil
		}
		return []pass{
			{name: "forward", bytes: moved(x, y), run: func() { p.MaxForward(y, x) }},
			{name: "data", bytes: moved(dx, x, dy), run: func() { p.MaxBackward(dx, x, dy) }},
		}, nil
	case "dropout":
		drop := func(y, x []float32) func() { return func() { kernel.Dropout(y, x, 0.3, 1, 1) } }
		return []pass{{name: "forward", bytes: moved(x, y), run: drop(y, x)}, {name: "data", bytes: moved(dx, dy), run: drop(dx, dy)}}, nil
	case "global_mean", "global_max":
		s := kernel.Global{N: n, C: in[0], H: in[1], W: in[2], KeepRows: out[0] != in[0]}
		if l.Kind == "global_mean" {
			return []pass{
				{name: "forward", bytes: moved(x, y), run: func() { s.Mean(y, x) }},
				{name: "data", bytes: moved(dx, dy), run: func() { s.MeanGrad(dx, dy) }},
			}, nil
		}
		return []pass{
			{name: "forward", bytes: moved(x, y), run: func() { s.Max(y, x) }},
			{name: "data", bytes: moved(dx, x, dy), run: func() { s.MaxGrad(dx, x, dy) }},
		}, nil
	}
	if f, ok := activations[l.Kind]; ok {
		return []pass{
			{name: "forward", bytes: moved(x, y), run: func() { f.forward(y, x) }},
			{name: "data", bytes: moved(dx, y, dy), run: func() { f.backward(dx, y, dy) }},
		}, nil
	}
	panic("bench: no passes for a layer of kind " + l.Kind)
}

// activations are the layers that are one, with their gradients.
var activations = map[string]struct {
	forward  func(y, x []float32)
	backward func(dx, of, dy []float32)
}{
	"relu":    {kernel.ReLU, kernel.ReLUGrad},
	"sigmoid": {kernel.Sigmoid, kernel.SigmoidGrad},
	"tanh":    {kernel.Tanh, kernel.TanhGrad},
	"gelu":    {kernel.GELU, kernel.GELUGrad},
}

// moved counts the bytes of arrays.
func moved(arrays ...[]float32) float64 {
	total := 0
	for _, a := range arrays {
		total += 4 * len(a)
	}
	return float64(total)
}

// normPoolPasses are those of a norm with a max pool after it, y and dy pooled.
func normPoolPasses(l model.Layer, s kernel.Norm, stats, sums, gamma, x, dx, y, dy []float32) []pass {
	p := kernel.NormPool{Norm: s, Kernel: l.Kernel, Stride: l.Stride, Pad: l.Pad, ReLU: l.ReLU}
	chosen := make([]float32, len(y))
	return []pass{
		{name: "stats", bytes: moved(x), run: func() { s.Stats(stats, x) }},
		{name: "apply", bytes: moved(x, y, y, y), run: func() {
			p.Choose(chosen, x, stats, gamma, gamma)
			p.Pooled().Apply(y, chosen, stats, gamma, gamma, nil, l.ReLU)
		}},
		{name: "sums", bytes: moved(chosen, dy), run: func() { p.Pooled().Sums(sums, chosen, stats, gamma, gamma, dy, l.ReLU) }},
		{name: "data", bytes: moved(dx, x, dy), run: func() { p.Data(dx, x, stats, gamma, gamma, sums, dy) }},
	}
}

func convPasses(l model.Layer, n int, first bool, x, dx, y, dy []float32) ([]pass, error) {
	s, _ := l.Conv(n)
	c, err := kernel.NewConv(s)
	if err != nil {
		return nil, err
	}
	w := random(s.Co * s.Ci * s.Kernel[0] * s.Kernel[1])
	dw := make([]float32, len(w))
	packed := make([]float32, max(c.PackedForward(), c.PackedData()))
	scratch := make([]float32, max(c.ScratchForward(), c.ScratchData(), c.ScratchWeights()))
	flops := float64(n) * float64(l.FLOPs())
	bytes := 4 * float64(len(x)+len(y)+len(w))
	passes := []pass{
		{"forward", true, flops, bytes, func() {
			c.PackForward(packed, w)
			c.Forward(y, x, packed, scratch)
		}},
		{"data", true, flops, bytes, func() {
			c.PackData(packed, w)
			c.BackwardData(dx, dy, packed, scratch)
		}},
		{"weights", true, flops, bytes, func() { c.BackwardWeights(dw, x, dy, scratch) }},
	}
	if first {
		passes = append(passes[:1], passes[2])
	}
	return passes, nil
}

// projection is SimCLR's number of dimensions.
const projection = 128

// similarities is the product of the projections of n rows with themselves.
func similarities(n int) pass {
	z, s := random(n*projection), make([]float32, n*n)
	scratch := make([]float32, kernel.MatMulScratch(n, n, projection))
	return pass{name: "forward", flops: 2 * float64(n) * float64(n) * projection, bytes: 4 * float64(2*len(z)+len(s)),
		run: func() { kernel.MatMul(s, z, z, n, n, projection, false, true, false, scratch) }}
}
