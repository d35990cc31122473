package model

import (
	"context"
	"maps"
	"math"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
	"clr/internal/op"
)

// train is the embeddings in training, and the machine, which leaves gradients of
// their sum weighted by draw.
func train(t *testing.T, e Encoder, p *Params, n int, in Input, x []float32) ([]float32, *Machine) {
	t.Helper()
	b := NewBuilder(Training).Exact(true)
	views, dy := b.Input("x", in.Shape(n)...), b.Input("dy", n, e.Dim(in))
	h := e.Build(b, p, "e", views)
	loss := b.lay("weighted", func() (*G.Node, error) {
		packed, err := op.Apply(weighted{}, h, dy)
		if err != nil {
			return nil, err
		}
		return op.LossOf(packed)
	})
	m, err := b.CompileGrad(loss, h)
	if err != nil {
		t.Fatalf("%+v: %v", e, err)
	}
	m.Set(views, x)
	m.Set(dy, draw(n*e.Dim(in)))
	m.SetStep(7)
	if err := m.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(m.Value(h).Data), m
}

// Every weight of every encoder has the gradient that differences show.
func TestEncodersLearn(t *testing.T) {
	for _, c := range encoderLoops {
		p := NewParams(3)
		const n = 4
		x := draw(n * c.in.Values())
		if _, err := NewEmbedder(c.e, p, "e", n, c.in, false); err != nil {
			t.Fatal(err)
		}
		unsettle(p)
		train(t, c.e, p, n, c.in, x)
		s := widened(state(p, ""))
		wide := newLoopMap(n, c.in.Channels, c.in.Bins, c.in.Frames)
		for i, v := range x {
			wide.x[i] = float64(v)
		}
		f := func() (sum float64) {
			dy := draw(n * c.e.Dim(c.in))
			for i, v := range c.loops(loops{s, true}, wide).x {
				sum += v * float64(dy[i])
			}
			return sum
		}
		for _, w := range p.All() {
			scale := 1e-3
			for _, v := range w.Grad.Data {
				scale = max(scale, math.Abs(float64(v)))
			}
			grad := slices.Clone(w.Grad.Data)
			for _, i := range slices.Compact([]int{0, len(grad) / 2, len(grad) - 1}) {
				const h = 1e-6
				at := &s[w.Name].Data[i]
				old := *at
				*at = old + h
				up := f()
				*at = old - h
				down := f()
				*at = old
				if want := (up - down) / (2 * h); math.Abs(want-float64(grad[i])) > 2e-4*scale {
					t.Errorf("%+v: gradient %d of %s is %g, differences say %g (of %g)", c.e, i, w.Name, grad[i], want, scale)
				}
			}
		}
	}
}

// A bias before a norm stays what it is, and only the running mean meets it.
func TestBiasBeforeNorm(t *testing.T) {
	const n, width = 3, 4
	means := map[float32][]float32{}
	for _, bias := range []float32{0, 2.5} {
		p := NewParams(1)
		e := SampleCNN{Width: width, Blocks: 1}
		in := Input{1, 1, 40}
		if _, err := NewEmbedder(e, p, "e", n, in, false); err != nil {
			t.Fatal(err)
		}
		s := state(p, "")
		for i := range s["e.sequential.0.0.bias"].Data {
			s["e.sequential.0.0.bias"].Data[i] = bias
		}
		for _, w := range p.All() {
			if w.Name == "e.sequential.0.0.bias" {
				t.Error("the bias is moved by the optimiser")
			}
		}
		_, m := train(t, e, p, n, in, draw(n*40))
		m.UpdateStats()
		means[bias] = slices.Clone(s["e.sequential.0.1.running_mean"].Data)
	}
	for c, v := range means[2.5] {
		if want := means[0][c] + 0.1*2.5; math.Abs(float64(v-want)) > 1e-6 {
			t.Errorf("running mean %d is %g, want %g", c, v, want)
		}
	}
}

// Dropout drops its share, the same in the same step and others in the next, on
// any number of threads, and nothing in inference.
func TestDropout(t *testing.T) {
	const n, d = 40, 500
	run := func(step int) []float32 {
		b := NewBuilder(Training)
		x := b.Input("x", n, d)
		y := b.Rows(b.Dropout(NewParams(5), "drop", b.Lanes(x), 0.3))
		m, err := b.Compile(y)
		if err != nil {
			t.Fatal(err)
		}
		ones := make([]float32, n*d)
		for i := range ones {
			ones[i] = 1
		}
		m.Set(x, ones)
		if err := m.Run(context.Background()); err == nil {
			t.Error("a run without its step passes")
		}
		m.SetStep(step)
		if err := m.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(m.Value(y).Data)
	}
	first := run(1)
	dropped := 0
	for _, v := range first {
		if v == 0 {
			dropped++
		} else if math.Abs(float64(v)-1/0.7) > 1e-6 {
			t.Fatalf("a value that stays is %g", v)
		}
	}
	if share := float64(dropped) / (n * d); math.Abs(share-0.3) > 0.012 { // four deviations
		t.Errorf("%.4f are dropped", share)
	}
	if !slices.Equal(first, run(1)) {
		t.Error("the same step drops others")
	}
	for _, step := range []int{2, 1 + 1<<24} {
		if slices.Equal(first, run(step)) {
			t.Errorf("step %d drops what step 1 drops", step)
		}
	}
	b := NewBuilder(Inference)
	if x := b.Lanes(b.Input("x", 2, 3)); b.Dropout(NewParams(1), "drop", x, 0.5) != x {
		t.Error("inference drops")
	}
}

