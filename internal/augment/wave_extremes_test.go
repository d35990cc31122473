package augment

import (
	"math"
	"reflect"
	"testing"

	"clr/internal/audio"
)

// waveExtremes are a with each option alone, and then all, at the least, the
// greatest, and the widest range that Check lets pass.
func waveExtremes(a Augmentation) []Augmentation {
	far := []float64{-1e6, -120, 0, 0.01, 0.25, 0.9, 1, 2, 4, 8, 10, 16, 20, 24, 100, 120, 1000, 3600, 192000, 1e6}
	words := []string{"any", "pink", "brown", "exponential", "percent", "db", "hard", "soft"}
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
		try := func(f func(v reflect.Value)) {
			field := func(v reflect.Value) { f(v.Field(i)) }
			if set(a, field).Check() == nil {
				passed = append(passed, field)
			}
		}
		switch reflect.TypeOf(a).Field(i).Type.Kind() {
		case reflect.String:
			for _, word := range words {
				try(func(v reflect.Value) { v.SetString(word) })
			}
		case reflect.Array:
			for _, x := range far {
				try(func(v reflect.Value) { v.Index(0).SetFloat(x); v.Index(1).SetFloat(x) })
			}
		case reflect.Int:
			for _, x := range far {
				try(func(v reflect.Value) { v.SetInt(int64(x)) })
			}
		default:
			for _, x := range far {
				try(func(v reflect.Value) { v.SetFloat(x) })
			}
		}
		if len(passed) == 0 {
			continue // a manifest
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

// Whatever Check lets pass does no harm: the result is finite, has its length,
// and silence stays silence. Buffers that others have used change nothing.
func TestWaveExtremes(t *testing.T) {
	inputs := [][]float32{waveform(900, 7), {0.5}, {0.5, -0.25, 1}, make([]float32, 300)}
	used := &Waves{}
	for _, name := range names() {
		if _, ok := Table[name].(Wave); !ok {
			continue
		}
		for _, a := range waveExtremes(Table[name]) {
			for k, x := range inputs {
				out := wave(t, a.(Wave), x, drawsAt1000(8, k))
				if len(out) != len(x) && !resizes[name] || len(out) == 0 {
					t.Fatalf("%s %+v: %d samples became %d", name, a, len(x), len(out))
				}
				for _, v := range out {
					if !(math.Abs(float64(v)) < 1e8) || k == 3 && v != 0 {
						t.Fatalf("%s %+v of %d samples gave %g", name, a, len(x), v)
					}
				}
				c := &audio.Clip{Rate: 1000, Samples: append([]float32(nil), x...)}
				used.Chain = []Wave{a.(Wave)}
				if err := used.Apply(c, drawsAt1000(8, k)); err != nil {
					t.Fatal(err)
				}
				if len(c.Samples) != len(out) {
					t.Fatalf("%s %+v: %d samples with used buffers, %d without", name, a, len(c.Samples), len(out))
				}
				for i, v := range c.Samples {
					if v != out[i] {
						t.Fatalf("%s %+v: sample %d is %g with used buffers, %g without", name, a, i, v, out[i])
					}
				}
			}
		}
	}
}

// drawsAt1000 is draws at the rate of wave's clips.
func drawsAt1000(seed uint64, clip int) Draw {
	d := draws(seed, clip)
	d.OtherWave = func() (audio.Clip, error) { return audio.Clip{Rate: 1000, Samples: waveform(700, 9)}, nil }
	d.Background = func(string) (audio.Clip, error) { return audio.Clip{Rate: 1000, Samples: waveform(500, 10)}, nil }
	return d
}
