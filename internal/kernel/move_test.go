package kernel

import (
	"math"
	"slices"
	"testing"
)

var (
	someMomentum = Momentum{Decay: 0.01, Into: 0.7, Keep: 0.9, Along: 0.8, Ahead: 0.3, Rate: 0.1}
	someAdam     = Adam{L2: 0.01, Keep: 0.99, B1: 0.1, B2: 0.001, Rate: 0.02, Root: 3, Eps: 1e-8}
)

// The rules in float64, and nothing written beyond the ends.
func TestMoveLoops(t *testing.T) {
	for _, n := range []int{0, 1, 7, 15, 16, 17, 31, 250, 1000} {
		onAll(t, func(t *testing.T) {
			g, w0, v0, m0 := random(1, n), random(2, n), random(3, n), random(4, n)
			for i := range v0 {
				v0[i] *= v0[i]
			}
			if n > 20 {
				g[3], g[20] = float32(math.NaN()), float32(math.Inf(1))
			}
			fresh := func(x []float32) guarded {
				b := guard(n)
				copy(b.data, x)
				return b
			}
			want := [6][]float64{}
			for i := range want {
				want[i] = make([]float64, n)
			}
			for i := range n {
				w, v, m, g := float64(w0[i]), float64(v0[i]), float64(m0[i]), float64(g[i])
				r := someMomentum
				d := float64(r.Into) * (g + float64(r.Decay)*w)
				u := float64(r.Keep)*v + d
				want[0][i], want[1][i] = w-float64(r.Rate)*(float64(r.Along)*u+float64(r.Ahead)*d), u
				want[5][i] = w - float64(r.Rate)*d
				a := someAdam
				d = g + float64(a.L2)*w
				m += float64(a.B1) * (d - m)
				v += float64(a.B2) * (d*d - v)
				want[2][i], want[3][i] = m, v
				want[4][i] = float64(a.Keep)*w - float64(a.Rate)*m/(float64(a.Root)*math.Sqrt(v)+float64(a.Eps))
			}
			w, v := fresh(w0), fresh(v0)
			someMomentum.Move(w.data, v.data, g)
			near(t, "w of momentum", w.data, want[0], 3e-7)
			near(t, "momentum", v.data, want[1], 3e-7)
			w.check(t, "w")
			v.check(t, "v")
			w = fresh(w0)
			someMomentum.Move(w.data, nil, g)
			w.check(t, "w without momentum")
			near(t, "w without momentum", w.data, want[5], 3e-7)
			w, v = fresh(w0), fresh(v0)
			m := fresh(m0)
			someAdam.Move(w.data, m.data, v.data, g)
			near(t, "m", m.data, want[2], 3e-7)
			near(t, "v", v.data, want[3], 3e-7)
			near(t, "w of Adam", w.data, want[4], 1e-6)
			for _, b := range []guarded{w, m, v} {
				b.check(t, "Adam")
			}
		})
	}
}

func TestMoveSameBytes(t *testing.T) {
	const n = 1003
	g, w, v, m := random(1, n), random(2, n), random(3, n), random(4, n)
	for i := range v {
		v[i] *= v[i]
	}
	sameOnAll(t, "moves", 1e-6, func() []float32 {
		w1, v1, w2, m2, v2 := slices.Clone(w), slices.Clone(v), slices.Clone(w), slices.Clone(m), slices.Clone(v)
		someMomentum.Move(w1, v1, g)
		someAdam.Move(w2, m2, v2, g)
		w3 := slices.Clone(w)
		someMomentum.Move(w3, nil, g)
		return slices.Concat(w1, v1, w2, m2, v2, w3)
	})
}
