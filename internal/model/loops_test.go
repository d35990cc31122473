package model

import (
	"context"
	"fmt"
	"math"
	"testing"

	"clr/internal/kernel"
)

// A loopMap is feature maps (N, C, H, W) in float64.
type loopMap struct {
	n, c, h, w int
	x          []float64
}

func newLoopMap(n, c, h, w int) loopMap { return loopMap{n, c, h, w, make([]float64, n*c*h*w)} }

func (m loopMap) at(n, c, h, w int) *float64 { return &m.x[((n*m.c+c)*m.h+h)*m.w+w] }

// each is f of every value.
func (m loopMap) each(f func(float64) float64) loopMap {
	y := newLoopMap(m.n, m.c, m.h, m.w)
	for i, v := range m.x {
		y.x[i] = f(v)
	}
	return y
}

// loops are layers in the plainest loops over a network's state.
type loops struct {
	state    map[string]wideArray
	training bool // norms by the batch's statistics
}

type wideArray struct {
	Shape []int
	Data  []float64
}

func widened(s map[string]kernel.Array) map[string]wideArray {
	w := map[string]wideArray{}
	for name, a := range s {
		w[name] = wideArray{a.Shape, make([]float64, len(a.Data))}
		for i, v := range a.Data {
			w[name].Data[i] = float64(v)
		}
	}
	return w
}

func (l loops) conv(x loopMap, name string, w Window) loopMap {
	weight := l.state[name+".weight"]
	kh, kw := w.Kernel[0], w.Kernel[1]
	y := newLoopMap(x.n, weight.Shape[0], (x.h+2*w.Pad[0]-kh)/w.Stride[0]+1, (x.w+2*w.Pad[1]-kw)/w.Stride[1]+1)
	bias, biased := l.state[name+".bias"]
	for n := range y.n {
		for co := range y.c {
			for i := range y.h {
				for j := range y.w {
					sum := 0.0
					if biased {
						sum = bias.Data[co]
					}
					for ci := range x.c {
						for a := range kh {
							for b := range kw {
								h, v := i*w.Stride[0]-w.Pad[0]+a, j*w.Stride[1]-w.Pad[1]+b
								if h >= 0 && h < x.h && v >= 0 && v < x.w {
									sum += *x.at(n, ci, h, v) * weight.Data[((co*x.c+ci)*kh+a)*kw+b]
								}
							}
						}
					}
					*y.at(n, co, i, j) = sum
				}
			}
		}
	}
	return y
}

func (l loops) norm(x loopMap, name string) loopMap {
	y := newLoopMap(x.n, x.c, x.h, x.w)
	for c := range x.c {
		mean, variance := 0.0, 0.0
		if !l.training {
			mean, variance = l.state[name+".running_mean"].Data[c], l.state[name+".running_var"].Data[c]
		}
		count := float64(x.n * x.h * x.w)
		over := func(f func(v, to *float64)) {
			for n := range x.n {
				for p := range x.h * x.w {
					f(x.at(n, c, p/x.w, p%x.w), y.at(n, c, p/x.w, p%x.w))
				}
			}
		}
		if l.training {
			over(func(v, _ *float64) { mean += *v / count })
			over(func(v, _ *float64) { variance += (*v - mean) * (*v - mean) / count })
		}
		gamma, beta := 1.0, 0.0
		if _, weighs := l.state[name+".weight"]; weighs {
			gamma, beta = l.state[name+".weight"].Data[c], l.state[name+".bias"].Data[c]
		}
		over(func(v, to *float64) { *to = (*v-mean)/math.Sqrt(variance+1e-5)*gamma + beta })
	}
	return y
}

