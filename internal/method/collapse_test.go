package method

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"clr/internal/health"
	"clr/internal/loss"
	"clr/internal/model"
	"clr/internal/op"
	"clr/internal/optim"
)

// A way is one of learning, or of failing to.
type way struct {
	new  func(Setup) (Method, error)
	want string // a code that the doctor has to tell; empty: he may tell none
}

// A patient is a method as it should be, and ways in which it is broken on
// purpose. A method that is added needs a row: whole, and at least one way to
// take out what keeps its projections apart: by its options, or, where none does, by a
// lay of its own (see alike) in which a part is missing. Without negatives all methods of
// one tower are the same, so simclr's row stands for them.
type patient struct {
	whole  Options
	broken map[string]way
}

// What the rows have in common.
var (
	head      = model.MLP{Hidden: []int{32}, Out: 16, Norm: true}
	plainHead = model.MLP{Hidden: []int{32}, Out: 16} // MoCo's
	narrow    = model.MLP{Hidden: []int{1}, Out: 16, Norm: true}
	guesser   = model.MLP{Hidden: []int{8}, Out: 16, Norm: true}
)

var patients = map[string]patient{
	"simclr": {
		SimCLR{Temperature: 0.2, Projector: head, Groups: 1},
		map[string]way{
			"no negatives":    {alike(head), "collapse.complete"},
			"one hidden unit": {SimCLR{Temperature: 0.2, Projector: narrow, Groups: 1}.New, "collapse.dimensions"},
		},
	},
	"cola": {
		COLA{Similarity: "bilinear", Temperature: 0.2, Out: 16, Groups: 1},
		map[string]way{"all cosines alike": {COLA{Similarity: "cosine", Temperature: mostTemperature, Out: 16, Groups: 1}.New, "loss.at_chance"}},
	},
	"moco_v3": {
		MoCoV3{Temperature: 0.2, Momentum: Momentum{0.9, "cosine"}, Projector: head, Predictor: guesser, Groups: 2},
		map[string]way{
			"no momentum":   {MoCoV3{Temperature: 0.2, Momentum: Momentum{0, "constant"}, Projector: head, Predictor: guesser, Groups: 2}.New, "tower.same"},
			"only momentum": {MoCoV3{Temperature: 0.2, Momentum: Momentum{1, "constant"}, Projector: head, Predictor: guesser, Groups: 2}.New, "tower.drift"},
		},
	},
	"nnclr": {
		NNCLR{Temperature: 0.2, Queue: 36, Projector: head, Predictor: guesser, Groups: 1},
		map[string]way{"one neighbour for all": {NNCLR{Temperature: 0.2, Queue: 1, Projector: head, Predictor: guesser, Groups: 1}.New, "loss.at_chance"}},
	},
	"swav": {
		SwAV{Temperature: 0.1, Prototypes: 24, Epsilon: 0.05, Iterations: 3, Projector: head, Groups: 1},
		map[string]way{"assigned to all": {SwAV{Temperature: 0.1, Prototypes: 24, Epsilon: mostTemperature, Iterations: 3, Projector: head, Groups: 1}.New, "collapse.complete"}},
	},
	"supcon": {
		SupCon{Temperature: 0.2, Projector: head, Groups: 1},
		map[string]way{"all cosines alike": {SupCon{Temperature: mostTemperature, Projector: head, Groups: 1}.New, "loss.at_chance"}},
	},
	"cross_entropy": {
		CrossEntropy{Groups: 1},
		map[string]way{"classes alike": {CrossEntropy{Smoothing: 0.999, Groups: 1}.New, "loss.at_chance"}},
	},
	"clar": {
		CLAR{Temperature: 0.2, Weight: 1, Projector: head, Groups: 1},
		map[string]way{
			"all cosines alike": {CLAR{Temperature: mostTemperature, Projector: head, Groups: 1}.New, "loss.at_chance"},
			"one hidden unit":   {CLAR{Temperature: 0.2, Projector: narrow, Groups: 1}.New, "collapse.dimensions"},
		},
	},
	"contrastive": {
		Contrastive{Margin: 1, By: "clip", Projector: head, Groups: 1},
		map[string]way{"no margin": {Contrastive{Margin: 1e-6, By: "clip", Projector: head, Groups: 1}.New, "collapse.complete"}},
	},
	"triplet": {
		Triplet{TripletOptions: loss.TripletOptions{Margin: 2, Mining: "semi_hard"}, By: "clip", Projector: head, Groups: 1},
		map[string]way{"no margin": {Triplet{TripletOptions: loss.TripletOptions{Margin: 1e-6, Mining: "semi_hard"}, By: "clip", Projector: head, Groups: 1}.New, "gradient.collapse"}},
	},
	"moco": {
		MoCo{Temperature: 0.2, Momentum: Momentum{0.9, "constant"}, Queue: 36, Projector: plainHead, Groups: 1},
		map[string]way{
			"no negatives":  {alike(plainHead), "collapse.complete"},
			"no momentum":   {MoCo{Temperature: 0.2, Momentum: Momentum{0, "constant"}, Queue: 36, Projector: plainHead, Groups: 1}.New, "tower.same"},
			"only momentum": {MoCo{Temperature: 0.2, Momentum: Momentum{1, "constant"}, Queue: 36, Projector: plainHead, Groups: 1}.New, "tower.drift"},
		},
	},
	"byol": {
		BYOL{Momentum: Momentum{0.9, "cosine"}, Projector: head, Predictor: guesser, Groups: 2},
		map[string]way{
			"no predictor":                      {guessing(head, nil, false), "collapse.complete"},
			"no stop-gradient, no second tower": {guessing(head, &guesser, true), "collapse.complete"},
			"no momentum":                       {BYOL{Momentum: Momentum{0, "constant"}, Projector: head, Predictor: guesser, Groups: 2}.New, "tower.same"},
			"only momentum":                     {BYOL{Momentum: Momentum{1, "constant"}, Projector: head, Predictor: guesser, Groups: 2}.New, "tower.drift"},
		},
	},
	"simsiam": {
		SimSiam{Projector: head, Predictor: guesser, Groups: 2},
		map[string]way{
			"no predictor":     {guessing(head, nil, false), "collapse.complete"},
			"no stop-gradient": {guessing(head, &guesser, true), "collapse.complete"},
		},
	},
	"barlow_twins": {
		BarlowTwins{Lambda: 0.005, Projector: head, Groups: 2},
		map[string]way{ // lambda 0 alone does not do: dimensions that begin apart stay so here
			"dimensions may repeat, and have to": {BarlowTwins{Lambda: 0, Projector: narrow, Groups: 2}.New, "collapse.complete"},
		},
	},
	"vicreg": {
		VICReg{VICRegOptions: loss.VICRegOptions{Sim: 25, Var: 25, Cov: 1}, Projector: head, Groups: 1},
		map[string]way{
			"no variance, no covariance": {VICReg{VICRegOptions: loss.VICRegOptions{Sim: 25}, Projector: head, Groups: 1}.New, "collapse.complete"},
			"no covariance":              {VICReg{VICRegOptions: loss.VICRegOptions{Sim: 25, Var: 25}, Projector: head, Groups: 1}.New, "collapse.dimensions"},
		},
	},
}

