package eval

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	bootstrapDraws = 2000 // how often test clips are drawn again for an interval
	deepDraws      = 200  // for scores that go through all clips of each class, at the least
	deepWork       = 2e8  // clips × classes × draws that these may go through beyond that
	drawsAtOnce    = 64
)

// bootstrap is the 95 % interval of the mean over splits of the mean over
// their clips, when each split's clips are drawn again with replacement
// (Efron's percentile interval).
func bootstrap(splits [][]float64, draws int, seed uint64) [2]float64 {
	r := rand.New(rand.NewPCG(seed, 0))
	means := make([]float64, draws)
	for i := range means {
		for _, v := range splits {
			sum := 0.0
			for range v {
				sum += v[r.IntN(len(v))]
			}
			means[i] += sum / float64(len(v)*len(splits))
		}
	}
	return percentiles(means)
}

// percentiles are those of 2.5 and 97.5 %. It sorts its values.
func percentiles(v []float64) [2]float64 {
	slices.Sort(v)
	at := func(q float64) float64 { return v[int(math.Round(q*float64(len(v)-1)))] }
	return [2]float64{at(0.025), at(0.975)}
}

// intervals are bootstrap's of each metric: of its mean over splits of the mean
// over the split's heads, which are all asked about the clips that were drawn. A
// metric that too few draws define has none.
func (r *Row) intervals() map[string][2]float64 {
	names := r.splits()
	heads := make([][]*answers, len(names)) // of each split
	cells := 0
	for i, a := range r.answers {
		s := slices.Index(names, r.Folds[i].Fold)
		heads[s] = append(heads[s], a)
		cells += a.n * a.k
	}
	deep := min(bootstrapDraws, max(deepDraws, int(deepWork/cells)))
	random := rand.New(rand.NewPCG(1, 0))
	values := make([][]float64, len(metricFields)) // of the draws that define them
	for from := 0; from < bootstrapDraws; from += drawsAtOnce {
		n := min(drawsAtOnce, bootstrapDraws-from)
		drawn := make([]Metrics, n)
		times := make([][][]int32, n) // (n, splits, clips): drawn in one order, whoever counts
		for d := range times {
			for _, h := range heads {
				of := make([]int32, h[0].n)
				for range of {
					of[random.IntN(len(of))]++
				}
				times[d] = append(times[d], of)
			}
		}
		share(n, n*cells, func(d int) { drawn[d] = meanOver(heads, times[d], from+d < deep) })
		for f, field := range metricFields {
			for d := range drawn {
				if v := *field.of(&drawn[d]); !math.IsNaN(v) {
					values[f] = append(values[f], v)
				}
			}
		}
	}
	out := map[string][2]float64{}
	for f, field := range metricFields {
		if asked := field.key != "top5" || r.answers[0].top5 != nil; asked && len(values[f]) >= deepDraws/2 {
			out[field.key] = percentiles(values[f])
		}
	}
	return out
}

// meanOver is the mean over splits of the mean over heads, of clips that are
// drawn so many times.
func meanOver(heads [][]*answers, times [][]int32, deep bool) Metrics {
	var out Metrics
	perSplit := make([][]float64, len(metricFields))
	for s, h := range heads {
		perHead := make([][]float64, len(metricFields))
		for _, a := range h {
			m := a.tally(times[s], deep).metrics()
			for f, field := range metricFields {
				perHead[f] = append(perHead[f], *field.of(&m))
			}
		}
		for f := range metricFields {
			mean, _ := meanStd(perHead[f])
			perSplit[f] = append(perSplit[f], mean)
		}
	}
	for f, field := range metricFields {
		*field.of(&out), _ = meanStd(perSplit[f])
	}
	return out
}
