package eval

import (
	"context"
	"math"
	"slices"
	"testing"
)

func TestLogisticDegenerate(t *testing.T) {
	ctx := context.Background()
	for name, s := range map[string]Set{
		"two clips":          blobs(2, 3, 2, 1, 0, 1),
		"more features":      blobs(12, 90, 3, 1, 0, 2),
		"one a class":        blobs(5, 4, 5, 1, 0, 3),
		"one feature":        blobs(40, 1, 3, 1, 0, 4),
		"constant features":  {X: slices.Repeat([]float64{3.7}, 40), N: 10, D: 4, Labels: []int{0, 1, 0, 1, 0, 1, 0, 1, 0, 0}, Classes: classNames(2)},
		"a class unseen":     {X: blobs(10, 3, 2, 1, 0, 5).X, N: 10, D: 3, Labels: []int{0, 2, 0, 2, 0, 2, 0, 2, 0, 2}, Classes: classNames(4)},
		"huge scale":         scaled(blobs(60, 6, 3, 1, 0.3, 6), 1e12),
		"tiny scale":         scaled(blobs(60, 6, 3, 1, 0.3, 6), 1e-12),
		"separable, large C": blobs(60, 6, 3, 50, 0, 7),
		"duplicate features": doubled(blobs(60, 6, 3, 1, 0, 8)),
		"one class (inner)":  {X: []float64{1, 2, 3}, N: 3, D: 1, Labels: []int{1, 1, 1}, Classes: classNames(2)},
	} {
		head, err := linearDefaults.Fit(ctx, Training{Train: s, Seed: 1})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		seen := map[int]bool{}
		for _, y := range s.Labels {
			seen[y] = true
		}
		logp := head.LogProba(s)
		for i := range s.N {
			sum := 0.0
			for k := range s.Classes {
				v := logp[i*len(s.Classes)+k]
				if math.IsNaN(v) || seen[k] == math.IsInf(v, -1) {
					t.Fatalf("%s: log p of class %d is %v", name, k, v)
				}
				sum += math.Exp(v)
			}
			if math.Abs(sum-1) > 1e-12 {
				t.Fatalf("%s: probabilities sum to %v", name, sum)
			}
		}
	}
}

func scaled(s Set, by float64) Set {
	for i := range s.X {
		s.X[i] *= by
	}
	return s
}

func doubled(s Set) Set {
	out := s
	out.D, out.X = 2*s.D, nil
	for i := range s.N {
		out.X = append(append(out.X, s.Row(i)...), s.Row(i)...)
	}
	return out
}
