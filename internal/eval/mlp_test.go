package eval

import (
	"context"
	"errors"
	"math"
	"runtime"
	"testing"

	"clr/internal/fault"
)

// ring is a class inside another: no line divides them.
func ring(n int) Set {
	s := blobs(n, 2, 2, 0, 0, 3)
	for i := range n {
		r := math.Hypot(s.Row(i)[0], s.Row(i)[1])
		for j := range s.Row(i) {
			s.Row(i)[j] *= (1 + 2*float64(s.Labels[i])) / r
		}
	}
	return s
}

func TestMLPLearnsWhatNoLineCan(t *testing.T) {
	s := ring(240)
	training := Training{Train: s.Rows(seq(0, 160)), Seed: 1}
	test := s.Rows(seq(160, 240))
	p := quick
	p.Hidden, p.Epochs, p.Patience = []int{32}, 60, 20
	h, err := p.Fit(context.Background(), training)
	if err != nil {
		t.Fatal(err)
	}
	if m := Measure(h.LogProba(test), test.Labels, 2); m.Accuracy < 0.95 {
		t.Errorf("MLP %+v, %v", m, h.Choice())
	}
	line, err := coarse.Fit(context.Background(), training)
	if err != nil {
		t.Fatal(err)
	}
	if m := Measure(line.LogProba(test), test.Labels, 2); m.Accuracy > 0.75 {
		t.Errorf("linear %+v", m)
	}
}

// TestMLPWithoutHiddenLayersIsLogistic compares with the convex optimum.
func TestMLPWithoutHiddenLayersIsLogistic(t *testing.T) {
	s := blobs(200, 5, 3, 0.5, 0, 1)
	p := MLPProbe{Protocol: "adamw", Epochs: 400, Batch: 200, LR: []float64{3e-2}, Patience: 400, Valid: 0.1, Windows: "embeddings", Standardize: true, Seeds: []uint64{1}}
	h, err := p.Fit(context.Background(), Training{Train: s, Valid: s})
	if err != nil {
		t.Fatal(err)
	}
	scale := newScaler(s)
	m, _, err := FitLogistic(context.Background(), scale.apply(s), 1e6, Solver{1e-7, 1000}, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, want := Measure(h.LogProba(s), s.Labels, 3).LogLoss, Measure(m.LogProba(scale.apply(s)), s.Labels, 3).LogLoss
	// Not the last weights are kept, but the first of the best accuracy.
	if got < want-1e-6 || got > want+0.01 {
		t.Errorf("log loss %v, logistic regression %v", got, want)
	}
}

func TestMLPIsDeterministic(t *testing.T) {
	s := blobs(150, 20, 4, 0.3, 0.5, 2)
	fit := func(threads int, seed uint64) string {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
		h, err := quick.Fit(context.Background(), Training{Train: s, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return weights(h)
	}
	one := fit(1, 1)
	if fit(2, 1) != one || fit(8, 1) != one {
		t.Error("threads change weights")
	}
	if fit(1, 2) == one {
		t.Error("the seed changes nothing")
	}
}

// TestMLPKeepsTheBestWeights retrains to the epoch that was chosen and expects
// its weights.
func TestMLPKeepsTheBestWeights(t *testing.T) {
	s := blobs(80, 10, 4, 0.2, 0, 2)
	p := quick
	p.LR, p.Epochs, p.Patience = []float64{3e-2}, 30, 5
	training := Training{Train: s, Seed: 1}
	h, err := p.Fit(context.Background(), training)
	if err != nil {
		t.Fatal(err)
	}
	c := h.Choice()
	if c.Epoch >= p.Epochs-p.Patience {
		t.Fatalf("chose epoch %d, the test needs an early one", c.Epoch)
	}
	p.Epochs = c.Epoch
	again, err := p.Fit(context.Background(), training)
	if err != nil {
		t.Fatal(err)
	}
	if weights(again) != weights(h) || again.Choice() != c {
		t.Errorf("%+v, then %+v", c, again.Choice())
	}
	v := training.without(training.HeldOut(p.Valid)).valid
	if got := Measure(h.LogProba(v), v.Labels, 4).Accuracy; got != c.ValidAccuracy {
		t.Errorf("validation accuracy %v, says %v", got, c.ValidAccuracy)
	}
}

func TestMLPDegenerate(t *testing.T) {
	for name, s := range map[string]Set{
		"two clips":         blobs(2, 3, 2, 1, 0, 1),
		"one a class":       blobs(5, 4, 5, 1, 0, 3),
		"one feature":       blobs(33, 1, 3, 1, 0, 4),
		"more features":     blobs(17, 90, 3, 1, 0, 2),
		"constant features": scaled(blobs(20, 4, 2, 1, 0, 2), 0),
	} {
		h, err := quick.Fit(context.Background(), Training{Train: s, Seed: 1})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, v := range h.LogProba(s) {
			if math.IsNaN(v) || v > 0 {
				t.Fatalf("%s: log p %v", name, v)
			}
		}
		if noted := h.Choice().Note != ""; noted != (name == "two clips" || name == "one a class") {
			t.Errorf("%s: note %q", name, h.Choice().Note)
		}
	}
}

func TestMLPStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := quick.Fit(ctx, Training{Train: ring(60)}); !errors.Is(err, context.Canceled) {
		t.Errorf("err is %v", err)
	}
	p := quick
	p.LR, p.Standardize = []float64{1e30}, false
	_, err := p.Fit(context.Background(), Training{Train: scaled(ring(60), 1e30)})
	expect(t, err, fault.Diverged, "validation loss is not a number after epoch 1 with lr 1e+30", "smaller")
}
