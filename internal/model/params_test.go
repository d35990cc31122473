package model

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/kernel"
)

// lay makes a linear layer of each name in p.
func lay(t *testing.T, p *Params, names ...string) {
	t.Helper()
	b := NewBuilder(Training)
	for _, name := range names {
		x := b.Lanes(b.Input("x of "+name, 2, 3))
		b.BatchNorm(p, name+".bn", b.Linear(p, name+".fc", x, 4, true, false), Norm{})
	}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
}

func state(p *Params, prefix string) map[string]kernel.Array {
	s := map[string]kernel.Array{}
	p.State(prefix, s)
	return s
}

// clone makes a state that no longer changes with the network.
func clone(s map[string]kernel.Array) map[string]kernel.Array {
	c := map[string]kernel.Array{}
	for name, a := range s {
		c[name] = kernel.Array{Shape: a.Shape, Data: slices.Clone(a.Data)}
	}
	return c
}

func equal(a, b map[string]kernel.Array) bool {
	return maps.EqualFunc(a, b, func(a, b kernel.Array) bool { return slices.Equal(a.Data, b.Data) && slices.Equal(a.Shape, b.Shape) })
}

// A new layer leaves the initial values of the others alone, wherever it comes.
func TestInitialValuesHaveAnAddress(t *testing.T) {
	p, q, other := NewParams(7), NewParams(7), NewParams(8)
	lay(t, p, "a", "c")
	lay(t, q, "b", "c", "a")
	lay(t, other, "a", "c")
	with := state(q, "")
	for name, a := range state(p, "") {
		if !slices.Equal(a.Data, with[name].Data) {
			t.Errorf("%s changes with the layers beside it", name)
		}
	}
	if slices.Equal(p.All()[0].Value.Data, other.All()[0].Value.Data) {
		t.Error("another seed gives the same values")
	}
	if slices.Equal(with["a.fc.weight"].Data, with["b.fc.weight"].Data) {
		t.Error("two layers have the same values")
	}
	var names []string
	for _, w := range p.All() {
		names = append(names, w.Name)
	}
	if got := strings.Join(names, " "); got != "a.fc.weight a.fc.bias a.bn.weight a.bn.bias c.fc.weight c.fc.bias c.bn.weight c.bn.bias" {
		t.Errorf("weights are %s", got)
	}
}