// alike asks of two views that they be alike, and of others nothing.
func alike(projector model.MLP) func(Setup) (Method, error) { return guessing(projector, nil, true) }

// guessing is SimSiam with or without its predictor, and with a gradient through
// the side that is guessed or without.
func guessing(projector model.MLP, predictor *model.MLP, through bool) func(Setup) (Method, error) {
	return func(s Setup) (Method, error) {
		return newSiamese("broken", s, Needs{}, 1, func(b *model.Builder, p *model.Params, in inputs) outputs {
			raw := s.project(b, p, projector, in.x) // (2N, P)
			z := b.Normalize(raw)                   // (2N, P)
			guess := z
			if predictor != nil {
				guess = b.Normalize(predictor.Build(b, p, "predictor", raw)) // (2N, P)
			}
			cost := b.Try(loss.SimSiam(guess, b.StopGradient(z)))
			if through {
				cost = b.Try(op.Add(cost, b.Try(loss.SimSiam(z, b.StopGradient(guess)))))
			}
			return outputs{z: z, loss: cost}
		})
	}
}

const (
	clips  = 24  // a batch; of 48 sounds none is in it twice
	every  = 5   // steps from one look to the next
	taught = 240 // steps of those that are whole
	failed = 480 // at most, of those that are broken
)

