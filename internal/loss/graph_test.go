package loss

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/kernel"
	"clr/internal/op"
	"clr/internal/reftest"
)

// graph runs a loss built from nodes on our machine: the loss, and the
// gradients of the first wrt inputs.
func graph(t *testing.T, build func(in []*gorgonia.Node) (*gorgonia.Node, error), wrt int, in ...kernel.Array) (kernel.Array, []kernel.Array) {
	t.Helper()
	g := gorgonia.NewGraph()
	var nodes []*gorgonia.Node
	for i, a := range in {
		n, err := op.Input(g, fmt.Sprint("in", i), a.Shape...)
		if err != nil {
			t.Fatal(err)
		}
		if err := op.Bind(n, a.Data); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	loss, err := build(slices.Clone(nodes))
	if err != nil {
		t.Fatal(err)
	}
	grads, err := op.Grad(loss, nodes[:wrt]...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := exec.Compile(g, exec.Options{Poison: true}, append(grads, loss)...)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	value := func(n *gorgonia.Node) kernel.Array {
		a, err := m.Value(n)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	var out []kernel.Array
	for _, n := range grads {
		out = append(out, value(n))
	}
	return value(loss), out
}

// params are the settings of PyTorch's cases.
type params struct {
	Temperature, Margin, Lambda, Sim, Var, Cov, Epsilon float64
	Iterations                                          int
	Smoothing                                           float64 `json:"label_smoothing"`
}

// PyTorch's numbers, through normalisation and graph. An input is rows of one or
// more reference arrays; the first wrt have gradients.
func TestReference(t *testing.T) {
	for _, c := range []struct {
		name string
		unit bool // rows are normalised
		wrt  int
		in   [][]string
		loss func(in []*gorgonia.Node, p params) (*gorgonia.Node, error)
	}{
		{"nt_xent_t0.5", true, 1, [][]string{{"z1", "z2"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return NTXent(in[0], Fixed(p.Temperature))
		}},
		{"nt_xent_t0.1", true, 1, [][]string{{"z1", "z2"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return NTXent(in[0], Fixed(p.Temperature))
		}},
		{"info_nce_moco", true, 1, [][]string{{"q"}, {"k"}, {"queue"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return InfoNCE(in[0], in[1], in[2], Fixed(p.Temperature))
		}},
		{"byol", true, 1, [][]string{{"p1", "p2"}, {"z1", "z2"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return BYOL(in[0], in[1])
		}},
		{"simsiam", true, 1, [][]string{{"p1", "p2"}, {"z1", "z2"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return SimSiam(in[0], in[1])
		}},
		{"barlow_twins", false, 1, [][]string{{"z1", "z2"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return BarlowTwins(in[0], p.Lambda)
		}},
		{"vicreg", false, 1, [][]string{{"z1", "z2"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return VICReg(in[0], VICRegOptions{p.Sim, p.Var, p.Cov})
		}},
		{"supcon_out", true, 1, [][]string{{"z"}, {"labels"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return SupCon(in[0], in[1], Fixed(p.Temperature))
		}},
		{"info_nce_inbatch", true, 2, [][]string{{"a"}, {"b"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return InBatch(in[0], in[1], Fixed(p.Temperature), true)
		}},
		{"cola_bilinear", false, 3, [][]string{{"a"}, {"w"}, {"b"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return Bilinear(in[0], in[1], in[2])
		}},
		{"swav_swapped", false, 1, [][]string{{"s1", "s2"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return SwAV(in[0], SwAVOptions{2, 2, p.Epsilon, p.Iterations, p.Temperature})
		}},
		{"contrastive_pair", false, 2, [][]string{{"a"}, {"b"}, {"similar"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return Contrastive(in[0], in[1], in[2], p.Margin)
		}},
		{"triplet_margin", false, 1, [][]string{{"anchor", "positive", "negative"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return GivenTriplets(in[0], TripletOptions{Margin: p.Margin})
		}},
		{"triplet_facenet", true, 1, [][]string{{"anchor", "positive", "negative"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return GivenTriplets(in[0], TripletOptions{Margin: p.Margin, Squared: true})
		}},
		{"cross_entropy_smooth", false, 1, [][]string{{"logits"}, {"labels"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return CrossEntropySmooth(in[0], in[1], p.Smoothing)
		}},
		{"bce_multilabel", false, 1, [][]string{{"logits"}, {"targets"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return BCE(in[0], in[1])
		}},
		{"cross_entropy", false, 1, [][]string{{"logits"}, {"labels"}}, func(in []*gorgonia.Node, p params) (*gorgonia.Node, error) {
			return CrossEntropy(in[0], in[1])
		}},
	} {
		r := reftest.Get[params](t, "losses/"+c.name)
		in := make([]kernel.Array, len(c.in))
		for i, names := range c.in {
			for _, name := range names {
				a := r.Inputs[name].Array(t)
				in[i].Data = append(in[i].Data, a.Data...)
				in[i].Shape = append([]int{len(names) * a.Shape[0]}, a.Shape[1:]...)
			}
		}
		loss, d := graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
			for i := range in {
				if c.unit && len(in[i].Shape()) == 2 {
					var err error
					if in[i], err = op.Normalize(in[i]); err != nil {
						return nil, err
					}
				}
			}
			return c.loss(in, r.Params)
		}, c.wrt, in...)
		reftest.Match(t, r.Outputs["loss"], c.name, loss.Data...)
		for i, names := range c.in[:c.wrt] {
			n := len(d[i].Data) / len(names)
			for j, name := range names {
				reftest.Match(t, r.Outputs["d_"+name], c.name+" d_"+name, d[i].Data[j*n:(j+1)*n]...)
			}
		}
	}
}

// Keys, targets, labels and queues are constants: Gorgonia finds no way to them.
func TestConstantsHaveNoGradient(t *testing.T) {
	type nodes = []*gorgonia.Node
	for name, c := range map[string]struct {
		shapes [][]int // the last is the constant's
		loss   func(in nodes) (*gorgonia.Node, error)
	}{
		"info_nce keys":   {[][]int{{2, 3}, {5, 3}, {2, 3}}, func(in nodes) (*gorgonia.Node, error) { return InfoNCE(in[0], in[2], in[1], Fixed(0.2)) }},
		"info_nce queue":  {[][]int{{2, 3}, {2, 3}, {5, 3}}, func(in nodes) (*gorgonia.Node, error) { return InfoNCE(in[0], in[1], in[2], Fixed(0.2)) }},
		"moco_v3 keys":    {[][]int{{2, 3}, {2, 3}}, func(in nodes) (*gorgonia.Node, error) { return MoCoV3(in[0], in[1], Fixed(0.2)) }},
		"byol targets":    {[][]int{{2, 3}, {2, 3}}, func(in nodes) (*gorgonia.Node, error) { return BYOL(in[0], in[1]) }},
		"simsiam targets": {[][]int{{2, 3}, {2, 3}}, func(in nodes) (*gorgonia.Node, error) { return SimSiam(in[0], in[1]) }},
		"swav queue": {[][]int{{2, 3}, {4, 3}}, func(in nodes) (*gorgonia.Node, error) {
			return SwAVQueue(in[0], in[1], SwAVOptions{2, 2, 0.05, 3, 0.1})
		}},
		"supcon labels":      {[][]int{{2, 3}, {2}}, func(in nodes) (*gorgonia.Node, error) { return SupCon(in[0], in[1], Fixed(0.1)) }},
		"triplet labels":     {[][]int{{2, 3}, {2}}, func(in nodes) (*gorgonia.Node, error) { return Triplet(in[0], in[1], TripletOptions{1, false, "all"}) }},
		"contrastive labels": {[][]int{{2, 3}, {2, 3}, {2}}, func(in nodes) (*gorgonia.Node, error) { return Contrastive(in[0], in[1], in[2], 1) }},
		"bce targets":        {[][]int{{2, 3}, {2, 3}}, func(in nodes) (*gorgonia.Node, error) { return BCE(in[0], in[1]) }},
	} {
		g := gorgonia.NewGraph()
		var in nodes
		for i, shape := range c.shapes {
			n, err := op.Input(g, fmt.Sprint("in", i), shape...)
			if err != nil {
				t.Fatal(err)
			}
			in = append(in, n)
		}
		loss, err := c.loss(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := op.Grad(loss, in[len(in)-1]); err == nil {
			t.Errorf("%s have a gradient", name)
		}
	}
}

// A learnt temperature is the fixed one at exp(-s), and s goes where the loss falls.
func TestLearntTemperature(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const tau = 0.25
	s := kernel.Array{Shape: []int{1}, Data: []float32{float32(-math.Log(tau))}}
	a, b, queue := draw(r, 1, 6, 4), draw(r, 1, 6, 4), draw(r, 1, 9, 4)
	for _, c := range []struct {
		what   string
		in     []kernel.Array
		factor bool // the loss is τ times another, a factor that stays the first τ
		of     func(in []*gorgonia.Node, tau Temperature) (*gorgonia.Node, error)
	}{
		{"NT-Xent", []kernel.Array{a}, false, func(in []*gorgonia.Node, tau Temperature) (*gorgonia.Node, error) { return NTXent(in[0], tau) }},
		{"InfoNCE", []kernel.Array{a, b, queue}, false, func(in []*gorgonia.Node, tau Temperature) (*gorgonia.Node, error) {
			return InfoNCE(in[0], in[1], in[2], tau)
		}},
		{"SupCon", []kernel.Array{a, labels(r, 6, 2)}, false, func(in []*gorgonia.Node, tau Temperature) (*gorgonia.Node, error) {
			return SupCon(in[0], in[1], tau)
		}},
		{"in-batch", []kernel.Array{a, b}, false, func(in []*gorgonia.Node, tau Temperature) (*gorgonia.Node, error) {
			return InBatch(in[0], in[1], tau, true)
		}},
		{"MoCo v3", []kernel.Array{a, b}, true, func(in []*gorgonia.Node, tau Temperature) (*gorgonia.Node, error) {
			return MoCoV3(in[0], in[1], tau)
		}},
	} {
		loss, d := graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return c.of(in[1:], Learnt(tau, in[0])) }, 2, append([]kernel.Array{s}, c.in...)...)
		at := func(now float64) (float64, kernel.Array) {
			loss, d := graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return c.of(in, Fixed(now)) }, 1, c.in...)
			if c.factor {
				return float64(loss.Data[0]) * tau / now, d[0]
			}
			return float64(loss.Data[0]), d[0]
		}
		want, wants := at(tau)
		near(t, c.what, float64(loss.Data[0]), want, 1e-6)
		for i, g := range wants.Data {
			near(t, c.what+" gradient", float64(d[1].Data[i]), float64(g), 1e-6)
		}
		const h = 0.01
		up, _ := at(tau * math.Exp(-h))
		down, _ := at(tau * math.Exp(h))
		near(t, c.what+" gradient of s", float64(d[0].Data[0]), (up-down)/(2*h), 1e-4)
	}
}

// Sides of 1 are no scalars to us, whatever Gorgonia thinks of them.
func TestOneRow(t *testing.T) {
	one := func(shape ...int) kernel.Array {
		a := kernel.New(shape...)
		for i := range a.Data {
			a.Data[i] = 0.5
		}
		return a
	}
	for _, d := range []int{1, 3} {
		loss, g := graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return CrossEntropy(in[0], in[1]) }, 1, one(1, d), kernel.New(1))
		near(t, "cross entropy of one row", float64(loss.Data[0]), math.Log(float64(d)), 1e-6)
		near(t, "its gradient", float64(g[0].Data[0]), 1/float64(d)-1, 1e-6)
		loss, g = graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return NTXent(in[0], Fixed(1)) }, 1, one(2, d))
		near(t, "NT-Xent of one pair", float64(loss.Data[0]), 0, 1e-6) // no negatives
		near(t, "its gradient", float64(g[0].Data[0]), 0, 1e-6)
		loss, _ = graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return InfoNCE(in[0], in[1], in[2], Fixed(1)) }, 1, one(1, d), one(1, d), one(1, d))
		near(t, "InfoNCE of one query", float64(loss.Data[0]), math.Log(2), 1e-6)
	}
}
