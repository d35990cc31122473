package augment

import (
	"math"
	"reflect"
	"testing"

	"clr/internal/audio"
)

// extremes are a with each option alone, and then all, at the least and the
// greatest that Check lets pass, at what lies between, and, of ranges, the widest.
func extremes(a Augmentation) []Augmentation {
	far := []float64{-1e6, -120, 0, 0.01, 0.1, 0.25, 0.9, 1, 2, 4, 8, 10, 16, 20, 24, 64, 100, 120, 1000, 1024, 3600, 192000, 1e6}
	words := []string{"mean", "min", "noise", "time", "freq", "both", "gaussian", "box", "bilinear", "bicubic",
		"any", "pink", "brown", "exponential", "percent", "db", "hard", "soft"}
	set := func(a Augmentation, f func(v reflect.Value)) Augmentation {
		v := reflect.New(reflect.TypeOf(a)).Elem()
		v.Set(reflect.ValueOf(a))
		f(v)
		return v.Interface().(Augmentation)
	}
	all := [2]Augmentation{a, a}
	var found []Augmentation
	for i := range reflect.TypeOf(a).NumField() {
		var passed []func(v reflect.Value)
		try := func(f func(v reflect.Value)) bool {
			field := func(v reflect.Value) { f(v.Field(i)) }
			ok := set(a, field).Check() == nil
			if ok {
				passed = append(passed, field)
			}
			return ok
		}
		switch reflect.TypeOf(a).Field(i).Type.Kind() {
		case reflect.String:
			for _, word := range words {
				try(func(v reflect.Value) { v.SetString(word) })
			}
		case reflect.Array:
			pair := func(lo, hi float64) bool {
				return try(func(v reflect.Value) { v.Index(0).SetFloat(lo); v.Index(1).SetFloat(hi) })
			}
			var ends []float64
			for _, x := range far {
				if pair(x, x) {
					ends = append(ends, x)
				}
			}
			pair(ends[0], ends[len(ends)-1])
		case reflect.Int:
			for _, x := range far {
				try(func(v reflect.Value) { v.SetInt(int64(x)) })
			}
		default:
			for _, x := range far {
				try(func(v reflect.Value) { v.SetFloat(x) })
			}
		}
		for j, end := range []func(v reflect.Value){passed[0], passed[len(passed)-1]} {
			if both := set(all[j], end); both.Check() == nil {
				all[j] = both
			}
		}
		for _, f := range passed {
			found = append(found, withP(set(a, f), 1))
		}
	}
	return append(found, withP(all[0], 1), withP(all[1], 1))
}

// Whatever Check lets pass does no harm: the result is finite and has its shape.
func TestExtremes(t *testing.T) {
	for _, name := range names() {
		if _, ok := Table[name].(Spec); !ok {
			continue
		}
		for _, a := range extremes(Table[name]) {
			for _, shape := range [][2]int{{20, 40}, {1, 1}, {3, 2}} {
				s := noisy(shape[0], shape[1], 7)
				for i := range 3 {
					d := draws(8, i)
					d.unit = []unit{ln, db, log10}[i]
					d.OtherSpec = others(noisy(shape[0], 1+20*i, 5))
					out, bins, frames := apply(t, a, s, nil, d)
					if bins != shape[0] || name != "stretch" && frames != shape[1] || len(out) != bins*frames {
						t.Fatalf("%s %+v: %v became %d, %d", name, a, shape, bins, frames)
					}
					for _, x := range out {
						if !(math.Abs(float64(x)) < 1e4) {
							t.Fatalf("%s %+v of %v gave %g", name, a, shape, x)
						}
					}
				}
			}
		}
	}
}

// With the memory of views, nothing is allocated, whatever the options.
func TestSpecsAllocateNothing(t *testing.T) {
	s, other := noisy(20, 40, 1), noisy(20, 300, 2)
	for _, name := range names() {
		if _, ok := Table[name].(Spec); !ok {
			continue
		}
		for _, a := range extremes(Table[name]) {
			a := a.(Spec)
			var m scratch
			var work audio.Spectrogram
			m.next.Resize(20, 100) // a stretch of any size fits
			work.Resize(20, 100)
			d := Draw{Rand: Rand(9, 0, 0, 0), OtherSpec: others(other), scratch: &m}
			draw := func() {
				work.Resize(s.Bins, s.Frames)
				copy(work.Data, s.Data)
				if err := a.Spec(&work, d); err != nil {
					t.Fatal(err)
				}
			}
			m.reads(100)
			if n := testing.AllocsPerRun(20, draw); n != 0 {
				t.Errorf("%s %+v: %g allocations", name, a, n)
			}
		}
	}
}
