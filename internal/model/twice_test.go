package model

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	G "gorgonia.org/gorgonia"

	"clr/internal/op"
)

// lengths is a network that sees views of some lengths, the loss being the sum of
// products with constants over all their embeddings.
func lengths(t *testing.T, p *Params, frames ...int) func() float64 {
	t.Helper()
	b := NewBuilder(Training)
	var loss *G.Node
	var inputs []*G.Node
	var data [][]float32
	for _, f := range frames {
		n := 2 * f / 4
		x, dy := b.Input(fmt.Sprint("x", f), n, 1, 16, f), b.Input(fmt.Sprint("dy", f), n, 5)
		h := MLP{Out: 5}.Build(b, p, "head", tiny.Build(b, p, "encoder", x))
		term := b.Try(op.LossOf(b.Try(op.Apply(weighted{}, h, dy))))
		if loss == nil {
			loss = term
		} else {
			loss = b.Try(op.Add(loss, term))
		}
		inputs, data = append(inputs, x, dy), append(data, draw(n*16*f), draw(n*5))
	}
	m, err := b.CompileGrad(loss)
	if err != nil {
		t.Fatal(err)
	}
	return func() float64 {
		for i, x := range inputs {
			m.Set(x, data[i])
		}
		if err := m.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		v := float64(m.Value(loss).Data[0])
		m.UpdateStats()
		return v
	}
}

// An encoder that is laid over views of two lengths has one set of weights: its
// gradient is the sum of the two alone, the slope of their sum, and each forward pass
// counts in the running statistics, as in PyTorch.
func TestLayersLaidTwice(t *testing.T) {
	p, q := NewParams(1), NewParams(1)
	both := lengths(t, p, 12, 8)
	loss := both()
	grads := map[string][]float32{}
	for _, w := range p.All() {
		grads[w.Name] = slices.Clone(w.Grad.Data)
	}
	sum := map[string][]float64{}
	alone := 0.0
	for _, frames := range []int{12, 8} {
		alone += lengths(t, q, frames)()
		for _, w := range q.All() {
			if sum[w.Name] == nil {
				sum[w.Name] = make([]float64, len(w.Grad.Data))
			}
			for i, v := range w.Grad.Data {
				sum[w.Name][i] += float64(v)
			}
		}
	}
	if len(p.All()) != len(q.All()) || math.Abs(loss-alone) > 1e-4 {
		t.Errorf("%d weights, loss %g; alone %d, %g", len(p.All()), loss, len(q.All()), alone)
	}
	for name, g := range grads {
		top := 0.0
		for _, v := range sum[name] {
			top = max(top, math.Abs(v))
		}
		for i, v := range g {
			if math.Abs(float64(v)-sum[name][i]) > 1e-4*(top+1e-2) {
				t.Fatalf("%s[%d] has gradient %g; the two alone %g", name, i, v, sum[name][i])
			}
		}
	}
	for _, b := range p.Buffers() {
		for i, v := range b.Value.Data {
			for _, c := range q.Buffers() {
				if c.Name == b.Name && math.Abs(float64(v-c.Value.Data[i])) > 1e-5 {
					t.Fatalf("%s[%d] is %g, after one view and the other %g", b.Name, i, v, c.Value.Data[i])
				}
			}
		}
	}

	// along each weight's gradient the loss has the slope |g|
	for _, w := range p.All() {
		g := grads[w.Name]
		norm := 0.0
		for _, v := range g {
			norm += float64(v) * float64(v)
		}
		if norm = math.Sqrt(norm); norm < 1e-2 {
			continue // a shift before a norm moves nothing
		}
		old := slices.Clone(w.Value.Data)
		const h = 1e-3
		at := func(h float64) float64 {
			for i, v := range g {
				w.Value.Data[i] = old[i] + float32(h*float64(v)/norm)
			}
			return both()
		}
		slope := (at(h) - at(-h)) / (2 * h)
		copy(w.Value.Data, old)
		if math.Abs(slope-norm) > 0.02*norm+0.02 {
			t.Errorf("%s: slope %g, gradient %g", w.Name, slope, norm)
		}
	}
}

// Who watches is told of each value which batch it is of, and nothing of lanes
// without an example.
func TestWatchTwoLengths(t *testing.T) {
	b, p := NewBuilder(Training), NewParams(1)
	x, crops := b.Input("x", 3, 1, 16, 12), b.Input("crops", 18, 1, 16, 8)
	h := b.Stack(tiny.Build(b, p, "encoder", x), tiny.Build(b, p, "encoder", crops)) // (21, D)
	y := MLP{Out: 5}.Build(b, p, "head", h)
	dy := b.Input("dy", 21, 5)
	m, err := b.CompileGrad(b.Try(op.LossOf(b.Try(op.Apply(weighted{}, y, dy)))))
	if err != nil {
		t.Fatal(err)
	}
	m.Set(x, draw(3*16*12))
	m.Set(crops, draw(18*16*8))
	m.Set(dy, draw(21*5))
	seen := map[int]int{}
	m.Watch(func(s Seen) {
		seen[s.Examples()]++
		if len(s.Value.Shape) == 5 && s.Examples() == 0 {
			t.Errorf("%s of %q, %v, is of no examples", s.Func, s.Layer, s.Value.Shape)
		}
		if e := s.Extent(); e.NotFinite > 0 {
			t.Errorf("%s of %q, %v: %+v", s.Func, s.Layer, s.Value.Shape, e)
		}
	})
	for range 2 { // in memory full of other values
		if err := m.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{3, 18, 21} {
		if seen[n] < 5 {
			t.Errorf("%d functions are of %d examples", seen[n], n)
		}
	}
}
