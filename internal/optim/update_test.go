package optim_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/optim"
)

// values are all weights, one after the other.
func values(params []*optim.Param) (all []float32) {
	for _, p := range params {
		all = append(all, p.Value.Data...)
	}
	return all
}

// A frozen weight keeps its bytes, and what is kept for it; the others move as
// though it were not there.
func TestFrozen(t *testing.T) {
	for name, o := range every() {
		params, others := network(1), slices.Delete(network(1), 1, 3)
		params[1].Rate, params[2].Rate = 0, 0
		before := [2][]float32{slices.Clone(params[1].Value.Data), slices.Clone(params[2].Value.Data)}
		opt, alone := o.New(params), o.New(others)
		for i := range 4 {
			gradients(params, i)
			params[1].Grad.Data[5] = float32(math.NaN()) // nobody looks
			for j, p := range slices.Delete(slices.Clone(params), 1, 3) {
				copy(others[j].Grad.Data, p.Grad.Data)
			}
			opt.Step(params, 0.01)
			alone.Step(others, 0.01)
		}
		for i, b := range before {
			if !slices.Equal(params[i+1].Value.Data, b) {
				t.Errorf("%s: frozen %s has moved", name, params[i+1].Name)
			}
		}
		same(t, name, slices.Delete(slices.Clone(params), 1, 3), others)
		for key, a := range opt.State() {
			if strings.HasSuffix(key, ".b") && slices.ContainsFunc(a.Data, func(v float32) bool { return v != 0 }) {
				t.Errorf("%s: %s of a frozen weight is not zero", name, key)
			}
		}
	}
}

// A weight of rate r moves as it would at r times the learning rate.
func TestRates(t *testing.T) {
	for name, o := range every() {
		slow, want := network(1), network(1)
		for _, p := range slow {
			p.Rate = 0.25 // a power of two, which rounds nothing
		}
		a, b := o.New(slow), o.New(want)
		for i := range 4 {
			gradients(slow, i)
			gradients(want, i)
			a.Step(slow, 0.04)
			b.Step(want, 0.01)
		}
		got := values(slow)
		for i, v := range values(want) {
			if math.Abs(float64(got[i]-v)) > 1e-6*(1+math.Abs(float64(v))) {
				t.Fatalf("%s: value %d is %g at rate 1/4, %g at a quarter of the learning rate", name, i, got[i], v)
			}
		}
	}
}

// k batches a move are one batch with the mean gradient, and nothing moves between.
func TestAccumulate(t *testing.T) {
	for _, k := range []int{2, 3} {
		params, want := network(1), network(1)
		opt := optim.Update{Accumulate: k}.Around(optim.Table["sgd"]).New(params)
		plain := optim.Table["sgd"].New(want)
		for i := range 3 * k {
			before := slices.Clone(values(params))
			gradients(params, i)
			opt.Step(params, 0.1/float64(i+1))
			for _, p := range want {
				if i%k == 0 {
					clear(p.Grad.Data)
				}
			}
			sum := network(2)
			gradients(sum, i)
			for j, p := range want {
				for n, g := range sum[j].Grad.Data {
					p.Grad.Data[n] = float32(float64(p.Grad.Data[n]) + float64(g)/float64(k))
				}
			}
			moves := (i+1)%k == 0
			if (optim.Update{Accumulate: k}).Moves(i) != moves || slices.Equal(values(params), before) == moves {
				t.Errorf("%d batches a move: step %d moves: %v", k, i, !moves)
			}
			if moves {
				plain.Step(want, 0.1/float64(i+1))
			}
		}
		got := values(params)
		for i, v := range values(want) {
			if math.Abs(float64(got[i]-v)) > 2e-6*(1+math.Abs(float64(v))) {
				t.Fatalf("%d batches a move: value %d is %g, want %g", k, i, got[i], v)
			}
		}
	}
}

// A gradient that is longer than the limit moves by the limit in its direction, a
// shorter one as it is.
func TestClip(t *testing.T) {
	for _, c := range []struct{ most, by float64 }{{1, 1 / 5.000001}, {5, 5 / 5.000001}, {5.1, 1}} {
		w, b := param("w", []float64{1, 1}, 2, 1), param("b", []float64{1}, 1)
		params := []*optim.Param{w, b}
		frozen := param("f", []float64{1}, 1)
		frozen.Rate = 0
		params = append(params, frozen)
		opt := optim.Update{Accumulate: 1, ClipNorm: c.most}.Around(optim.SGD{LR: 1}).New(params)
		set(w.Grad.Data, []float64{3, 0})
		set(b.Grad.Data, []float64{-4})
		set(frozen.Grad.Data, []float64{1000}) // not of the norm
		opt.Step(params, 1)
		for i, want := range []float64{1 - 3*c.by, 1, 1 + 4*c.by, 1} {
			if got := float64(values(params)[i]); math.Abs(got-want) > 1e-6 {
				t.Errorf("at most %g: value %d is %g, want %g", c.most, i, got, want)
			}
		}
	}
}

