package eval

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"clr/internal/fault"
)

// quick is an MLP probe that takes no time.
var quick = MLPProbe{Protocol: "adamw", Hidden: []int{8}, Epochs: 5, Batch: 16, LR: []float64{1e-2, 1e-3}, WeightDecay: 1e-4, Patience: 3, Valid: 0.2, Windows: "embeddings", Standardize: true, Seeds: []uint64{1, 2}}

// coarse is a linear probe that takes little.
var coarse = LinearProbe{Protocol: "lbfgs", Multi: "multinomial", ClassWeight: "none", CMin: 1e-3, CMax: 10, CSteps: 3, Standardize: true, Tolerance: 1e-4, MaxIterations: 100, Windows: "embeddings", InnerFolds: 3, Seed: 1}

// A spy keeps what a probe was given and what it made.
type spy struct {
	Probe
	given []Training
	made  []Head
}

func (s *spy) Fit(ctx context.Context, t Training) (Head, error) {
	h, err := s.Probe.Fit(ctx, t)
	s.given, s.made = append(s.given, t), append(s.made, h)
	return h, err
}

// weights are all that a head will ever answer with, as text.
func weights(h Head) string {
	switch h := h.(type) {
	case linearHead:
		return fmt.Sprintf("%x %x %x %x %d", h.model.W, h.model.B, h.scale.mean, h.scale.factor, h.model.Link)
	case *trainedHead:
		out := fmt.Sprintf("%x %x", h.scale.mean, h.scale.factor)
		for _, a := range h.net.arrays() {
			out += fmt.Sprintf(" %x", a)
		}
		return out
	}
	return fmt.Sprint(h)
}

func folds(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i / 3 % 4)
	}
	return out
}

// TestTestClipsNeverTrain proves it for each way to divide clips: what a probe
// is given holds every clip but the test clips.
func TestTestClipsNeverTrain(t *testing.T) {
	const n = 48
	labels := make([]int, n)
	given := make([]string, n)
	for i := range labels {
		labels[i] = i % 3
		given[i] = []string{"train", "train", "valid", "test"}[i/3%4]
	}
	for _, c := range []struct {
		values []string
		o      SplitOptions
		splits int
	}{{given, SplitOptions{}, 1}, {folds(n), SplitOptions{By: "fold"}, 4}, {folds(n), SplitOptions{By: "fold", Holdout: []string{"3", "1"}}, 1}} {
		splits, err := Splits(c.values, c.o)
		if err != nil || len(splits) != c.splits {
			t.Fatal(splits, err)
		}
		p := &spy{Probe: Majority{}}
		row, err := Evaluate(context.Background(), "x", p, tagged(labels, 3), splits)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range splits {
			seen := clips(join(p.given[i].Train, p.given[i].Valid))
			for _, clip := range s.Test {
				if slices.Contains(seen, clip) {
					t.Errorf("%+v, split %s: test clip %d was given to the probe", c.o, s.Name, clip)
				}
			}
			if all := append(seen, s.Test...); len(all) != n {
				t.Errorf("%+v, split %s: %d clips of %d", c.o, s.Name, len(all), n)
			}
		}
		if len(row.Folds) != c.splits {
			t.Errorf("%d folds", len(row.Folds))
		}
	}
}

// trial is HEAR's way on a small scale: settings chosen on the first split.
var trial = func() protocol {
	p := protocol{name: "trial", seeds: []uint64{1, 2}, once: true}
	for _, lr := range []float64{1e-2, 1e-3} {
		r := hear.at(lr)
		r.head.Hidden, r.head.Init, r.epochs, r.batch, r.patience = []int{8}, "xavier_normal", 12, 16, 2
		r.named = true
		p.recipes = append(p.recipes, r)
	}
	return p
}()

// brief is a protocol cut short.
func brief(kind, name string) protocol {
	p := protocolOf(kind, name, 0)
	p.recipes[0].epochs = 3
	return p
}

