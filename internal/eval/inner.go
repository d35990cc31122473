package eval

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// A part is a training set divided once more, to choose settings on.
type part struct{ train, valid Set }

// parts gives the validation clips that came with the split; or else divides
// the training clips into at most k inner folds that validate in turn. Groups
// stay whole: with at most k groups each is left out once, more are dealt to k
// folds of like size. Without groups (or with one) classes are dealt evenly,
// in an order drawn from the seed. A training set of one clip has no parts.
func (t Training) parts(k int) []part {
	if t.Valid.N > 0 {
		return []part{{t.Train, t.Valid}}
	}
	var fold []int // (Train.N)
	if names := distinct(t.Groups); len(names) > 1 {
		fold = dealGroups(t.Groups, names, min(k, len(names)))
	} else {
		fold = dealClasses(t.Train.strata(), min(k, t.Train.N), len(t.Train.Classes), t.Seed)
	}
	var out []part
	for f := range min(k, t.Train.N) {
		var in, held []int
		for i := range fold {
			if fold[i] == f {
				held = append(held, i)
			} else {
				in = append(in, i)
			}
		}
		if len(in) > 0 && len(held) > 0 {
			out = append(out, part{t.Train.Rows(in), t.Train.Rows(held)})
		}
	}
	return out
}

// without takes the marked clips out of the training clips, to validate on.
func (t Training) without(held []bool) part {
	var in, out []int
	for i, h := range held {
		if h {
			out = append(out, i)
		} else {
			in = append(in, i)
		}
	}
	return part{t.Train.Rows(in), t.Train.Rows(out)}
}

// drawn marks a share of the training clips, rounded up, any of them, drawn again
// up to a hundred times until each class is among them: EVAR's.
func (t Training) drawn(share float64) []bool {
	n := min(t.Train.N-1, int(math.Ceil(share*float64(t.Train.N))))
	classes := map[int]bool{}
	for i := range t.Train.N {
		for _, y := range t.Train.Of(i) {
			classes[y] = true
		}
	}
	var held []bool
	for attempt := range uint64(100) {
		held = make([]bool, t.Train.N)
		missing := maps.Clone(classes)
		for _, i := range rand.New(rand.NewPCG(t.Seed, attempt)).Perm(t.Train.N)[:n] {
			held[i] = true
			for _, y := range t.Train.Of(i) {
				delete(missing, y)
			}
		}
		if len(missing) == 0 {
			break
		}
	}
	return held
}

// HeldOut marks about a share of the training clips, to validate on. Of groups
// it takes whole ones, from the one after the fold's name in natural order on (as
// HEAR takes fold i+1), but none that has a class to itself. Without groups it
// takes that share of each class, drawn from the seed, and leaves each class a
// clip.
func (t Training) HeldOut(share float64) []bool {
	if held := t.wholeGroups(share); held != nil {
		return held
	}
	held := make([]bool, t.Train.N)
	for _, clips := range shuffledByClass(t.Train.strata(), len(t.Train.Classes), t.Seed) {
		for _, i := range clips[:max(0, min(len(clips)-1, int(math.Ceil(share*float64(len(clips))))))] {
			held[i] = true
		}
	}
	return held
}

// wholeGroups marks the clips of the groups that HeldOut takes; nil if there
// are none to take.
func (t Training) wholeGroups(share float64) []bool {
	names := distinct(t.Groups)
	after := 0
	for after < len(names) && natural(names[after], t.Fold) <= 0 {
		after++
	}
	held, n := make([]bool, t.Train.N), 0
	for i := range names {
		if float64(n) >= share*float64(t.Train.N) {
			break
		}
		g := names[(after+i)%len(names)]
		left, lost := make([]int, len(t.Train.Classes)), make([]int, len(t.Train.Classes))
		for j := range held {
			for _, y := range t.Train.Of(j) {
				if t.Groups[j] == g {
					lost[y]++
				} else if !held[j] {
					left[y]++
				}
			}
		}
		if onlyIn(lost, left) {
			continue
		}
		for j := range held {
			if t.Groups[j] == g {
				held[j] = true
				n++
			}
		}
	}
	if n == 0 {
		return nil
	}
	return held
}

// onlyIn says whether a class is lost and none of it left.
func onlyIn(lost, left []int) bool {
	for y, n := range lost {
		if n > 0 && left[y] == 0 {
			return true
		}
	}
	return false
}

// strata is the class that each clip is dealt by: its own, or the rarest of
// several, the first of equals.
func (s Set) strata() []int { // (N)
	if !s.Multi() {
		return s.Labels
	}
	count := make([]int, len(s.Classes))
	for _, tags := range s.Tags {
		for _, y := range tags {
			count[y]++
		}
	}
	out := make([]int, s.N)
	for i, tags := range s.Tags {
		out[i] = slices.MinFunc(tags, func(a, b int) int { return count[a] - count[b] })
	}
	return out
}

// dealGroups puts whole groups into k folds: the largest first, each into the
// fold that is smallest so far (scikit-learn's GroupKFold); ties in order.
func dealGroups(groups, names []string, k int) []int {
	size := make([]int, len(names))
	of := make(map[string]int, len(names))
	for g, n := range names {
		of[n] = g
	}
	for _, g := range groups {
		size[of[g]]++
	}
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return size[b] - size[a] })
	total, home := make([]int, k), make([]int, len(names))
	for _, g := range order {
		f := slices.Index(total, slices.Min(total))
		home[g] = f
		total[f] += size[g]
	}
	fold := make([]int, len(groups))
	for i, g := range groups {
		fold[i] = home[of[g]]
	}
	return fold
}

// dealClasses shuffles each class and deals it to the folds like cards,
// going on where the class before ended, so that folds differ by one clip.
func dealClasses(labels []int, k, classes int, seed uint64) []int {
	fold := make([]int, len(labels))
	next := 0
	for _, clips := range shuffledByClass(labels, classes, seed) {
		for _, i := range clips {
			fold[i] = next % k
			next++
		}
	}
	return fold
}

// shuffledByClass lists each class's clips in an order drawn from the seed.
func shuffledByClass(labels []int, classes int, seed uint64) [][]int {
	byClass := make([][]int, classes)
	for i, y := range labels {
		byClass[y] = append(byClass[y], i)
	}
	for c, clips := range byClass {
		r := rand.New(rand.NewPCG(seed, uint64(c)))
		r.Shuffle(len(clips), func(i, j int) { clips[i], clips[j] = clips[j], clips[i] })
	}
	return byClass
}
