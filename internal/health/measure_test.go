package health

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"

	"clr/internal/kernel"
)

// rows makes an array of equally long rows.
func rows(x ...[]float32) kernel.Array {
	a := kernel.New(len(x), len(x[0]))
	for i, r := range x {
		copy(a.Data[i*len(r):], r)
	}
	return a
}

func normal(seed uint64, n, p int) kernel.Array {
	r, a := rand.New(rand.NewPCG(seed, 1)), kernel.New(n, p)
	for i := range a.Data {
		a.Data[i] = float32(r.NormFloat64())
	}
	return a
}

// near fails unless two numbers are within 1e-12, of each other or of 1's size.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-12*max(1, math.Abs(want))) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func total(h [Bins]int) (n int) {
	for _, c := range h {
		n += c
	}
	return n
}

// All projections are one point: rank 1, no deviation, top-1 by chance.
func TestEqualRows(t *testing.T) {
	const n, p = 7, 5
	z := kernel.New(2*n, p)
	for i := range z.Data {
		z.Data[i] = float32(i%p) + 1
	}
	r := measure(z)
	near(t, "std", r.Std, 0)
	near(t, "least std", r.StdLeast, 0)
	near(t, "RankMe", math.Round(r.RankMe*1e9)/1e9, 1) // the other singular values are 1e-16 or so
	near(t, "alignment", r.Alignment, 0)
	near(t, "uniformity", r.Uniformity, 0)
	near(t, "top-1", r.Top1, 1./n)
	near(t, "positive cosine", r.PositiveCos, 1)
	near(t, "negative cosine", r.NegativeCos, 1)
	if r.Dead != p || r.Positives[Bins-1] != n || r.Negatives[Bins-1] != 2*n*(n-1) {
		t.Errorf("%+v", r)
	}
}

// Each clip has a direction of its own, in which both its views lie.
func TestOrthonormalRows(t *testing.T) {
	const n = 6
	z := kernel.New(2*n, n)
	for i := range 2 * n {
		z.Data[i*n+i%n] = float32(1 + i) // lengths do not count
	}
	r := measure(z)
	near(t, "std", r.Std, 1/math.Sqrt(n))
	near(t, "spread", r.StdSpread, 1/math.Sqrt(n))
	near(t, "RankMe", r.RankMe, n)
	near(t, "alignment", r.Alignment, 0)
	near(t, "uniformity", r.Uniformity, -4) // all squared distances are 2
	near(t, "top-1", r.Top1, 1)
	near(t, "positive cosine", r.PositiveCos, 1)
	near(t, "negative cosine", r.NegativeCos, 0)
	if r.Pairs != n || r.Dimensions != n || r.Dead != 0 || r.Positives[Bins-1] != n || r.Negatives[Bins/2] != 2*n*(n-1) {
		t.Errorf("%+v", r)
	}
}

// RankMe counts directions: r orthogonal ones used alike are r, however they are
// turned, and however many dimensions there are.
func TestRank(t *testing.T) {
	const n, p = 24, 32
	for _, rank := range []int{1, 2, 3, 4, 6, 8, 12, 24} {
		// Rows of a Hadamard-like turn: cosines of p/2 frequencies are orthogonal.
		z := kernel.New(2*n, p)
		for i := range 2 * n {
			for k := range p {
				z.Data[i*p+k] = float32(math.Cos(math.Pi / p * (float64(k) + 0.5) * float64(i%rank+1)))
			}
		}
		if r := measure(z); math.Abs(r.RankMe-float64(rank)) > 1e-4 { // float32 rows are orthogonal to 1e-7
			t.Errorf("%d directions: RankMe is %v", rank, r.RankMe)
		}
	}
	// Two directions, one three times as strong: p = (3/4, 1/4) of the singular values.
	z := kernel.New(20, 4)
	for i := range 20 {
		z.Data[i*4+min(1, i%10/9)] = 1 // nine clips to one
	}
	near(t, "RankMe of 3:1", measure(z).RankMe, math.Exp(-0.75*math.Log(0.75)-0.25*math.Log(0.25)))
}

// Two towers that have both collapsed, each to a point of its own, are not
// spread, and no better than chance.
func TestCollapsedTowers(t *testing.T) {
	const n = 5
	z := kernel.New(2*n, 2)
	for i := range 2 * n {
		z.Data[2*i+i/n] = 1
	}
	r := measure(z)
	near(t, "std", r.Std, 0)
	near(t, "alignment", r.Alignment, 2)
	near(t, "uniformity", r.Uniformity, 0)
	near(t, "top-1", r.Top1, 1./n)
	near(t, "RankMe", r.RankMe, 2)
}

