package exec_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"clr/internal/exec"
	"clr/internal/exec/exectest"
	"clr/internal/kernel"
	"clr/internal/op"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

type node = gorgonia.Node

// must is for graphs that are known to be right.
func must(n *node, err error) *node {
	if err != nil {
		panic(err)
	}
	return n
}

// input is a bound input of normal values.
func input(g *gorgonia.ExprGraph, r *rand.Rand, name string, shape ...int) *node {
	n := must(op.Input(g, name, shape...))
	data := make([]float32, op.Size(shape))
	for i := range data {
		data[i] = float32(r.NormFloat64())
	}
	if err := op.Bind(n, data); err != nil {
		panic(err)
	}
	return n
}

// small is a residual network with everything that training has: its loss and the
// gradients of its weights, and the statistics of its batch norms.
func small(n int) (*gorgonia.ExprGraph, []*node) {
	g := gorgonia.NewGraph()
	r := rand.New(rand.NewPCG(7, uint64(n)))
	x := must(op.ToLanes(input(g, r, "x", n, 1, 9, 11)))
	var weights, stats gorgonia.Nodes
	w := func(name string, shape ...int) *node {
		p := input(g, r, name, shape...)
		weights = append(weights, p)
		return p
	}
	layer := func(i int, x, residual *node, c int, stride int, relu bool) *node {
		y := must(op.Conv(x, w(fmt.Sprint("conv", i), c, x.Shape()[3], 3, 3), n, op.ConvOptions{Stride: [2]int{stride, stride}, Pad: [2]int{1, 1}}))
		y, s, err := op.BatchNorm(y, w(fmt.Sprint("gamma", i), c), w(fmt.Sprint("beta", i), c), residual, n, op.NormOptions{ReLU: relu})
		stats = append(stats, must(s, err))
		return must(y, err)
	}
	h := layer(0, x, nil, 8, 1, true)
	h = must(op.MaxPool(h, n, op.PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Pad: [2]int{1, 1}}))
	h = layer(2, layer(1, h, nil, 8, 1, true), h, 8, 1, true)
	down := layer(3, h, nil, 12, 2, false)
	h = layer(5, layer(4, h, nil, 12, 2, true), down, 12, 1, true)
	z := must(op.GlobalMean(h, n, false))
	z = must(op.Bias(must(op.Linear(z, w("fc", 6, 12), n)), w("fc bias", 6), n, false))
	z = must(op.Normalize(must(op.ToRows(z, n))))
	loss := must(op.LossOf(must(op.Apply(away{}, z))))
	grads, err := op.Grad(loss, weights...)
	if err != nil {
		panic(err)
	}
	return g, append(append(grads, loss), stats...)
}

// away is the packed loss ½Σ(z-1)².
type away struct{}

func (away) Sig() string     { return "away" }
func (away) DiffWRT() []bool { return []bool{true} }

func (away) Infer(in ...tensor.Shape) (tensor.Shape, error) { return op.PackedShape(in...), nil }

func (away) Diff(in gorgonia.Nodes, out, grad *node) (gorgonia.Nodes, error) {
	return op.PackedDiff([]bool{true}, in, out, grad)
}

func (away) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	var s float64
	for i, z := range in[0].Data {
		out.Data[1+i] = z - 1
		s += 0.5 * float64(z-1) * float64(z-1)
	}
	out.Data[0] = float32(s)
	return nil
}

