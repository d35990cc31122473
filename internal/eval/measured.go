package eval

import (
	"fmt"
	"math"
)

// A Measured is one number of those that embeddings were asked for, beside what it
// is worth. What was not asked is null in JSON.
type Measured struct {
	Name         string      `json:"measure"`
	Score        Score       `json:"score"`
	Interval     *[2]float64 `json:"ci95"`
	RandomInit   Score       `json:"random_init"`   // of random weights
	FeatureStats Score       `json:"feature_stats"` // of mean and deviation of the features
	Chance       Score       `json:"chance"`        // of the commonest class, or of an order by chance
}

// First is a row's score that the report puts first, accuracy or map, and its
// interval, if it has one.
func (r *Report) First(row Row) (key string, score Score, interval *[2]float64) {
	first := headline(r.Multi)
	if i, ok := row.Intervals[first.key]; ok {
		interval = &i
	}
	return first.key, Score(first.of(row.Mean)), interval
}

// Measured is the score that the report puts first, accuracy or map.
func (r *Report) Measured() Measured {
	key, score, interval := r.First(r.Rows[0])
	m := newMeasured(key, float64(score))
	m.Interval = interval
	for _, row := range r.Rows[1:] {
		_, score, _ := r.First(row)
		if to := m.baseline(row.Name); to != nil {
			*to = score
		}
		if row.Name == RowMajority {
			m.Chance = score
		}
	}
	return m
}

// Measured is all that was judged: few_shot_WAYS_SHOTS, nmi, ari, map_at_K.
func (j *Judgement) Measured() []Measured {
	var all []Measured
	add := func(name string, score float64, interval *[2]float64, chance float64, of func(JudgedRow) (float64, bool)) {
		m := newMeasured(name, score)
		m.Interval, m.Chance = interval, Score(chance)
		for _, row := range j.Rows[1:] {
			if to := m.baseline(row.Name); to != nil {
				if v, ok := of(row); ok { // a file may say anything
					*to = Score(v)
				}
			}
		}
		all = append(all, m)
	}
	first := j.Rows[0]
	for k, s := range first.FewShot {
		add(fmt.Sprintf("few_shot_%d_%d", s.Ways, s.Shots), s.Accuracy, &s.Interval, s.Chance, func(r JudgedRow) (float64, bool) {
			if k >= len(r.FewShot) {
				return 0, false
			}
			return r.FewShot[k].Accuracy, true
		})
	}
	if c := first.Clustering; c != nil {
		cluster := func(of func(*ClusterScore) float64) func(JudgedRow) (float64, bool) {
			return func(r JudgedRow) (float64, bool) {
				if r.Clustering == nil {
					return 0, false
				}
				return of(r.Clustering), true
			}
		}
		add("nmi", c.NMI, nil, math.NaN(), cluster(func(c *ClusterScore) float64 { return c.NMI }))
		add("ari", c.ARI, nil, math.NaN(), cluster(func(c *ClusterScore) float64 { return c.ARI }))
	}
	for k, s := range first.Retrieval {
		add(fmt.Sprintf("map_at_%d", s.K), s.MAP, &s.Interval, s.Chance, func(r JudgedRow) (float64, bool) {
			if k >= len(r.Retrieval) {
				return 0, false
			}
			return r.Retrieval[k].MAP, true
		})
	}
	return all
}

func newMeasured(name string, score float64) Measured {
	none := Score(math.NaN())
	return Measured{Name: name, Score: Score(score), RandomInit: none, FeatureStats: none, Chance: none}
}

// baseline is where the score of a row without training goes; nil: of no such row.
func (m *Measured) baseline(row string) *Score {
	switch row {
	case RowRandomInit:
		return &m.RandomInit
	case RowStats:
		return &m.FeatureStats
	}
	return nil
}