// The formulas in loops, over sizes that are no multiple of anything.
func TestLoops(t *testing.T) {
	for _, size := range [][2]int{{2, 1}, {2, 3}, {3, 7}, {5, 2}, {9, 33}} {
		n, p := size[0], size[1]
		z := normal(uint64(n), 2*n, p)
		x := make([][]float64, 2*n)
		for i := range x {
			x[i] = make([]float64, p)
			norm := 0.0
			for _, v := range z.Data[i*p : (i+1)*p] {
				norm += float64(v) * float64(v)
			}
			for k, v := range z.Data[i*p : (i+1)*p] {
				x[i][k] = float64(v) / math.Sqrt(norm)
			}
		}
		apart := func(i, j int) (d float64) {
			for k := range p {
				d += (x[i][k] - x[j][k]) * (x[i][k] - x[j][k])
			}
			return d
		}
		var align, uniform, top, positive, negative, std float64
		for i := range n {
			align += apart(i, n+i) / float64(n)
			positive += (1 - apart(i, n+i)/2) / float64(n)
		}
		for _, view := range []int{0, n} {
			sum, pairs := 0.0, 0.0
			for i := range n {
				for j := range i {
					sum, pairs = sum+math.Exp(-2*apart(view+i, view+j)), pairs+1
				}
			}
			uniform += math.Log(sum/pairs) / 2
		}
		for i := range 2 * n {
			nearest := 0
			for j := range 2 * n {
				if j%n != i%n {
					negative += (1 - apart(i, j)/2) / float64(4*n*(n-1))
				}
			}
			for j := range n { // the other view's
				if apart(i, (i/n+1)%2*n+j) < apart(i, (i/n+1)%2*n+nearest) {
					nearest = j
				}
			}
			if nearest == i%n {
				top += 1 / float64(2*n)
			}
		}
		for k := range p {
			v := 0.0
			for _, view := range []int{0, n} {
				mean := 0.0
				for i := range n {
					mean += x[view+i][k] / float64(n)
				}
				for i := range n {
					v += (x[view+i][k] - mean) * (x[view+i][k] - mean) / float64(2*(n-1))
				}
			}
			std += math.Sqrt(v) / float64(p)
		}
		r := measure(z)
		near(t, "alignment", r.Alignment, align)
		near(t, "uniformity", r.Uniformity, uniform)
		near(t, "positive cosine", r.PositiveCos, positive)
		near(t, "negative cosine", r.NegativeCos, negative)
		near(t, "std", r.Std, std)
		if p > 1 { // on a line, all cosines are ±1
			near(t, "top-1", r.Top1, top)
		}
		if total(r.Positives) != n || total(r.Negatives) != 2*n*(n-1) {
			t.Errorf("%v: histograms of %d and %d", size, total(r.Positives), total(r.Negatives))
		}
		if !(r.RankMe >= 1-1e-9 && r.RankMe <= float64(min(2*n, p))+1e-9) {
			t.Errorf("%v: RankMe is %v", size, r.RankMe)
		}
	}
}

func TestBins(t *testing.T) {
	for cos, want := range map[float64]int{-1.0000001: 0, -1: 0, -0.95: 0, -0.85: 1, -1e-9: 9, 0: 10, 0.05: 10, 0.95: 19, 1: 19, 1.0000001: 19} {
		if got := bin(cos); got != want {
			t.Errorf("%v is in bin %d, want %d", cos, got, want)
		}
	}
}

// Clips in another order, and views changed over, give the same measures.
func TestOrderDoesNotCount(t *testing.T) {
	const n, p = 17, 12
	z, turned := normal(3, 2*n, p), kernel.New(2*n, p)
	for i, from := range rand.New(rand.NewPCG(1, 1)).Perm(n) {
		copy(turned.Data[i*p:(i+1)*p], z.Data[(n+from)*p:])
		copy(turned.Data[(n+i)*p:(n+i+1)*p], z.Data[from*p:])
	}
	a, b := reflect.ValueOf(measure(z)), reflect.ValueOf(measure(turned))
	for i := range a.NumField() {
		if name := a.Type().Field(i).Name; a.Field(i).Kind() == reflect.Float64 {
			near(t, name, b.Field(i).Float(), a.Field(i).Float())
		} else if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			t.Errorf("%s: %v, want %v", name, b.Field(i), a.Field(i))
		}
	}
}

