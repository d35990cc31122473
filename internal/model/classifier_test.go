package model

import (
	"math"
	"slices"
	"testing"
)

// classifierOf builds one over rows of 60 values and gives its weights.
func classifierOf(t *testing.T, c Classifier) *Params {
	t.Helper()
	p := NewParams(3)
	c.Begin(p, "head", 60)
	b := NewBuilder(Training)
	y := c.Build(b, p, "head", b.Input("x", 20, 60))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	if s := y.Shape(); !slices.Equal(s, []int{20, c.Out}) {
		t.Errorf("logits are %v", s)
	}
	return p
}

// TestClassifierBegins: the weights' deviations are Glorot's, √(2/(in+out)), times
// √2 behind a ReLU, uniform ones stay within √3 of it, and Keras's biases are 0.
func TestClassifierBegins(t *testing.T) {
	for _, c := range []Classifier{
		{Hidden: []int{500, 300}, Out: 40, Init: "xavier_uniform", Norm: true, Dropout: 0.1},
		{Hidden: []int{500, 300}, Out: 40, Init: "xavier_normal"},
		{Hidden: []int{500}, Out: 40, Init: "xavier_normal", Dropout: 0.5},
		{Out: 400, Init: "keras"},
	} {
		p, in, layers := classifierOf(t, c), 60, 0
		for _, w := range p.All() {
			if len(w.Value.Shape) != 2 {
				if slices.Max(w.Value.Data) == 0 != (c.Init == "keras" || c.Norm && w.Name != "head.8.bias") && w.Value.Data[0] != 1 {
					t.Errorf("%+v: %s begins as %v, ...", c, w.Name, w.Value.Data[0])
				}
				continue
			}
			out := w.Value.Shape[0]
			want := math.Sqrt(2 / float64(in+out))
			if layers > 0 {
				want *= math.Sqrt2
			}
			square, most := 0.0, 0.0
			for _, v := range w.Value.Data {
				square += float64(v) * float64(v)
				most = max(most, math.Abs(float64(v)))
			}
			got := math.Sqrt(square / float64(len(w.Value.Data)))
			if math.Abs(got/want-1) > 0.02 || (most < 1.74*want) != (c.Init != "xavier_normal") {
				t.Errorf("%+v: %s has deviation %v, at most %v; want %v", c, w.Name, got, most, want)
			}
			in = out
			layers++
		}
		if layers != len(c.Hidden)+1 {
			t.Errorf("%d layers of weights", layers)
		}
	}
}

// TestClassifierIsAnMLP where it has neither norm nor dropout.
func TestClassifierIsAnMLP(t *testing.T) {
	p, q := classifierOf(t, Classifier{Hidden: []int{8}, Out: 3, Init: "pytorch"}), NewParams(3)
	b := NewBuilder(Training)
	MLP{Hidden: []int{8}, Out: 3}.Build(b, q, "head", b.Input("x", 20, 60))
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	for i, w := range q.All() {
		if v := p.All()[i]; v.Name != w.Name || !slices.Equal(v.Value.Data, w.Value.Data) {
			t.Errorf("%s and %s", v.Name, w.Name)
		}
	}
}
