package health

import (
	"cmp"
	"math"
	"slices"

	"clr/internal/fault"
	"clr/internal/kernel"
)

// Labelled are embeddings of clips or windows whose class is known.
type Labelled struct {
	X       kernel.Array // (N, D)
	Labels  []int        // (N)
	Sources []string     // (N): the recording that each is of; nil: no two are of one
}

// KNN is the accuracy, 0 to 1, of asking the k nearest of train for the class of
// each of test: each votes with the weight exp(cosine / temperature), 0.07 being
// usual (Wu et al. 2018, "Unsupervised feature learning via non-parametric
// instance discrimination", §3.4). What is of a query's own source is never
// asked, and where fewer than k are left, all are. Of equally near ones the
// earlier is asked, and of classes with equal votes the lower wins.
//
// Embeddings that are not finite are not asked, and as queries count as wrong,
// as do queries with nobody to ask.
func KNN(train, test Labelled, k int, temperature float64) (float64, error) {
	if err := comparable(train, test, k, temperature); err != nil {
		return 0, err
	}
	right := 0
	for i, class := range newVoters(train).classify(test, k, temperature) {
		if class >= 0 && class == test.Labels[i] {
			right++
		}
	}
	return float64(right) / float64(len(test.Labels)), nil
}

// comparable refuses what KNN cannot work with.
func comparable(train, test Labelled, k int, temperature float64) error {
	for _, s := range []struct {
		name string
		Labelled
	}{{"training", train}, {"test", test}} {
		n := len(s.Labels)
		switch {
		case n == 0:
			return fault.New(fault.Data, "k-NN needs labelled clips on both sides: see the manifest's label and split", "k-NN: there are no labelled %s clips", s.name)
		case len(s.X.Shape) != 2 || s.X.Shape[0] != n || len(s.X.Data) != n*s.X.Shape[1] || s.Sources != nil && len(s.Sources) != n:
			return fault.New(fault.Run, "", "k-NN: %d labels and %d sources of %s clips with embeddings of shape %v", n, len(s.Sources), s.name, s.X.Shape)
		case slices.Min(s.Labels) < 0:
			return fault.New(fault.Run, "", "k-NN: a label of the %s clips is %d, must be 0 or more", s.name, slices.Min(s.Labels))
		}
	}
	switch a, b := train.X.Shape[1], test.X.Shape[1]; {
	case a != b:
		return fault.New(fault.Run, "embed both with the same encoder", "k-NN: training embeddings have %d dimensions, test embeddings %d", a, b)
	case k < 1:
		return fault.New(fault.Usage, "", "k-NN: k is %d, must be 1 or more", k)
	case !(temperature > 0) || math.IsInf(temperature, 0):
		return fault.New(fault.Usage, "0.07 is usual", "k-NN: the temperature is %g, must be positive", temperature)
	}
	return nil
}

// voters are a training set, ready to be asked.
type voters struct {
	Labelled
	x       []float64 // (N, D): unit rows
	classes []int     // that occur, ascending
}

// A voter is one of the training set as a query sees it.
type voter struct {
	cos   float64
	index int
}

func newVoters(s Labelled) voters {
	n, d := s.X.Shape[0], s.X.Shape[1]
	v := voters{s, make([]float64, n*d), slices.Compact(slices.Sorted(slices.Values(s.Labels)))}
	for i := range n {
		unit(v.x[i*d:(i+1)*d], s.X.Data[i*d:(i+1)*d])
	}
	return v
}

// classify gives each query its class, or -1 where nobody can tell.
func (v voters) classify(test Labelled, k int, temperature float64) []int {
	d := v.X.Shape[1]
	query, votes := make([]float64, d), make([]float64, len(v.classes))
	ask, class := make([]voter, 0, len(v.Labels)), make([]int, len(test.Labels))
	for i := range class {
		row := test.X.Data[i*d : (i+1)*d]
		ask, class[i] = ask[:0], -1
		if !finite(row) {
			continue
		}
		unit(query, row)
		for j := range v.Labels {
			own := v.Sources != nil && test.Sources != nil && v.Sources[j] == test.Sources[i]
			if !own && finite(v.X.Data[j*d:(j+1)*d]) {
				ask = append(ask, voter{dot(query, v.x[j*d:(j+1)*d]), j})
			}
		}
		if len(ask) == 0 {
			continue
		}
		slices.SortFunc(ask, func(a, b voter) int {
			return cmp.Or(cmp.Compare(b.cos, a.cos), cmp.Compare(a.index, b.index))
		})
		clear(votes)
		for _, a := range ask[:min(k, len(ask))] {
			c, _ := slices.BinarySearch(v.classes, v.Labels[a.index])
			votes[c] += math.Exp((a.cos - ask[0].cos) / temperature) // the nearest's weight is 1: no temperature overflows
		}
		most := 0
		for c, w := range votes {
			if w > votes[most] {
				most = c
			}
		}
		class[i] = v.classes[most]
	}
	return class
}