// What is not finite is counted and left out; the rest is measured as if alone.
func TestNotFinite(t *testing.T) {
	const n, p = 6, 4
	z := normal(4, 2*n, p)
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	z.Data[1*p], z.Data[(n+1)*p+2], z.Data[(n+4)*p] = nan, inf, nan // both views of clip 1, the second of clip 4
	rest := kernel.New(2*(n-2), p)
	for i, from := range []int{0, 2, 3, 5} {
		copy(rest.Data[i*p:(i+1)*p], z.Data[from*p:])
		copy(rest.Data[(n-2+i)*p:(n-1+i)*p], z.Data[(n+from)*p:])
	}
	want := measure(rest)
	want.NotFinite = 3
	if got := measure(z); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for i := range z.Data {
		z.Data[i] = nan
	}
	if got := measure(z); got != (Report{Dimensions: p, NotFinite: 2 * n}) {
		t.Errorf("nothing is finite: %+v", got)
	}
}

// Odd inputs give finite numbers, which JSON can hold.
func TestExtremes(t *testing.T) {
	tiny, huge := float32(math.SmallestNonzeroFloat32), float32(math.MaxFloat32)
	for what, z := range map[string]kernel.Array{
		"none":       kernel.New(0, 4),
		"one pair":   normal(1, 2, 4),
		"no columns": kernel.New(8, 0),
		"one column": normal(1, 8, 1),
		"zeros":      kernel.New(8, 4),
		"tiny":       rows([]float32{tiny, 0}, []float32{0, tiny}, []float32{tiny, tiny}, []float32{0, 0}),
		"huge":       rows([]float32{huge, 0}, []float32{-huge, huge}, []float32{huge, huge}, []float32{0, huge}),
	} {
		r := measure(z)
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%s: %v: %+v", what, err, r)
		}
		if r.NotFinite != 0 || r.Pairs != z.Shape[0]/2 {
			t.Errorf("%s: %+v", what, r)
		}
	}
	if r := measure(kernel.New(8, 4)); r.RankMe != 0 || r.Std != 0 || r.Top1 != 0.25 {
		t.Errorf("zeros: %+v", r)
	}
}

// A meter gives what a new one would, whatever it measured before, in the memory
// that it has, and the same bytes on one thread and on several.
func TestMeter(t *testing.T) {
	big, small := normal(5, 128, 96), normal(6, 6, 9)
	var m Meter
	for _, z := range []kernel.Array{small, big, small, big} {
		if m.Measure(z) != measure(z) {
			t.Errorf("a used meter differs over %v", z.Shape)
		}
	}
	if n := testing.AllocsPerRun(5, func() { m.Measure(small) }); n > 2 { // LAPACK's sort of the singular values
		t.Errorf("a used meter allocates %v times", n)
	}
	want := measure(big)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if measure(big) != want {
		t.Error("one thread differs")
	}
}

func TestMisuse(t *testing.T) {
	for _, z := range []kernel.Array{kernel.New(3, 2), kernel.New(4), {Shape: []int{4, 4}, Data: make([]float32, 15)}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v is measured", z.Shape)
				}
			}()
			measure(z)
		}()
	}
}

// The keys of a report never change: runs are compared by them.
func TestKeys(t *testing.T) {
	text, err := json.Marshal(measure(rows([]float32{1, 0}, []float32{0, 1}, []float32{1, 0}, []float32{0, 1})))
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"pairs", "dimensions", "not_finite", "std", "std_spread", "std_least", "dead_dimensions", "rankme",
		"alignment", "uniformity", "positive_cosine", "negative_cosine", "top1", "positive_histogram", "negative_histogram"} {
		if _, ok := keys[key]; !ok {
			t.Errorf("no %s in %s", key, text)
		}
		delete(keys, key)
	}
	if len(keys) > 0 {
		t.Errorf("also %v", keys)
	}
}

func BenchmarkMeasure(b *testing.B) {
	z := normal(1, 512, 128)
	var m Meter
	for b.Loop() {
		m.Measure(z)
	}
}

// measure is a new meter's.
func measure(z kernel.Array) Report {
	var m Meter
	return m.Measure(z)
}
