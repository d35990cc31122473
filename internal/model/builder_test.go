package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
)

// Mistakes become errors that name the layer; the first one sticks.
func TestBuilderErrors(t *testing.T) {
	for _, c := range []struct {
		name, want string
		build      func(b *Builder, p *Params) *G.Node
	}{
		{"inputs of one name", `layer x: `, func(b *Builder, p *Params) *G.Node {
			b.Input("x", 2, 3)
			return b.Input("x", 2, 3)
		}},
		{"another shape", "layer fc: weight fc.weight is [5 3], this layer needs [4 3]", func(b *Builder, p *Params) *G.Node {
			other := NewBuilder(Training)
			other.Linear(p, "fc", other.Lanes(other.Input("x", 2, 3)), 5, true, false)
			return b.Linear(p, "fc", b.Lanes(b.Input("x", 2, 3)), 4, true, false)
		}},
		{"rows for a feature map", "layer conv: ", func(b *Builder, p *Params) *G.Node {
			return b.Conv(p, "conv", b.Input("x", 2, 3), 3, square(3, 1, 1))
		}},
		{"too small for the kernel", "layer conv: ", func(b *Builder, p *Params) *G.Node {
			return b.Conv(p, "conv", b.Lanes(b.Input("x", 2, 1, 2, 2)), 3, square(5, 1, 0))
		}},
		{"one value a channel", "layer bn: batch normalisation over a single value of a channel: 2 row(s) in 2 group(s)",
			func(b *Builder, p *Params) *G.Node {
				return b.Groups(2).BatchNorm(p, "bn", b.Lanes(b.Input("x", 2, 3)), Norm{})
			}},
		{"unequal groups", "layer bn: ", func(b *Builder, p *Params) *G.Node {
			return b.Groups(2).BatchNorm(p, "bn", b.Lanes(b.Input("x", 5, 3)), Norm{})
		}},
		{"no groups", "layer groups: 0 groups of rows", func(b *Builder, p *Params) *G.Node { return b.Groups(0).Input("x", 1) }},
		{"a nil node", "layer lanes: ", func(b *Builder, p *Params) *G.Node { return b.Lanes(nil) }},
		{"the first sticks", "layer a: ", func(b *Builder, p *Params) *G.Node {
			b.Input("a", 0)
			return b.Normalize(b.Concat(b.Input("b", 1, 2), b.Input("c", 3, 4)))
		}},
	} {
		b := NewBuilder(Training)
		y := c.build(b, NewParams(1))
		if y != nil {
			t.Errorf("%s: a node in spite of the mistake", c.name)
		}
		m, err := b.Compile(y)
		if m != nil || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s...", c.name, err, c.want)
		}
	}
}

// One loss, one compilation a graph.
func TestBuilderCompilesOnce(t *testing.T) {
	b, p := NewBuilder(Training), NewParams(1)
	y := MLP{Out: 2}.Build(b, p, "head", b.Input("x", 3, 2))
	if _, err := b.Compile(y); err != nil {
		t.Fatal(err)
	}
	if m, err := b.CompileGrad(y); m != nil || !errors.Is(err, errCompiled) {
		t.Errorf("a second time: %v", err)
	}
	b = NewBuilder(Training)
	y = MLP{Out: 2}.Build(b, p, "head", b.Input("x", 3, 2))
	if m, err := b.CompileGrad(y); m != nil || err == nil || !strings.HasPrefix(err.Error(), "layer gradients: ") {
		t.Errorf("gradients of what is no scalar: %v", err)
	}
}

func TestMisusePanics(t *testing.T) {
	b := NewBuilder(Inference)
	x := b.Input("x", 2, 3)
	y := MLP{Out: 2}.Build(b, NewParams(1), "head", x)
	m, err := b.Compile(y)
	if err != nil {
		t.Fatal(err)
	}
	for want, f := range map[string]func(){
		"model: Set: ":   func() { m.Set(x, make([]float32, 5)) },
		"model: Value: ": func() { m.Value(x) },
	} {
		func() {
			defer func() {
				if r := fmt.Sprint(recover()); !strings.HasPrefix(r, want) {
					t.Errorf("panic %q, want %q", r, want)
				}
			}()
			f()
		}()
	}
}

// One graph may hold two towers whose layers have equal names.
func TestTwoTowersInOneGraph(t *testing.T) {
	p, q, b := NewParams(1), NewParams(2), NewBuilder(Training)
	x := b.Input("x", 3, 4)
	y := b.Concat(MLP{Out: 2}.Build(b, p, "head", x), MLP{Out: 2}.Build(b, q, "head", x))
	m, err := b.Compile(y)
	if err != nil {
		t.Fatal(err)
	}
	m.Set(x, draw(12))
	if err := m.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if row := m.Value(y).Data[4*i : 4*i+4]; slices.Equal(row[:2], row[2:]) {
			t.Errorf("row %d is the same tower twice: %v", i, row)
		}
	}
}
