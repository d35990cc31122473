package model

import (
	"context"
	"math"
	"testing"

	"clr/internal/fault"
)

func TestActivate(t *testing.T) {
	const n, d = 3, 5
	for _, name := range Activations {
		f := map[string]func(float64) float64{
			"linear":  func(x float64) float64 { return x },
			"sigmoid": func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
			"tanh":    math.Tanh,
			"relu":    func(x float64) float64 { return max(x, 0) },
			"gelu":    func(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 },
		}[name]
		b := NewBuilder(Training)
		x := b.Input("x", n, d)
		rows := b.Activate(x, name)
		maps := b.Rows(b.Activate(b.Lanes(x), name))
		m, err := b.Compile(rows, maps)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		data := draw(n * d)
		m.Set(x, data)
		if err := m.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i, v := range data {
			for _, got := range []float32{m.Value(rows).Data[i], m.Value(maps).Data[i]} {
				if want := f(float64(v)); math.Abs(float64(got)-want) > 1e-6*(1+math.Abs(want)) {
					t.Errorf("%s of %g is %g, want %g", name, v, got, want)
				}
			}
		}
	}
	b := NewBuilder(Training)
	b.Activate(b.Input("x", n, d), "swish")
	if err := b.Err(); err == nil || fault.KindOf(err) != fault.Usage ||
		err.Error() != `layer swish: activation is "swish", must be one of linear, sigmoid, tanh, relu, gelu` {
		t.Error(err)
	}
}
