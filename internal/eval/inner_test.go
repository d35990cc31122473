package eval

import (
	"math"
	"slices"
	"testing"
)

// tagged is a set whose only feature is the clip's number.
func tagged(labels []int, k int) Set {
	s := Set{N: len(labels), D: 1, Labels: labels, Classes: classNames(k)}
	for i := range labels {
		s.X = append(s.X, float64(i))
	}
	return s
}

func clips(s Set) []int {
	var out []int
	for _, v := range s.X {
		out = append(out, int(v))
	}
	slices.Sort(out)
	return out
}

func TestPartsCoverEachClipOnce(t *testing.T) {
	for _, c := range []struct {
		labels []int
		groups []string
		k      int
		want   int // parts
	}{
		{[]int{0, 1, 0, 1, 0, 1, 2, 2, 2, 0, 1}, nil, 5, 5},
		{[]int{0, 1}, nil, 5, 2},
		{[]int{0, 1, 2}, nil, 5, 3},
		{[]int{0}, nil, 5, 0},
		{[]int{0, 1, 0, 1}, []string{"a", "a", "b", "b"}, 5, 2},
		{[]int{0, 1, 0, 1}, []string{"a", "a", "a", "a"}, 5, 4}, // one group is none
		{[]int{0, 1, 0, 1, 0, 1, 0, 1}, []string{"1", "2", "3", "4", "5", "6", "7", "7"}, 3, 3},
	} {
		training := Training{Train: tagged(c.labels, 3), Groups: c.groups, Seed: 3}
		parts := training.parts(c.k)
		if len(parts) != c.want {
			t.Errorf("%v: %d parts, want %d", c, len(parts), c.want)
		}
		times := make([]int, len(c.labels))
		for _, p := range parts {
			if got := clips(join(p.train, p.valid)); !slices.Equal(got, seq(0, len(c.labels))) {
				t.Errorf("%v: part holds %v", c, got)
			}
			for _, i := range clips(p.valid) {
				times[i]++
				if c.groups == nil || len(distinct(c.groups)) == 1 {
					continue
				}
				for _, j := range clips(p.train) {
					if c.groups[i] == c.groups[j] {
						t.Errorf("%v: group %s is on both sides", c, c.groups[i])
					}
				}
			}
		}
		if c.want > 0 && (slices.Min(times) != 1 || slices.Max(times) != 1) {
			t.Errorf("%v: clips validate %v times", c, times)
		}
	}
}

func TestPartsTakeGivenValidation(t *testing.T) {
	training := Training{Train: tagged([]int{0, 1}, 2), Valid: tagged([]int{1}, 2), Groups: []string{"a", "b"}}
	if p := training.parts(5); len(p) != 1 || p[0].train.N != 2 || p[0].valid.N != 1 {
		t.Error(p)
	}
	if p, _ := (recipe{every: 1, share: 0.5}).part(training); p.train.N != 2 || p.valid.N != 1 {
		t.Error(p)
	}
}

func TestStratifiedPartsAreEven(t *testing.T) {
	var labels []int
	for i := range 103 {
		labels = append(labels, i%10/7) // 7 to 3
	}
	for _, p := range (Training{Train: tagged(labels, 2), Seed: 9}).parts(5) {
		ones := 0
		for _, y := range p.valid.Labels {
			ones += y
		}
		if p.valid.N < 20 || p.valid.N > 21 || ones < 6 || ones > 7 {
			t.Errorf("%d clips, %d of class 1", p.valid.N, ones)
		}
	}
}

func TestHoldOut(t *testing.T) {
	labels := []int{0, 1, 0, 1, 0, 1, 0, 1, 2, 2}
	groups := []string{"1", "1", "2", "2", "4", "4", "5", "5", "2", "2"}
	for _, c := range []struct {
		fold  string
		share float64
		want  []int
	}{
		{"3", 0.1, []int{4, 5}},             // the group after the fold
		{"3", 0.3, []int{4, 5, 6, 7}},       // as many as it takes
		{"5", 0.1, []int{0, 1}},             // round to the first
		{"1", 0.1, []int{4, 5}},             // not 2, which has class 2 to itself
		{"3", 0.9, []int{0, 1, 4, 5, 6, 7}}, // and never it
	} {
		p, _ := recipe{every: 1, share: c.share}.part(Training{Train: tagged(labels, 3), Groups: groups, Fold: c.fold, Seed: 1})
		if got := clips(p.valid); !slices.Equal(got, c.want) || !slices.Equal(clips(join(p.train, p.valid)), seq(0, 10)) {
			t.Errorf("fold %s share %v: %v, want %v", c.fold, c.share, got, c.want)
		}
	}
	// Without groups: a tenth of each class, at least one, never all.
	p, _ := recipe{every: 1, share: 0.1}.part(Training{Train: tagged([]int{0, 0, 0, 0, 1, 1, 2}, 3), Seed: 1})
	if got := p.valid.Labels; !slices.Equal(got, []int{0, 1}) || p.train.N != 5 {
		t.Error(got, p.train.N)
	}
	if p, note := (recipe{every: 1, share: 0.1}).part(Training{Train: tagged([]int{0, 1, 2}, 3), Seed: 1}); p.valid.N != 3 || p.train.N != 3 || note == "" {
		t.Error(p)
	}
}

// More folds than clips are a fold a clip, or a group.
func TestMorePartsThanClips(t *testing.T) {
	s := blobs(6, 2, 2, 1, 0, 1)
	for _, c := range []struct {
		groups []string
		want   int
	}{{nil, 6}, {[]string{"a", "a", "b", "b", "c", "c"}, 3}} {
		if got := (Training{Train: s, Groups: c.groups}).parts(math.MaxInt); len(got) != c.want {
			t.Errorf("groups %v: %d parts, want %d", c.groups, len(got), c.want)
		}
	}
}
