package eval

import (
	"context"
	"slices"
	"strconv"

	"clr/internal/fault"
)

// Retrieval asks each clip for others of its class, or with a label in common: the
// nearest k, by cosine, none of the clip's own recording.
type Retrieval struct {
	K []int `yaml:"k" doc:"how many are fetched; a score for each number"`
}

// Check refuses what fetches nothing.
func (o Retrieval) Check() error {
	if len(o.K) == 0 || slices.Min(o.K) < 1 || slices.Max(o.K) > 1e5 {
		return fault.New(fault.Usage, "[1, 10] are usual", "k is %v, it must name numbers of 1 to 100000", o.K)
	}
	return nil
}

// A RetrievalScore is the mean average precision of what is fetched: over clips of
// whose class there are others, and splits.
type RetrievalScore struct {
	K        int        `json:"k"`
	MAP      float64    `json:"map"`      // of the precisions at each place that is rightly filled, over k or all of the class if fewer
	Interval [2]float64 `json:"interval"` // 95 %, clips drawn again within each split
	Chance   float64    `json:"chance"`   // what is expected of an order by chance
}

// score fetches for each split's test clips; false where no clip has another of
// its class, or ctx is done.
func (o Retrieval) score(ctx context.Context, tests []judged) ([]RetrievalScore, bool) {
	ks := slices.Sorted(slices.Values(o.K))
	precisions := make([][][]float64, len(ks)) // of each k, split and clip
	chance := make([]float64, len(ks))
	for _, t := range tests {
		sources := t.set.Sources
		if sources == nil {
			for i := range t.set.N {
				sources = append(sources, strconv.Itoa(i))
			}
		}
		others, relevant := t.others(sources)
		found := make([][]float64, t.set.N) // by k; nil: nothing is there to find
		nearestRows(ctx, t.x, t.x, sources, sources, ks[len(ks)-1], func(i int, near []neighbour) {
			if relevant[i] == 0 {
				return
			}
			found[i] = make([]float64, len(ks))
			hits, sum := 0, 0.0
			for place, n := range near {
				if t.alike(n.index, i) {
					hits++
					sum += float64(hits) / float64(place+1)
				}
				for j, k := range ks {
					if place+1 == min(k, len(near)) {
						found[i][j] = sum / float64(min(k, relevant[i]))
					}
				}
			}
		})
		for j := range ks {
			var of []float64
			for _, f := range found {
				if f != nil {
					of = append(of, f[j])
				}
			}
			if len(of) == 0 {
				return nil, false
			}
			precisions[j] = append(precisions[j], of)
		}
		for j, k := range ks {
			for i, r := range relevant {
				if r > 0 {
					chance[j] += expected(k, r, others[i]) / float64(len(precisions[j][len(precisions[j])-1])*len(tests))
				}
			}
		}
	}
	out := make([]RetrievalScore, len(ks))
	for j, k := range ks {
		s := RetrievalScore{K: k, Interval: bootstrap(precisions[j], bootstrapDraws, 1), Chance: chance[j]}
		for _, of := range precisions[j] {
			mean, _ := meanStd(of)
			s.MAP += mean / float64(len(tests))
		}
		out[j] = s
	}
	return out, true
}

// expected is the average precision at k of an order by chance, of n clips of
// which some are relevant: place i is filled rightly with the probability p =
// relevant/n, and then so are (i-1)·(relevant-1)/(n-1) of those before it.
func expected(k, relevant, n int) float64 {
	sum := 0.0
	for i := 1; i <= min(k, n); i++ {
		sum += (1 + float64(i-1)*float64(relevant-1)/float64(max(1, n-1))) / float64(i)
	}
	return sum * float64(relevant) / float64(n) / float64(min(k, relevant))
}

// alike says whether two clips have a label in common.
func (t judged) alike(i, j int) bool {
	return slices.ContainsFunc(t.set.Of(i), func(y int) bool { return slices.Contains(t.set.Of(j), y) })
}

// others counts, for each clip, those of other recordings, and those that are
// alike among them.
func (t judged) others(sources []string) (all, relevant []int) {
	if t.set.Multi() {
		for i := range t.set.N {
			n, same := 0, 0
			for j := range t.set.N {
				if sources[i] != sources[j] {
					n++
					if t.alike(i, j) {
						same++
					}
				}
			}
			all, relevant = append(all, n), append(relevant, same)
		}
		return all, relevant
	}
	type both struct {
		source string
		class  int
	}
	inSource, inClass, inBoth := map[string]int{}, map[int]int{}, map[both]int{}
	for i, y := range t.set.Labels {
		inSource[sources[i]]++
		inClass[y]++
		inBoth[both{sources[i], y}]++
	}
	for i, y := range t.set.Labels {
		all = append(all, t.set.N-inSource[sources[i]])
		relevant = append(relevant, inClass[y]-inBoth[both{sources[i], y}])
	}
	return all, relevant
}
