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

// head is a small projector.
var head = model.MLP{Hidden: []int{16}, Out: 8, Norm: true}

// first is the first step of a method over a batch with these labels.
func first(t *testing.T, o Options, labels ...float32) Result {
	t.Helper()
	b := toy(len(labels), 0)
	b.Labels = labels
	r := step(t, newMethod(t, o, setup(len(labels))), b)
	r.Z = kernel.Array{Shape: r.Z.Shape, Data: append([]float32(nil), r.Z.Data...)}
	return r
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-5*(1+math.Abs(want))) {
		t.Errorf("%s is %g, want %g", what, got, want)
	}
}

// With a label for each clip SupCon is SimCLR, and nothing without labels; CLAR is
// SimCLR and cross-entropy, and SimCLR alone without labels. All have one encoder,
// and two have one classifier, for weights are drawn by seed and name.
func TestLabelsInTheLimit(t *testing.T) {
	simclr := float64(first(t, SimCLR{0.2, false, head, 1}, 0, 0, 0, 0, 0).Loss)
	ce := float64(first(t, CrossEntropy{0.1, 1}, 3, 1, -1, 4, 1).Loss)
	near(t, "SupCon of clips", float64(first(t, SupCon{0.2, head, 1}, 7, 1, 2, 9, 4).Loss), simclr)
	near(t, "SupCon of nothing", float64(first(t, SupCon{0.2, head, 1}, -1, -1, -1, -1, -1).Loss), 0)
	near(t, "CLAR", float64(first(t, CLAR{0.2, 0.5, 0.1, head, 1}, 3, 1, -1, 4, 1).Loss), simclr+0.5*ce)
	near(t, "CLAR of nothing", float64(first(t, CLAR{0.2, 0.5, 0.1, head, 1}, -1, -1, -1, -1, -1).Loss), simclr)
	if one := float64(first(t, SupCon{0.2, head, 1}, 1, 1, 2, 2, 2).Loss); math.Abs(one-simclr) < 0.01 {
		t.Errorf("labels change nothing: %g, %g", one, simclr)
	}
}

// Contrastive's pairs are each clip's views, and rows that follow each other.
func TestContrastivePairs(t *testing.T) {
	labels := []float32{2, 2, -1, -1, 5, 5}
	for _, by := range []string{"views", "labels"} {
		r := first(t, Contrastive{Margin: 1.2, Pairs: by, Projector: head, Groups: 1}, labels...)
		n, d := len(labels), r.Z.Shape[1]
		term := func(i, j int, similar bool) float64 {
			sum := 0.0
			for k := range d {
				sum += math.Pow(float64(r.Z.Data[i*d+k])-float64(r.Z.Data[j*d+k]), 2)
			}
			if similar {
				return sum / 2
			}
			return math.Pow(max(0, 1.2-math.Sqrt(sum)), 2) / 2
		}
		want := 0.0
		for i := range n {
			want += term(i, n+i, true) / float64(n)
		}
		for i := range 2*n - 1 {
			l := labels[i%n]
			want += term(i, i+1, by == "labels" && l >= 0 && l == labels[(i+1)%n]) / float64(2*n-1)
		}
		near(t, by, float64(r.Loss), want)
	}
}

// By clip, triplets are those of a label a clip.
func TestTripletsByClip(t *testing.T) {
	for _, mining := range []string{"hard", "semi_hard", "all"} {
		o := Triplet{TripletOptions: loss.TripletOptions{Margin: 0.7, Mining: mining}, By: "clip", Projector: head, Groups: 1}
		by := first(t, o, -1, -1, -1, -1, -1).Loss
		o.By = "label"
		if own, shared := first(t, o, 9, 7, 5, 3, 1).Loss, first(t, o, 1, 1, 3, 3, 3).Loss; by != own || by == shared {
			t.Errorf("%s: by clip %g, by label %g where each clip has its own, %g where they share", mining, by, own, shared)
		}
	}
}

// Methods that learn from labels say so, and refuse to be made without any.
func TestWhoNeedsLabels(t *testing.T) {
	for name, want := range map[string]bool{"supcon": true, "cross_entropy": true, "clar": true, "labelled pairs": true, "labelled triplets": true,
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
	if _, err := newMethod(t, options()["supcon"], setup(4)).Step(t.Context(), b); err == nil {
		t.Error("a batch without labels is taken")
	}
}

func TestChecksOfLabelledMethods(t *testing.T) {
	for want, o := range map[string]Options{
		"temperature is 0, must be positive":               SupCon{0, head, 1},
		"smoothing is -0.1, must be between 0 and 1":       CrossEntropy{-0.1, 1},
		"bn_groups is 0, must be 1 or more":                CrossEntropy{0, 0},
		"smoothing is NaN, must be between 0 and 1":        CLAR{0.1, 1, math.NaN(), head, 1},
		"weight is -1, must be between 0 and 1e6":          CLAR{0.1, -1, 0, head, 1},
		"margin is 0, must be positive":                    Contrastive{0, "views", head, 1},
		`pairs is "clips", must be views or labels`:        Contrastive{1, "clips", head, 1},
		`mining is "soft", must be hard, semi_hard or all`: Triplet{loss.TripletOptions{Margin: 1, Mining: "soft"}, "clip", head, 1},
		"the margin is -1, must be positive":               Triplet{loss.TripletOptions{Margin: -1, Mining: "hard"}, "clip", head, 1},
		`by is "speaker", must be clip or label`:           Triplet{loss.TripletOptions{Margin: 1, Mining: "hard"}, "speaker", head, 1},
		"projector: out is 0, must be 1 to 65536":          Triplet{loss.TripletOptions{Margin: 1, Mining: "hard"}, "clip", model.MLP{}, 1},
	} {
		if err := o.Check(); err == nil || err.Error() != want || fault.KindOf(err) != fault.Usage {
			t.Errorf("%+v: %v, want %s", o, err, want)
		}
	}
}
