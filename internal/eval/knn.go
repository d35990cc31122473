package eval

import (
	"context"
	"fmt"
	"math"
	"slices"

	"clr/internal/fault"
)

// A KNNProbe asks the nearest training clips for the class, by the cosine of
// embeddings: each of the k votes with the weight exp(cosine / temperature) (Wu et
// al. 2018, "Unsupervised feature learning via non-parametric instance
// discrimination", §3.4). Where several k are given, that which answers most
// validation clips rightly is taken, the smaller of equals.
type KNNProbe struct {
	K           []int   `yaml:"k" doc:"neighbours that vote, at most all training clips; of several the one that is best on validation clips counts, and each has a row of the report"`
	Temperature float64 `yaml:"temperature" doc:"a neighbour's vote weighs exp(cosine / temperature)"`
	Windows     string  `yaml:"windows" doc:"of clips longer than a view: embeddings, the mean of its windows is a clip; vote, windows are asked about windows, and what most of them say is the clip's"`
	InnerFolds  int     `yaml:"inner_folds" doc:"parts of the training clips that take turns as validation where no validation clips are given; groups stay whole"`
	Seed        uint64  `yaml:"seed" doc:"deals clips to inner folds where no groups are known"`
}

var knnDefaults = KNNProbe{K: []int{1, 5, 20, 200}, Temperature: 0.07, Windows: "embeddings", InnerFolds: 5, Seed: 1}

// Doc says in one line what this is.
func (KNNProbe) Doc() string {
	return "votes of the nearest training clips, by cosine; nothing is fitted"
}

// Check refuses settings that cannot work.
func (p KNNProbe) Check() error {
	switch {
	case len(p.K) == 0 || slices.Min(p.K) < 1:
		return fault.New(fault.Usage, "[1, 5, 20, 200] are usual", "k is %v, it must name numbers of 1 or more", p.K)
	case len(slices.Compact(slices.Sorted(slices.Values(p.K)))) < len(p.K):
		return fault.New(fault.Usage, "name each number once", "k is %v", p.K)
	case !(p.Temperature > 0) || math.IsInf(p.Temperature, 0):
		return fault.New(fault.Usage, "0.07 is usual", "temperature is %g, must be positive", p.Temperature)
	case p.InnerFolds < 2:
		return fault.New(fault.Usage, "", "inner_folds is %d, it must be at least 2", p.InnerFolds)
	}
	return over(p.Windows).check("embeddings", "vote")
}

// Repeats gives one head a split: nothing is random but inner folds.
func (p KNNProbe) Repeats() []uint64 { return []uint64{p.Seed} }

