package method

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/loss"
	"clr/internal/model"
	"clr/internal/optim"
)

const bins, frames, cropFrames = 16, 12, 8

var encoder = model.ResNet{Depth: 10, Width: 4, Stem: "small", Pool: "mean"}

func setup(batch int) Setup {
	return Setup{Encoder: encoder, Batch: batch, Input: model.Input{Channels: 1, Bins: bins, Frames: frames}, Classes: toyClasses, Seed: 5}
}

// options are small settings of every method; with norm the projector is
// SimCLR's, without it MoCo's.
func options() map[string]Options {
	norm, plain := model.MLP{Hidden: []int{16}, Out: 8, Norm: true}, model.MLP{Hidden: []int{16}, Out: 8}
	return map[string]Options{
		"clar":                        CLAR{Temperature: 0.2, Weight: 0.5, Projector: norm, Groups: 1},
		"cola":                        COLA{Similarity: "bilinear", Temperature: 0.2, Out: 8, Groups: 1},
		"cola by cosine":              COLA{Similarity: "cosine", Temperature: 0.2, Out: 8, Groups: 2},
		"moco_v3":                     MoCoV3{Temperature: 0.2, Momentum: Momentum{0.9, "cosine"}, Projector: norm, Predictor: norm, Groups: 2},
		"nnclr":                       NNCLR{Temperature: 0.2, Queue: 19, Projector: norm, Predictor: norm, Groups: 1},
		"clar, temperature learnt":    CLAR{Temperature: 0.2, Learn: true, Weight: 0.5, Projector: norm, Groups: 2},
		"cola, temperature learnt":    COLA{Similarity: "cosine", Temperature: 0.5, Learn: true, Out: 8, Groups: 1},
		"moco, temperature learnt":    MoCo{Temperature: 0.2, Learn: true, Momentum: Momentum{0.9, "constant"}, Queue: 19, Projector: plain, Groups: 1},
		"moco_v3, temperature learnt": MoCoV3{Temperature: 0.2, Learn: true, Momentum: Momentum{0.9, "cosine"}, Projector: norm, Predictor: norm, Groups: 2},
		"supcon, temperature learnt":  SupCon{Temperature: 0.2, Learn: true, Projector: norm, Groups: 1},
		"nnclr, temperature learnt":   NNCLR{Temperature: 0.2, Learn: true, Queue: 19, Projector: norm, Predictor: norm, Groups: 2},
		"simclr, temperature learnt":  SimCLR{Temperature: 0.2, Learn: true, Projector: norm, Groups: 1},
		"swav":                        SwAV{Temperature: 0.1, Prototypes: 12, Epsilon: 0.05, Iterations: 3, Projector: norm, Groups: 1},
		"swav, all of it":             SwAV{Temperature: 0.1, Prototypes: 12, Epsilon: 0.05, Iterations: 3, Crops: 2, CropFrames: cropFrames, Queue: 19, QueueStart: 2, Freeze: 1, Projector: norm, Groups: 2},
		"contrastive":                 Contrastive{Margin: 1, By: "clip", Projector: norm, Groups: 1},
		"contrastive by label":        Contrastive{Margin: 1, By: "label", Projector: norm, Groups: 1},
		"cross_entropy":               CrossEntropy{Smoothing: 0.1, Groups: 2},
		"supcon":                      SupCon{Temperature: 0.2, Projector: norm, Groups: 1},
		"triplet":                     Triplet{TripletOptions: loss.TripletOptions{Margin: 0.2, Mining: "semi_hard"}, By: "clip", Projector: norm, Groups: 1},
		"triplet by label":            Triplet{TripletOptions: loss.TripletOptions{Margin: 4, Mining: "all", Squared: true}, By: "label", Projector: norm, Groups: 2},
		"simclr":                      SimCLR{Temperature: 0.2, Projector: norm, Groups: 1},
		"simclr by views":             SimCLR{Temperature: 0.2, Projector: norm, Groups: 2},
		"barlow_twins":                BarlowTwins{Lambda: 0.005, Projector: norm, Groups: 2},
		"byol":                        BYOL{Momentum: Momentum{0.9, "cosine"}, Projector: norm, Predictor: norm, Groups: 2},
		"simsiam":                     SimSiam{Projector: norm, Predictor: norm, Groups: 2},
		"vicreg":                      VICReg{VICRegOptions: loss.VICRegOptions{Sim: 25, Var: 25, Cov: 1}, Projector: norm, Groups: 1},
		"moco":                        MoCo{Temperature: 0.2, Momentum: Momentum{0.9, "constant"}, Queue: 19, Projector: plain, Groups: 1},
		"moco in groups":              MoCo{Temperature: 0.2, Momentum: Momentum{0.9, "constant"}, Queue: 19, Projector: norm, Groups: 2},
	}
}