// TestShuffledTestLabelsChangeNoHead gives the test clips each other's labels: the
// chosen heads are the same to the bit, and the scores are others.
func TestShuffledTestLabelsChangeNoHead(t *testing.T) {
	single, several := blobs(96, 6, 3, 0.5, 0.5, 1), severalTags(96, 6, 3, 1)
	splits, err := Splits(folds(96), SplitOptions{By: "fold"})
	if err != nil {
		t.Fatal(err)
	}
	against := coarse
	against.Multi, against.ClassWeight = "one_vs_rest", "balanced"
	for name, p := range map[string]Probe{"linear": coarse, "one against the rest": against, "mlp": quick, "hear's way": trial,
		"linear evar": brief("linear", "evar"), "mlp evar": brief("mlp", "evar"), "cola": brief("linear", "cola"), "simclr": brief("linear", "simclr")} {
		for _, s := range []Set{single, several} {
			before, after := &watched{Probe: p}, &watched{Probe: p}
			a, err := Evaluate(t.Context(), "x", before, s, splits)
			if err != nil {
				t.Fatal(name, err)
			}
			b, err := EvaluateEach(t.Context(), "x", after, func(split Split) Set {
				other := s.Rows(seq(0, s.N))
				for i, clip := range split.Test {
					from := split.Test[(i+1)%len(split.Test)]
					if s.Multi() {
						other.Tags[clip] = s.Tags[from]
					} else {
						other.Labels[clip] = s.Labels[from]
					}
				}
				return other
			}, splits)
			if err != nil {
				t.Fatal(name, err)
			}
			if a.Mean.LogLoss == b.Mean.LogLoss || a.Mean.MAP == b.Mean.MAP {
				t.Errorf("%s: the test clips have other labels, and the same scores", name)
			}
			if len(before.heads) != 4*len(p.Repeats()) || !slices.Equal(before.heads, after.heads) {
				t.Errorf("%s, several labels %v: test labels changed a head", name, s.Multi())
			}
		}
	}
}

// watched is a probe whose heads are kept as text, whoever chose its settings.
type watched struct {
	Probe
	heads []string
}

func (w *watched) choose(ctx context.Context, first Training) (Probe, error) {
	c, ok := w.Probe.(chooser)
	if !ok {
		return w, nil
	}
	var err error
	w.Probe, err = c.choose(ctx, first)
	return w, err
}

func (w *watched) Fit(ctx context.Context, t Training) (Head, error) {
	h, err := w.Probe.Fit(ctx, t)
	w.heads = append(w.heads, fmt.Sprint(weights(h), h.Choice()))
	return h, err
}

