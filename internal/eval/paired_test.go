package eval

import (
	"math"
	"testing"
)

// Sums of the binomial in whole numbers.
func TestSignTest(t *testing.T) {
	for _, c := range []struct {
		heads, tails int
		want         float64
	}{
		{0, 0, 1}, {1, 0, 1}, {1, 1, 1}, {5, 0, 2.0 / 32}, {0, 10, 2.0 / 1024}, {8, 2, 2 * (1 + 10 + 45) / 1024.0}, {6, 15, 0.0783538818359375},
		{400, 500, 0.0009564441369189461}, {50000, 50000, 1},
	} {
		if got := signTest(c.heads, c.tails); math.Abs(got-c.want) > 1e-6*c.want {
			t.Errorf("%d and %d: %.10g, want %.10g", c.heads, c.tails, got, c.want)
		}
		if a, b := signTest(c.heads, c.tails), signTest(c.tails, c.heads); a != b {
			t.Errorf("%d and %d: %g one way, %g the other", c.heads, c.tails, a, b)
		}
	}
}

func TestPair(t *testing.T) {
	ones := func(n, right int) []float64 {
		x := make([]float64, n)
		for i := range right {
			x[i] = 1
		}
		return x
	}
	// The second is right about 30 clips more of 100 in one split, of as many in the other.
	p := Pair([][]float64{ones(100, 50), ones(50, 10)}, [][]float64{ones(100, 80), ones(50, 10)})
	if p.Clips != 150 || p.Better != 30 || p.Worse != 0 || math.Abs(p.Difference-0.15) > 1e-12 || math.Abs(p.P-math.Exp2(-29)) > 1e-15 {
		t.Errorf("%+v", p)
	}
	// The standard error of the one split's difference is sqrt(0.3·0.7/100), and half of it counts.
	if se := math.Sqrt(0.3*0.7/100) / 2; math.Abs(p.Interval[0]-(0.15-1.96*se)) > 0.01 || math.Abs(p.Interval[1]-(0.15+1.96*se)) > 0.01 {
		t.Errorf("interval %v, expected about 0.15 ± %g", p.Interval, 1.96*se)
	}
	same := Pair([][]float64{{0.5, 1, 1.0 / 3}}, [][]float64{{0.5, 1, 1.0 / 3}})
	if same.P != 1 || same.Difference != 0 || same.Interval != [2]float64{} || same.Better+same.Worse != 0 {
		t.Errorf("against itself: %+v", same)
	}
	if a, b := Pair([][]float64{{0, 1, 0.5}}, [][]float64{{1, 1, 0}}), Pair([][]float64{{1, 1, 0}}, [][]float64{{0, 1, 0.5}}); a.Difference != -b.Difference || a.Better != b.Worse || a.P != b.P {
		t.Errorf("%+v the one way, %+v the other", a, b)
	}
}

func TestHolm(t *testing.T) {
	p := []float64{0.01, 0.04, 0.03, 0.005}
	Holm(p)
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		if math.Abs(p[i]-want) > 1e-12 {
			t.Errorf("%v", p)
		}
	}
	Holm(nil)
}

// All signs are tried where there are few, and drawn where there are many.
func TestSignFlip(t *testing.T) {
	for _, c := range []struct {
		d    []float64
		want float64
	}{
		{nil, 1},
		{[]float64{0.2}, 1},
		{[]float64{1, 2, 3}, 0.25},
		{[]float64{1, -1, 3}, 0.75}, // sums of 3: ±1 ±1 ±3 is as far in 6 of 8
		{[]float64{0, 0}, 1},
		{[]float64{0.1, 0.2, 0.3, 0.1, 0.2, 0.3}, 2.0 / 64},
	} {
		if got := SignFlip(c.d); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%v: %g, want %g", c.d, got, c.want)
		}
	}
	many := make([]float64, 18) // 0.3 and -0.2 by turns, a sum of 0.9
	for i := range many {
		many[i] = 0.3
		if i%2 == 1 {
			many[i] = -0.2
		}
	}
	count := 0
	for signs := range 1 << len(many) { // all of them, which SignFlip does not try
		s := 0.0
		for i, v := range many {
			if signs>>i&1 == 1 {
				v = -v
			}
			s += v
		}
		if math.Abs(s) >= 0.9-1e-9 {
			count++
		}
	}
	want := float64(count) / (1 << 18)
	if got := SignFlip(many); math.Abs(got-want) > 0.006 || got != SignFlip(many) {
		t.Errorf("%g, want about %g", got, want)
	}
}
