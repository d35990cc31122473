package sweep

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"clr/internal/disk"
	"clr/internal/model"
)

// Points of the method bayes come in rounds: the first are drawn as random ones
// are, and each later round by what all trials of the rounds before it came to,
// and by nothing else. So a point does not depend on who worked when, or how many.
const (
	firstRound = 8 // points
	laterRound = 4
)

// round is a point's.
func round(point int) int {
	if point < firstRound {
		return 0
	}
	return 1 + (point-firstRound)/laterRound
}

// firstOf is a round's first point.
func firstOf(round int) int {
	if round == 0 {
		return 0
	}
	return firstRound + (round-1)*laterRound
}

// A drawn is a round, once it is drawn: what comes later, such as a trial that is
// tried again, does not change it.
type drawn struct {
	Shares [][]float64 `json:"shares"` // of chance, of each point and parameter
}

func (s *Sweep) roundFile(round int) string {
	return filepath.Join(s.Dir, "rounds", fmt.Sprintf("%04d.json", round))
}

// point is a point; not known: its round is not drawn.
func (s *Sweep) point(i int) (p point, known bool, err error) {
	switch {
	case s.Method == grid:
		return s.gridPoint(i), true, nil
	case s.Method == random, round(i) == 0:
		return s.randomPoint(i), true, nil
	}
	var d drawn
	ok, err := readJSON(s.roundFile(round(i)), &d)
	if !ok {
		return p, false, err
	}
	k := i - firstOf(round(i))
	if k >= len(d.Shares) || len(d.Shares[k]) != len(s.Parameters) {
		return p, false, damaged(s.roundFile(round(i)), "it has no point %d of %d parameters", i, len(s.Parameters))
	}
	for _, u := range d.Shares[k] {
		if u < 0 || u >= 1 {
			return p, false, damaged(s.roundFile(round(i)), "point %d has a share of %g, which is not in 0 to 1", i, u)
		}
	}
	return s.at(d.Shares[k]), true, nil
}

// draw draws the round of a point, of which all trials before are finished.
func (s *Sweep) draw(point int) error {
	at := round(point)
	seen, err := s.seen(firstOf(at))
	if err != nil {
		return err
	}
	var d drawn
	for i := firstOf(at); i < min(firstOf(at+1), s.Points()); i++ {
		d.Shares = append(d.Shares, s.suggest(i, seen))
	}
	path := s.roundFile(at)
	if _, err := disk.MkdirAll(filepath.Dir(path)); err != nil {
		return disk.Failed(path, err)
	}
	return writeJSON(path, d)
}

// A trialled point and what it came to: the mean over its trials.
type trialled struct {
	point
	value float64
	bad   bool // it was stopped early, or cannot be run: among the worst
}

// seen are the points before one, in their order. A point of which every trial
// failed for want of memory or disk tells nothing.
func (s *Sweep) seen(before int) (all []trialled, err error) {
	for i := range before {
		p, _, err := s.point(i)
		if err != nil {
			return nil, err
		}
		t := trialled{point: p}
		n := 0
		for k := range s.Seeds {
			r, err := s.Result(i*s.Seeds + k)
			if err != nil {
				return nil, err
			}
			if r == nil {
				continue
			}
			v, ok := r.Scores[s.Metric.Name]
			switch {
			case r.Status == Done && ok:
				t.value += v
				n++
			case r.Status == Pruned, r.Status == Failed && !r.mayPass():
				t.bad = true
			}
		}
		if n > 0 {
			t.value /= float64(n)
		}
		if n > 0 || t.bad {
			all = append(all, t)
		}
	}
	return all, nil
}

// The tree-structured Parzen estimator (Bergstra et al., "Algorithms for
// Hyper-Parameter Optimization", NIPS 2011, section 4): of what was tried the best
// part gives a density l, the rest g, and of points that l gives the one is taken
// at which l/g is largest. Each parameter has densities of its own, over the shares
// of chance that its values have by the file, so that every law is uniform there.
const (
	bestPart   = 0.2
	candidates = 24
)