// pool reduces windows of size and stride.
func (loops) pool(x loopMap, w Window, largest bool) loopMap {
	y := newLoopMap(x.n, x.c, (x.h+2*w.Pad[0]-w.Kernel[0])/w.Stride[0]+1, (x.w+2*w.Pad[1]-w.Kernel[1])/w.Stride[1]+1)
	for n := range y.n {
		for c := range y.c {
			for i := range y.h {
				for j := range y.w {
					most, sum := math.Inf(-1), 0.0
					for a := range w.Kernel[0] {
						for b := range w.Kernel[1] {
							h, v := i*w.Stride[0]-w.Pad[0]+a, j*w.Stride[1]-w.Pad[1]+b
							if h >= 0 && h < x.h && v >= 0 && v < x.w {
								most = max(most, *x.at(n, c, h, v))
								sum += *x.at(n, c, h, v)
							}
						}
					}
					*y.at(n, c, i, j) = most
					if !largest {
						*y.at(n, c, i, j) = sum / float64(w.Kernel[0]*w.Kernel[1])
					}
				}
			}
		}
	}
	return y
}

// linear maps rows (N, D, 1, 1), or the channels of each pixel.
func (l loops) linear(x loopMap, name string) loopMap {
	return l.conv(x, name, Square(1, 1, 0))
}

func relu(x float64) float64 { return max(x, 0) }

// rows are the values as rows.
func (m loopMap) rows() loopMap { return loopMap{m.n, m.c * m.h * m.w, 1, 1, m.x} }

func (m loopMap) plus(o loopMap) loopMap {
	y := newLoopMap(m.n, m.c, m.h, m.w)
	for i := range y.x {
		y.x[i] = m.x[i] + o.x[i]
	}
	return y
}

// overTime is the largest value, or the mean, of each row.
func (l loops) overTime(x loopMap, largest bool) loopMap {
	return l.pool(x, Window{Kernel: [2]int{1, x.w}, Stride: [2]int{1, 1}}, largest).rows()
}

// beside are rows side by side.
func beside(a, b loopMap) loopMap {
	y := newLoopMap(a.n, a.c+b.c, 1, 1)
	for n := range a.n {
		copy(y.x[n*y.c:], a.x[n*a.c:(n+1)*a.c])
		copy(y.x[n*y.c+a.c:], b.x[n*b.c:(n+1)*b.c])
	}
	return y
}