// A method that is added is tried like the rest.
func TestOptionsHoldEveryMethod(t *testing.T) {
	for name := range Table {
		if options()[name] == nil {
			t.Errorf("add a small %s to options", name)
		}
	}
}

func names(o map[string]Options) []string { return slices.Sorted(maps.Keys(o)) }

func newMethod(t *testing.T, o Options, s Setup) Method {
	t.Helper()
	m, err := o.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// toyClasses is how many classes the labels of toy are of; its sounds take turns.
const toyClasses = 3

// toy makes n pairs of views for a step. A clip is one of 48 sounds: a tone of
// some bin, steady or pulsing in one of two ways. Its views differ in noise. The
// sounds go round, so that keys of the last five batches of eight are of others.
func toy(n, step int) Batch {
	r := rand.New(rand.NewPCG(11, uint64(step)))
	b := Batch{N: n, X: make([]float32, 2*n*bins*frames), Input: model.Input{Channels: 1, Bins: bins, Frames: frames}, Step: step}
	for i := range n {
		b.Labels = append(b.Labels, float32((step*n+i)%48%toyClasses))
	}
	for i := range b.X {
		clip := (step*n + i/(bins*frames)%n) % 48
		bin, frame := i/frames%bins, i%frames
		on := [3]bool{true, frame%4 < 2, frame%6 < 2}[clip/bins]
		b.X[i] = float32(r.NormFloat64()) / 4
		if on && bin == clip*5%bins {
			b.X[i] += 2
		}
	}
	for row := range 2 * n * bins { // shorter views are the ends of the views
		b.Crops = append(b.Crops, b.X[(row+1)*frames-cropFrames:(row+1)*frames]...)
	}
	return b
}

func step(t *testing.T, m Method, b Batch) Result {
	t.Helper()
	r, err := m.Step(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// train takes steps [from, to) and returns the losses.
func train(t *testing.T, m Method, opt optim.Optimizer, n, from, to int) []float32 {
	t.Helper()
	var losses []float32
	for s := from; s < to; s++ {
		losses = append(losses, step(t, m, toy(n, s)).Loss)
		opt.Step(m.Params(), 0.05)
		m.Advance(float64(s+1) / float64(to))
	}
	return losses
}

func sgd(m Method) optim.Optimizer {
	return optim.SGD{LR: 0.05, Momentum: 0.9}.New(m.Params())
}

// clone makes a state that no longer changes with the method.
func clone(s map[string]kernel.Array) map[string]kernel.Array {
	c := map[string]kernel.Array{}
	for name, a := range s {
		c[name] = kernel.Array{Shape: a.Shape, Data: slices.Clone(a.Data)}
	}
	return c
}

// same compares two states to the last bit.
func same(t *testing.T, what string, got, want map[string]kernel.Array) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d arrays, want %d", what, len(got), len(want))
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !slices.Equal(got[name].Data, want[name].Data) {
			t.Errorf("%s: %s differs", what, name)
			return
		}
	}
}

func TestTable(t *testing.T) {
	for name, o := range Table {
		if err := o.Check(); err != nil {
			t.Errorf("defaults of %s: %v", name, err)
		}
		if !strings.Contains(o.Doc(), "20") || strings.Contains(o.Doc(), "\n") {
			t.Errorf("%s: %q names no paper in one line", name, o.Doc())
		}
		m := newMethod(t, o, setup(8))
		step(t, m, toy(8, 0))
		m.Advance(1)
	}
}

func TestChecks(t *testing.T) {
	head := model.MLP{Out: 8}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{SimCLR{Temperature: 0, Projector: head, Groups: 1}, "temperature is 0, must be between 0.0001 and 10000"},
		{SimCLR{math.NaN(), false, head, 1}, "temperature is NaN, must be between 0.0001 and 10000"},
		{SimCLR{1e300, false, head, 1}, "temperature is 1e+300, must be between 0.0001 and 10000"},
		{SimCLR{0.1, false, head, 0}, "bn_groups is 0, must be between 1 and 65536"},
		{SimCLR{0.1, false, head, 1 << 20}, "bn_groups is 1048576, must be between 1 and 65536"},
		{SimCLR{0.1, false, model.MLP{}, 1}, "projector: out is 0, must be 1 to 65536"},
		{COLA{"dot", 0.2, false, 8, 1}, `similarity is "dot", must be bilinear or cosine`},
		{COLA{"bilinear", 0.2, true, 8, 1}, "learn_temperature is true, and similarity is bilinear, which has no temperature: its matrix is learnt"},
		{COLA{"cosine", 0.005, true, 8, 1}, "temperature is 0.005; one that is learnt does not fall below 0.01"},
		{SwAV{Temperature: 0.1, Prototypes: 1, Epsilon: 0.05, Iterations: 3, Projector: head, Groups: 1}, "prototypes is 1, must be between 2 and 65536"},
		{SwAV{Temperature: 0.1, Prototypes: 8, Epsilon: 0.05, Iterations: 1e9, Projector: head, Groups: 1}, "iterations is 1000000000, must be between 1 and 1024"},
		{SwAV{Temperature: 0.1, Prototypes: 8, Epsilon: 0, Iterations: 3, Projector: head, Groups: 1}, "epsilon is 0, must be between 0.0001 and 10000"},
		{SwAV{Temperature: 0.1, Prototypes: 8, Epsilon: 0.05, Iterations: 3, Crops: 2, Projector: head, Groups: 1}, "crop_frames is 0, must be between 1 and 2147483647"},
		{SwAV{Temperature: 0.1, Prototypes: 8, Epsilon: 0.05, Iterations: 3, Freeze: -1, Projector: head, Groups: 1}, "freeze_prototypes is -1, must be between 0 and 2147483647"},
		{NNCLR{Temperature: 0.1, Queue: 0, Projector: head, Predictor: head, Groups: 1}, "queue is 0, must be between 1 and 16777216"},
		{MoCoV3{0.2, false, Momentum{2, "cosine"}, head, head, 1}, "momentum is 2, must be between 0 and 1"},
		{CLAR{0.2, false, -1, head, 1}, "weight is -1, must be between 0 and 1e+06"},
		{CrossEntropy{2, 1}, "label_smoothing is 2, must be at least 0 and below 1"},
		{Contrastive{3, "clip", head, 1}, "margin is 3, must be above 0 and at most 2"},
		{Contrastive{1, "sound", head, 1}, `by is "sound", must be clip or label`},
		{VICReg{loss.VICRegOptions{Sim: 1e300}, head, 1}, "a weight of the loss is 1e+300, must be between 0 and 1e+06"},
		{Triplet{loss.TripletOptions{Margin: 1e308, Mining: "all"}, "clip", head, 1}, "margin is 1e+308, must be above 0 and at most 4"},
		{Triplet{loss.TripletOptions{Margin: 1, Mining: "best"}, "clip", head, 1}, `mining is "best", must be hard, semi_hard or all`},
		{MoCo{-1, false, Momentum{0.9, "constant"}, 8, head, 1}, "temperature is -1, must be between 0.0001 and 10000"},
		{MoCo{0.2, false, Momentum{1.5, "constant"}, 8, head, 1}, "momentum is 1.5, must be between 0 and 1"},
		{MoCo{0.2, false, Momentum{0.9, "linear"}, 8, head, 1}, `momentum_schedule is "linear", must be constant or cosine`},
		{MoCo{0.2, false, Momentum{0.9, "constant"}, 0, head, 1}, "queue is 0, must be between 1 and 16777216"},
		{MoCo{0.2, false, Momentum{0.9, "constant"}, 8, model.MLP{Hidden: []int{-1}, Out: 1}, 1}, "projector: hidden layer 1 has size -1, must be 1 to 65536"},
	} {
		if err := c.o.Check(); err == nil || err.Error() != c.want || fault.KindOf(err) != fault.Usage {
			t.Errorf("%+v: %v, want %s", c.o, err, c.want)
		}
	}
	for _, c := range []struct {
		o    Options
		s    Setup
		want string
	}{
		{SimCLR{0.1, false, head, 3}, setup(4), "bn_groups is 3, into which a batch of 4 (8 rows) cannot be split"},
		{MoCo{0.2, false, Momentum{0.9, "constant"}, 8, head, 4}, setup(4), "bn_groups is 4, into which a batch of 4 (4 rows) cannot be split"},
		{SimCLR{0.1, false, head, 1}, setup(0), "a batch of 0 spectrograms of 16 × 12, must be 1 or more each"},
		{SimCLR{0.1, false, head, 1}, Setup{Encoder: model.ResNet{}, Batch: 4, Input: model.Input{Channels: 1, Bins: bins, Frames: frames}}, "resnet depth is 0, must be 10, 18, 34 or 50"},
	} {
		if m, err := c.o.New(c.s); m != nil || err == nil || err.Error() != c.want || fault.KindOf(err) != fault.Usage {
			t.Errorf("%+v: %v, want %s", c.o, err, c.want)
		}
	}
}