// TestHeadsIgnoreTestClips changes every test clip's features and label and
// expects the same weights, to the bit.
func TestHeadsIgnoreTestClips(t *testing.T) {
	s := blobs(96, 6, 3, 0.5, 0.5, 1)
	splits, err := Splits(folds(96), SplitOptions{By: "fold"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []Probe{coarse, quick} {
		before, after := &spy{Probe: p}, &spy{Probe: p}
		a, err := Evaluate(context.Background(), "x", before, s, splits)
		if err != nil {
			t.Fatal(err)
		}
		b, err := EvaluateEach(context.Background(), "x", after, func(split Split) Set {
			other := s.Rows(seq(0, s.N))
			for _, i := range split.Test {
				other.Labels[i] = (other.Labels[i] + 1) % 3
				for j := range other.Row(i) {
					other.Row(i)[j] = 1e3 * float64(i-j)
				}
			}
			return other
		}, splits)
		if err != nil {
			t.Fatal(err)
		}
		if a.Mean.Accuracy == b.Mean.Accuracy && a.Mean.LogLoss == b.Mean.LogLoss {
			t.Errorf("%T: other test clips, same scores", p)
		}
		for i := range before.made {
			if weights(before.made[i]) != weights(after.made[i]) || before.made[i].Choice() != after.made[i].Choice() {
				t.Errorf("%T: test clips changed head %d", p, i)
			}
		}
	}
}

func TestEvaluateSaysWhatIsWrong(t *testing.T) {
	ctx := context.Background()
	s := blobs(24, 3, 2, 1, 0, 1)
	splits, err := Splits(folds(24), SplitOptions{By: "fold"})
	if err != nil {
		t.Fatal(err)
	}
	bad := s.Rows(seq(0, 24))
	bad.Names = make([]string, 24)
	bad.Names[17] = "a/b.wav"
	bad.Row(17)[2] = math.NaN()
	_, err = Evaluate(ctx, "pretrained", coarse, bad, splits)
	expect(t, err, fault.Diverged, "pretrained, split 0: the embedding of a/b.wav is not finite: feature 2 is NaN", "checkpoint")
	bad.Names, bad.Row(17)[2] = nil, math.Inf(-1)
	_, err = Evaluate(ctx, "pretrained", coarse, bad, splits)
	expect(t, err, fault.Diverged, "row 17 is not finite: feature 2 is -Inf", "")
	bad.Row(17)[2] = -1e155 // whose square is infinite, so that a deviation of it would silence the feature
	_, err = Evaluate(ctx, "pretrained", coarse, bad, splits)
	expect(t, err, fault.Data, "row 17 is too large to be squared: feature 2 is -1e+155", "divide all embeddings")
	one := s.Rows(seq(0, 24))
	one.Classes, one.Labels = []string{"dog"}, make([]int, 24)
	_, err = Evaluate(ctx, "x", coarse, one, splits)
	expect(t, err, fault.Data, "all 24 clips have the label dog", "two classes")
	_, err = Evaluate(ctx, "x", coarse, Set{Classes: classNames(2)}, splits)
	expect(t, err, fault.Data, "0 embeddings of 0 features", "")
	_, err = Evaluate(ctx, "x", LinearProbe{}, s, splits)
	expect(t, err, fault.Usage, `protocol is ""`, "")
	short := s
	short.Labels = s.Labels[1:]
	_, err = Evaluate(ctx, "x", coarse, short, splits)
	expect(t, err, fault.Usage, "23 labels", "")
	_, err = Evaluate(ctx, "x", coarse, s, nil)
	expect(t, err, fault.Usage, "no splits", "")
}

func TestTableOfProbes(t *testing.T) {
	for name, p := range Table {
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if p.Doc() == "" || len(p.Repeats()) == 0 {
			t.Errorf("%s has no doc or no repeats", name)
		}
	}
}

func TestProbesRefuse(t *testing.T) {
	linear := func(change func(*LinearProbe)) Probe {
		p := linearDefaults
		change(&p)
		return p
	}
	mlp := func(change func(*MLPProbe)) Probe {
		p := mlpDefaults
		change(&p)
		return p
	}
	for says, p := range map[string]Probe{
		`protocol is "sgd"`:                          linear(func(p *LinearProbe) { p.Protocol = "sgd" }),
		`protocol is "hear"`:                         linear(func(p *LinearProbe) { p.Protocol = "hear" }),
		`protocol is "lbfgs"`:                        mlp(func(p *MLPProbe) { p.Protocol = "lbfgs" }),
		"protocol_lr is -1":                          linear(func(p *LinearProbe) { p.Protocol, p.ProtocolLR = "evar", -1 }),
		"protocol_lr is 0.1, and the protocol lbfgs": linear(func(p *LinearProbe) { p.ProtocolLR = 0.1 }),
		"protocol_lr is 0.1, and the protocol hear":  mlp(func(p *MLPProbe) { p.Protocol, p.ProtocolLR = "hear", 0.1 }),
		`multi is "ovr"`:                             linear(func(p *LinearProbe) { p.Multi = "ovr" }),
		`class_weight is "all"`:                      linear(func(p *LinearProbe) { p.ClassWeight = "all" }),
		"c_max -1":                                   linear(func(p *LinearProbe) { p.CMax = -1 }),
		"c_min is NaN":                               linear(func(p *LinearProbe) { p.CMin = math.NaN() }),
		"c_steps is 0":                               linear(func(p *LinearProbe) { p.CSteps = 0 }),
		"are both 1":                                 linear(func(p *LinearProbe) { p.CMin, p.CMax = 1, 1 }),
		"tolerance is 0":                             linear(func(p *LinearProbe) { p.Tolerance = 0 }),
		"max_iterations is -3":                       linear(func(p *LinearProbe) { p.MaxIterations = -3 }),
		"inner_folds is 1":                           linear(func(p *LinearProbe) { p.InnerFolds = 1 }),
		"hidden is [4 0]":                            mlp(func(p *MLPProbe) { p.Hidden = []int{4, 0} }),
		"epochs is 0":                                mlp(func(p *MLPProbe) { p.Epochs = 0 }),
		"batch 0":                                    mlp(func(p *MLPProbe) { p.Batch = 0 }),
		"patience 0":                                 mlp(func(p *MLPProbe) { p.Patience = 0 }),
		"lr is []":                                   mlp(func(p *MLPProbe) { p.LR = nil }),
		"lr is [NaN]":                                mlp(func(p *MLPProbe) { p.LR = []float64{math.NaN()} }),
		"weight_decay is -1":                         mlp(func(p *MLPProbe) { p.WeightDecay = -1 }),
		"valid is 1":                                 mlp(func(p *MLPProbe) { p.Valid = 1 }),
		"seeds is empty":                             mlp(func(p *MLPProbe) { p.Seeds = nil }),
	} {
		expect(t, p.Check(), fault.Usage, says, "")
	}
}

func TestGrid(t *testing.T) {
	got := LinearProbe{CMin: 1e-2, CMax: 100, CSteps: 5}.grid()
	for i, want := range []float64{0.01, 0.1, 1, 10, 100} {
		if math.Abs(got[i]/want-1) > 1e-12 {
			t.Errorf("%v", got)
		}
	}
	if one := (LinearProbe{CMin: 3, CMax: 3, CSteps: 1}).grid(); len(one) != 1 || one[0] != 3 {
		t.Error(one)
	}
}

// TestTiesTakeTheSmallerC: where every C is right about every clip.
func TestTiesTakeTheSmallerC(t *testing.T) {
	p := coarse
	p.CMin, p.CMax = 1, 100
	h, err := p.Fit(context.Background(), Training{Train: blobs(60, 4, 3, 30, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	if c := h.Choice(); c.C != 1 || c.ValidAccuracy != 1 || c.Note != "" {
		t.Errorf("%+v", c)
	}
}

// TestChoiceIsBySearch does by hand what Fit promises: inner folds, scaler on
// their training side, pooled hits, refit on all.
func TestChoiceIsBySearch(t *testing.T) {
	training := Training{Train: blobs(90, 12, 3, 0.25, 1, 5), Groups: folds(90)}
	best, most := 0.0, -1
	for _, c := range coarse.grid() {
		hits := 0
		for _, p := range training.parts(coarse.InnerFolds) {
			scale := newScaler(p.train)
			m, _, err := FitLogistic(context.Background(), scale.apply(p.train), c, Solver{1e-4, 1000}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i, y := range Predict(m.LogProba(scale.apply(p.valid)), 3) {
				if y == p.valid.Labels[i] {
					hits++
				}
			}
		}
		if hits > most {
			best, most = c, hits
		}
	}
	h, err := coarse.Fit(context.Background(), training)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.Choice(); got.C != best || got.ValidAccuracy != float64(most)/90 {
		t.Errorf("%+v, want C %v with %d of 90", got, best, most)
	}
	scale := newScaler(training.Train)
	m, _, _ := FitLogistic(context.Background(), scale.apply(training.Train), best, Solver{1e-4, 100}, nil)
	if fmt.Sprint(m.W) != fmt.Sprint(h.(linearHead).model.W) {
		t.Error("the head is not the refit on all training clips")
	}
}