// suggest is the shares of a point.
func (s *Sweep) suggest(i int, seen []trialled) []float64 {
	slices.SortStableFunc(seen, func(a, b trialled) int {
		switch {
		case a.bad != b.bad:
			if a.bad {
				return 1
			}
			return -1
		case a.bad:
			return 0
		case s.Metric.Better(a.value, b.value):
			return -1
		case s.Metric.Better(b.value, a.value):
			return 1
		}
		return 0
	})
	best := int(math.Ceil(bestPart * float64(len(seen))))
	shares := make([]float64, len(s.Parameters))
	for k, p := range s.Parameters {
		var good, rest []float64
		for n, t := range seen {
			if n < best && !t.bad {
				good = append(good, t.shares[k])
			} else {
				rest = append(rest, t.shares[k])
			}
		}
		r := model.Rand(s.base.Seed, fmt.Sprintf("sweep.%d.%s", i, p.Path))
		if p.upTo != nil {
			shares[k] = p.suggestChoice(r, good, rest)
		} else {
			shares[k] = suggestNumber(r, newParzen(good), newParzen(rest))
		}
	}
	return shares
}

func suggestNumber(r *rand.Rand, l, g parzen) float64 {
	at, best := 0.0, math.Inf(-1)
	for range candidates {
		if u := l.draw(r); l.log(u)-g.log(u) > best {
			at, best = u, l.log(u)-g.log(u)
		}
	}
	return at
}

// suggestChoice draws values by how often they were good, and takes that of the
// largest ratio; its share is the middle of the value's own.
func (p Parameter) suggestChoice(r *rand.Rand, good, rest []float64) float64 {
	weights := func(shares []float64) []float64 {
		w, before := make([]float64, len(p.values)), 0.0
		for i, upTo := range p.upTo {
			w[i], before = upTo-before, upTo // as one that was seen once, by chance
		}
		for _, u := range shares {
			w[p.choice(u)]++
		}
		for i := range w {
			w[i] /= float64(1 + len(shares))
		}
		return w
	}
	l, g := weights(good), weights(rest)
	at, best := 0, math.Inf(-1)
	for range candidates {
		u, i := r.Float64(), 0
		for ; i < len(l)-1 && u >= l[i]; i++ {
			u -= l[i]
		}
		if ratio := math.Log(l[i]) - math.Log(g[i]); ratio > best {
			at, best = i, ratio
		}
	}
	before := 0.0
	if at > 0 {
		before = p.upTo[at-1]
	}
	return (before + p.upTo[at]) / 2
}

// A parzen is a density on [0, 1]: a normal around each point, as wide as the
// larger gap beside it, and one of width 1 around the middle.
type parzen struct{ mean, width []float64 }

func newParzen(points []float64) parzen {
	p := parzen{mean: append(slices.Clone(points), 0.5)}
	slices.Sort(p.mean)
	least := 1 / float64(1+len(p.mean))
	middle := slices.Index(p.mean, 0.5)
	for i, m := range p.mean {
		left, right := m, 1-m
		if i > 0 {
			left = m - p.mean[i-1]
		}
		if i < len(p.mean)-1 {
			right = p.mean[i+1] - m
		}
		width := min(1, max(least, left, right))
		if i == middle {
			width = 1
		}
		p.width = append(p.width, width)
	}
	return p
}

// draw is a point of it, within [0, 1).
func (p parzen) draw(r *rand.Rand) float64 {
	i := r.IntN(len(p.mean))
	for {
		if u := p.mean[i] + float64(p.width[i]*r.NormFloat64()); u >= 0 && u < 1 {
			return u
		}
	}
}

func (p parzen) log(u float64) float64 {
	sum := 0.0
	for i, m := range p.mean {
		w := p.width[i]
		z := (u - m) / w
		inside := (math.Erf((1-m)/(w*math.Sqrt2)) + math.Erf(m/(w*math.Sqrt2))) / 2 // what of it lies within
		sum += math.Exp(float64(-z*z)/2) / (w * inside)
	}
	return math.Log(sum)
}
