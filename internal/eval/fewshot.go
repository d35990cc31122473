package eval

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"clr/internal/fault"
)

// FewShot is n-way k-shot classification: in an episode some classes are drawn,
// of each some clips that are shown and some that are asked, and each asked clip
// goes to the class whose shown ones have the nearest mean. Embeddings have length
// 1, distances are Euclidean (Wang et al. 2019, "SimpleShot", the variant L2N).
// Episodes depend on labels and seed alone, so all embeddings meet the same.
type FewShot struct {
	Ways     int    `yaml:"ways" doc:"classes of an episode, at most those that have clips enough"`
	Shots    []int  `yaml:"shots" doc:"clips of each class that are shown; a score for each number"`
	Queries  int    `yaml:"queries" doc:"clips of each class that are asked, fewer where it has no more; none is of a shown one's recording"`
	Episodes int    `yaml:"episodes" doc:"of each split, whose test clips they are drawn from"`
	Seed     uint64 `yaml:"seed" doc:"draws the episodes"`
}

// Check refuses what is no episode.
func (o FewShot) Check() error {
	switch {
	case o.Ways < 2:
		return fault.New(fault.Usage, "5 is usual", "ways is %d, it must be 2 or more", o.Ways)
	case len(o.Shots) == 0 || slices.Min(o.Shots) < 1:
		return fault.New(fault.Usage, "[1, 5] are usual", "shots is %v, it must name numbers of 1 or more", o.Shots)
	case o.Queries < 1:
		return fault.New(fault.Usage, "15 is usual", "queries is %d, it must be 1 or more", o.Queries)
	case o.Episodes < 1 || o.Episodes > 1e6:
		return fault.New(fault.Usage, "600 is usual", "episodes is %d, it must be 1 to 1000000", o.Episodes)
	}
	return nil
}

// A FewShotScore is what episodes of one kind came to.
type FewShotScore struct {
	Ways     int        `json:"ways"` // of an episode; where splits have fewer classes, the least
	Shots    int        `json:"shots"`
	Episodes int        `json:"episodes"` // over all splits
	Accuracy float64    `json:"accuracy"` // mean over episodes
	Interval [2]float64 `json:"interval"` // 95 %, 1.96 standard errors of that mean
	Chance   float64    `json:"chance"`   // 1 / ways
}

// episode is the clips of each class that are shown and asked.
type episode struct{ shown, asked [][]int }

// draw draws an episode from the clips of each class.
func (o FewShot) draw(byClass [][]int, sources []string, shots, number int) episode {
	r := rand.New(rand.NewPCG(o.Seed, uint64(number)))
	var e episode
	for _, c := range r.Perm(len(byClass))[:min(o.Ways, len(byClass))] {
		clips := slices.Clone(byClass[c])
		r.Shuffle(len(clips), func(i, j int) { clips[i], clips[j] = clips[j], clips[i] })
		shown := clips[:shots]
		asked := slices.DeleteFunc(clips[shots:], func(i int) bool {
			return sources != nil && slices.ContainsFunc(shown, func(j int) bool { return sources[i] == sources[j] })
		})
		e.shown, e.asked = append(e.shown, shown), append(e.asked, asked[:min(o.Queries, len(asked))])
	}
	return e
}

// accuracy asks an episode's clips; false where there is none to ask.
func (e episode) accuracy(x unitRows) (float64, bool) {
	means, lengths := make([][]float64, len(e.shown)), make([]float64, len(e.shown))
	for c, shown := range e.shown {
		means[c] = make([]float64, x.d)
		for _, i := range shown {
			dense.Daxpy(x.d, 1/float64(len(shown)), x.row(i), 1, means[c], 1)
		}
		lengths[c] = dense.Ddot(x.d, means[c], 1, means[c], 1)
	}
	hits, of := 0, 0
	for c, asked := range e.asked {
		for _, i := range asked {
			best, least := 0, math.Inf(1)
			for k, m := range means {
				if d := lengths[k] - 2*dense.Ddot(x.d, x.row(i), 1, m, 1); d < least {
					best, least = k, d
				}
			}
			if best == c {
				hits++
			}
			of++
		}
	}
	return ratio(hits, of), of > 0
}

// score plays the episodes of one number of shots on each split's test clips.
// Where no two classes have clips enough, it says so by false.
func (o FewShot) score(ctx context.Context, tests []judged, shots int) (FewShotScore, bool, error) {
	s := FewShotScore{Ways: o.Ways, Shots: shots}
	var all []float64
	for _, t := range tests {
		byClass := slices.DeleteFunc(t.byClass(), func(clips []int) bool { return len(clips) <= shots })
		if len(byClass) < 2 {
			return s, false, nil
		}
		s.Ways = min(s.Ways, len(byClass))
		scores, played := make([]float64, o.Episodes), make([]bool, o.Episodes)
		share(o.Episodes, o.Episodes*s.Ways*(shots+o.Queries)*t.x.d, func(n int) {
			scores[n], played[n] = o.draw(byClass, t.set.Sources, shots, n).accuracy(t.x)
		})
		for n, ok := range played {
			if ok {
				all = append(all, scores[n])
			}
		}
		if err := ctx.Err(); err != nil {
			return s, false, err
		}
	}
	if len(all) == 0 {
		return s, false, nil
	}
	mean, std := meanStd(all)
	half := 1.96 * std / math.Sqrt(float64(len(all)))
	s.Episodes, s.Accuracy, s.Interval, s.Chance = len(all), mean, [2]float64{mean - half, mean + half}, 1/float64(s.Ways)
	return s, true, nil
}
