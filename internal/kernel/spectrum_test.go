package kernel

import (
	"fmt"
	"math"
	"testing"
)

// Each loop gives the same bytes on all paths, what float64 says, and writes
// nothing beyond its row.
func TestSpectrumLoops(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, n := range lengths {
		a, b, c, d := random(1, n), random(2, n), random(3, n), random(4, n)
		for i := range n {
			a[i] *= 20
			if i%7 == 3 {
				a[i] = []float32{nan, inf, -inf, 1e30, -1e30, 0}[i/7%6]
			}
			if i%11 == 5 {
				b[i] = []float32{nan, inf, -inf, -1e30, 0}[i/11%5]
			}
		}
		var want [][]float32
		onAll(t, func(t *testing.T) {
			var all [][]float32
			run := func(name string, tolerance float64, f func(dst []float32), want func(i int) float64) {
				t.Helper()
				dst := guard(n)
				copy(dst.data, a)
				f(dst.data)
				dst.check(t, name)
				for i, got := range dst.data {
					w := want(i)
					if g := float64(got); !(g == w || math.IsNaN(g) && math.IsNaN(w) || math.Abs(g-w) <= tolerance*max(1, math.Abs(w))) {
						t.Fatalf("%s of %d: value %d is %v, want %v (%v, %v)", name, n, i, g, w, a[i], b[i])
					}
					if got != got {
						dst.data[i] = nan // of one sort
					}
				}
				all = append(all, dst.data)
			}
			A, B, C, D := wide(a), wide(b), wide(c), wide(d)
			run("Rescale", 1e-5, func(x []float32) { Rescale(x, x, 0.75, 0.5) }, func(i int) float64 { return (A(i) - 0.75) / 2 })
			run("Blend", 1e-5, func(x []float32) { Blend(x, x, b, 0.25, 0.75) }, func(i int) float64 { return 0.25*A(i) + 0.75*B(i) })
			run("Blend4", 1e-5, func(x []float32) { Blend4(x, &[4][]float32{x, b, c, d}, &[4]float32{1, 2, -3, 4}) },
				func(i int) float64 { return A(i) + 2*B(i) - 3*C(i) + 4*D(i) })
			run("AddPair", 1e-5, func(x []float32) { AddPair(x, c, d, 0.5) }, func(i int) float64 { return A(i) + (C(i)+D(i))/2 })
			for _, k := range []float64{1, math.Ln10 / 10} {
				run("AddLog", 4e-7/k, func(x []float32) { AddLog(x, b, -2, float32(k)) }, func(i int) float64 { return addLog(A(i), float64(b[i]-2), k) })
			}
			if want == nil {
				want = all
			}
			for i := range all {
				sameBytes(t, fmt.Sprint("loop ", i, " of ", n, " beside the twin"), all[i], want[i])
			}
		})
	}
}

func wide(x []float32) func(i int) float64 { return func(i int) float64 { return float64(x[i]) } }

// addLog is the logarithm of the sum of two powers.
func addLog(a, b, k float64) float64 {
	hi, lo := max(a, b), min(a, b)
	if math.IsInf(hi, 0) {
		return hi
	}
	return hi + math.Log1p(math.Exp(-k*(hi-lo)))/k
}

// AddLog is right to float32's rounding wherever the two powers lie.
func TestAddLog(t *testing.T) {
	worst := 0.0
	for i := range 400 {
		x, y := make([]float32, 400), make([]float32, 400)
		for j := range x {
			x[j], y[j] = float32(i)*0.085-17, float32(j)*0.085-17
		}
		got := append([]float32(nil), x...)
		AddLog(got, y, 0.25, 1)
		for j := range got {
			worst = max(worst, math.Abs(float64(got[j])-addLog(float64(x[j]), float64(y[j]+0.25), 1)))
		}
	}
	if worst > 1.2e-6 { // the last place of 17 is 1.9e-6
		t.Errorf("off by %g", worst)
	}
}

func TestSumExpAndMax(t *testing.T) {
	for _, n := range lengths {
		x := random(5, n)
		sum, top := 0.0, math.Inf(-1)
		for i := range x {
			x[i] *= 15
			top = max(top, float64(x[i]))
		}
		for _, v := range x {
			sum += math.Exp((float64(v) - top) * 0.5)
		}
		var first []float32
		onAll(t, func(t *testing.T) {
			got := []float32{SumExp(x, float32(top), 0.5)}
			if n > 0 {
				if got = append(got, Max(x)); float64(got[1]) != top {
					t.Errorf("max of %d is %v, want %v", n, got[1], top)
				}
			}
			near(t, fmt.Sprint("sum of ", n), got[:1], []float64{sum}, 1e-6)
			if first == nil {
				first = got
			}
			sameBytes(t, "sum and max beside the twin", got, first)
		})
	}
	// Far below the top there is nothing, not a number gone wrong.
	if got := SumExp([]float32{0, -1e30, float32(math.Inf(-1)), -200}, 0, 1); got != 1 {
		t.Errorf("1 and nothing are %v", got)
	}
}
