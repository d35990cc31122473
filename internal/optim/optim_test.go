package optim_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/optim"
)

// every is each optimiser in each of its ways of going.
func every() map[string]optim.Options {
	m := map[string]optim.Options{
		"sgd plain":    optim.SGD{LR: 0.1, WeightDecay: 0.01},
		"sgd nesterov": optim.SGD{LR: 0.1, Momentum: 0.9, Nesterov: true, WeightDecay: 0.01, Spare: optim.Spare{Exclude1D: true}},
		"lars you":     optim.LARS{LR: 0.1, Momentum: 0.9, WeightDecay: 0.01, Eta: 0.01, Kind: "you"},
		"lamb biased":  optim.LAMB{LR: 0.01, Betas: [2]float64{0.8, 0.99}, Eps: 1e-6, WeightDecay: 0.1},
		"lamb named":   optim.LAMB{LR: 0.01, Betas: [2]float64{0.8, 0.99}, Eps: 1e-6, WeightDecay: 0.1, Spare: optim.Spare{Exclude: []string{"e*"}}},
		"adamw named":  optim.AdamW{LR: 1e-3, Betas: [2]float64{0.9, 0.999}, Eps: 1e-8, WeightDecay: 0.1, Spare: optim.Spare{Exclude: []string{"[ae]"}}},
		"accumulated":  optim.Update{Accumulate: 2, ClipNorm: 3}.Around(optim.Table["adamw"]),
	}
	for name, o := range optim.Table {
		m[name] = o
	}
	return m
}

// network makes parameters around the sizes where work is cut.
func network(seed uint64) []*optim.Param {
	r := rand.New(rand.NewPCG(seed, 0))
	var params []*optim.Param
	for name, shape := range [][]int{{3}, {1 << 15, 1}, {181, 182}, {1}, {257, 1000}, {}} {
		p := &optim.Param{Name: string(rune('a' + name)), Value: kernel.New(shape...), Grad: kernel.New(shape...), Rate: 1}
		for i := range p.Value.Data {
			p.Value.Data[i] = float32(r.NormFloat64())
		}
		params = append(params, p)
	}
	return params
}

// gradients are those of step i.
func gradients(params []*optim.Param, i int) {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	for _, p := range params {
		for j := range p.Grad.Data {
			p.Grad.Data[j] = float32(r.NormFloat64())
		}
	}
}

func train(o optim.Options, threads, steps int) []*optim.Param {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
	params := network(1)
	opt := o.New(params)
	for i := range steps {
		gradients(params, i)
		opt.Step(params, o.LearningRate()/float64(i+1))
	}
	return params
}

func same(t *testing.T, what string, a, b []*optim.Param) {
	t.Helper()
	for i := range a {
		if !slices.Equal(a[i].Value.Data, b[i].Value.Data) {
			t.Errorf("%s: parameter %s differs", what, a[i].Name)
		}
	}
}

func TestThreadsDoNotMatter(t *testing.T) {
	for name, o := range every() {
		one := train(o, 1, 3)
		for _, threads := range []int{2, 3, 7} {
			same(t, name, one, train(o, threads, 3))
		}
	}
}

// The state that a checkpoint holds is all there is: a run that was stopped
// and restored goes on to the same bits.
func TestStateIsEnough(t *testing.T) {
	for name, o := range every() {
		whole := train(o, 1, 5)
		params := train(o, 1, 2)
		first := o.New(params)
		before := network(1)
		opt := o.New(before)
		for i := range 2 {
			gradients(before, i)
			opt.Step(before, o.LearningRate()/float64(i+1))
		}
		state := opt.State()
		for key, live := range first.State() {
			if !slices.Equal(live.Shape, state[key].Shape) {
				t.Fatalf("%s: %s has shape %v, then %v", name, key, live.Shape, state[key].Shape)
			}
			copy(live.Data, state[key].Data)
		}
		for i := 2; i < 5; i++ {
			gradients(params, i)
			first.Step(params, o.LearningRate()/float64(i+1))
		}
		same(t, name, whole, params)
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	for name, o := range every() {
		params := network(1)
		gradients(params, 0)
		opt := o.New(params)
		opt.Step(params, 0.1)
		if n := testing.AllocsPerRun(5, func() { opt.Step(params, 0.1) }); n != 0 {
			t.Errorf("%s: %g allocations a step", name, n)
		}
	}
}

// A weight of 0 or a gradient of 0 must not stop or blow up a layer.
func TestLAMBZeroNorm(t *testing.T) {
	w := &optim.Param{Name: "w", Value: kernel.New(2, 2), Grad: kernel.New(2, 2), Rate: 1}
	params := []*optim.Param{w}
	opt := optim.LAMB{LR: 1, Eps: 1e-6, BiasCorrection: true}.New(params) // without running means u is g/|g|
	w.Grad.Data[0] = 4
	opt.Step(params, 0.5)
	if got := w.Value.Data; math.Abs(float64(got[0])+0.5) > 1e-6 || got[1] != 0 {
		t.Errorf("zero weights moved to %v, want the plain step -0.5 of the first", got)
	}
	clear(w.Grad.Data)
	before := w.Value.Data[0]
	opt.Step(params, 0.5)
	if w.Value.Data[0] != before {
		t.Errorf("a zero gradient moved the weight to %g", w.Value.Data[0])
	}
}

func TestLARSZeroNorm(t *testing.T) {
	for _, kind := range []string{"simclr", "you"} {
		w := &optim.Param{Name: "w", Value: kernel.New(2, 2), Grad: kernel.New(2, 2), Rate: 1}
		w.Grad.Data[0] = 1
		params := []*optim.Param{w}
		opt := optim.LARS{LR: 1, Eta: 0.1, Kind: kind}.New(params)
		opt.Step(params, 0.5)
		if w.Value.Data[0] != -0.5 {
			t.Errorf("%s: zero weights moved by %g, want the plain step -0.5", kind, w.Value.Data[0])
		}
		clear(w.Grad.Data)
		opt.Step(params, 0.5)
		if w.Value.Data[0] != -0.5 {
			t.Errorf("%s: a zero gradient moved the weight to %g", kind, w.Value.Data[0])
		}
	}
}

func TestGradNorm(t *testing.T) {
	params := network(1)
	want := 0.0
	gradients(params, 0)
	for _, p := range params {
		for _, g := range p.Grad.Data {
			want += float64(g) * float64(g)
		}
	}
	if got := optim.GradNorm(params); math.Abs(got-math.Sqrt(want)) > 1e-9*got {
		t.Errorf("norm is %g, want %g", got, math.Sqrt(want))
	}
	params[4].Grad.Data[7] = float32(math.NaN())
	if got := optim.GradNorm(params); !math.IsNaN(got) {
		t.Errorf("norm is %g with a NaN among the gradients", got)
	}
}

func TestSchedule(t *testing.T) {
	s := optim.Schedule{WarmupEpochs: 2, Epochs: 10, MinLR: 0.01}
	for _, c := range []struct {
		step int
		want float64
	}{{0, 0.05}, {19, 1}, {20, 1}, {60, 0.505}, {100, 0.01}, {1000, 0.01}} {
		if got := s.At(1, c.step, 10); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("step %d: %g, want %g", c.step, got, c.want)
		}
	}
	s = optim.Schedule{WarmupEpochs: 3, Epochs: 3} // all warm-up
	if got := s.At(1, 29, 10); got != 1 {
		t.Errorf("last step of a run that is all warm-up: %g, want 1", got)
	}
	s = optim.Schedule{Epochs: 3, MinLR: 0.2}
	if got := s.At(0.2, 17, 10); got != 0.2 {
		t.Errorf("min_lr equal to the base: %g, want it constant", got)
	}
}

