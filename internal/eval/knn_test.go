package eval

import (
	"math"
	"slices"
	"testing"

	"clr/internal/fault"
	"clr/internal/reftest"
)

// labelledRows are embeddings whose class is known, of eight.
func labelledRows(labels []int, rows ...[]float64) Set {
	return Set{X: slices.Concat(rows...), N: len(rows), D: len(rows[0]), Labels: labels, Classes: make([]string, 8)}
}

// Three neighbours of one class outvote a nearer one, or do not, as the
// temperature says. The cosines are 1 and 0.8.
func TestKNNVotes(t *testing.T) {
	train := labelledRows([]int{4, 7, 7, 7}, []float64{1, 0}, []float64{0.8, 0.6}, []float64{0.8, 0.6}, []float64{8, 6})
	test := labelledRows([]int{4}, []float64{3, 0})
	// e^(0.2/T) against 3: they part at T = 0.2/log 3 = 0.182.
	for temperature, want := range map[float64]float64{0.07: 1, 0.18: 1, 0.184: 0, 10: 0, 1e-300: 1} {
		if got := KNNAccuracy(train, test, 4, temperature); got != want {
			t.Errorf("temperature %g: %g, want %g", temperature, got, want)
		}
	}
	if got := KNNAccuracy(train, test, 1, 10); got != 1 {
		t.Errorf("the nearest alone: %g, want 1", got)
	}
	if got := KNNAccuracy(train, test, 200, 10); got != 0 {
		t.Errorf("all of them: %g, want 0", got)
	}
}

// A query never asks its own source, nor a neighbour that is not finite; of
// equals the earlier is asked, and of equal votes the lower class wins.
func TestKNNWhoIsAsked(t *testing.T) {
	nan := math.NaN()
	train := labelledRows([]int{1, 0, 2, 3}, []float64{1, 0}, []float64{1, 0}, []float64{0, 1}, []float64{nan, 0})
	train.Sources = []string{"a", "b", "c", "d"}
	query := func(label int, source string, row ...float64) Set {
		q := labelledRows([]int{label}, row)
		q.Sources = []string{source}
		return q
	}
	for _, c := range []struct {
		what string
		test Set
		k    int
	}{
		{"the earlier of two equals", query(1, "", 1, 0), 1},
		{"its own source's left out", query(0, "a", 1, 0), 1},
		{"the lower class of equal votes", query(0, "", 1, 0), 2},
		{"not the one that is not finite", query(2, "", 0, 1), 1},
	} {
		if KNNAccuracy(train, c.test, c.k, 0.07) != 1 {
			t.Errorf("%s: does not win", c.what)
		}
	}
	if got := KNNAccuracy(train, query(3, "", nan, 1), 4, 0.07); got != 0 {
		t.Errorf("a query that is not finite is right: %g", got)
	}
	alone := query(0, "a", 1, 0)
	if got := KNNAccuracy(alone, alone, 1, 0.07); got != 0 {
		t.Errorf("a query with nobody to ask is right: %g", got)
	}
	alone.Sources = nil
	if got := KNNAccuracy(alone, alone, 1, 0.07); got != 1 {
		t.Errorf("without sources it asks itself: %g", got)
	}
}

func TestKNNReference(t *testing.T) {
	c := reftest.Get[struct {
		K           int
		Temperature float64 `json:"vote_temperature"`
	}](t, "metrics/knn")
	read := func(name string) Set {
		a := c.Inputs[name].Array(t)
		s := Set{N: a.Shape[0], D: a.Shape[1], Labels: c.Inputs[name+"_labels"].Ints(t), Classes: make([]string, 8)}
		for _, v := range a.Data {
			s.X = append(s.X, float64(v))
		}
		return s
	}
	train, test := read("train"), read("test")
	reftest.Match(t, c.Outputs["accuracy"], "accuracy", KNNAccuracy(train, test, c.Params.K, c.Params.Temperature))
	got := Predict(votes(t.Context(), train, test, []int{c.Params.K}, c.Params.Temperature)[0], 8)
	if want := c.Outputs["predictions"].Ints(t); !slices.Equal(got, want) {
		t.Errorf("predictions %v, want %v", got, want)
	}
}

// The shares of the votes, in loops: every pair's cosine, sorted.
func TestVotesInLoops(t *testing.T) {
	train, test := blobs(77, 5, 3, 1, 0.5, 4), blobs(70, 5, 3, 1, 0.5, 9)
	for i := range train.N {
		train.Sources = append(train.Sources, string(rune('a'+i%11)))
	}
	for i := range test.N {
		test.Sources = append(test.Sources, string(rune('a'+i%13)))
	}
	ks := []int{1, 4, 500}
	got := votes(t.Context(), train, test, ks, 0.2)
	for i := range test.N {
		var near []neighbour
		for j := range train.N {
			if train.Sources[j] != test.Sources[i] {
				dot := 0.0
				for k, v := range test.Row(i) {
					dot += v * train.Row(j)[k]
				}
				near = append(near, neighbour{dot / norm(test.Row(i)) / norm(train.Row(j)), j})
			}
		}
		slices.SortStableFunc(near, func(a, b neighbour) int {
			if a.cos > b.cos {
				return -1
			}
			return 1
		})
		for j, k := range ks {
			want, sum := make([]float64, 3), 0.0
			for _, n := range near[:min(k, len(near))] {
				want[train.Labels[n.index]] += math.Exp(n.cos / 0.2)
				sum += math.Exp(n.cos / 0.2)
			}
			for c := range want {
				if p := math.Exp(got[j][i*3+c]); math.Abs(p-want[c]/sum) > 1e-12 {
					t.Errorf("k %d, clip %d, class %d: %g, want %g", k, i, c, p, want[c]/sum)
				}
			}
		}
	}
}

// k is chosen on validation clips: in a class's outskirts that are labelled
// wrongly one neighbour errs, and many do not.
func TestKNNChoosesK(t *testing.T) {
	s := blobs(300, 4, 2, 2, 0.3, 3)
	for i := range s.N {
		if i%5 == 0 {
			s.Labels[i] = 1 - s.Labels[i]
		}
	}
	p := KNNProbe{K: []int{20, 1}, Temperature: 0.07, Windows: "embeddings", InnerFolds: 5, Seed: 1}
	head, err := p.Fit(t.Context(), Training{Train: s, Seed: 1})
	if err != nil || head.Choice().K != 20 || head.Choice().ValidAccuracy < 0.7 {
		t.Errorf("%+v, %v", head, err)
	}
	p.K = []int{7000}
	if head, err = p.Fit(t.Context(), Training{Train: s}); err != nil || head.Choice().Note == "" {
		t.Errorf("more neighbours than clips: %+v, %v", head, err)
	}
	for _, bad := range []KNNProbe{{}, {K: []int{0}, Temperature: 1, InnerFolds: 2}, {K: []int{1}, InnerFolds: 2}, {K: []int{1, 1}, Temperature: 1, InnerFolds: 2}, {K: []int{1}, Temperature: 1}} {
		if fault.KindOf(bad.Check()) != fault.Usage {
			t.Errorf("%+v is accepted", bad)
		}
	}
}
