package eval

import (
	"slices"
	"testing"
)

// Each class keeps its share, one clip at least; smaller shares lie within larger
// ones, and the whole is everything. Another seed chooses others.
func TestFew(t *testing.T) {
	var labels []int
	sizes := []int{100, 40, 7, 1, 0}
	for class, n := range sizes {
		labels = append(labels, slices.Repeat([]int{class}, n)...)
	}
	var before []bool
	for _, c := range []struct {
		share float64
		want  []int // of each class
	}{{0, []int{1, 1, 1, 1, 0}}, {0.01, []int{1, 1, 1, 1, 0}}, {0.1, []int{10, 4, 1, 1, 0}}, {0.5, []int{50, 20, 4, 1, 0}}, {1, sizes}} {
		kept := Few(labels, len(sizes), c.share, 3)
		got := make([]int, len(sizes))
		for i, k := range kept {
			if k {
				got[labels[i]]++
			} else if before != nil && before[i] {
				t.Errorf("share %g lacks clip %d of the smaller one", c.share, i)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("share %g keeps %v, want %v", c.share, got, c.want)
		}
		if !slices.Equal(kept, Few(labels, len(sizes), c.share, 3)) {
			t.Errorf("share %g: two choices for one seed", c.share)
		}
		before = kept
	}
	if slices.Equal(Few(labels, len(sizes), 0.1, 3), Few(labels, len(sizes), 0.1, 4)) {
		t.Error("one choice for two seeds")
	}
}
