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
// are groups. It is nil, and warns, where labels are missing.
func newNeighbors(t *trainer, con Console) (*neighbors, error) {
	classes, class, err := classesOf(t.d.corpus)
	if err != nil {
		con.Warn("health.knn: %v: nobody is asked", err)
		return nil, nil
	}
	labelled := func(clips []int) []int {
		return slices.DeleteFunc(slices.Clone(clips), func(i int) bool { return class[i] == unlabelled })
	}
	vote, asked := labelled(t.split.Train), labelled(t.split.Valid)
	if len(vote) == 0 {
		con.Warn("health.knn: no training clip has a label: nobody is asked")
		return nil, nil
	}
	if len(asked) == 0 {
		of := eval.Training{Train: eval.Set{N: len(vote), Classes: classes}, Fold: t.split.Name, Seed: t.d.c.Seed}
		for k, i := range t.split.Train {
			if class[i] == unlabelled {
				continue
			}
			of.Train.Labels = append(of.Train.Labels, class[i])
			if t.split.Groups != nil {
				of.Groups = append(of.Groups, t.split.Groups[k])
			}
		}
		vote, asked = divided(vote, of.HeldOut(heldOut))
	}
	if len(asked) == 0 {
		con.Warn("health.knn: no labelled clip can be spared from training: nobody is asked")
		return nil, nil
	}
	n := &neighbors{t: t, o: t.d.c.Health.KNN, clips: slices.Concat(vote, asked), votes: len(vote), classes: classes}
	for _, i := range n.clips {
		n.labels = append(n.labels, class[i])
	}
	n.e, err = t.d.fresh(t.norm)
	return n, err
}

// divided is the clips that are not held out, and those that are.
func divided(clips []int, held []bool) (in, out []int) {
	for k, i := range clips {
		if held[k] {
			out = append(out, i)
		} else {
			in = append(in, i)
		}
	}
	return in, out
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