// The distributions are torchvision's and PyTorch's.
// What Init names begins so, the rest as ever; another shape is told when the
// layer is built.
func TestInit(t *testing.T) {
	plain, p, draft := NewParams(7), NewParams(7), DraftParams()
	lay(t, plain, "a", "c")
	from := map[string]kernel.Array{
		"c.fc.weight":      {Shape: []int{4, 3}, Data: []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
		"c.bn.running_var": {Shape: []int{4}, Data: []float32{5, 6, 7, 8}},
		"d.fc.weight":      {Shape: []int{1}, Data: []float32{1}},
	}
	want := clone(state(plain, ""))
	for name, a := range from {
		if _, ok := want[name]; ok {
			want[name] = a
		}
	}
	p.Init(from)
	lay(t, p, "a", "c")
	if !equal(state(p, ""), want) {
		t.Errorf("got %v, want %v", state(p, ""), want)
	}
	state(p, "")["c.fc.weight"].Data[0] = 99
	if from["c.fc.weight"].Data[0] != 1 {
		t.Error("the arrays are those that were given")
	}
	draft.Init(from)
	if lay(t, draft, "a", "c"); draft.Count() != plain.Count() {
		t.Errorf("a draft has %d weights, want %d", draft.Count(), plain.Count())
	}
	for name, of := range map[string]string{"a.fc.weight": "layer a.fc", "a.bn.running_mean": "layer a.bn"} {
		q, b := NewParams(7), NewBuilder(Training)
		q.Init(map[string]kernel.Array{name: kernel.New(2, 2)})
		b.BatchNorm(q, "a.bn", b.Linear(q, "a.fc", b.Lanes(b.Input("x", 2, 3)), 4, true, false), Norm{})
		if err := b.Err(); err == nil || !strings.Contains(err.Error(), of) || !strings.Contains(err.Error(), name+" should begin as an array of [2 2]") {
			t.Errorf("%s of another shape: %v", name, err)
		}
	}
}

func TestInitialDistributions(t *testing.T) {
	p, b := NewParams(1), NewBuilder(Training)
	x := b.Conv(p, "conv", b.Lanes(b.Input("x", 2, 32, 4, 4)), 64, square(3, 2, 1))
	b.Linear(p, "fc", b.Lanes(b.Input("h", 2, 400)), 300, true, false)
	b.BatchNorm(p, "bn", x, Norm{})
	b.BatchNorm(p, "zero", x, Norm{Zero: true})
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	moments := func(name string) (mean, deviation, largest float64) {
		a := state(p, "")[name].Data
		for _, v := range a {
			mean += float64(v) / float64(len(a))
			largest = max(largest, math.Abs(float64(v)))
		}
		for _, v := range a {
			deviation += (float64(v) - mean) * (float64(v) - mean) / float64(len(a))
		}
		return mean, math.Sqrt(deviation), largest
	}
	for _, c := range []struct {
		name                     string
		mean, deviation, largest float64
	}{
		{"conv.weight", 0, math.Sqrt(2.0 / (64 * 9)), math.Inf(1)},
		{"fc.weight", 0, 1.0 / 20 / math.Sqrt(3), 1.0 / 20},
		{"fc.bias", 0, 1.0 / 20 / math.Sqrt(3), 1.0 / 20},
		{"bn.weight", 1, 0, 1}, {"bn.bias", 0, 0, 0}, {"zero.weight", 0, 0, 0},
		{"bn.running_mean", 0, 0, 0}, {"bn.running_var", 1, 0, 1}, {"bn.num_batches_tracked", 0, 0, 0},
	} {
		mean, deviation, largest := moments(c.name)
		if math.Abs(mean-c.mean) > 0.15*c.deviation || math.Abs(deviation-c.deviation) > 0.1*c.deviation || largest > c.largest {
			t.Errorf("%s has mean %g, deviation %g, largest %g; want %g, %g, %g", c.name, mean, deviation, largest, c.mean, c.deviation, c.largest)
		}
	}
}

func TestLoad(t *testing.T) {
	p, q := NewParams(1), NewParams(2)
	lay(t, p, "encoder", "head")
	lay(t, q, "encoder")
	saved := clone(state(p, "key."))
	saved["queue"] = kernel.New(3)
	if err := q.Load("key.", saved); err != nil { // the head is none of q's business
		t.Fatal(err)
	}
	for name, a := range state(q, "key.") {
		if !slices.Equal(a.Data, saved[name].Data) {
			t.Errorf("%s was not loaded", name)
		}
	}

	for _, c := range []struct {
		name   string
		change func(map[string]kernel.Array)
		want   string
	}{
		{"missing", func(s map[string]kernel.Array) { delete(s, "encoder.fc.bias") }, "the network has encoder.fc.bias [4], the saved state has not"},
		{"shape", func(s map[string]kernel.Array) { s["encoder.fc.weight"] = kernel.New(3, 4) },
			"encoder.fc.weight is [3 4] in the saved state and [4 3] in the network"},
		{"deeper", func(s map[string]kernel.Array) { s["encoder.fc2.weight"] = kernel.New(5) },
			"the saved state has encoder.fc2.weight [5], the network has not"},
	} {
		before, from := clone(state(q, "")), clone(state(p, ""))
		for _, a := range from {
			for i := range a.Data {
				a.Data[i]++
			}
		}
		c.change(from)
		err := q.Load("", from)
		if err == nil || err.Error() != c.want || fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if !equal(before, state(q, "")) {
			t.Errorf("%s: half loaded", c.name)
		}
	}
}

// Follow is p = m·p + (1-m)·q by name, and exact at m = 0.
func TestFollow(t *testing.T) {
	p, q := NewParams(1), NewParams(2)
	lay(t, p, "b", "a")
	lay(t, q, "a", "predictor", "b")
	for _, b := range q.Buffers() {
		b.Value.Data[0] = 5
	}
	before, target := clone(state(p, "")), state(q, "")
	p.Follow(q, 0.75)
	for name, a := range state(p, "") {
		for i, v := range a.Data {
			want := 0.75*before[name].Data[i] + 0.25*target[name].Data[i]
			if strings.HasSuffix(name, "tracked") {
				want = 5
			}
			if math.Abs(float64(v-want)) > 1e-6 {
				t.Errorf("%s[%d] is %g, want %g", name, i, v, want)
			}
		}
	}
	p.Follow(q, 0)
	for name, a := range state(p, "") {
		if !slices.Equal(a.Data, target[name].Data) {
			t.Errorf("%s is not copied exactly", name)
		}
	}
	defer func() {
		if r := fmt.Sprint(recover()); r != "model: Follow: no weight predictor.fc.weight to follow" {
			t.Error(r)
		}
	}()
	q.Follow(p, 0.5)
}

func TestCount(t *testing.T) {
	for _, c := range []struct{ depth, want int }{
		{10, 4899520}, {18, 11170240}, {34, 21278400}, {50, 23501760}, // torchvision's, less the classifier and two input channels
	} {
		n, err := countOf(ResNet{Depth: c.depth, Width: 64, Stem: "imagenet", Pool: "mean"}, Input{1, 64, 96})
		if err != nil || n != c.want {
			t.Errorf("resnet %d has %d weights, want %d (%v)", c.depth, n, c.want, err)
		}
	}
}

// countOf is the number of single weights of an encoder.
func countOf(e Encoder, in Input) (int, error) {
	p, err := Draft(e, in)
	return p.Count(), err
}
