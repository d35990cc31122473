package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// softmaxLoops is the definition in float64.
func softmaxLoops(x []float32, first, scale, weight float64) (y []float64, log float64) {
	y = make([]float64, len(x))
	largest := first
	for _, v := range x {
		largest = math.Max(largest, scale*float64(v))
	}
	sum := math.Exp(first - largest)
	for i, v := range x {
		y[i] = math.Exp(scale*float64(v) - largest)
		sum += y[i]
	}
	for i := range y {
		y[i] *= weight / sum
	}
	return y, largest + math.Log(sum)
}

func TestSoftmaxLoops(t *testing.T) {
	for _, n := range []int{1, 7, 15, 16, 17, 31, 250, 4096} {
		for _, size := range []float32{0.1, 1, 30, 1e4} {
			for _, first := range []float64{math.Inf(-1), 3, -50, 1.5e4} {
				onAll(t, func(t *testing.T) {
					x := guard(n)
					copy(x.data, random(uint64(n), n))
					for i := range x.data {
						x.data[i] *= size
					}
					want, wantLog := softmaxLoops(x.data, first, 2, 0.5)
					log := Softmax(x.data, first, 2, 0.5)
					x.check(t, "softmax")
					near(t, fmt.Sprint("softmax of ", n, size, first), x.data, want, 5e-7)
					if math.Abs(log-wantLog) > 1e-6*(1+math.Abs(wantLog)) {
						t.Errorf("%d of size %g, first %g: log %v, want %v", n, size, first, log, wantLog)
					}
				})
			}
		}
	}
}

// exp32 over the whole range of what it is for, in units of the last place.
func TestExp(t *testing.T) {
	worst := 0.0
	for z := float32(-87.3); z < 0; z += 0.00037 {
		got, want := float64(exp32(z)), math.Exp(float64(z))
		worst = max(worst, math.Abs(got-want)/want)
	}
	if worst > 2.0/(1<<23) {
		t.Errorf("off by %.3g", worst)
	}
	if exp32(0) != 1 || exp32(-88) != 0 || exp32(float32(math.Inf(-1))) != 0 || exp32(float32(math.NaN())) == exp32(float32(math.NaN())) {
		t.Error("exp of 0, of -88, of -Inf or of NaN")
	}
}

// The routines give the bytes of the twin, whatever they are given.
func TestSoftmaxSameBytes(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, special := range []float32{0, nan, inf, -inf, 1e4, -1e4, 1e-40} {
		x := random(4, 259)
		if special != 0 {
			x[5], x[100], x[258] = special, special, special
		}
		var first []float32
		var sum, most float64
		for i, path := range paths() {
			t.Run(fmt.Sprint(special, isaNames[path]), func(t *testing.T) {
				use(t, path)
				y := slices.Clone(x)
				m := rowMax(y)
				center := min(m, 1e5)
				s := expSum(y, center, 1.7)
				if i == 0 {
					first, sum, most = y, s, float64(m)
				}
				sameBytes(t, "exp", y, first)
				if math.Float64bits(s) != math.Float64bits(sum) || float64(m) != most {
					t.Errorf("sum %v and maximum %v, the twin's %v and %v", s, m, sum, most)
				}
			})
		}
	}
}

func TestSoftmaxNotFinite(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	onAll(t, func(t *testing.T) {
		for _, bad := range []float32{nan, inf} {
			x := random(1, 40)
			x[17] = bad
			if log := Softmax(x, 0, 1, 1); log == log && !math.IsInf(log, 0) || x[17] == x[17] {
				t.Errorf("with %v: log %v, softmax %v", bad, log, x[17])
			}
		}
		x := []float32{-inf, 1, -inf}
		if log := Softmax(x, math.Inf(-1), 1, 1); log != 1 || !slices.Equal(x, []float32{0, 1, 0}) {
			t.Errorf("with -Inf: %v, log %v", x, log)
		}
	})
}
