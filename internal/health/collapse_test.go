package health_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/health"
	"clr/internal/kernel"
	"clr/internal/loss"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/op"
	"clr/internal/optim"
)

const (
	clips          = 24 // a batch
	sounds         = 48 // there are, so that a batch never has one twice
	bins, frames   = 16, 12
	projected      = 16
	steps, between = 240, 5
)

// toy makes the pairs of views of a step. A clip is one of 48 sounds: a tone of
// some bin, steady or pulsing in one of two ways. Its views differ in noise.
func toy(step int) []float32 { // (2N, 1, F, T)
	r := rand.New(rand.NewPCG(11, uint64(step)))
	x := make([]float32, 2*clips*bins*frames)
	for i := range x {
		clip := (step*clips + i/(bins*frames)%clips) % sounds
		bin, frame := i/frames%bins, i%frames
		on := [3]bool{true, frame%4 < 2, frame%6 < 2}[clip/bins]
		x[i] = float32(r.NormFloat64()) / 4
		if on && bin == clip*5%bins {
			x[i] += 2
		}
	}
	return x
}

// A way is one of learning, or of failing to.
type way struct {
	predictor, through bool    // SimSiam's parts: a predictor, and a gradient through the other side
	temperature        float64 // above 0: NT-Xent, with negatives
	hidden             int     // of the projector
	moco               float64 // momentum, above -1: MoCo of package method
}

// A learner is a network of some way, as far as a doctor's samples ask.
type learner struct {
	step   func(n int) (loss float64, z kernel.Array)
	after  func()
	params []*optim.Param
	towers func() (lead, follow map[string]kernel.Array) // nil: one tower
	chance float64
}

var encoder = model.ResNet{Depth: 10, Width: 4, Stem: "small", Pool: "mean"}

func (w way) learner(t *testing.T, norm bool) learner {
	t.Helper()
	projector := model.MLP{Hidden: []int{w.hidden}, Out: projected, Norm: norm}
	if w.moco > -1 {
		return w.momentum(t, projector)
	}
	b, p := model.NewBuilder(model.Training), model.NewParams(5)
	x := b.Input("views", 2*clips, 1, bins, frames)
	raw := projector.Build(b, p, "projector", encoder.Build(b, p, "encoder", x))
	z := b.Normalize(raw) // (2N, P)
	query := z
	if w.predictor {
		query = b.Normalize(model.MLP{Hidden: []int{8}, Out: projected, Norm: true}.Build(b, p, "predictor", raw))
	}
	l, chance := b.Try(cosineLoss(query, z, w.through)), 0.0
	if w.temperature > 0 {
		l, chance = b.Try(loss.NTXent(z, w.temperature)), math.Log(2*clips-1)
	}
	m, err := b.CompileGrad(l, z)
	if err != nil {
		t.Fatal(err)
	}
	return learner{
		step: func(n int) (float64, kernel.Array) {
			m.Set(x, toy(n))
			if err := m.Run(context.Background()); err != nil {
				t.Fatal(err)
			}
			return float64(m.Value(l).Data[0]), m.Value(z)
		},
		after: m.UpdateStats, params: p.All(), chance: chance,
	}
}

const queue = 36 // keys: of the last clips but those of the same sound

func (w way) momentum(t *testing.T, projector model.MLP) learner {
	t.Helper()
	o := method.MoCo{Temperature: 0.2, Momentum: w.moco, Queue: queue, Projector: projector, Groups: 1}
	in := model.Input{Channels: 1, Bins: bins, Frames: frames}
	m, err := o.New(method.Setup{Encoder: encoder, Batch: clips, Input: in, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	return learner{
		step: func(n int) (float64, kernel.Array) {
			r, err := m.Step(context.Background(), method.Batch{N: clips, X: toy(n), Input: in, Step: n})
			if err != nil {
				t.Fatal(err)
			}
			return float64(r.Loss), r.Z
		},
		after: func() { m.Advance(0) }, params: m.Params(), chance: math.Log(queue + 1),
		towers: func() (lead, follow map[string]kernel.Array) {
			lead, follow = map[string]kernel.Array{}, map[string]kernel.Array{}
			state := m.State()
			for _, p := range m.Params() {
				lead[p.Name], follow[p.Name] = p.Value, state["key."+p.Name]
			}
			return lead, follow
		},
	}
}

// cosine is 1 - the mean cosine of unit rows p (2N, P) with the other views' z:
// SimSiam's loss, with a gradient through z or without.
type cosine struct{ through bool }

func (c cosine) Sig() string     { return fmt.Sprintf("cosine{through %v}", c.through) }
func (c cosine) DiffWRT() []bool { return []bool{true, c.through} }

func (c cosine) Infer(in ...tensor.Shape) (tensor.Shape, error) { return op.PackedShape(in...), nil }

func (c cosine) Diff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return op.PackedDiff(c.DiffWRT(), in, out, grad)
}

func (c cosine) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	p, z, m, d := in[0].Data, in[1].Data, in[0].Shape[0], in[0].Shape[1]
	dp, dz := out.Data[1:1+m*d], out.Data[1+m*d:]
	sum := 0.0
	for i := range m {
		j := (i + m/2) % m
		for k := range d {
			sum += float64(p[i*d+k]) * float64(z[j*d+k])
			dp[i*d+k], dz[j*d+k] = -z[j*d+k]/float32(m), -p[i*d+k]/float32(m)
		}
	}
	out.Data[0] = float32(1 - sum/float64(m))
	return nil
}

