package eval

import (
	"context"
	"math"
	"testing"
)

// TestShortcutsKeepTheOptimum compares whitened and rotated fits with plain
// L-BFGS, on features that repeat and blend one another.
func TestShortcutsKeepTheOptimum(t *testing.T) {
	for _, s := range []Set{blobs(60, 7, 3, 0.5, 1, 1), blobs(30, 29, 3, 0.5, 1, 2), blobs(30, 30, 3, 0.5, 1, 3),
		blobs(30, 80, 4, 0.5, 1, 4), doubled(blobs(60, 7, 3, 0.5, 1, 5)), doubled(blobs(20, 15, 3, 0.5, 1, 6)), doubled(blobs(300, 70, 3, 0.5, 1, 7))} {
		for _, c := range []float64{1e-3, 1, 100} {
			fast, end, err := FitLogistic(context.Background(), s, c, Solver{1e-6, 5000}, nil)
			if err != nil || !end.Converged {
				t.Fatal(err, end)
			}
			r := &regression{objective: newObjective(s, Logit{})}
			r.penalize(c)
			theta := r.pack(nil)
			if _, err := r.minimize(context.Background(), theta, whitener{m: s.D + 1}, 1e-6, 5000); err != nil {
				t.Fatal(err)
			}
			plain := r.unpack(theta)
			a, ga := slope(s, c, fast.W, fast.B)
			b, gb := slope(s, c, plain.W, plain.B)
			scale := c * float64(s.N)
			if math.Abs(a-b) > 1e-7*scale || math.Abs(a-end.Objective) > 1e-9*scale {
				t.Errorf("N %d D %d C %v: objective %v (says %v), plain %v", s.N, s.D, c, a, end.Objective, b)
			}
			if ga > 1.01e-6*scale || math.Abs(ga/scale-end.Gradient) > 1e-8 {
				t.Errorf("N %d D %d C %v: gradient %v (says %v), plain %v", s.N, s.D, c, ga/scale, end.Gradient, gb/scale)
			}
			// A fit from another C's optimum ends at the same place.
			other, _, err := FitLogistic(context.Background(), s, c*3, Solver{1e-6, 5000}, nil)
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := FitLogistic(context.Background(), s, c, Solver{1e-6, 5000}, other)
			if err != nil {
				t.Fatal(err)
			}
			if w, _ := slope(s, c, again.W, again.B); math.Abs(w-a) > 1e-7*scale {
				t.Errorf("N %d D %d C %v: objective %v from another start, %v from zeros", s.N, s.D, c, w, a)
			}
		}
	}
}

func TestGramIsTheFormula(t *testing.T) {
	for _, n := range []int{1, 5, 70} {
		for _, d := range []int{1, 2, 62, 63, 64, 65, 130} {
			s := blobs(n, d, 2, 1, 0, uint64(n+d))
			got, m := gram(s), d+1
			one := func(i, j int) float64 {
				if j == d {
					return 1
				}
				return s.Row(i)[j]
			}
			for a := range m {
				for b := range a + 1 {
					want := 0.0
					for i := range n {
						want += one(i, a) * one(i, b) / float64(n)
					}
					if math.Abs(got[a*m+b]-want) > 1e-12*(1+math.Abs(want)) {
						t.Fatalf("N %d D %d: gram[%d,%d] is %v, want %v", n, d, a, b, got[a*m+b], want)
					}
				}
			}
		}
	}
}