// Each method is broken on purpose, and a doctor of default options who is shown
// its training has to notice; of those that are whole he has to say nothing.
func TestDoctor(t *testing.T) {
	if testing.Short() {
		t.Skip("trains each method several times")
	}
	for _, name := range slices.Sorted(maps.Keys(Table)) {
		p, ok := patients[name]
		if !ok || p.whole == nil || len(p.broken) == 0 {
			t.Errorf("add a whole %s, and one that is broken, to patients", name)
			continue
		}
		p.broken["whole"] = way{p.whole.New, ""}
		for _, how := range slices.Sorted(maps.Keys(p.broken)) {
			t.Run(name+", "+how, func(t *testing.T) {
				t.Parallel()
				w := p.broken[how]
				if told := watch(t, w); w.want == "" && len(told) > 0 || w.want != "" && !slices.Contains(told, w.want) {
					t.Errorf("the doctor told %q, want %q", told, w.want)
				}
			})
		}
	}
}

// watch trains, shows a doctor every fifth step, and gives the codes that he
// tells, until it is the one that is looked for.
func watch(t *testing.T, w way) (told []string) {
	t.Helper()
	m, err := w.new(setup(clips))
	if err != nil {
		t.Fatal(err)
	}
	d := health.NewDoctor(health.Defaults)
	var meter health.Meter
	opt := optim.SGD{LR: 0.05, Momentum: 0.9}.New(m.Params())
	end := taught
	if w.want != "" {
		end = failed
	}
	for n := 0; n < end && (w.want == "" || !slices.Contains(told, w.want)); n++ {
		r, err := m.Step(context.Background(), toy(clips, n))
		if err != nil {
			t.Fatal(err)
		}
		if n%every != 0 {
			opt.Step(m.Params(), 0.05)
			m.Advance(min(1, float64(n+1)/taught))
			continue
		}
		s := health.Sample{Step: n, Loss: float64(r.Loss), Chance: r.Chance, Z: meter.Measure(r.Z)}
		var layers []health.Layer
		for _, p := range m.Params() {
			layers = append(layers, health.Layer{Name: strings.TrimSuffix(strings.TrimSuffix(p.Name, ".weight"), ".bias"),
				Weight: slices.Clone(p.Value.Data), Gradient: slices.Clone(p.Grad.Data)})
		}
		opt.Step(m.Params(), 0.05)
		m.Advance(min(1, float64(n+1)/taught))
		for i, p := range m.Params() {
			layers[i].Update = slices.Clone(p.Value.Data)
			for k, before := range layers[i].Weight {
				layers[i].Update[k] -= before
			}
		}
		s.Layers = health.Layers(layers)
		if f, ok := m.(Follower); ok {
			far, err := health.Drift(f.Towers())
			if err != nil {
				t.Fatal(err)
			}
			s.Drift = &far
		}
		warnings, err := d.See(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range warnings {
			told = append(told, w.Code)
		}
		if z := s.Z; len(warnings) > 0 || n == end-every {
			t.Logf("step %d: told %q; loss %.3f (chance %.3f), std %.2f of 1/√P, RankMe %.1f of %d, alignment %.3f, uniformity %.2f, cosines %.2f and %.2f, top-1 %.2f, drift %+v",
				n, told, s.Loss, s.Chance, z.Std/z.StdSpread, z.RankMe, z.Dimensions, z.Alignment, z.Uniformity, z.PositiveCos, z.NegativeCos, z.Top1, s.Drift)
		}
	}
	return told
}
