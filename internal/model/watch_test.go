package model

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"clr/internal/kernel"
)

// watched runs a bench and lists what was seen, values cloned.
func watched(t *testing.T, s *bench, x, dy []float32) (all []Seen) {
	t.Helper()
	s.machine.Watch(func(f Seen) {
		f.Value.Data = slices.Clone(f.Value.Data)
		all = append(all, f)
	})
	s.run(t, x, dy)
	return all
}

func firstBad(all []Seen) *Seen {
	for i := range all {
		if all[i].Extent().NotFinite > 0 {
			return &all[i]
		}
	}
	return nil
}

func show(f *Seen) string {
	if f == nil {
		return "nothing"
	}
	return fmt.Sprintf("%s of %q, backward %v", f.Func, f.Layer, f.Gradient)
}

// Whichever weight is not finite, the first function that shows it is of that
// weight's layer; with sound weights nothing shows, though 18 rows leave 14 lanes
// without an example.
func TestWatchNamesTheLayer(t *testing.T) {
	const n = 18
	nan := float32(math.NaN())
	for _, e := range []ResNet{tiny, {Depth: 50, Width: 2, Stem: "imagenet", Pool: "time_mean_max"}} {
		p := NewParams(1)
		s := newBench(t, NewBuilder(Training).Groups(2), p, e, n, 16, 12)
		x, dy := draw(n*16*12), draw(n*e.Dim(Input{1, 16, 12}))
		all := watched(t, s, x, dy)
		if f := firstBad(all); f != nil {
			t.Fatalf("not finite: %s", show(f))
		}
		backward := 0
		for _, f := range all {
			if f.Gradient {
				backward++
			}
			if e := f.Extent(); !f.inLanes() && e.Count != len(f.Value.Data) || f.inLanes() && e.Count*32 != len(f.Value.Data)*n {
				t.Errorf("%s: %d of %d values were looked at", f.Func, e.Count, len(f.Value.Data))
			}
		}
		if backward < len(all)/3 {
			t.Errorf("%d of %d functions are gradients", backward, len(all))
		}
		for _, w := range p.All() {
			old := slices.Clone(w.Value.Data)
			for i := range old { // maps of one pixel use the middle of a filter only
				w.Value.Data[i] = nan
			}
			f := firstBad(watched(t, s, x, dy))
			copy(w.Value.Data, old)
			layer := w.Name[:strings.LastIndex(w.Name, ".")]
			if f == nil || f.Gradient || !strings.HasPrefix(f.Layer, layer+".") {
				t.Errorf("%s is not finite; first shown: %s", w.Name, show(f))
			}
			if f := firstBad(watched(t, s, x, dy)); f != nil { // in memory full of what is not finite
				t.Fatalf("all is finite; shown: %s", show(f))
			}
		}
	}
}

// The row of the input that is not finite is the example of the first function.
func TestWatchNamesTheExample(t *testing.T) {
	const n = 18
	s := newBench(t, NewBuilder(Training), NewParams(1), tiny, n, 16, 12)
	x, dy := draw(n*16*12), draw(n*tiny.Dim(Input{1, 16, 12}))
	for row := range n {
		at := row*16*12 + 7
		old := x[at]
		x[at] = float32(math.Inf(-1))
		f := firstBad(watched(t, s, x, dy))
		x[at] = old
		if f == nil || f.Example(f.Extent().First) != row || !slices.Equal(f.Shape(), []int{n, 1, 16, 12}) {
			t.Errorf("row %d: first shown %s", row, show(f))
		}
	}
}

// Lanes without an example may hold anything.
func TestExtent(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	a := kernel.New(2, 1, 3, 2, 16) // 17 rows of 2 channels of 1 × 3
	s := Seen{Value: a, rows: 17}
	for i := range a.Data {
		a.Data[i] = nan
		if s.Example(i) >= 0 {
			a.Data[i] = 1 + float32(s.Example(i))
		}
	}
	if e := s.Extent(); e != (Extent{Min: 1, Max: 17, Count: 17 * 6}) {
		t.Errorf("%+v", e)
	}
	a.Data[96+16] = inf // row 16, the only one of the second block
	if e := s.Extent(); e != (Extent{Min: 1, Max: 17, Count: 17 * 6, NotFinite: 1, First: 112}) || s.Example(112) != 16 {
		t.Errorf("%+v", e)
	}
	if e := ExtentOf([]float32{nan, -3, -5, inf}); e != (Extent{Min: -5, Max: -3, Count: 4, NotFinite: 2}) {
		t.Errorf("%+v", e)
	}
	if e := ExtentOf([]float32{nan}); e != (Extent{Count: 1, NotFinite: 1}) {
		t.Errorf("%+v", e)
	}
	if (Seen{Value: a}).Example(5) != -1 {
		t.Error("a value that is of no example has one")
	}
}
