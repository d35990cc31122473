package health

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"clr/internal/kernel"
)

func TestLayers(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	got := Layers([]Layer{
		{Name: "a", Weight: []float32{3}, Gradient: []float32{0, 4}, Update: []float32{5}},
		{Name: "b", Weight: []float32{nan, 2}, Gradient: []float32{inf, -inf, 1}},
		{Name: "a", Weight: []float32{4}, Gradient: []float32{3}, Update: []float32{12}},
	})
	want := []Norms{{"a", 5, 5, 13, 0}, {"b", 2, 1, 0, 3}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	huge := float32(math.MaxFloat32)
	if n := Layers([]Layer{{Name: "a", Weight: []float32{huge, huge}}})[0]; n.NotFinite != 0 || math.Abs(n.Weight/(math.Sqrt2*float64(huge))-1) > 1e-15 {
		t.Errorf("large weights: %+v", n)
	}
}

// A layer that is held still is neither the least nor the one that moved.
func TestFlow(t *testing.T) {
	a, b, still, bias := Norms{"a", 3, 0.5, 0.75, 0}, Norms{"b", 4, 1.2, 0.2, 0}, Norms{"still", 12, 0, 0, 0}, Norms{"bias", 0, 1.2, 9, 0}
	got, want := FlowOf([]Norms{a, still, b, bias}), Flow{Weight: 13, Gradient: math.Sqrt(0.25 + 1.44 + 1.44), Largest: bias, Least: a, Moved: a}
	if got != want || got.Moved.Share() != 0.25 {
		t.Errorf("%+v, want %+v", got, want)
	}
	for update, least := range map[float64]string{8 * 0x1p-24: "a", 8 * 2e-7: "units"} { // unit rows, without a gradient: by rounding, by decay
		if got := FlowOf([]Norms{a, {"units", 8, 0, update, 0}}).Least.Name; got != least {
			t.Errorf("beside a layer that moved by %g, %s has the least gradient, want %s", update, got, least)
		}
	}
	if got := FlowOf([]Norms{still}); got != (Flow{Weight: 12, Largest: still}) {
		t.Errorf("of a network that is held still: %+v", got)
	}
}

func TestDrift(t *testing.T) {
	tower := func(w, bias []float32) map[string]kernel.Array {
		return map[string]kernel.Array{"w": {Shape: []int{1, len(w)}, Data: w}, "bias": {Shape: []int{len(bias)}, Data: bias}}
	}
	a := tower([]float32{3, 4}, []float32{0})
	for _, c := range []struct {
		b    map[string]kernel.Array
		want Distance
	}{
		{tower([]float32{3, 4}, []float32{0}), Distance{}},
		{tower([]float32{0, 0}, []float32{0}), Distance{Relative: 1, Worst: "w", WorstBy: 1}},
		{tower([]float32{3, 5}, []float32{0}), Distance{Relative: 0.2, Worst: "w", WorstBy: 0.2}},
		{tower([]float32{3, 4}, []float32{1}), Distance{Relative: 0.2}},
		{tower([]float32{3, float32(math.NaN())}, []float32{3}), Distance{Relative: 1, NotFinite: 1}},
	} {
		if got, err := Drift(a, c.b); err != nil || got != c.want {
			t.Errorf("%+v, %v, want %+v", got, err, c.want)
		}
	}
	if got, err := Drift(map[string]kernel.Array{"w": a["w"], "bias": a["bias"], "predictor": a["w"]}, tower([]float32{3, 5}, []float32{0})); err != nil || got.Relative != 0.2 {
		t.Errorf("of a tower with a predictor: %+v, %v", got, err)
	}
	zero := tower([]float32{0, 0}, []float32{0})
	if got, err := Drift(zero, a); err != nil || got.Relative != 5 {
		t.Errorf("from zeros: %+v, %v, want 5", got, err)
	}
	for want, b := range map[string]map[string]kernel.Array{
		"the leading tower lacks c":                      {"w": a["w"], "bias": a["bias"], "c": a["w"]},
		"w is [1 2] in one tower and [1 3] in the other": tower([]float32{3, 4, 0}, []float32{0}),
	} {
		if _, err := Drift(a, b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestQueueAge(t *testing.T) {
	for _, c := range []struct {
		keys, batch, clips, step int
		momentum                 float64
		want                     Queue
	}{
		{4096, 64, 320, 1000, 0.5, Queue{64, 12.8, 1 - math.Pow(0.5, 64)}},
		{256, 64, 320, 1000, 1, Queue{4, 0.8, 0}},
		{256, 64, 320, 3, 0, Queue{3, 0.6, 1}},
		{256, 64, 320, 0, 0, Queue{0, 0, 0}},
		{10, 64, 64, 9, 0.75, Queue{1, 1, 0.25}}, // a queue shorter than a batch lasts a step
	} {
		if got, err := QueueAge(c.keys, c.batch, c.clips, c.step, c.momentum); err != nil || got != c.want {
			t.Errorf("%+v: %+v, %v", c, got, err)
		}
	}
	if _, err := QueueAge(0, 1, 1, 1, 0.5); err == nil {
		t.Error("a queue of no keys has an age")
	}
	if _, err := QueueAge(1, 1, 1, 1, math.NaN()); err == nil {
		t.Error("a momentum that is not a number is taken")
	}
}

// A queue is stale by its epochs or by what of a following tower was replaced, of which
// nothing is said where none follows.
func TestStale(t *testing.T) {
	for _, c := range []struct {
		q     Queue
		stale bool
		want  string
	}{
		{Queue{16, 0.5, 0.15}, false, "oldest row is of 16 steps ago, 0.5 epochs (at most 50, queue_epochs) in which 0.15 of the following tower was replaced (at most 0.9, queue_turned)"},
		{Queue{16, 0.5, 0.95}, true, "oldest row is of 16 steps ago, 0.5 epochs (at most 50, queue_epochs) in which 0.95 of the following tower was replaced (at most 0.9, queue_turned)"},
		{Queue{160, 51, 0}, true, "oldest row is of 160 steps ago, 51 epochs (at most 50, queue_epochs)"},
	} {
		if got := Defaults.Ages(c.q); got != c.want || Defaults.Stale(c.q) != c.stale {
			t.Errorf("%+v: stale %v, %s", c.q, Defaults.Stale(c.q), got)
		}
	}
}
