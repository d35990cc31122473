package kernel

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"
)

// canary stands at both ends of every buffer; nobody may write there.
const (
	canary      = float32(-1234.5)
	canaryWidth = 64
)

// A guarded slice knows what lies around it.
type guarded struct {
	all  []float32
	data []float32
}

// guard makes n float32s, filled with what is not a result, between canaries.
func guard(n int) guarded {
	g := guarded{all: make([]float32, n+2*canaryWidth)}
	for i := range g.all {
		g.all[i] = canary
	}
	g.data = g.all[canaryWidth : canaryWidth+n : canaryWidth+n]
	for i := range g.data {
		g.data[i] = float32(math.NaN())
	}
	return g
}

func (g guarded) check(t *testing.T, name string) {
	t.Helper()
	for i, v := range g.all {
		if (i < canaryWidth || i >= len(g.all)-canaryWidth) && v != canary {
			t.Fatalf("%s: wrote %v at %d, outside of its %d values", name, v, i-canaryWidth, len(g.data))
		}
	}
}

// random makes values that are no dyadic fractions: sums of those would be
// exact and hide a changed order.
func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// lanesOf brings (N,C,H,W) into lanes with fill in the padded ones.
func lanesOf(x []float32, n, c, h, w int, fill float32) []float32 {
	dst := make([]float32, Blocks(n)*Lanes*c*h*w)
	ToLanes(dst, x, n, c, h, w)
	fillPadding(dst, n, fill)
	return dst
}

func fillPadding(x []float32, n int, fill float32) {
	size := len(x) / Blocks(n)
	for l := n % Lanes; n%Lanes != 0 && l < Lanes; l++ {
		for i := (Blocks(n) - 1) * size; i < len(x); i += Lanes {
			x[i+l] = fill
		}
	}
}

// paddingIs checks the padded lanes of a result.
func paddingIs(t *testing.T, name string, x []float32, n int, want float32) {
	t.Helper()
	size := len(x) / Blocks(n)
	for l := n % Lanes; n%Lanes != 0 && l < Lanes; l++ {
		for i := (Blocks(n) - 1) * size; i < len(x); i += Lanes {
			if x[i+l] != want {
				t.Fatalf("%s: padded lane %d holds %v, want %v", name, l, x[i+l], want)
			}
		}
	}
}

// near compares with float64: absolute plus relative to the largest value.
func near(t *testing.T, name string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	top := 1.0
	for _, w := range want {
		if !math.IsInf(w, 0) && !math.IsNaN(w) {
			top = math.Max(top, math.Abs(w))
		}
	}
	for i, w := range want {
		g := float64(got[i])
		same := g == w || math.IsNaN(g) && math.IsNaN(w)
		if !same && !(math.Abs(g-w) <= tolerance*top) {
			t.Fatalf("%s: value %d of %d is %v, want %v (allowed %.2g of %.3g)", name, i, len(want), g, w, tolerance, top)
		}
	}
}

func bytesOf(x []float32) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*4)
}

func sameBytes(t *testing.T, name string, a, b []float32) {
	t.Helper()
	if !bytes.Equal(bytesOf(a), bytesOf(b)) {
		for i := range a {
			if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
				t.Fatalf("%s: value %d of %d: %v and %v", name, i, len(a), a[i], b[i])
			}
		}
	}
}

// paths lists the instruction sets of this machine.
func paths() []isa {
	var list []isa
	for i := generic; i <= detect(); i++ {
		list = append(list, i)
	}
	return list
}

// use switches to an instruction set until the test ends.
func use(t testing.TB, i isa) {
	old := machine
	machine.isa = i
	t.Cleanup(func() { machine = old })
}

// onAll runs a test on every path.
func onAll(t *testing.T, f func(t *testing.T)) {
	for _, i := range paths() {
		t.Run(isaNames[i], func(t *testing.T) {
			use(t, i)
			f(t)
		})
	}
}

// crews are the numbers of workers that results are compared over.
var crews = []int{1, 2, 3, 8}

// sameOnAll runs f, which returns its results, with several numbers of workers
// and on all paths: equal bytes for the first and for AVX2 and AVX-512, near
// the twin otherwise.
func sameOnAll(t *testing.T, name string, tolerance float64, f func() []float32) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	old := machine
	defer func() { machine = old }()
	var twin, fast []float32
	for _, i := range paths() {
		machine.isa = i
		var first []float32
		for _, procs := range crews {
			runtime.GOMAXPROCS(procs)
			got := f()
			if first == nil {
				first = got
			}
			sameBytes(t, fmt.Sprintf("%s, %s with %d workers", name, isaNames[i], procs), got, first)
		}
		switch {
		case i == generic:
			twin = first
			continue
		case fast != nil:
			sameBytes(t, name+", AVX2 and AVX-512", fast, first)
		}
		fast = first
		want := make([]float64, len(twin))
		for k, v := range twin {
			want[k] = float64(v)
		}
		near(t, name+", "+isaNames[i]+" and twin", first, want, tolerance)
	}
}

// forward packs and runs, in guarded or plain scratch.
func forward(c *Conv, y, x, w, scratch []float32) {
	n := c.PackedForward()
	c.PackForward(scratch[:n], w)
	c.Forward(y, x, scratch[:n], scratch[n:])
}

// backwardData is forward's twin for the gradient.
func backwardData(c *Conv, dx, dy, w, scratch []float32) {
	n := c.PackedData()
	c.PackData(scratch[:n], w)
	c.BackwardData(dx, dy, scratch[:n], scratch[n:])
}

func forwardScratch(c *Conv) int { return c.PackedForward() + c.ScratchForward() }
func dataScratch(c *Conv) int    { return c.PackedData() + c.ScratchData() }
