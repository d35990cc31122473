package method

import (
	"math"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/loss"
	"clr/internal/model"
)

// small is a small projector.
var small = model.MLP{Hidden: []int{16}, Out: 8, Norm: true}

// first is the first step of a method over a batch with these labels.
func first(t *testing.T, o Options, labels ...float32) Result {
	t.Helper()
	b := toy(len(labels), 0)
	b.Labels = labels
	s := setup(len(labels))
	s.Classes = 10
	r := step(t, newMethod(t, o, s), b)
	r.Z = kernel.Array{Shape: r.Z.Shape, Data: append([]float32(nil), r.Z.Data...)}
	return r
}

// With a label for each clip SupCon is SimCLR, and nothing without labels; CLAR is
// SimCLR and cross-entropy, and SimCLR alone without labels. All have one encoder,
// and two have one classifier, for weights are drawn by seed and name.
func TestLabelsInTheLimit(t *testing.T) {
	simclr := float64(first(t, SimCLR{0.2, false, small, 1}, 0, 0, 0, 0, 0).Loss)
	ce := float64(first(t, CrossEntropy{0, 1}, 3, 1, -1, 4, 1).Loss)
	near(t, "SupCon of clips", float64(first(t, SupCon{0.2, false, small, 1}, 7, 1, 2, 9, 4).Loss), simclr)
	near(t, "SupCon of nothing", float64(first(t, SupCon{0.2, false, small, 1}, -1, -1, -1, -1, -1).Loss), 0)
	near(t, "CLAR", float64(first(t, CLAR{0.2, false, 0.5, small, 1}, 3, 1, -1, 4, 1).Loss), simclr+0.5*ce)
	near(t, "CLAR of nothing", float64(first(t, CLAR{0.2, false, 0.5, small, 1}, -1, -1, -1, -1, -1).Loss), simclr)
	if one := float64(first(t, SupCon{0.2, false, small, 1}, 1, 1, 2, 2, 2).Loss); math.Abs(one-simclr) < 0.01 {
		t.Errorf("labels change nothing: %g, %g", one, simclr)
	}
}

// By clip, pairs and triplets are those of a label a clip.
func TestByClip(t *testing.T) {
	by := map[string]func(what string) Options{
		"contrastive": func(what string) Options { return Contrastive{Margin: 1, By: what, Projector: small, Groups: 1} },
	}
	for _, mining := range []string{"hard", "semi_hard", "all"} {
		by[mining] = func(what string) Options {
			return Triplet{TripletOptions: loss.TripletOptions{Margin: 0.7, Mining: mining}, By: what, Projector: small, Groups: 1}
		}
	}
	for name, o := range by {
		clip := first(t, o("clip"), -1, -1, -1, -1, -1).Loss
		if own, shared := first(t, o("label"), 9, 7, 5, 3, 1).Loss, first(t, o("label"), 1, 1, 3, 3, 3).Loss; clip != own || clip == shared {
			t.Errorf("%s: by clip %g, by label %g where each clip has its own, %g where they share", name, clip, own, shared)
		}
	}
}

// Methods that learn from labels say so, and refuse to be made without any.
func TestWhoNeedsLabels(t *testing.T) {
	for name, want := range map[string]bool{"supcon": true, "cross_entropy": true, "clar": true, "contrastive by label": true, "triplet by label": true,
		"contrastive": false, "triplet": false, "simclr": false, "moco": false} {
		o := options()[name]
		if got := NeedsOf(o).Labels; got != want {
			t.Errorf("%s needs labels: %v", name, got)
		}
		for classes := range 2 {
			s := setup(4)
			s.Classes = classes
			_, err := o.New(s)
			if refused := err != nil && fault.KindOf(err) == fault.Data && strings.Contains(err.Error(), "classes"); refused != want {
				t.Errorf("%s of %d classes: %v", name, classes, err)
			}
		}
	}
	b := toy(4, 0)
	b.Labels = nil
	s := setup(4)
	s.Classes = 0
	weightless := CLAR{Temperature: 0.2, Projector: head, Groups: 1}
	if _, err := newMethod(t, weightless, s).Step(t.Context(), b); NeedsOf(weightless).Labels || err != nil {
		t.Errorf("clar of weight 0 needs labels: %v, %v", NeedsOf(weightless).Labels, err)
	}
	if _, err := newMethod(t, options()["supcon"], setup(4)).Step(t.Context(), b); err == nil {
		t.Error("a batch without labels is taken")
	}
}
