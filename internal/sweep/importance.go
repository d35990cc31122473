package sweep

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"clr/internal/report"
)

// quarters is into how many groups the numbers of a law are put.
const quarters = 4

// shares is how much of the variance of a score each parameter explains by itself,
// over trials that are done, the most important first; rest is what is left of 1.
// Parameters of which too few trials, or all with one value, came so far are left out.
//
// A share is ε² (Kelley 1935, "An unbiased correlation ratio measure"): the sum of
// squares between the groups of a parameter's values, less what it would be by chance
// with so many groups, of the whole sum. A grid gives every group all other
// parameters' values, so that shares of a grid do not overlap.
func (s *Sweep) shares(states []State, metric string) (all []report.Share, rest float64) {
	var done []State
	var scores []float64
	for _, st := range states {
		if st.Status == Done {
			if v, ok := st.Result.Scores[metric]; ok {
				done, scores = append(done, st), append(scores, v)
			}
		}
	}
	rest = 1
	for _, k := range s.varied() {
		groups, about := groupsOf(s.Parameters[k], k, done)
		share, ok := epsilon(groups, scores)
		if !ok {
			continue
		}
		all = append(all, report.Share{Name: s.Parameters[k].Path, Value: share, About: about})
		rest -= share
	}
	slices.SortStableFunc(all, func(a, b report.Share) int { return cmp.Compare(b.Value, a.Value) })
	return all, max(0, rest)
}

// groupsOf puts trials into groups by a parameter, which are told in words.
func groupsOf(q Parameter, k int, trials []State) (groups []int, about string) {
	groups = make([]int, len(trials))
	if q.values != nil {
		var names []string
		for i, st := range trials {
			at := slices.Index(names, st.Params[k].Text)
			if at < 0 {
				at, names = len(names), append(names, st.Params[k].Text)
			}
			groups[i] = at
		}
		return groups, fmt.Sprintf("%d values", len(names))
	}
	order := make([]int, len(trials))
	number := func(i int) float64 {
		v, _ := strconv.ParseFloat(trials[i].Params[k].Text, 64) // a law gives numbers
		return v
	}
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(number(a), number(b)) })
	for rank, i := range order {
		groups[i] = rank * quarters / len(order)
		if rank > 0 && number(i) == number(order[rank-1]) { // equal numbers are in one group
			groups[i] = groups[order[rank-1]]
		}
	}
	return groups, "a law's numbers, in quarters"
}

// epsilon is ε² of groups; not ok: there are not more values than groups, or not two
// groups, or the values are all one.
func epsilon(groups []int, values []float64) (share float64, ok bool) {
	n := float64(len(values))
	sums, counts := map[int]float64{}, map[int]float64{}
	mean := 0.0
	for i, v := range values {
		sums[groups[i]] += v
		counts[groups[i]]++
		mean += v / n
	}
	k := float64(len(sums))
	between, whole := 0.0, 0.0
	for i, v := range values {
		off, of := v-mean, sums[groups[i]]/counts[groups[i]]-mean
		whole += float64(off * off)
		between += float64(of * of)
	}
	if k < 2 || n <= k || whole == 0 {
		return 0, false
	}
	chance := (whole - between) / (n - k)
	return max(0, (between-float64((k-1)*chance))/whole), true
}
