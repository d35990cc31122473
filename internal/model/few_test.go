package model

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"

	"clr/internal/kernel"
)

// nearlyEqual compares two layouts' results: they round differently.
func nearlyEqual(t *testing.T, what string, got, want []float32) {
	t.Helper()
	top := 0.0
	for _, v := range want {
		top = max(top, math.Abs(float64(v)))
	}
	for i, v := range want {
		if !(math.Abs(float64(got[i]-v)) <= 1e-5*top) {
			t.Fatalf("%s: value %d is %g, want %g (of %g)", what, i, got[i], v, top)
		}
	}
}

// unsettle gives weights and statistics values that no layer can ignore.
func unsettle(p *Params) {
	for i, w := range p.All() {
		for k := range w.Value.Data {
			w.Value.Data[k] += 0.01 * float32((i+7*k)%11-5)
		}
	}
	for i, b := range p.Buffers() {
		for k := range b.Value.Data {
			b.Value.Data[k] += 0.03 * float32((3*i+k)%7)
		}
	}
}

// Few examples, in pixels, embed as many do in lanes but for rounding, on any
// number of threads, and nothing is allocated.
func TestFewExamples(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	ctx := context.Background()
	const bins, frames = 40, 33
	for _, e := range []ResNet{tiny, {Depth: 18, Width: 6, Stem: "imagenet", Pool: "time_mean_max"}, {Depth: 50, Width: 8, Stem: "imagenet", Pool: "max"}} {
		p := NewParams(1)
		embed := func(n int, x []float32) []float32 {
			d, err := NewEmbedder(e, p, "encoder", n, Input{1, bins, frames}, false)
			if err != nil {
				t.Fatal(err)
			}
			h := make([]float32, len(x)/(bins*frames)*d.Dim())
			var first []float32
			for _, threads := range []int{1, 2, 3} {
				runtime.GOMAXPROCS(threads)
				if err := d.Embed(ctx, h, x); err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = slices.Clone(h)
				}
				if !slices.Equal(h, first) {
					t.Fatalf("%+v: a batch of %d differs with %d threads", e, n, threads)
				}
			}
			if a := testing.AllocsPerRun(3, func() { _ = d.Embed(ctx, h, x) }); a > 0 {
				t.Errorf("%+v: a batch of %d allocates %g times", e, n, a)
			}
			return h
		}
		if _, err := NewEmbedder(e, p, "encoder", 1, Input{1, bins, frames}, false); err != nil { // names the weights
			t.Fatal(err)
		}
		unsettle(p)
		x := draw((few + 1) * bins * frames)
		want := embed(few+1, x)
		dim := len(want) / (few + 1)
		for _, n := range []int{1, 3, few} {
			nearlyEqual(t, fmt.Sprintf("%+v, batch of %d", e, n), embed(n, x[:n*bins*frames]), want[:n*dim])
		}
	}
}

// Layers that know no pixels take them all the same.
func TestLayersOverFewExamples(t *testing.T) {
	for name, build := range map[string]func(b *Builder, p *Params, x *G.Node) *G.Node{
		"norm and residual": func(b *Builder, p *Params, x *G.Node) *G.Node {
			r := b.Conv(p, "first", x, 17, square(3, 1, 1))
			y := b.BatchNorm(p, "norm", b.Conv(p, "second", r, 17, square(3, 1, 1)), Norm{Residual: r, ReLU: true})
			return b.GlobalMean(y, true)
		},
		"lanes beside pixels": func(b *Builder, p *Params, x *G.Node) *G.Node {
			r := b.BatchNorm(p, "norm", b.Conv(p, "first", x, 5, square(1, 2, 0)), Norm{})
			y := b.ConvNorm(p, "second", "norm2", x, 5, square(1, 2, 0), Norm{Residual: r})
			return b.GlobalMax(b.ConvNorm(p, "third", "norm3", r, 5, square(3, 1, 1), Norm{Residual: y}), false)
		},
		"linear": func(b *Builder, p *Params, x *G.Node) *G.Node {
			return b.Rows(b.Linear(p, "fc", b.Conv(p, "conv", x, 9, square(5, 1, 0)), 4, true, true))
		},
	} {
		p := NewParams(1)
		run := func(n int) kernel.Array {
			b := NewBuilder(Inference)
			x := b.Input("x", n, 3, 5, 5)
			y := build(b, p, b.Lanes(x))
			m, err := b.Compile(y)
			if err != nil {
				t.Fatalf("%s, %d examples: %v", name, n, err)
			}
			unsettle(p)
			m.Set(x, draw(n*3*5*5))
			if err := m.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			return m.Value(y)
		}
		p = NewParams(1)
		want := run(few + 1)
		p = NewParams(1)
		got := run(2)
		nearlyEqual(t, name, got.Data, want.Data[:len(got.Data)])
	}
}