// Every method whose loss has a chance level comes far below it.
func TestMethodsLearn(t *testing.T) {
	if testing.Short() {
		t.Skip("trains each method")
	}
	const n = 8
	for _, name := range names(options()) {
		m := newMethod(t, options()[name], setup(n))
		steps, chance := 60, step(t, m, toy(n, 0)).Chance
		if chance == 0 {
			continue
		}
		if strings.HasPrefix(name, "moco") || strings.HasPrefix(name, "nnclr") { // more slowly, as the queue has to fill first
			steps = 150
		}
		losses := train(t, m, sgd(m), n, 0, steps)
		last := 0.0
		for _, l := range losses[steps-5:] {
			last += float64(l) / 5
		}
		t.Logf("%s: %.3f -> %.3f, chance %.3f", name, losses[0], last, chance)
		if last > 0.65*chance {
			t.Errorf("%s: the loss goes from %g to %g; chance is %g", name, losses[0], last, chance)
		}
	}
}

// top1 is how many rows have the other view of their clip nearest of all.
func top1(z kernel.Array) float64 {
	m, hits := z.Shape[0], 0
	row := func(i int) []float32 { return z.Data[i*z.Shape[1] : (i+1)*z.Shape[1]] }
	for i := range m {
		best, at := math.Inf(-1), -1
		for j := range m {
			if c := kernel.Dot(row(i), row(j)); j != i && c > best {
				best, at = c, j
			}
		}
		if at == (i+m/2)%m {
			hits++
		}
	}
	return float64(hits) / float64(m)
}

