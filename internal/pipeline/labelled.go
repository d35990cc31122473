package pipeline

import (
	"math"
	"slices"

	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/method"
	"clr/internal/model"
)

// LabelOptions say which labels a method may see that asks for any.
type LabelOptions struct {
	Fraction float64 `yaml:"fraction" doc:"part of the labels of each fold's training clips that a method may learn from, of each class the same and one clip at least; it hears no other clips. 1 is all"`
}

// Check refuses what is no part.
func (o LabelOptions) Check() error { return checkFraction(o.Fraction) }

func checkFraction(f float64) error {
	if !(f > 0 && f <= 1) {
		return fault.New(fault.Usage, "a tenth is 0.1, 1 is all", "fraction is %g, it must be above 0 and at most 1", f)
	}
	return nil
}

// manyClasses is what a plan counts with, which does not read the manifest, and
// the most that a replay file may claim.
const manyClasses = 1 << 12

// learns is the clips that a split's training hears: all but the test clips, or,
// by a method that asks for labels, the training clips whose label it may see.
func (d *data) learns(s eval.Split) []int {
	if !method.NeedsOf(d.c.Method).Labels {
		return hears(s)
	}
	return labelled(s, d.known.Labels, d.c.Labels.Fraction, d.c.Seed)
}

// labelled is a part of a split's training clips, in their order: of each class the
// same part, rounded, and one clip at least. Of two parts by one seed, the smaller
// lies within the larger.
func labelled(s eval.Split, labels []int, fraction float64, seed uint64) []int {
	of := map[int][]int{} // by class
	most := 0
	for _, clip := range s.Train {
		of[labels[clip]] = append(of[labels[clip]], clip)
		most = max(most, labels[clip])
	}
	var chosen []int
	r := model.Rand(seed, "labels")
	for class := range most + 1 {
		clips := of[class]
		r.Shuffle(len(clips), func(i, j int) { clips[i], clips[j] = clips[j], clips[i] })
		n := int(math.Round(fraction * float64(len(clips))))
		chosen = append(chosen, clips[:min(len(clips), max(1, n))]...)
	}
	slices.Sort(chosen)
	return chosen
}
