package project

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// groups are so many points around each of so many places in d dimensions.
func groups(many, each, d int) []float64 {
	r := rand.New(rand.NewPCG(5, 7))
	var x []float64
	for range many {
		centre := make([]float64, d)
		for k := range centre {
			centre[k] = 10 * r.NormFloat64()
		}
		for range each {
			for k := range centre {
				x = append(x, centre[k]+r.NormFloat64())
			}
		}
	}
	return x
}

// Points that lie in a plane keep their distances, whichever side of the matrix
// is the smaller.
func TestPCAKeepsAPlane(t *testing.T) {
	for _, size := range [][2]int{{40, 7}, {7, 40}} {
		n, d := size[0], size[1]
		r := rand.New(rand.NewPCG(1, 2))
		axes := make([]float64, 2*d)
		for i := range axes {
			axes[i] = r.NormFloat64()
		}
		x := make([]float64, n*d)
		for i := range n {
			a, b := 5*r.NormFloat64(), r.NormFloat64()
			for k := range d {
				x[i*d+k] = 3 + a*axes[k] + b*axes[d+k]
			}
		}
		y, share := PCA(x, n, d, 3)
		flat := make([]float64, 0, 2*n)
		for i := range n {
			flat = append(flat, y[3*i], y[3*i+1])
			if math.Abs(y[3*i+2]) > 1e-6 {
				t.Fatalf("%v: point %d leaves the plane by %g", size, i, y[3*i+2])
			}
		}
		was, is := distances(x, n, d), distances(flat, n, 2)
		for i := range was {
			if math.Abs(was[i]-is[i]) > 1e-8*(1+was[i]) {
				t.Fatalf("%v: a squared distance of %g became %g", size, was[i], is[i])
			}
		}
		if share[0] <= share[1] || math.Abs(share[0]+share[1]-1) > 1e-12 || share[2] > 1e-12 {
			t.Errorf("%v: shares %v", size, share)
		}
		for q := range 2 {
			low, high, sum := 0.0, 0.0, 0.0
			for i := range n {
				low, high, sum = min(low, y[3*i+q]), max(high, y[3*i+q]), sum+y[3*i+q]
			}
			if high < -low || math.Abs(sum) > 1e-9 {
				t.Errorf("%v: coordinate %d goes from %g to %g, with a sum of %g", size, q, low, high, sum)
			}
		}
	}
}

// The gradient is that of the cost, by numeric differences: KL of p and q, §2.
func TestGradient(t *testing.T) {
	const n, d = 9, 4
	p := affinities(distances(groups(3, 3, d), n, d), n, 2.5)
	cost := func(y []float64, pull float64) float64 {
		q, total, sum := distances(y, n, 2), 0.0, 0.0
		for i := range n * n {
			if i%(n+1) != 0 {
				total += 1 / (1 + q[i])
			}
		}
		for i := range n * n {
			if i%(n+1) != 0 {
				sum += pull*p[i]*math.Log(1+q[i]) + math.Log(total)/float64(n*n-n)
			}
		}
		return sum
	}
	r := rand.New(rand.NewPCG(3, 4))
	y, slope := make([]float64, 2*n), make([]float64, 2*n)
	for i := range y {
		y[i] = r.NormFloat64()
	}
	for _, pull := range []float64{1, exaggeration} {
		gradient(slope, p, y, pull)
		for i := range y {
			const h = 1e-5
			was := y[i]
			y[i] = was + h
			up := cost(y, pull)
			y[i] = was - h
			down := cost(y, pull)
			y[i] = was
			if want := (up - down) / (2 * h); math.Abs(slope[i]-want) > 1e-7 {
				t.Errorf("pull %g, coordinate %d: %g, by differences %g", pull, i, slope[i], want)
			}
		}
	}
}

// Each row has the perplexity before pairs share, however far its neighbours are.
func TestPerplexity(t *testing.T) {
	const n, d, perplexity = 60, 6, 12
	for _, scale := range []float64{1e-6, 1, 1e6} {
		x := groups(4, n/4, d)
		for i := range x {
			x[i] *= scale
		}
		square, row := distances(x, n, d), make([]float64, n)
		for i := range n {
			neighbours(row, square[i*n:(i+1)*n], i, math.Log(perplexity))
			entropy := 0.0
			for j, v := range row {
				if v > 0 {
					entropy -= v * math.Log(v)
				}
				if j == i && v != 0 {
					t.Fatalf("point %d is its own neighbour", i)
				}
			}
			if got := math.Exp(entropy); math.Abs(got-perplexity) > 1e-6 {
				t.Fatalf("scale %g, point %d: perplexity %g, want %d", scale, i, got, perplexity)
			}
		}
	}
}

// Groups stay groups, and the same input gives the same bytes; another seed lies
// otherwise.
func TestTSNEKeepsGroups(t *testing.T) {
	const many, each, d = 5, 30, 20
	n := many * each
	o := TSNE{Perplexity: 20, Steps: 400, Seed: 1}
	steps := 0
	y, err := o.Layout(t.Context(), groups(many, each, d), n, d, func(step int) { steps = step })
	if err != nil || steps != 400 {
		t.Fatalf("%d steps: %v", steps, err)
	}
	square, wrong := distances(y, n, 2), 0
	for i := range n {
		best := -1
		for j := range n {
			if j != i && (best < 0 || square[i*n+j] < square[i*n+best]) {
				best = j
			}
		}
		if best/each != i/each {
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d points lie beside one of another group", wrong, n)
	}
	again, err := o.Layout(t.Context(), groups(many, each, d), n, d, func(int) {})
	if err != nil || !slices.Equal(y, again) {
		t.Errorf("twice is not the same: %v", err)
	}
	o.Seed = 2
	if other, _ := o.Layout(t.Context(), groups(many, each, d), n, d, func(int) {}); slices.Equal(y, other) {
		t.Error("another seed gives the same")
	}
}

// Few points, and points in one place, have places that are numbers.
func TestDegenerate(t *testing.T) {
	o := TSNE{Perplexity: 30, Steps: 300, Seed: 1}
	for _, c := range []struct {
		what string
		x    []float64
		n, d int
	}{
		{"none", nil, 0, 3}, {"one", []float64{1, 2, 3}, 1, 3}, {"two", []float64{1, 2, 3, 4}, 2, 2}, {"three", []float64{1, 2, 9}, 3, 1},
		{"in one place", make([]float64, 40), 20, 2}, {"without dimensions", nil, 4, 0},
		{"two places", []float64{0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7, 7, 7, 7, 7}, 16, 1},
		{"far apart", []float64{0, 1e150, -1e150, 1, 2, 3, 4, 5}, 8, 1},
	} {
		y, err := o.Layout(t.Context(), c.x, c.n, c.d, func(int) {})
		if err != nil || len(y) != 2*c.n {
			t.Fatalf("%s: %d values, %v", c.what, len(y), err)
		}
		p, share := PCA(c.x, c.n, c.d, 2)
		for _, v := range slices.Concat(y, p, share) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%s: %v, %v, %v", c.what, y, p, share)
				break
			}
		}
	}
}

func TestTSNEStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := DefaultTSNE.Layout(ctx, groups(2, 5, 3), 10, 3, func(step int) {
		if step == 3 {
			cancel()
		}
		if step > 3 {
			t.Errorf("it goes on to step %d", step)
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
