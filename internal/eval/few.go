package eval

import "math"

// Few marks a share of each class's clips, rounded and at least one, in an order
// drawn from the seed: what there is to learn from where labels are few. A smaller
// share is part of a larger one. Labels are indices of classes.
func Few(labels []int, classes int, share float64, seed uint64) []bool {
	kept := make([]bool, len(labels))
	for _, clips := range shuffledByClass(labels, classes, seed) {
		n := max(1, int(math.Round(share*float64(len(clips)))))
		for _, i := range clips[:min(n, len(clips))] {
			kept[i] = true
		}
	}
	return kept
}