func TestCheck(t *testing.T) {
	for name, o := range optim.Table {
		if err := o.Check(); err != nil {
			t.Errorf("defaults of %s: %v", name, err)
		}
		if o.Doc() == "" || o.LearningRate() <= 0 {
			t.Errorf("%s lacks a line or a rate", name)
		}
	}
	for _, c := range []struct {
		o    interface{ Check() error }
		want []string
	}{
		{optim.SGD{LR: -1}, []string{"sgd", "lr", "-1", "0 or more"}},
		{optim.SGD{}, []string{"sgd", "lr is 0"}},
		{optim.SGD{LR: math.NaN()}, []string{"lr is NaN"}},
		{optim.SGD{LR: math.Inf(1)}, []string{"lr is +Inf"}},
		{optim.SGD{LR: 1, Momentum: 1}, []string{"momentum is 1", "below 1"}},
		{optim.SGD{LR: 1, Nesterov: true}, []string{"nesterov"}},
		{optim.SGD{LR: 1, WeightDecay: -1}, []string{"weight_decay is -1"}},
		{optim.AdamW{LR: 1, Betas: [2]float64{0.9, 1}, Eps: 1}, []string{"adamw", "betas[1] is 1"}},
		{optim.AdamW{LR: 1, Betas: [2]float64{-0.1, 0}, Eps: 1}, []string{"betas[0] is -0.1"}},
		{optim.Adam{LR: 1}, []string{"adam", "eps is 0"}},
		{optim.LARS{LR: 1, Kind: "simclr"}, []string{"lars", "eta is 0"}},
		{optim.LARS{LR: 1, Eta: 1, Kind: "other"}, []string{"kind", `"other"`, "simclr or you"}},
		{optim.Schedule{}, []string{"epochs is 0"}},
		{optim.Schedule{Epochs: 1, WarmupEpochs: 2}, []string{"warmup_epochs is 2", "which is 1"}},
		{optim.Schedule{Epochs: 1, MinLR: -1}, []string{"min_lr is -1"}},
	} {
		err := c.o.Check()
		if err == nil {
			t.Errorf("%+v passes", c.o)
			continue
		}
		if fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("%v: kind %v, remedy %q", err, fault.KindOf(err), fault.Remedy(err))
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
	}
}

func TestOtherParametersPanic(t *testing.T) {
	params := network(1)
	opt := optim.Table["sgd"].New(params)
	short := slices.Clone(params)
	bad := *params[1]
	bad.Grad = kernel.New(3)
	short[1] = &bad
	for name, p := range map[string][]*optim.Param{"fewer": params[:1], "order": append(slices.Clone(params[1:]), params[0]), "gradient": short} {
		func() {
			defer func() {
				if v, _ := recover().(string); !strings.HasPrefix(v, "optim: ") {
					t.Errorf("%s: panic %q", name, v)
				}
			}()
			opt.Step(p, 1)
		}()
	}
}

func BenchmarkStep(b *testing.B) {
	const n = 11_000_000
	for _, name := range []string{"sgd", "adamw", "lars", "lamb"} {
		b.Run(name, func(b *testing.B) {
			params := []*optim.Param{{Name: "w", Value: kernel.New(n, 1), Grad: kernel.New(n, 1), Rate: 1}}
			for i := range params[0].Grad.Data {
				params[0].Grad.Data[i], params[0].Value.Data[i] = float32(i%7), 1
			}
			opt := optim.Table[name].New(params)
			for b.Loop() {
				opt.Step(params, 1e-3)
			}
		})
	}
	b.Run("norm", func(b *testing.B) {
		params := []*optim.Param{{Name: "w", Value: kernel.New(n), Grad: kernel.New(n), Rate: 1}}
		for b.Loop() {
			optim.GradNorm(params)
		}
	})
}
