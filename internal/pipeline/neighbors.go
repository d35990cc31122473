package pipeline

import (
	"context"
	"slices"

	"clr/internal/eval"
	"clr/internal/health"
)

// neighbors are labelled clips that an encoder is asked about while it is
// trained. None is a test clip.
type neighbors struct {
	t       *trainer
	o       KNNOptions
	e       encoderState // of its own, for training goes on with the method's
	clips   []int        // those that vote, then those that are voted on
	votes   int          // so many vote
	labels  []int        // (len(clips)), indices of classes
	classes []string
}

// heldOut is the share of the training clips that is voted on where the split
// has no validation clips.
const heldOut = 0.2

// newNeighbors chooses the clips: the split's training clips vote on its
// validation clips, or on some of their own, which are whole groups where there
// are groups. It is nil, and says so, where labels are missing.
func newNeighbors(t *trainer, con Console) (*neighbors, error) {
	n := &neighbors{t: t, o: t.d.c.Health.KNN}
	var labels, names, groups []string
	labelled := func(clips []int, groupOf []string) (known int) {
		for k, i := range clips {
			it := t.d.corpus.Items[i]
			if it.Label == "" {
				continue
			}
			known++
			n.clips, labels, names = append(n.clips, i), append(labels, it.Label), append(names, it.Path)
			if groupOf != nil {
				groups = append(groups, groupOf[k])
			}
		}
		return known
	}
	n.votes = labelled(t.split.Train, t.split.Groups)
	asked := labelled(t.split.Valid, nil)
	if n.votes == 0 {
		con.Say("health.knn: no training clip has a label: nobody is asked")
		return nil, nil
	}
	classes, index, err := eval.Encode(labels, names)
	if err != nil {
		con.Say("health.knn: %v: nobody is asked", err)
		return nil, nil
	}
	n.labels, n.classes = index, classes
	if asked == 0 {
		held := eval.Training{Train: eval.Set{N: n.votes, Labels: index, Classes: classes}, Groups: groups, Fold: t.split.Name, Seed: t.d.c.Seed}.HeldOut(heldOut)
		n.split(held)
	}
	if n.votes == len(n.clips) {
		con.Say("health.knn: no labelled clip can be spared from training: nobody is asked")
		return nil, nil
	}
	n.e, err = t.d.fresh(t.norm)
	return n, err
}

// split moves the clips that are held out behind those that vote.
func (n *neighbors) split(held []bool) {
	var clips, labels [2][]int
	for k, h := range held {
		part := 0
		if h {
			part = 1
		}
		clips[part], labels[part] = append(clips[part], n.clips[k]), append(labels[part], n.labels[k])
	}
	n.votes, n.clips, n.labels = len(clips[0]), slices.Concat(clips[0], clips[1]), slices.Concat(labels[0], labels[1])
}

// measure asks the method's encoder as it is now.
func (n *neighbors) measure(ctx context.Context) (*health.Neighbors, error) {
	d := n.t.d
	if err := n.e.params.Load("", n.t.method.State()); err != nil {
		return nil, err
	}
	all := eval.Set{N: len(n.clips), Labels: n.labels, Classes: n.classes}
	err := d.reading(func() (err error) {
		con := Console{Quiet: true}
		all.X, all.D, err = d.windows(ctx, n.e, n.clips, con.Progress("", 0, 0))
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, i := range n.clips {
		all.Sources = append(all.Sources, d.corpus.Items[i].File)
	}
	part := func(from, to int) eval.Set {
		return eval.Set{X: all.X[from*all.D : to*all.D], N: to - from, D: all.D, Labels: all.Labels[from:to], Classes: all.Classes, Sources: all.Sources[from:to]}
	}
	vote, asked := part(0, n.votes), part(n.votes, all.N)
	return &health.Neighbors{Accuracy: eval.KNNAccuracy(vote, asked, n.o.K, n.o.Temperature), Train: vote.N, Test: asked.N}, nil
}