// encoderLoops are encoders of every kind, small, and what they are by their papers.
var encoderLoops = []struct {
	e     Encoder
	in    Input
	loops func(l loops, x loopMap) loopMap
}{
	{ResNet1D{Depth: 10, Width: 3, Stem: "wave", Pool: "mean_max"}, Input{2, 1, 333}, func(l loops, x loopMap) loopMap {
		return resnet1dLoops(l, x, Span(80, 4, 38), Span(4, 4, 0))
	}},
	{ResNet1D{Depth: 10, Width: 2, Stem: "imagenet", Pool: "mean_max"}, Input{1, 3, 47}, func(l loops, x loopMap) loopMap {
		return resnet1dLoops(l, loopMap{x.n, 3, 1, 47, x.x}, Span(7, 2, 3), Span(3, 2, 1))
	}},
	{SampleCNN{Width: 3}, Input{1, 1, 500}, sampleCNNLoops},
	{SampleCNN{Width: 2, Blocks: 3}, Input{1, 1, 200}, sampleCNNLoops},
	{AudioNTT2020{Width: 5, Out: 7, InputNorm: true}, Input{2, 25, 33}, func(l loops, x loopMap) loopMap {
		x = l.norm(x, "e.input_norm")
		for i := range 3 {
			name := fmt.Sprintf("e.features.%d", 4*i)
			x = l.norm(l.conv(x, name, Square(3, 1, 1)), fmt.Sprintf("e.features.%d", 4*i+1)).each(relu)
			x = l.pool(x, Square(2, 2, 0), true)
		}
		frames := newLoopMap(x.n, x.h*x.c, 1, x.w) // (N, D, 1, T), D being bins, then channels
		for n := range x.n {
			for c := range x.c {
				for h := range x.h {
					for w := range x.w {
						*frames.at(n, h*x.c+c, 0, w) = *x.at(n, c, h, w)
					}
				}
			}
		}
		x = l.linear(l.linear(frames, "e.fc.0").each(relu), "e.fc.3").each(relu)
		return l.overTime(x, true).plus(l.overTime(x, false))
	}},
	{CNN{Layers: []CNNLayer{
		{Channels: 5, Kernel: [2]int{3, 5}, Stride: [2]int{1, 2}, Norm: true, Activation: "gelu", Pool: "avg", PoolSize: [2]int{2, 1}},
		{Channels: 6, Kernel: [2]int{2, 3}, Stride: [2]int{2, 1}, Activation: "tanh", Pool: "max", PoolSize: [2]int{1, 2}},
		{Channels: 4, Kernel: [2]int{1, 3}, Stride: [2]int{1, 1}, Norm: true, Activation: "relu", Pool: "max", PoolSize: [2]int{2, 2}},
		{Channels: 3, Kernel: [2]int{1, 1}, Stride: [2]int{1, 1}, Norm: true, Activation: "relu", Pool: "none", PoolSize: [2]int{1, 1}},
	}, Pool: "flatten", Hidden: []int{8, 5}, Activation: "sigmoid"}, Input{2, 12, 30}, func(l loops, x loopMap) loopMap {
		x = l.norm(l.conv(x, "e.layers.0.conv", Window{[2]int{3, 5}, [2]int{1, 2}, [2]int{1, 2}}), "e.layers.0.norm").each(gelu)
		x = l.pool(x, Window{Kernel: [2]int{2, 1}, Stride: [2]int{2, 1}}, false)
		x = l.conv(x, "e.layers.1.conv", Window{[2]int{2, 3}, [2]int{2, 1}, [2]int{1, 1}}).each(math.Tanh)
		x = l.pool(x, Window{Kernel: [2]int{1, 2}, Stride: [2]int{1, 2}}, true)
		x = l.norm(l.conv(x, "e.layers.2.conv", Window{[2]int{1, 3}, [2]int{1, 1}, [2]int{0, 1}}), "e.layers.2.norm").each(relu)
		x = l.pool(x, Square(2, 2, 0), true)
		x = l.norm(l.conv(x, "e.layers.3.conv", Square(1, 1, 0)), "e.layers.3.norm").each(relu)
		return l.linear(l.linear(x.rows(), "e.fc.0").each(logistic), "e.fc.2").each(logistic)
	}},
	{CNN{Layers: []CNNLayer{{Channels: 5, Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Activation: "linear", Pool: "none", PoolSize: [2]int{1, 1}}}, Pool: "time_mean", Activation: "relu"},
		Input{1, 4, 9}, func(l loops, x loopMap) loopMap {
			return l.overTime(l.conv(x, "e.layers.0.conv", Square(3, 1, 1)), false)
		}},
	{Dense{Hidden: []int{9, 8}, Out: 6, Activation: "gelu", Output: "softmax"}, Input{2, 3, 5}, func(l loops, x loopMap) loopMap {
		y := l.linear(l.linear(l.linear(x.rows(), "e.0").each(gelu), "e.2").each(gelu), "e.4").each(math.Exp)
		for r := 0; r < len(y.x); r += y.c {
			sum := 0.0
			for _, v := range y.x[r : r+y.c] {
				sum += v
			}
			for i := range y.c {
				y.x[r+i] /= sum
			}
		}
		return y
	}},
	{Dense{Hidden: []int{4}, Out: 3, Activation: "linear", Output: "sigmoid"}, Input{1, 3, 5}, func(l loops, x loopMap) loopMap {
		return l.linear(l.linear(x.rows(), "e.0"), "e.2").each(logistic)
	}},
}

