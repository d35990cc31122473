package pipeline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"clr/internal/audio"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/method"
)

// LabelOptions say how many of the training clips' labels are seen by what learns
// from labels. Probes are not asked: they have all.
type LabelOptions struct {
	Fraction float64 `yaml:"fraction" doc:"part of the training clips of each class, at least one, whose labels are seen by methods and pairs that need labels, and by clr finetune; drawn from the seed, and a smaller part lies within a larger one"`
}

// Check refuses what is no part.
func (o LabelOptions) Check() error {
	if !(o.Fraction > 0 && o.Fraction <= 1) {
		return fault.New(fault.Usage, "0.1 is a tenth of the labels, 1 all of them", "fraction is %g, it must be above 0 and at most 1", o.Fraction)
	}
	return nil
}

// needsLabels says whether pretraining sees labels: only where the method or the
// pairs ask for them.
func (c *Config) needsLabels() bool {
	return method.NeedsOf(c.Method).Labels || c.View.Pair == "label"
}

// training gives the clips that a split's training hears, and the labels that it
// sees: nil where it asks for none.
func (d *data) training(s eval.Split) (clips []int, l *labelling, err error) {
	clips = hears(s)
	if !d.c.needsLabels() {
		return clips, nil, nil
	}
	if l, err = d.labelling(s); err != nil {
		return nil, nil, err
	}
	if method.NeedsOf(d.c.Method).Labelled {
		clips = slices.DeleteFunc(clips, func(i int) bool { return l.of[i] < 0 })
	}
	return clips, l, nil
}

// A labelling is what may be learnt from a split's labels. Validation and test
// clips have none in it.
type labelling struct {
	classes []string
	of      []int   // each clip of the corpus: its class, or -1 where none is seen
	clips   [][]int // each class's clips, in order
}

// labelling gives the labels of a split's training clips, as far as
// labels.fraction shows them.
func (d *data) labelling(s eval.Split) (*labelling, error) {
	classes, index, err := classesOf(d.corpus, s.Train)
	if err != nil {
		return nil, err
	}
	l := &labelling{classes: classes, of: make([]int, len(d.corpus.Items)), clips: make([][]int, len(classes))}
	for i := range l.of {
		l.of[i] = -1
	}
	var labelled, class []int // clips, and their classes
	for i, clip := range s.Train {
		if index[i] >= 0 {
			labelled, class = append(labelled, clip), append(class, index[i])
		}
	}
	for i, seen := range eval.Few(class, len(classes), d.c.Labels.Fraction, d.c.Seed) {
		if seen {
			l.of[labelled[i]] = class[i]
			l.clips[class[i]] = append(l.clips[class[i]], labelled[i])
		}
	}
	return l, nil
}

// count is how many classes there are.
func (l *labelling) count() int {
	if l == nil {
		return 0
	}
	return len(l.classes)
}

// another draws a clip of the same label as a clip has, or gives the clip itself
// where there is no other, or the clip has no label or is not in the corpus.
func (l *labelling) another(clip int, r *rand.Rand) int {
	if clip >= len(l.of) || l.of[clip] < 0 {
		return clip
	}
	of := l.clips[l.of[clip]]
	last := len(of) - 1
	if last == 0 {
		return clip
	}
	if other := of[r.IntN(last)]; other != clip {
		return other
	}
	return of[last] // in the clip's place
}

// classesOf gives the classes of some clips, in natural order, and each clip's
// index into them: -1 where it has no label.
func classesOf(corpus *audio.Corpus, clips []int) (classes []string, index []int, err error) {
	var labels, names []string
	none := func(i int) bool { return strings.TrimSpace(corpus.Items[i].Label) == "" }
	for _, i := range clips {
		if !none(i) {
			labels, names = append(labels, corpus.Items[i].Label), append(names, corpus.Items[i].Path)
		}
	}
	if len(labels) == 0 {
		return nil, nil, fault.New(fault.Data, "fill in the manifest's column label, or choose a method and a view.pair that need none",
			"%s has no labels to learn from: none of %d clips to train on has one", corpus.Path, len(clips))
	}
	classes, known, err := eval.Encode(labels, names)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", corpus.Path, err)
	}
	for _, i := range clips {
		if none(i) {
			index = append(index, -1)
			continue
		}
		index, known = append(index, known[0]), known[1:]
	}
	return classes, index, nil
}
