package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

var transformNames = [transforms]string{"input", "output", "output gradient", "weights", "weight gradient"}

// A transformCase is one call of a transform: the grid of its pixels or taps,
// of which every third is nowhere if edge, and how its vectors lie.
type transformCase struct {
	f    *filter
	kind transform
	n    int
	edge bool
}

func (c transformCase) String() string {
	return fmt.Sprintf("filter %d, %s, %d vectors, edge %v", c.f.id, transformNames[c.kind], c.n, c.edge)
}

// run makes the transform of src between canaries. Pixels lie in a permuted
// order; points are further apart than they need to be.
func (c transformCase) run(t *testing.T, src []float32, transform func(*filter, transform, *transformArgs, []float32)) []float32 {
	t.Helper()
	m, n := c.f.matrices[c.kind][0], c.f.matrices[c.kind][1]
	places, planes := len(m[0])*len(n[0]), len(m)*len(n)
	if !c.kind.toPoints() {
		places, planes = planes, places
	}
	const step = 2 * Lanes
	a := &transformArgs{plane: (c.n-1)*step + 3*Lanes, step: step, n: c.n, scratch: make([]float32, winoMiddle)}
	written := map[int]bool{} // first values of the vectors that a transform must write
	for i := range places {
		a.places[i] = i * 5 % places * (c.n + 1) * Lanes
		if c.edge && i%3 == 1 {
			a.places[i] = nowhere
		}
	}
	size := places * (c.n + 1) * Lanes
	if c.kind.toPoints() {
		size = planes * a.plane
	}
	for v := range c.n {
		for i := range planes {
			if c.kind.toPoints() {
				written[i*a.plane+v*step] = true
			}
		}
		for _, p := range a.places[:places] {
			if !c.kind.toPoints() && p != nowhere {
				written[p+v*Lanes] = true
			}
		}
	}
	dst, dump := guard(size), guard(c.n*Lanes)
	a.src, a.dst = src, dst.data
	transform(c.f, c.kind, a, dump.data)
	dst.check(t, c.String())
	dump.check(t, c.String()+", what nobody wants")
	var got []float32
	for v := 0; v < len(dst.data); v += Lanes {
		if vector := dst.data[v : v+Lanes]; written[v] {
			got = append(got, vector...)
		} else if slices.ContainsFunc(vector, func(x float32) bool { return x == x }) {
			t.Fatalf("%v: wrote %v at %d", c, vector, v)
		}
	}
	return got
}

// eachTransform calls f for all five of every filter over awkward counts of
// vectors.
func eachTransform(f func(transformCase)) {
	for i := range filters {
		for kind := range transforms {
			for _, n := range []int{1, 7, 8, 9, 31} {
				f(transformCase{&filters[i], kind, n, false})
				if kind <= toOutputGrad { // taps are never past an edge
					f(transformCase{&filters[i], kind, n, true})
				}
			}
		}
	}
}

func twin(f *filter, kind transform, a *transformArgs, _ []float32) { transformTwin(f, kind, a) }

func TestTransformTwins(t *testing.T) {
	src := random(1, mostPoints*40*2*Lanes)
	eachTransform(func(c transformCase) {
		want := doublesOf(c.run(t, src, twin))
		var fast []float32
		for _, path := range paths()[1:] {
			use(t, path)
			got := c.run(t, src, runTransform)
			near(t, c.String()+", "+isaNames[path], got, want, 3e-7)
			if fast != nil {
				sameBytes(t, c.String()+", AVX2 and AVX-512", got, fast)
			}
			fast = got
		}
	})
}

// NaN and infinity reach at least what they reach in the twin, which follows
// the formula, and stay in their lane. A sum that is shared by two results may
// make a NaN of an infinity, so the two are not told apart.
func TestTransformNotFinite(t *testing.T) {
	finite := func(x float32) bool { return x-x == 0 }
	clean := random(2, mostPoints*40*2*Lanes)
	eachTransform(func(c transformCase) {
		for i, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			src := slices.Clone(clean)
			for v := 5; v < len(src); v += 7 * Lanes { // lane 5 of some vectors
				src[v] = float32(bad)
			}
			want, plain := c.run(t, src, twin), c.run(t, clean, twin)
			for _, path := range paths() {
				use(t, path)
				got, other := c.run(t, src, runTransform), c.run(t, clean, runTransform)
				for k := range got {
					if k%Lanes != 5 && got[k] != other[k] {
						t.Fatalf("%v on %s: bad value %d leaks from lane 5 to %d", c, isaNames[path], i, k%Lanes)
					}
					if !finite(want[k]) && finite(got[k]) {
						t.Fatalf("%v on %s: bad value %d vanishes from %d: %v", c, isaNames[path], i, k, got[k])
					}
				}
			}
			if slices.Equal(want, plain) {
				t.Fatalf("%v: nothing was reached", c)
			}
		}
	})
}