// Fit chooses k.
func (p KNNProbe) Fit(ctx context.Context, t Training) (Head, error) {
	ks := slices.Sorted(slices.Values(p.K))
	scores, of, by := make([]float64, len(ks)), 0, over(p.Windows)
	if len(ks) > 1 {
		for _, part := range t.parts(p.InnerFolds) {
			of += part.valid.N
			for i, logp := range votes(ctx, by.learn(part.train), by.learn(part.valid), ks, p.Temperature) {
				scores[i] += validScore(by.gather(part.valid, logp), part.valid)
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	best := slices.Index(scores, slices.Max(scores))
	h := knnHead{by.learn(join(t.Train, t.Valid)), ks[best], p.Temperature, Choice{K: ks[best]}, by}
	if of > 0 {
		h.choice.validated(t.Train.Multi(), scores[best]/float64(of))
	}
	if what := map[bool]string{true: "windows", false: "clips"}[by.each()]; h.k > h.train.N {
		h.choice.Note = fmt.Sprintf("there are %d training %s, and all vote", h.train.N, what)
	}
	return h, nil
}

type knnHead struct {
	train       Set
	k           int
	temperature float64
	choice      Choice
	over        over
}

func (h knnHead) LogProba(s Set) []float64 {
	return h.over.ask(s, func(s Set) []float64 { return votes(context.Background(), h.train, s, []int{h.k}, h.temperature)[0] })
}
func (h knnHead) Choice() Choice { return h.choice }

// KNNAccuracy is the accuracy, 0 to 1, of asking the k nearest of train for the
// class of each of test. Embeddings that are not finite are not asked, and as
// queries count as wrong, as do queries with nobody to ask.
func KNNAccuracy(train, test Set, k int, temperature float64) float64 {
	logp, hits := votes(context.Background(), train, test, []int{k}, temperature)[0], 0
	for i, y := range Predict(logp, len(test.Classes)) {
		if y == test.Labels[i] && !math.IsInf(logp[i*len(test.Classes)+y], -1) {
			hits++
		}
	}
	return float64(hits) / float64(test.N)
}

// votes gives, for each of ks, the logarithm of each class's share in the votes
// of the k nearest of train, a row a clip of test: -Inf in all where nobody is
// there to ask. What is of a query's own source is never asked, and where fewer
// than k are left, all are. Of equally near ones the earlier is asked.
func votes(ctx context.Context, train, test Set, ks []int, temperature float64) [][]float64 { // of (N, K)
	most, classes := slices.Max(ks), len(test.Classes)
	x := units(train)
	out := make([][]float64, len(ks))
	for i := range out {
		out[i] = slices.Repeat([]float64{math.Inf(-1)}, test.N*classes)
	}
	nearestRows(ctx, x, units(test), train.Sources, test.Sources, most, func(query int, near []neighbour) {
		if len(near) == 0 {
			return
		}
		share := make([]float64, classes)
		sum := 0.0
		for i, n := range near {
			w := math.Exp((n.cos - near[0].cos) / temperature) // the nearest's weight is 1: no temperature overflows
			for _, y := range train.Of(n.index) {
				share[y] += w
			}
			sum += w
			for j, k := range ks {
				if i+1 == min(k, len(near)) {
					row := out[j][query*classes : (query+1)*classes]
					for c, v := range share {
						row[c] = math.Log(v / sum)
					}
				}
			}
		}
	})
	return out
}

// unitRows are rows of length 1.
type unitRows struct {
	n, d   int
	x      []float64 // (N, D)
	finite []bool    // (N)
}

// units divides each embedding by its length.
func units(s Set) unitRows {
	u := unitRows{s.N, s.D, slices.Clone(s.X), make([]bool, s.N)}
	share(s.N, len(u.x), func(i int) {
		row := u.x[i*s.D : (i+1)*s.D]
		length := norm(row)
		u.finite[i] = !math.IsNaN(length) && !math.IsInf(length, 0)
		if length > 0 {
			for k := range row {
				row[k] /= length
			}
		}
	})
	return u
}

func (u unitRows) row(i int) []float64 { return u.x[i*u.d : (i+1)*u.d] }

// A neighbour is an embedding as a query sees it.
type neighbour struct {
	cos   float64
	index int
}

// nearestRows finds the k of x that are nearest to each query, the nearest first, the
// earlier of equals. What is of the query's own source, or is not finite, is
// passed over. each must not touch another query's, and is not called for those left
// when ctx is done.
func nearestRows(ctx context.Context, x, queries unitRows, sources, asking []string, k int, each func(query int, near []neighbour)) {
	const block = 32 // queries that pass over x together, which is read from memory once for them
	share((queries.n+block-1)/block, queries.n*len(x.x), func(b int) {
		if ctx.Err() != nil {
			return
		}
		from := b * block
		near := make([][]neighbour, min(block, queries.n-from))
		for i := range x.n {
			if !x.finite[i] {
				continue
			}
			row := x.row(i)
			for q := range near {
				own := sources != nil && asking != nil && sources[i] == asking[from+q]
				if own || !queries.finite[from+q] {
					continue
				}
				near[q] = kept(near[q], neighbour{dense.Ddot(x.d, row, 1, queries.row(from+q), 1), i}, k)
			}
		}
		for q, n := range near {
			each(from+q, n)
		}
	})
}

// kept puts a later neighbour among the k nearest.
func kept(near []neighbour, n neighbour, k int) []neighbour {
	if len(near) == k && n.cos <= near[k-1].cos {
		return near
	}
	at, _ := slices.BinarySearchFunc(near, n, func(a, b neighbour) int {
		if a.cos >= b.cos {
			return -1
		}
		return 1
	})
	if len(near) == k {
		near = near[:k-1]
	}
	return slices.Insert(near, at, n)
}
