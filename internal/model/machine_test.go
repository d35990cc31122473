package model

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"

	"clr/internal/exec/exectest"
	"clr/internal/kernel"
)

func draw(n int) []float32 {
	r := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

var tiny = ResNet{Depth: 10, Width: 4, Stem: "small", Pool: "mean"}

// Our graphs are ordinary Gorgonia graphs: its own tape machine computes the
// same bytes.
func TestGraphsRunOnTheTapeMachine(t *testing.T) {
	for _, e := range []ResNet{tiny, {Depth: 18, Width: 2, Stem: "imagenet", Pool: "time_mean_max"}, {Depth: 50, Width: 2, Stem: "small", Pool: "max"}} {
		p := NewParams(1)
		s := newBench(t, NewBuilder(Training).Groups(2), p, e, 6, 16, 12)
		s.machine.Set(s.x, draw(6*16*12))
		s.machine.Set(s.dy, draw(6*e.Dim(Input{1, 16, 12})))
		exectest.SameOnTape(t, s.machine.Graph(), append(append(G.Nodes{}, s.machine.grads...), s.loss, s.h)...)
	}
}

// With groups the running statistics move by the mean over groups of what each
// group alone would move them.
func TestGroupedStatistics(t *testing.T) {
	const n, d = 12, 5
	x := draw(n * d)
	after := func(groups int, x []float32) map[string]kernel.Array {
		rows := len(x) / d
		p, b := NewParams(1), NewBuilder(Training).Groups(groups)
		in := b.Input("x", rows, d)
		y := b.Rows(b.BatchNorm(p, "bn", b.Lanes(in), Norm{}))
		m, err := b.Compile(y)
		if err != nil {
			t.Fatal(err)
		}
		m.Set(in, x)
		if err := m.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		m.UpdateStats()
		s := state(p, "")
		s["y"] = m.Value(y)
		return s
	}
	got := after(3, x)
	want := clone(got)
	for _, name := range []string{"bn.running_mean", "bn.running_var", "y"} {
		clear(want[name].Data)
	}
	for g := range 3 {
		alone := after(1, x[g*4*d:(g+1)*4*d])
		copy(want["y"].Data[g*4*d:], alone["y"].Data)
		for _, name := range []string{"bn.running_mean", "bn.running_var"} {
			for i, v := range alone[name].Data {
				want[name].Data[i] += v / 3
			}
		}
	}
	for name, w := range want {
		for i, v := range w.Data {
			if math.Abs(float64(got[name].Data[i]-v)) > 1e-6 {
				t.Errorf("%s[%d] is %g, want %g", name, i, got[name].Data[i], v)
			}
		}
	}
}

// The same bytes whatever the number of threads, and again.
func TestSameBytes(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	var want [][]float32
	for _, threads := range []int{1, 2, 3, 1} {
		runtime.GOMAXPROCS(threads)
		p := NewParams(1)
		s := newBench(t, NewBuilder(Training), p, tiny, 20, 24, 17)
		s.run(t, draw(20*24*17), draw(20*tiny.Dim(Input{1, 24, 17})))
		s.machine.UpdateStats()
		got := [][]float32{s.machine.Value(s.h).Data}
		for _, w := range p.All() {
			got = append(got, w.Grad.Data)
		}
		for _, b := range p.Buffers() {
			got = append(got, b.Value.Data)
		}
		if want == nil {
			want = got
		}
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Fatalf("array %d differs with %d threads", i, threads)
			}
		}
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	p := NewParams(1)
	s := newBench(t, NewBuilder(Training), p, tiny, 4, 16, 16)
	x, dy := draw(4*16*16), draw(4*tiny.Dim(Input{1, 16, 16}))
	ctx := context.Background()
	if n := testing.AllocsPerRun(5, func() {
		s.machine.Set(s.x, x)
		s.machine.Set(s.dy, dy)
		if err := s.machine.Run(ctx); err != nil {
			t.Fatal(err)
		}
		s.machine.UpdateStats()
	}); n > 0 {
		t.Errorf("a step allocates %g times", n)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.machine.Run(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run gives %v", err)
	}
}

// An embedding depends on nothing but its spectrogram and the weights as they
// are, but for rounding: a small batch has another layout.
func TestEmbedder(t *testing.T) {
	const n, bins, frames = 18, 16, 9
	p := NewParams(1)
	d, err := NewEmbedder(tiny, p, "encoder", n, Input{1, bins, frames}, false)
	if err != nil {
		t.Fatal(err)
	}
	x, size, ctx := draw(n*bins*frames), bins*frames, context.Background()
	all := make([]float32, n*d.Dim())
	if err := d.Embed(ctx, all, x); err != nil {
		t.Fatal(err)
	}
	for _, rows := range [][2]int{{0, 1}, {5, 17}, {17, 18}, {3, 3}} {
		h := make([]float32, (rows[1]-rows[0])*d.Dim())
		if err := d.Embed(ctx, h, x[rows[0]*size:rows[1]*size]); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(h, all[rows[0]*d.Dim():rows[1]*d.Dim()]) {
			t.Errorf("rows %v embed otherwise alone", rows)
		}
	}
	single, err := NewEmbedder(tiny, p, "encoder", 1, Input{1, bins, frames}, false)
	if err != nil {
		t.Fatal(err)
	}
	h := make([]float32, d.Dim())
	if err := single.Embed(ctx, h, x[4*size:5*size]); err != nil {
		t.Fatal(err)
	}
	nearlyEqual(t, "a row in a batch of one", h, all[4*d.Dim():5*d.Dim()])
	for _, w := range p.All() {
		for i := range w.Value.Data {
			w.Value.Data[i] *= 1.5
		}
	}
	moved := make([]float32, n*d.Dim())
	for _, renewed := range []bool{false, true} {
		if renewed {
			d.Renew()
		}
		if err := d.Embed(ctx, moved, x); err != nil {
			t.Fatal(err)
		}
		if slices.Equal(moved, all) == renewed {
			t.Errorf("renewed %v, but the embedder sees the weights move: %v", renewed, !renewed)
		}
	}
	for _, bad := range [][2]int{{n + 1, n + 1}, {2, 1}, {1, 2}} {
		if d.Embed(ctx, make([]float32, bad[1]*d.Dim()), make([]float32, bad[0]*size)) == nil {
			t.Errorf("%d spectrograms into %d rows is taken", bad[0], bad[1])
		}
	}
	if d.Embed(ctx, make([]float32, d.Dim()), make([]float32, size-1)) == nil {
		t.Error("a part of a spectrogram is taken")
	}
}

// Graphs of several batch sizes and modes share the weights.
func TestGraphsShareParams(t *testing.T) {
	p := NewParams(1)
	big := newBench(t, NewBuilder(Training), p, tiny, 8, 16, 8)
	weights := len(p.All())
	small := newBench(t, NewBuilder(Training), p, tiny, 3, 16, 8)
	if len(p.All()) != weights {
		t.Errorf("%d weights became %d", weights, len(p.All()))
	}
	d := tiny.Dim(Input{1, 16, 8})
	big.run(t, draw(8*16*8), draw(8*d))
	first := slices.Clone(p.All()[0].Grad.Data)
	small.run(t, draw(3*16*8), draw(3*d))
	if slices.Equal(first, p.All()[0].Grad.Data) {
		t.Error("the gradient is still the big batch's")
	}
	big.run(t, draw(8*16*8), draw(8*d))
	if !slices.Equal(first, p.All()[0].Grad.Data) {
		t.Error("the gradient is not the big batch's again")
	}
}