func gelu(x float64) float64     { return x * math.Erfc(-x/math.Sqrt2) / 2 }
func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func resnet1dLoops(l loops, x loopMap, stem, pool Window) loopMap {
	x = l.pool(l.norm(l.conv(x, "e.conv1", stem), "e.bn1").each(relu), pool, true)
	for s := range 4 {
		name, stride := fmt.Sprintf("e.layer%d.0", s+1), 1
		shortcut := x
		if s > 0 {
			stride = 2
			shortcut = l.norm(l.conv(x, name+".downsample.0", Span(1, 2, 0)), name+".downsample.1")
		}
		y := l.norm(l.conv(x, name+".conv1", Span(3, stride, 1)), name+".bn1").each(relu)
		x = l.norm(l.conv(y, name+".conv2", Span(3, 1, 1)), name+".bn2").plus(shortcut).each(relu)
	}
	return beside(l.overTime(x, false), l.overTime(x, true))
}

func sampleCNNLoops(l loops, x loopMap) loopMap {
	at := func(i int) string { return fmt.Sprintf("e.sequential.%d", i) }
	x = l.norm(l.conv(x, at(0)+".0", Span(3, 3, 0)), at(0)+".1").each(relu)
	i := 1
	for ; l.state[at(i+1)+".0.weight"].Data != nil; i++ {
		x = l.pool(l.norm(l.conv(x, at(i)+".0", Span(3, 1, 1)), at(i)+".1").each(relu), Span(3, 3, 0), true)
	}
	x = l.norm(l.conv(x, at(i)+".0", Span(3, 1, 1)), at(i)+".1").each(relu)
	return l.overTime(x, false)
}

// Every encoder is its paper's loops, in training and in both layouts of
// inference, and its embeddings have the size that Dim says.
func TestEncodersAreTheirLoops(t *testing.T) {
	for _, c := range encoderLoops {
		if err := c.e.Check(); err != nil {
			t.Errorf("%+v: %v", c.e, err)
		}
		p := NewParams(3)
		count, err := countOf(c.e, c.in)
		if err != nil {
			t.Fatalf("%+v: %v", c.e, err)
		}
		if _, err := NewEmbedder(c.e, p, "e", 1, c.in, false); err != nil { // names the weights
			t.Fatalf("%+v: %v", c.e, err)
		}
		unsettle(p)
		layers, err := Layers(c.e, c.in)
		if err != nil {
			t.Fatal(err)
		}
		listed := 0
		for _, l := range layers {
			listed += l.Weights
		}
		if p.Count() != count || listed != count {
			t.Errorf("%+v has %d weights, Count says %d, its layers %d", c.e, p.Count(), count, listed)
		}
		state := widened(state(p, ""))
		for _, n := range []int{1, 5, few + 7} {
			x := draw(n * c.in.Values())
			wide := newLoopMap(n, c.in.Channels, c.in.Bins, c.in.Frames)
			for i, v := range x {
				wide.x[i] = float64(v)
			}
			d, err := NewEmbedder(c.e, p, "e", n, c.in, true)
			if err != nil {
				t.Fatalf("%+v: %v", c.e, err)
			}
			if d.Dim() != c.e.Dim(c.in) {
				t.Errorf("%+v gives %d values, Dim says %d", c.e, d.Dim(), c.e.Dim(c.in))
			}
			h := make([]float32, n*d.Dim())
			if err := d.Embed(context.Background(), h, x); err != nil {
				t.Fatal(err)
			}
			closeTo(t, fmt.Sprintf("%+v of %d", c.e, n), h, c.loops(loops{state, false}, wide).x)
			if n == 1 {
				continue
			}
			got, _ := train(t, c.e, p, n, c.in, x)
			closeTo(t, fmt.Sprintf("%+v of %d in training", c.e, n), got, c.loops(loops{state, true}, wide).x)
		}
	}
}

func closeTo(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	top := 0.0
	for _, v := range want {
		top = max(top, math.Abs(v))
	}
	if len(got) != len(want) || top == 0 {
		t.Fatalf("%s: %d values, want %d, the largest %g", what, len(got), len(want), top)
	}
	for i, v := range want {
		if !(math.Abs(float64(got[i])-v) <= 1e-5*top) {
			t.Fatalf("%s: value %d is %g, want %g (of %g)", what, i, got[i], v, top)
		}
	}
}