// The mean is clipped, not each batch: two opposite gradients leave nothing.
func TestClipsTheMean(t *testing.T) {
	w := param("w", []float64{0}, 1, 1)
	params := []*optim.Param{w}
	opt := optim.Update{Accumulate: 2, ClipNorm: 1}.Around(optim.SGD{LR: 1}).New(params)
	for _, g := range []float64{101, -100} {
		set(w.Grad.Data, []float64{g})
		opt.Step(params, 1)
	}
	if got := w.Value.Data[0]; math.Abs(float64(got)+0.5) > 1e-6 {
		t.Errorf("the mean of 101 and -100, clipped to 1, moved the weight to %g", got)
	}
}

// An average of a weight that stands still is closed: it comes by decayⁿ closer.
func TestAverage(t *testing.T) {
	w, n := kernel.New(3, 7), kernel.New()
	for i := range w.Data {
		w.Data[i] = 1
	}
	a := optim.NewAverage(0.75, map[string]kernel.Array{"w": w, "batches": n})
	for i := range w.Data {
		w.Data[i] = 2
	}
	for i := range 5 {
		n.Data[0] = float32(i)
		a.Follow()
		want := 2 - math.Pow(0.75, float64(i+1))
		for _, v := range a.State()["w"].Data {
			if math.Abs(float64(v)-want) > 1e-6 {
				t.Fatalf("after %d moves the average is %g, want %g", i+1, v, want)
			}
		}
		if got := a.State()["batches"].Data[0]; got != float32(i) {
			t.Errorf("a count of %d is averaged to %g", i, got)
		}
	}
	if w.Data[0] != 2 {
		t.Error("the array itself has moved")
	}
	if n := testing.AllocsPerRun(3, a.Follow); n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func TestScaledRate(t *testing.T) {
	for _, c := range []struct {
		scale string
		want  float64
	}{{"none", 0.3}, {"linear", 0.6}, {"sqrt", 0.3 * math.Sqrt2}} {
		u := optim.Update{Accumulate: 4, LRScale: c.scale}
		if got := u.Rate(0.3, 128); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("%s: %g for 128 × 4 clips, want %g", c.scale, got, c.want)
		}
	}
}

func TestSetRates(t *testing.T) {
	params := network(1)
	depth := []int{0, 0, 1, 1, 2, 3}
	u := optim.Update{LayerDecay: 0.5, Freeze: []string{"[ac]"}}
	if err := u.SetRates(params, depth); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{0, 0.125, 0, 0.25, 0.5, 1} {
		if params[i].Rate != want {
			t.Errorf("%s of depth %d has rate %g, want %g", params[i].Name, depth[i], params[i].Rate, want)
		}
	}
	u.Freeze = []string{"[a-e]", "f"}
	if err := u.SetRates(params, depth); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "all 6 weights") {
		t.Errorf("all frozen: %v", err)
	}
}

func TestUnmatched(t *testing.T) {
	params := []*optim.Param{{Name: "encoder.bn1.weight"}, {Name: "encoder.layer1.0.conv1.weight"}, {Name: "projector.0.bias"}}
	for pattern, fits := range map[string]bool{
		"encoder.bn1.*": true, "*.bias": true, "encoder.*": true, "encoder.layer?.0.*": true, "encoder.bn1.weight": true, "*": true,
		"encoder": false, "bn1": false, "encoder.bn2.*": false, "Encoder.*": false, "": false,
	} {
		got := optim.Unmatched([]string{"*.weight", pattern}, params)
		if fits != (len(got) == 0) || !fits && got[0] != 1 {
			t.Errorf("%q: unmatched are %v", pattern, got)
		}
	}
}

func TestUpdateCheck(t *testing.T) {
	if err := optim.DefaultUpdate.Check(); err != nil {
		t.Error(err)
	}
	change := func(f func(*optim.Update)) optim.Update {
		u := optim.DefaultUpdate
		f(&u)
		return u
	}
	for _, c := range []struct {
		o    interface{ Check() error }
		want string
	}{
		{change(func(u *optim.Update) { u.ClipNorm = -1 }), "clip_norm is -1"},
		{change(func(u *optim.Update) { u.ClipNorm = math.NaN() }), "clip_norm is NaN"},
		{change(func(u *optim.Update) { u.Accumulate = 0 }), "accumulate is 0, it must be 1 to 65536"},
		{change(func(u *optim.Update) { u.Accumulate = 1 << 20 }), "accumulate is 1048576"},
		{change(func(u *optim.Update) { u.LRScale = "" }), `lr_scale is ""`},
		{change(func(u *optim.Update) { u.EMA = 1 }), "ema is 1"},
		{change(func(u *optim.Update) { u.LayerDecay = 0 }), "layer_decay is 0"},
		{change(func(u *optim.Update) { u.LayerDecay = 1.5 }), "layer_decay is 1.5"},
		{change(func(u *optim.Update) { u.Freeze = []string{"encoder.[", "*"} }), `freeze: "encoder.[" is no pattern`},
		{optim.SGD{LR: 1, Spare: optim.Spare{Exclude: []string{"a[]"}}}, `sgd: exclude: "a[]" is no pattern`},
		{optim.LAMB{LR: 1, Eps: 1, Betas: [2]float64{2, 0}}, "lamb: betas[0] is 2"},
	} {
		err := c.o.Check()
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
}
