package eval

import (
	"math"
	"slices"
)

// A ranking is a test's clips by one class's score, the highest first, and where
// scores are equal.
type ranking struct {
	clips []int32 // (N)
	first []bool  // (N): clips[i] has another score than the one before
}

// rankBy orders clips by column k of scores (N, K).
func rankBy(scores []float64, k, of int) ranking {
	n := len(scores) / of
	r := ranking{make([]int32, n), make([]bool, n)}
	for i := range r.clips {
		r.clips[i] = int32(i)
	}
	at := func(clip int32) float64 { return scores[int(clip)*of+k] }
	slices.SortFunc(r.clips, func(a, b int32) int {
		switch x, y := at(a), at(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return int(a - b)
	})
	for i := range r.first {
		r.first[i] = i == 0 || at(r.clips[i]) != at(r.clips[i-1])
	}
	return r
}

// curves are the average precision Σ (Rₙ - Rₙ₋₁)·Pₙ over the different scores, and
// the area under the ROC curve, which is how often a clip of the class is above
// one that is not, half of the ties counted. times is how often each clip counts.
// Without a clip of the class both are NaN, without another one the area is.
func (r ranking) curves(is func(clip int) bool, times []int32) (precision, area Score) {
	var hits, others int64         // clips of the class, and others, above the score at hand
	var sameHits, sameOthers int64 // likewise, of the score at hand
	var ordered int64              // twice the pairs in order
	sum := 0.0                     // of the precision at each hit
	next := func() {
		ordered += sameOthers * (2*hits + sameHits)
		hits, others = hits+sameHits, others+sameOthers
		if sameHits > 0 {
			sum += float64(float64(sameHits) * (float64(hits) / float64(hits+others)))
		}
		sameHits, sameOthers = 0, 0
	}
	for i, clip := range r.clips {
		if r.first[i] {
			next()
		}
		n := int64(1)
		if times != nil {
			n = int64(times[clip])
		}
		if is(int(clip)) {
			sameHits += n
		} else {
			sameOthers += n
		}
	}
	next()
	precision, area = Score(math.NaN()), Score(math.NaN())
	if hits > 0 {
		precision = Score(sum / float64(hits))
	}
	if hits > 0 && others > 0 {
		area = Score(float64(ordered) / (2 * float64(hits) * float64(others)))
	}
	return precision, area
}

// dPrime is √2·Φ⁻¹(area): how many deviations two normal distributions of one
// width are apart that have this area under the curve. Areas are kept 2⁻⁵² from 0
// and 1, so that it is a finite number.
func dPrime(area Score) Score {
	const least = 0x1p-52
	return Score(2 * math.Erfinv(2*min(max(float64(area), least), 1-least)-1))
}
