package pipeline

import (
	"math"
	"math/rand/v2"
	"slices"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/eval"
	"clr/internal/fault"
)

// LabelOptions say which labels may be learnt from. Only methods that are
// supervised, pairs of one label and clr finetune learn from any.
type LabelOptions struct {
	Fraction float64 `yaml:"fraction" doc:"part of each class's training clips whose labels are learnt from, at least one clip; a smaller part is within a larger one of the same seed"`
}

// Check refuses what is no part.
func (o LabelOptions) Check() error {
	if !(o.Fraction > 0 && o.Fraction <= 1) {
		return fault.New(fault.Usage, "0.01, 0.1 and 1 are usual", "fraction is %g, must be above 0 and at most 1", o.Fraction)
	}
	return nil
}

// A labelling is the labels that may be learnt from. The zero one has none.
type labelling struct {
	classes []string // in natural order, of all labels that there are
	of      []int    // clip of the corpus to class, -1: none to learn from
	clips   [][]int  // of each class, in the corpus's order
}

// unlabelled is the class of a clip that has none.
const unlabelled = -1

// labelling takes the labels of a split's training clips, of each class a part.
// Which part follows from the seed alone.
func (d *data) labelling(s eval.Split, fraction float64) (labelling, error) {
	const remedy = "give training clips a column label, or choose a method and view.pair that learn without"
	classes, class, err := classesOf(d.corpus)
	if err != nil {
		return labelling{}, err
	}
	l := labelling{classes: classes, of: make([]int, len(class)), clips: make([][]int, len(classes))}
	for i := range l.of {
		l.of[i] = unlabelled
	}
	for _, i := range slices.Sorted(slices.Values(s.Train)) {
		if k := class[i]; k != unlabelled {
			l.clips[k] = append(l.clips[k], i)
		}
	}
	labelled := 0
	for k, clips := range l.clips {
		clips = partOf(clips, fraction, d.c.Seed, k)
		for _, i := range clips {
			l.of[i] = k
		}
		l.clips[k] = clips
		labelled += len(clips)
	}
	if len(classes) < 2 || labelled == 0 {
		return labelling{}, fault.New(fault.Data, remedy, "%s has labels of %d classes on %d training clips, nothing can be learnt from them", d.corpus.Path, len(classes), labelled)
	}
	return l, nil
}

// partOf keeps a part of a class's clips, at least one of any, in order. Which
// follows from the seed alone, and a smaller part is within a larger one.
func partOf(clips []int, fraction float64, seed uint64, class int) []int {
	if len(clips) == 0 {
		return nil
	}
	clips = slices.Clone(clips)
	augment.Rand(seed, -1, class, -1).Shuffle(len(clips), func(i, j int) { clips[i], clips[j] = clips[j], clips[i] })
	clips = clips[:max(1, int(math.Round(fraction*float64(len(clips)))))]
	slices.Sort(clips)
	return clips
}

// another is a clip of the same label as a clip: the clip itself where it has no
// label, or no other has its.
func (l labelling) another(clip int, r *rand.Rand) int {
	if clip >= len(l.of) || l.of[clip] == unlabelled {
		return clip
	}
	same := l.clips[l.of[clip]]
	if len(same) < 2 {
		return clip
	}
	i := r.IntN(len(same) - 1)
	if at, _ := slices.BinarySearch(same, clip); i >= at {
		i++
	}
	return same[i]
}

// learnsFrom is the clips that training on a split may hear, all but the test
// clips, and the labels that it may know: none where nothing asks for them. A
// method that learns from labels alone hears labelled clips only.
func (d *data) learnsFrom(s eval.Split) ([]int, labelling, error) {
	clips := append(append([]int(nil), s.Train...), s.Valid...)
	if !d.needs.Labels && d.c.View.Pair != "label" {
		return clips, labelling{}, nil
	}
	l, err := d.labelling(s, d.c.Labels.Fraction)
	if err == nil && d.needs.Labelled {
		clips = slices.DeleteFunc(clips, func(i int) bool { return l.of[i] == unlabelled })
	}
	return clips, l, err
}

// classesOf is the classes of a manifest's labels, in natural order, and each clip's.
func classesOf(c *audio.Corpus) (classes []string, class []int, err error) {
	var labels, paths []string
	var clips []int
	for i, it := range c.Items {
		if class = append(class, unlabelled); it.Label != "" {
			labels, paths, clips = append(labels, it.Label), append(paths, it.Path), append(clips, i)
		}
	}
	classes, of, err := eval.Encode(labels, paths)
	for j, k := range of {
		class[clips[j]] = k
	}
	return classes, class, err
}