// Every method brings the views of a clip together and keeps clips apart.
func TestViewsFindEachOther(t *testing.T) {
	if testing.Short() {
		t.Skip("trains each method")
	}
	const n = 24
	for name := range Table {
		m := newMethod(t, options()[name], setup(n))
		opt, steps := optim.SGD{LR: 0.05, Momentum: 0.9}.New(m.Params()), 100
		for s := range steps {
			step(t, m, toy(n, s))
			lr := 0.05
			if name == "vicreg" { // its weights make gradients 25 times as large
				lr = 0.002
			}
			opt.Step(m.Params(), lr)
			m.Advance(float64(s+1) / float64(steps))
		}
		found := 0.0
		for s := range 4 {
			found += top1(step(t, m, toy(n, 200+s)).Z) / 4
		}
		t.Logf("%s: %.2f", name, found)
		if found < 0.3 { // 1/47 by chance
			t.Errorf("%s: %.2f of the views find their other half", name, found)
		}
	}
}

// A unit of clips is the least that splits into equal groups, and two units
// always do, into groups of two rows or more.
func TestUnit(t *testing.T) {
	if got := (SwAV{Crops: 3, Groups: 2}).Unit(); got != 2 { // three rows of shorter views a clip
		t.Errorf("units of %d clips, want 2", got)
	}
	for groups, want := range map[int][2]int{1: {1, 1}, 2: {1, 2}, 3: {3, 3}, 4: {2, 4}, 6: {3, 6}} { // SimCLR's, MoCo's
		for i, o := range []Options{SimCLR{Groups: groups}, MoCo{Groups: groups}} {
			rows := 2 - i
			if got := o.Unit(); got != want[i] || groupsOf(groups, 2*got*rows) != groups {
				t.Errorf("%T with %d groups: units of %d clips, want %d", o, groups, got, want[i])
			}
		}
	}
}
