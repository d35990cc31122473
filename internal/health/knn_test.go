package health

import (
	"math"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/kernel"
)

func knn(t *testing.T, train, test Labelled, k int, temperature float64) float64 {
	t.Helper()
	accuracy, err := KNN(train, test, k, temperature)
	if err != nil {
		t.Fatal(err)
	}
	return accuracy
}

// Three neighbours of one class outvote a nearer one, or do not, as the
// temperature says. The cosines are 1 and 0.8.
func TestKNNVotes(t *testing.T) {
	train := Labelled{X: rows([]float32{1, 0}, []float32{0.8, 0.6}, []float32{0.8, 0.6}, []float32{8, 6}), Labels: []int{4, 7, 7, 7}}
	test := Labelled{X: rows([]float32{3, 0}), Labels: []int{4}}
	// e^(0.2/T) against 3: they part at T = 0.2/log 3 = 0.182.
	for temperature, want := range map[float64]float64{0.07: 1, 0.18: 1, 0.184: 0, 10: 0, 1e-300: 1} {
		if got := knn(t, train, test, 4, temperature); got != want {
			t.Errorf("temperature %g: %g, want %g", temperature, got, want)
		}
	}
	if got := knn(t, train, test, 1, 10); got != 1 {
		t.Errorf("the nearest alone: %g, want 1", got)
	}
	if got := knn(t, train, test, 200, 10); got != 0 {
		t.Errorf("all of them: %g, want 0", got)
	}
}

// A query never asks its own source, nor a neighbour that is not finite; of
// equals the earlier is asked, and of equal votes the lower class wins.
func TestKNNWhoIsAsked(t *testing.T) {
	nan := float32(math.NaN())
	x := rows([]float32{1, 0}, []float32{1, 0}, []float32{0, 1}, []float32{nan, 0})
	train := Labelled{X: x, Labels: []int{1, 0, 2, 3}, Sources: []string{"a", "b", "c", "d"}}
	query := func(label int, source string, row ...float32) Labelled {
		return Labelled{X: rows(row), Labels: []int{label}, Sources: []string{source}}
	}
	for _, c := range []struct {
		what string
		test Labelled
		k    int
	}{
		{"the earlier of two equals", query(1, "", 1, 0), 1},
		{"its own source's left out", query(0, "a", 1, 0), 1},
		{"the lower class of equal votes", query(0, "", 1, 0), 2},
		{"not the one that is not finite", query(2, "", 0, 1), 1},
	} {
		if knn(t, train, c.test, c.k, 0.07) != 1 {
			t.Errorf("%s: does not win", c.what)
		}
	}
	if got := knn(t, train, query(3, "", nan, 1), 4, 0.07); got != 0 {
		t.Errorf("a query that is not finite is right: %g", got)
	}
	alone := Labelled{X: rows([]float32{1, 0}), Labels: []int{0}, Sources: []string{"a"}}
	if got := knn(t, alone, alone, 1, 0.07); got != 0 {
		t.Errorf("a query with nobody to ask is right: %g", got)
	}
	alone.Sources = nil
	if got := knn(t, alone, alone, 1, 0.07); got != 1 {
		t.Errorf("without sources it asks itself: %g", got)
	}
}

func TestKNNErrors(t *testing.T) {
	good := Labelled{X: kernel.New(2, 3), Labels: []int{0, 1}}
	with := func(change func(*Labelled)) Labelled {
		s := good
		change(&s)
		return s
	}
	for _, c := range []struct {
		train, test Labelled
		k           int
		temperature float64
		kind        fault.Kind
		want        string
	}{
		{Labelled{}, good, 1, 1, fault.Data, "no labelled training clips"},
		{good, Labelled{}, 1, 1, fault.Data, "no labelled test clips"},
		{good, with(func(s *Labelled) { s.Labels = []int{1} }), 1, 1, fault.Run, "1 labels and 0 sources of test clips with embeddings of shape [2 3]"},
		{with(func(s *Labelled) { s.Sources = []string{"a"} }), good, 1, 1, fault.Run, "2 labels and 1 sources of training clips"},
		{with(func(s *Labelled) { s.Labels = []int{0, -1} }), good, 1, 1, fault.Run, "a label of the training clips is -1"},
		{good, with(func(s *Labelled) { s.X = kernel.New(2, 4) }), 1, 1, fault.Run, "training embeddings have 3 dimensions, test embeddings 4"},
		{good, good, 0, 1, fault.Usage, "k is 0, must be 1 or more"},
		{good, good, 1, 0, fault.Usage, "the temperature is 0, must be positive"},
		{good, good, 1, math.NaN(), fault.Usage, "the temperature is NaN, must be positive"},
	} {
		if _, err := KNN(c.train, c.test, c.k, c.temperature); err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != c.kind {
			t.Errorf("%v, want %q of kind %d", err, c.want, c.kind)
		}
	}
}