func TestNetworkOnAllMachines(t *testing.T) {
	for _, n := range []int{3, 18} {
		g, outputs := small(n)
		for i, a := range exectest.SameOnTape(t, g, outputs...) {
			var s float64
			for _, v := range a.Data {
				s += float64(v) * float64(v)
			}
			if !(s > 0) {
				t.Errorf("batch of %d, output %d of %v: Σ² is %v", n, i, a.Shape, s)
			}
		}
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	g, outputs := small(18)
	m, err := exec.Compile(g, exec.Options{}, outputs...)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(20, func() {
		if err := m.Run(ctx); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a run", n)
	}
	if p := m.Plan(); p.Bytes >= p.WithoutReuse || p.Pruned == 0 || p.Steps == 0 || p.Pinned == 0 {
		t.Errorf("plan: %v", p)
	} else {
		t.Log(p)
	}
}

// The value of an output is where Gorgonia's users look for it.
func TestOutputsAreBoundToTheirNodes(t *testing.T) {
	g, outputs := small(3)
	m, err := exec.Compile(g, exec.Options{}, outputs...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Value(outputs[0]); err == nil || !strings.Contains(err.Error(), "no run") {
		t.Errorf("a value before the run: %v", err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	for _, n := range outputs {
		have, err := op.ArrayOf(n.Value())
		if err != nil {
			t.Fatal(err)
		}
		want, err := m.Value(n)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(have.Data) != fmt.Sprint(want.Data) {
			t.Errorf("%v: %v, not %v", n, have, want)
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a run after Close: %v", err)
	}
	if _, err := m.Value(outputs[0]); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("a value after Close: %v", err)
	}
}

// Machines of different sizes take turns in one memory, whichever comes first.
func TestSharedMemory(t *testing.T) {
	value := func(m *exec.Machine, n *node) string {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		v, err := m.Value(n)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(v.Data)
	}
	var memory exec.Memory
	var machines []*exec.Machine
	var losses []*node
	var want []string
	for i, n := range []int{3, 18, 5, 34} {
		g, outputs := small(n)
		loss := outputs[len(outputs)-7]
		alone, err := exec.Compile(g, exec.Options{}, outputs...)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, value(alone, loss))
		shared, err := exec.Compile(g, exec.Options{Memory: &memory, Poison: true}, outputs...)
		if err != nil {
			t.Fatal(err)
		}
		machines, losses = append(machines, shared), append(losses, loss)
		for j := range machines { // before and after the memory grows
			if got := value(machines[j], losses[j]); got != want[j] {
				t.Errorf("machine %d of %d: %s, not %s", j, i, got, want[j])
			}
		}
	}
	if _, err := machines[0].Value(losses[0]); err == nil || !strings.Contains(err.Error(), "another machine") {
		t.Errorf("a value after another machine's run: %v", err)
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(5, func() {
		for _, m := range machines {
			if err := m.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// hook calls a function in the middle of a run.
type hook struct{ f func() error }

func (hook) Sig() string                                    { return "hook" }
func (hook) DiffWRT() []bool                                { return []bool{false} }
func (hook) Infer(in ...tensor.Shape) (tensor.Shape, error) { return in[0], nil }
func (hook) Diff(gorgonia.Nodes, *node, *node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{nil}, nil
}

func (h hook) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	copy(out.Data, in[0].Data)
	return h.f()
}

func TestCancelErrorAndPanic(t *testing.T) {
	g := gorgonia.NewGraph()
	x := must(op.Input(g, "x", 2))
	data := []float32{1, -1}
	if err := op.Bind(x, data); err != nil {
		t.Fatal(err)
	}
	var f func() error
	y := must(op.ReLU(must(op.Apply(hook{func() error { return f() }}, x))))
	m, err := exec.Compile(g, exec.Options{}, y)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f = func() error { cancel(); return nil }
	if err := m.Run(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "step 1 of 2") {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := m.Value(y); err == nil {
		t.Error("a cancelled run has a value")
	}
	bad := errors.New("out of paper")
	f = func() error { return bad }
	if err := m.RunAll(); !errors.Is(err, bad) || !strings.Contains(err.Error(), "hook over [(2)]") {
		t.Errorf("failed: %v", err)
	}
	f = func() error { panic("out of ink") }
	if err := m.RunAll(); err == nil || !strings.Contains(err.Error(), "hook over [(2)]: panic: out of ink") {
		t.Errorf("panicked: %v", err)
	}
	f = func() error { return nil }
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	if v, err := m.Value(y); err != nil || fmt.Sprint(v.Data, data) != "[1 0] [1 -1]" {
		t.Errorf("afterwards: %v %v", v, err)
	}
}

func TestInputsAreLookedUpAtEachRun(t *testing.T) {
	g := gorgonia.NewGraph()
	x := must(op.Input(g, "x", 4, 2))
	s := must(op.Input(g, "s"))
	part := must(op.Rows(x, 1, 3)) // an output that is a window of an input
	y := must(op.ReLU(must(op.Rows(x, 2, 4))))
	twice := must(op.Add(s, s))
	m, err := exec.Compile(g, exec.Options{Poison: true}, part, y, x, twice)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err == nil || !strings.Contains(err.Error(), `input "x" (4, 2) has no value`) {
		t.Errorf("unbound: %v", err)
	}
	if err := gorgonia.Let(s, float32(3)); err != nil {
		t.Fatal(err)
	}
	show := func() string {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		var all string
		for _, n := range []*node{part, y, x, twice} {
			v, err := m.Value(n)
			if err != nil {
				t.Fatal(err)
			}
			all += fmt.Sprint(v.Data)
		}
		return all
	}
	first, second := []float32{1, 2, 3, 4, 5, -6, 7, 8}, []float32{0, 0, 0, 0, 1, 1, 1, -1}
	for _, c := range []struct {
		data []float32
		want string
	}{
		{first, "[3 4 5 -6][5 0 7 8][1 2 3 4 5 -6 7 8][6]"},
		{second, "[0 0 1 1][1 1 1 0][0 0 0 0 1 1 1 -1][6]"},
	} {
		if err := op.Bind(x, c.data); err != nil {
			t.Fatal(err)
		}
		if got := show(); got != c.want {
			t.Errorf("%s, not %s", got, c.want)
		}
	}
	second[0], second[2] = 9, 9 // written in place
	if got := show(); got != "[9 0 1 1][1 1 1 0][9 0 9 0 1 1 1 -1][6]" {
		t.Error(got)
	}
	for _, v := range []*tensor.Dense{
		tensor.New(tensor.WithShape(4, 2), tensor.Of(tensor.Float32), tensor.AsFortran(make([]float32, 8))),
	} {
		if err := gorgonia.UnsafeLet(x, v); err != nil {
			t.Fatal(err)
		}
		if err := m.RunAll(); err == nil || !strings.Contains(err.Error(), "row-major") {
			t.Errorf("%v: %v", v, err)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	g, other := gorgonia.NewGraph(), gorgonia.NewGraph()
	r := rand.New(rand.NewPCG(1, 1))
	x := input(g, r, "x", 3)
	for _, c := range []struct {
		outputs []*node
		want    string
	}{
		{nil, "needs an output"},
		{[]*node{nil}, "a nil node"},
		{[]*node{input(other, r, "y", 3)}, `input "y" (3) is not of this graph`},
		{[]*node{gorgonia.Must(gorgonia.Tanh(x))}, "Gorgonia's own"},
		{[]*node{gorgonia.Must(gorgonia.HadamardProd(x, x))}, "Gorgonia's own"},
		{[]*node{must(op.Add(x, g.AddNode(gorgonia.NewConstant(tensor.New(tensor.WithBacking([]float32{1, 2, 3}))))))}, "neither an input nor a constant number"},
	} {
		if _, err := exec.Compile(g, exec.Options{}, c.outputs...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q: %v", c.want, err)
		}
	}
}

// What needs frozen inputs alone is computed once: the weights may move and the
// results stay, until Renew, or until the memory was another's meanwhile.
func TestFrozen(t *testing.T) {
	g := gorgonia.NewGraph()
	r := rand.New(rand.NewPCG(1, 2))
	x, w := input(g, r, "x", 3, 4), input(g, r, "w", 3, 4)
	twice := must(op.Add(w, w))
	y := must(op.Add(twice, x))
	memory := new(exec.Memory)
	m, err := exec.Compile(g, exec.Options{Memory: memory, Frozen: gorgonia.Nodes{w}}, y)
	if err != nil {
		t.Fatal(err)
	}
	other, err := exec.Compile(g, exec.Options{Memory: memory}, must(op.Add(x, x)))
	if err != nil {
		t.Fatal(err)
	}
	data := func(n *node) []float32 { return n.Value().Data().([]float32) }
	at := func() float32 {
		if err := m.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		a, err := m.Value(y)
		if err != nil {
			t.Fatal(err)
		}
		return a.Data[5]
	}
	first := at()
	if want := 2*data(w)[5] + data(x)[5]; first != want {
		t.Fatalf("got %v, want %v", first, want)
	}
	data(w)[5] += 1
	data(x)[5] += 8
	if got := at(); got != first+8 {
		t.Errorf("x moved by 8 and the frozen w by 1: got %v after %v", got, first)
	}
	m.Renew()
	if got := at(); got != first+10 {
		t.Errorf("renewed: got %v after %v", got, first)
	}
	data(w)[5] += 1
	if err := other.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := at(); got != first+12 {
		t.Errorf("after another machine in its memory: got %v after %v", got, first)
	}
}

// Watch shows each function's value as it is before anything writes over it, in
// the order of the nodes, and ends when it is told to.
func TestWatch(t *testing.T) {
	g, outputs := small(18)
	var all []*node // pinned by being outputs, with memory of their own
	for _, n := range g.AllNodes() {
		if len(op.Inputs(n)) > 0 {
			all = append(all, n)
		}
	}
	plain, err := exec.Compile(g, exec.Options{NoReuse: true}, all...)
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.RunAll(); err != nil {
		t.Fatal(err)
	}
	m, err := exec.Compile(g, exec.Options{Poison: true}, outputs...)
	if err != nil {
		t.Fatal(err)
	}
	seen, last := 0, int64(-1)
	m.Watch(func(n *node, value kernel.Array) {
		want, err := plain.Value(n)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range want.Data {
			if v != value.Data[i] {
				t.Fatalf("%v: value %d is %v, not %v", n.Op(), i, value.Data[i], v)
			}
		}
		if n.ID() <= last {
			t.Errorf("node %d after node %d", n.ID(), last)
		}
		seen, last = seen+1, n.ID()
	})
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	if seen != m.Plan().Steps {
		t.Errorf("%d of %d functions were shown", seen, m.Plan().Steps)
	}
	m.Watch(nil)
	if err := m.RunAll(); err != nil || seen != m.Plan().Steps {
		t.Errorf("shown after the end: %d, %v", seen, err)
	}
}