// Views that are too small are refused with what to do.
func TestEncodersRefuse(t *testing.T) {
	for _, c := range []struct {
		e    Encoder
		in   Input
		want string
	}{
		{SampleCNN{Width: 2, Blocks: 9}, Input{1, 1, 16000}, "encoder samplecnn needs views of at least 59049 frames, these have 16000"},
		{SampleCNN{Width: 2}, Input{1, 1, 8}, "encoder samplecnn needs views of at least 9 frames, these have 8"},
		{ResNet1D{Depth: 10, Width: 2, Stem: "wave", Pool: "mean"}, Input{1, 1, 15}, "encoder resnet1d needs views of at least 16 frames, these have 15"},
		{AudioNTT2020{Width: 2, Out: 2}, Input{1, 7, 96}, "encoder audiontt2020 needs views of at least 8 bins, these have 7"},
		{AudioNTT2020{Width: 2, Out: 2}, Input{1, 64, 7}, "encoder audiontt2020 needs views of at least 8 frames, these have 7"},
		{Encoders["cnn"], Input{1, 64, 7}, "encoder.layers.2 makes nothing of maps of 16 × 1: its stride is [1 1] and its pool [2 2]"},
	} {
		_, err := Layers(c.e, c.in)
		if err == nil || err.Error() != c.want || fault.KindOf(err) != fault.Usage {
			t.Errorf("%+v of %v: %v, want %s", c.e, c.in, err, c.want)
		}
	}
	for want, e := range map[string]Encoder{
		"resnet1d depth is 50, must be 10, 18 or 34":                                       ResNet1D{Depth: 50, Width: 4, Stem: "wave", Pool: "mean"},
		`resnet1d pool is "time_mean", must be mean, max or mean_max`:                      ResNet1D{Depth: 18, Width: 4, Stem: "wave", Pool: "time_mean"},
		"samplecnn blocks is -1, must be 0 to 18":                                          SampleCNN{Width: 4, Blocks: -1},
		"audiontt2020 dropout is 1, must be 0 or more and less than 1":                     AudioNTT2020{Width: 4, Out: 4, Dropout: 1},
		"audiontt2020 dropout is NaN, must be 0 or more and less than 1":                   AudioNTT2020{Width: 4, Out: 4, Dropout: math.NaN()},
		"cnn has 0 layers, must have 1 to 1024":                                            CNN{},
		`cnn layer 1: pool is "", must be max, avg or none`:                                CNN{Layers: []CNNLayer{{Channels: 1}}},
		"cnn layer 1: kernel is [0 3], must be 1 to 4096 each":                             CNN{Layers: []CNNLayer{{Channels: 1, Pool: "max", Kernel: [2]int{0, 3}}}},
		`mlp output is "max", must be one of linear, sigmoid, tanh, relu, gelu or softmax`: Dense{Out: 1, Activation: "relu", Output: "max"},
		`mlp activation is "softmax", must be one of linear, sigmoid, tanh, relu, gelu`:    Dense{Out: 1, Activation: "softmax"},
		"mlp: hidden layer 2 has size 0, must be 1 to 65536":                               Dense{Hidden: []int{1, 0}, Out: 1},
	} {
		if err := e.Check(); err == nil || err.Error() != want || fault.KindOf(err) != fault.Usage {
			t.Errorf("%+v: %v, want %s", e, err, want)
		}
	}
}

// The papers' sizes: CLMR's SampleCNN makes one frame of 59,049 samples, and
// BYOL-A's encoder has the layers of its section IV.
func TestPapersSizes(t *testing.T) {
	layers, err := Layers(Encoders["samplecnn"], Input{1, 1, 59049})
	if err != nil {
		t.Fatal(err)
	}
	last := layers[len(layers)-1]
	if last.In != [3]int{512, 1, 1} || len(layers) != 2*11+1 {
		t.Errorf("SampleCNN ends with %v after %d layers", last.In, len(layers))
	}
	if layers, err = Layers(Encoders["audiontt2020"], Input{1, 64, 96}); err != nil {
		t.Fatal(err)
	}
	shapes := map[string]Layer{}
	for _, l := range layers {
		shapes[l.Name] = l
	}
	if l := shapes["encoder.fc.0"]; l.In != [3]int{512, 1, 12} || l.Out != [3]int{2048, 1, 12} || l.FLOPs() != 2*512*2048*12 {
		t.Errorf("fc.0 is %+v", l)
	}
	p := DraftParams()
	b := NewBuilder(Training)
	Encoders["audiontt2020"].Build(b, p, "e", b.Input("x", 2, 1, 64, 96))
	names := slices.Sorted(maps.Keys(state(p, "")))
	for _, want := range []string{"e.features.0.weight", "e.features.0.bias", "e.features.9.running_var", "e.fc.0.weight", "e.fc.3.bias"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s among %v", want, names)
		}
	}
}
