package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// bends are the activations with their definitions in float64, and their
// gradients' with respect to x.
var bends = map[string]struct {
	forward   func(y, x []float32)
	backward  func(dx, of, dy []float32) // of x with ofX, else of y
	ofX       bool
	f, derive func(x float64) float64
}{
	"sigmoid": {Sigmoid, SigmoidGrad, false, logistic, func(x float64) float64 { return logistic(x) * logistic(-x) }},
	"tanh": {Tanh, TanhGrad, false, math.Tanh, func(x float64) float64 {
		c := math.Cosh(x)
		return 1 / (c * c)
	}},
	"gelu": {GELU, GELUGrad, true, func(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 }, func(x float64) float64 {
		return math.Erfc(-x/math.Sqrt2)/2 + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	}},
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// Values within two units of the last place of 1, or of the value where that is
// smaller; small tanh keeps its digits.
func TestActivations(t *testing.T) {
	for name, b := range bends {
		for _, n := range []int{1, 15, 16, 17, 1023, 1024, 1025, 3*pieceSize + 5} {
			onAll(t, func(t *testing.T) {
				x, y, dx := guard(n), guard(n), guard(n)
				dy := random(9, n)
				copy(x.data, random(uint64(n), n))
				for i := range x.data {
					x.data[i] *= []float32{0.01, 1, 4, 30}[i%4]
				}
				want, slope := make([]float64, n), make([]float64, n)
				for i, v := range x.data {
					want[i], slope[i] = b.f(float64(v)), b.derive(float64(v))*float64(dy[i])
				}
				b.forward(y.data, x.data)
				of := y.data
				if b.ofX {
					of = x.data
				}
				b.backward(dx.data, of, dy)
				x.check(t, name)
				y.check(t, name)
				dx.check(t, name)
				for i := range n {
					if d := math.Abs(float64(y.data[i]) - want[i]); !(d <= 2.5e-7*max(math.Abs(want[i]), 1e-3)) && !(name == "gelu" && d <= 2.5e-7*math.Abs(float64(x.data[i]))) {
						t.Fatalf("%s of %g is %g, want %g", name, x.data[i], y.data[i], want[i])
					}
					if d := math.Abs(float64(dx.data[i]) - slope[i]); !(d <= 3e-7*math.Abs(float64(dy[i]))) {
						t.Fatalf("%s gradient at %g is %g, want %g", name, x.data[i], dx.data[i], slope[i])
					}
				}
				over := slices.Clone(x.data)
				b.forward(over, over)
				sameBytes(t, name+" in place", over, y.data)
			})
		}
	}
}

// All paths give the same bytes, of anything.
func TestActivationsSameBytes(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, b := range bends {
		x, dy := random(4, 3000), random(5, 3000)
		copy(x[500:], []float32{nan, inf, -inf, 1e30, -1e30, 1e-40, 0, 13.19, -13.19})
		var first, firstGrad []float32
		for i, path := range paths() {
			t.Run(fmt.Sprint(name, isaNames[path]), func(t *testing.T) {
				use(t, path)
				y, dx := make([]float32, len(x)), make([]float32, len(x))
				b.forward(y, x)
				of := y
				if b.ofX {
					of = x
				}
				b.backward(dx, of, dy)
				if i == 0 {
					first, firstGrad = y, dx
				}
				sameBytes(t, name, y, first)
				sameBytes(t, name+" gradient", dx, firstGrad)
				if y[500] == y[500] || dx[500] == dx[500] {
					t.Errorf("NaN gives %v, gradient %v", y[500], dx[500])
				}
				want := map[string][4]float32{"sigmoid": {1, 0, 1, 0}, "tanh": {1, -1, 1, -1}, "gelu": {inf, nan, 1e30, 0}}[name]
				for k, w := range want {
					if got := y[501+k]; got != w && !(got != got && w != w) {
						t.Errorf("of %g: %g, want %g", x[501+k], got, w)
					}
				}
			})
		}
	}
}
