package eval

import (
	"math"
	"math/rand/v2"
	"slices"
)

// A Paired is a test of whether two encoders differ, on the same test clips.
// It says nothing of other seeds of pretraining.
type Paired struct {
	Clips      int        `json:"clips"`
	Difference float64    `json:"difference"` // of accuracy, second less first, mean over splits
	Interval   [2]float64 `json:"interval"`   // 95 %, clips drawn again within each split, the same for both
	Better     int        `json:"better"`     // clips on which more of the second's heads are right
	Worse      int        `json:"worse"`
	P          float64    `json:"p"` // McNemar's exact test, two-sided
}

// Pair compares two encoders clip by clip: a and b are, for each split and each
// of its test clips, the share of an encoder's heads that were right about the
// clip; 0 or 1 where there is one head. With more than one, McNemar's test is
// the sign test over the clips where the shares differ (McNemar 1947; exact, as
// Edwards 1948 has it, by the binomial).
func Pair(a, b [][]float64) Paired {
	var p Paired
	differences := make([][]float64, len(a))
	for s := range a {
		for i, x := range a[s] {
			y := b[s][i]
			p.Clips++
			differences[s] = append(differences[s], y-x)
			p.Difference += (y - x) / float64(len(a[s])*len(a))
			switch {
			case y > x+1e-9:
				p.Better++
			case y < x-1e-9:
				p.Worse++
			}
		}
	}
	p.P = signTest(p.Better, p.Worse)
	p.Interval = bootstrap(differences, bootstrapDraws, 1)
	return p
}

// signTest is the probability of a split as uneven as this one, or more, of
// fair coins.
func signTest(heads, tails int) float64 {
	n := heads + tails
	sum := 0.0
	lg := func(k int) float64 { v, _ := math.Lgamma(float64(k + 1)); return v }
	for k := range min(heads, tails) + 1 {
		sum += math.Exp(lg(n) - lg(k) - lg(n-k) - float64(n)*math.Ln2)
	}
	return min(1, 2*sum)
}

// mostFlips is how many differences have all their signs tried; of more, so many
// draws of signs are.
const (
	mostFlips = 16
	flipDraws = 1 << 17
)

// SignFlip tests whether paired differences are about zero: it is the probability
// that signs of fair coins give a mean as far from it as theirs, or farther (Fisher,
// "The Design of Experiments", 1935, section 21). It is two-sided, and exact up to 16
// differences; fewer than six cannot come below 0.05, for want of signs.
func SignFlip(d []float64) float64 {
	if len(d) == 0 {
		return 1
	}
	sum, scale := 0.0, 0.0
	for _, v := range d {
		sum += v
		scale += math.Abs(v)
	}
	far := math.Abs(sum) - 1e-12*scale // sums in another order differ in their last bits
	count := 0
	flipped := func(sign func(i int) bool) {
		s := 0.0
		for i, v := range d {
			if sign(i) {
				v = -v
			}
			s += v
		}
		if math.Abs(s) >= far {
			count++
		}
	}
	if len(d) <= mostFlips {
		for signs := range 1 << len(d) {
			flipped(func(i int) bool { return signs>>i&1 == 1 })
		}
		return float64(count) / float64(int(1)<<len(d))
	}
	r := rand.New(rand.NewPCG(1, uint64(len(d))))
	for range flipDraws {
		flipped(func(int) bool { return r.Uint64()&1 == 1 })
	}
	return float64(count+1) / (flipDraws + 1)
}

// Holm makes the p-values of several tests hold together (Holm 1979): each at
// least as large as it was, in place.
func Holm(p []float64) {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case p[i] < p[j]:
			return -1
		case p[i] > p[j]:
			return 1
		}
		return 0
	})
	most := 0.0
	for rank, i := range order {
		most = max(most, min(1, p[i]*float64(len(p)-rank)))
		p[i] = most
	}
}