func cosineLoss(p, z *gorgonia.Node, through bool) (*gorgonia.Node, error) {
	packed, err := op.Apply(cosine{through}, p, z)
	if err != nil {
		return nil, err
	}
	return op.LossOf(packed)
}

// layer is the name of the layer that a parameter belongs to.
func layer(param string) string { return param[:strings.LastIndex(param, ".")] }

// watch trains, shows a doctor every fifth step, and gives the codes that it tells.
func (l learner) watch(t *testing.T) (told []string, last health.Sample) {
	t.Helper()
	d := health.NewDoctor(health.Defaults)
	opt := optim.SGD{LR: 0.05, Momentum: 0.9}.New(l.params)
	for n := range steps {
		cost, z := l.step(n)
		s := health.Sample{Step: n, Loss: cost, Chance: l.chance, Z: health.Measure(z)}
		var parts []health.Layer
		for _, p := range l.params {
			parts = append(parts, health.Layer{Name: layer(p.Name), Weight: slices.Clone(p.Value.Data), Gradient: slices.Clone(p.Grad.Data)})
		}
		opt.Step(l.params, 0.05)
		l.after()
		for i, p := range l.params {
			parts[i].Update = slices.Clone(p.Value.Data)
			for k, before := range parts[i].Weight {
				parts[i].Update[k] -= before
			}
		}
		if n%between != between-1 {
			continue
		}
		s.Layers = health.Layers(parts)
		if l.towers != nil {
			far, err := health.Drift(l.towers())
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
			t.Logf("step %d: %s: %s", w.Step, w.Code, w.Text)
			told = append(told, w.Code)
		}
		last = s
	}
	return told, last
}

// Each way to learn is broken on purpose, and the doctor has to notice; of those
// that are whole it has to say nothing.
func TestDoctor(t *testing.T) {
	const none = -2 // momentum of those without a key tower
	for _, c := range []struct {
		name string
		way
		want string // a code that must be told; empty: none may be
	}{
		{"simclr", way{temperature: 0.2, hidden: 32, moco: none}, ""},
		{"simsiam", way{predictor: true, hidden: 32, moco: none}, ""},
		{"moco", way{hidden: 32, moco: 0.9}, ""},
		{"no negatives", way{through: true, hidden: 32, moco: none}, "collapse.complete"},
		{"no predictor", way{hidden: 32, moco: none}, "collapse.complete"},
		{"no stop-gradient", way{predictor: true, through: true, hidden: 32, moco: none}, "collapse.complete"},
		{"one hidden unit", way{temperature: 0.2, hidden: 1, moco: none}, "collapse.dimensions"},
		{"no momentum", way{hidden: 32, moco: 0}, "tower.same"},
		{"only momentum", way{hidden: 32, moco: 1}, "tower.drift"},
	} {
		for _, norm := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, batch norm %v", c.name, norm), func(t *testing.T) {
				told, s := c.learner(t, norm).watch(t)
				z := s.Z
				t.Logf("step %d: loss %.3f (chance %.3f), std %.2f of 1/√P, RankMe %.1f of %d, alignment %.3f, uniformity %.2f, cosines %.2f and %.2f, top-1 %.2f, drift %+v",
					s.Step, s.Loss, s.Chance, z.Std/z.StdSpread, z.RankMe, z.Dimensions, z.Alignment, z.Uniformity, z.PositiveCos, z.NegativeCos, z.Top1, s.Drift)
				if c.want == "" && len(told) > 0 || c.want != "" && !slices.Contains(told, c.want) {
					t.Errorf("the doctor told %q, want %q", told, c.want)
				}
			})
		}
	}
}
