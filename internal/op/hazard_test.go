package op_test

import (
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

// A stock "+" writes over its dead input; a result that shares memory with a weight
// would take the weight with it.
func TestWindowsCopyOnStockMachines(t *testing.T) {
	g := gorgonia.NewGraph()
	w, err := bound(g, "w", []float64{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	c, err := bound(g, "c", []float64{10, 20, 30})
	if err != nil {
		t.Fatal(err)
	}
	s, err := op.StopGradient(w)
	if err != nil {
		t.Fatal(err)
	}
	y := gorgonia.Must(gorgonia.Add(s, c))
	m := gorgonia.NewTapeMachine(g)
	defer m.Close()
	for range 3 {
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(w.Value().Data(), y.Value().Data()); got != "[1 2 3] [11 22 33]" {
			t.Fatal(got)
		}
		m.Reset()
	}
}

// Two inputs whose nodes hash alike make their functions' nodes hash alike, and
// Gorgonia takes one for the other.
func TestHashCollision(t *testing.T) {
	const a, b = "input 115947", "input 1122700" // found by trying
	g := gorgonia.NewGraph()
	x, err := bound(g, a, []float64{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	y, err := bound(g, b, []float64{-1, 5, 6})
	if err != nil {
		t.Fatal(err)
	}
	if x == y || x.Hashcode() != y.Hashcode() {
		t.Fatalf("%q and %q do not collide: %x %x", a, b, x.Hashcode(), y.Hashcode())
	}
	rx, err := op.ReLU(x)
	if err != nil {
		t.Fatal(err)
	}
	ry, err := op.ReLU(y)
	if err != nil {
		t.Fatal(err)
	}
	if rx == ry {
		t.Fatal("relu of two inputs is one node")
	}
	if again, err := op.ReLU(y); err != nil || again != ry {
		t.Fatalf("the same function of the same input is made twice: %v", err)
	}
	s, err := op.Add(rx, ry)
	if err != nil {
		t.Fatal(err)
	}
	m, err := exec.Compile(g, exec.Options{}, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	if v, err := m.Value(s); err != nil || fmt.Sprint(v.Data) != "[1 7 9]" {
		t.Fatal(v, err)
	}
}

func TestRepeatedNameIsRefused(t *testing.T) {
	g := gorgonia.NewGraph()
	if _, err := op.Input(g, "w", 3); err != nil {
		t.Fatal(err)
	}
	for _, shape := range [][]int{{3}, {4}} {
		if _, err := op.Input(g, "w", shape...); err == nil || !strings.Contains(err.Error(), `"w"`) {
			t.Errorf("a second w of %v: %v", shape, err)
		}
	}
	if _, err := op.Input(g, "", 3); err == nil {
		t.Error("no name: no error")
	}
}

func TestSecondGradIsRefused(t *testing.T) {
	g := gorgonia.NewGraph()
	r := rand.New(rand.NewPCG(1, 2))
	x, _ := input(t, g, r, "x", []int{3})
	v, _ := input(t, g, r, "v", []int{3})
	y, err := op.ReLU(x)
	if err != nil {
		t.Fatal(err)
	}
	a, err := op.Apply(dot{}, y, v)
	if err != nil {
		t.Fatal(err)
	}
	b, err := op.Add(a, a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := op.Grad(a, x); err != nil {
		t.Fatal(err)
	}
	if _, err := op.Grad(b, x); err == nil || !strings.Contains(err.Error(), "add the losses") {
		t.Errorf("second Grad: %v", err)
	}
}

// bad panics in Diff and in Run.
type bad struct{}

func (bad) Sig() string                                    { return "bad" }
func (bad) DiffWRT() []bool                                { return []bool{true} }
func (bad) Infer(in ...tensor.Shape) (tensor.Shape, error) { return tensor.Shape{}, nil }

func (bad) Diff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
	panic("no gradient today")
}

func (bad) Run(kernel.Array, []kernel.Array, []float32) error { panic("no value today") }

func TestPanicsBecomeErrors(t *testing.T) {
	g := gorgonia.NewGraph()
	x, err := bound(g, "x", []float64{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	y, err := op.Apply(bad{}, x)
	if err != nil {
		t.Fatal(err)
	}
	tape := gorgonia.NewTapeMachine(g)
	defer tape.Close()
	if err := tape.RunAll(); err == nil || !strings.Contains(err.Error(), "no value today") {
		t.Errorf("tape machine: %v", err)
	}
	m, err := exec.Compile(g, exec.Options{}, y)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.RunAll(); err == nil || !strings.Contains(err.Error(), "bad over [(2)]: panic: no value today") {
		t.Errorf("our machine: %v", err)
	}
	if _, err := op.Grad(y, x); err == nil || !strings.Contains(err.Error(), "no gradient today") {
		t.Errorf("Grad: %v", err)
	}
}

// A weight that only lies behind a stop has no gradient, and Grad says so.
func TestStopGradientStops(t *testing.T) {
	g := gorgonia.NewGraph()
	r := rand.New(rand.NewPCG(1, 2))
	x, _ := input(t, g, r, "x", []int{3})
	v, _ := input(t, g, r, "v", []int{3})
	s, err := op.StopGradient(x)
	if err != nil {
		t.Fatal(err)
	}
	a, err := op.Apply(dot{}, s, v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := op.Grad(a, x); err == nil {
		t.Error("no error")
	}
}

// squares is a packed loss: [½Σa² + Σab | da | db].
type squares struct{}

func (squares) Sig() string     { return "squares" }
func (squares) DiffWRT() []bool { return []bool{true, true, false} }

func (squares) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	return op.PackedShape(in[0], in[1]), nil
}

func (f squares) Diff(in gorgonia.Nodes, out, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	return op.PackedDiff(f.DiffWRT(), in, out, grad)
}

func (squares) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	a, b := in[0].Data, in[1].Data
	var s float64
	for i := range a {
		s += float64(a[i]) * (float64(a[i])/2 + float64(b[i]))
		out.Data[1+i] = a[i] + b[i]
		out.Data[1+len(a)+i] = a[i]
	}
	out.Data[0] = float32(s)
	return nil
}

func TestPackedLoss(t *testing.T) {
	g := gorgonia.NewGraph()
	var in nodes
	for i, v := range [][]float64{{1, 2, 3}, {4, 5, 6}, {7}} {
		n, err := bound(g, fmt.Sprint("in", i), v)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, n)
	}
	packed, err := op.Apply(squares{}, in...)
	if err != nil {
		t.Fatal(err)
	}
	loss, err := op.LossOf(packed)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := op.Add(loss, loss)
	if err != nil {
		t.Fatal(err)
	}
	total, err := op.Add(twice, loss) // 3 × loss
	if err != nil {
		t.Fatal(err)
	}
	grads, err := op.Grad(total, in[0], in[1])
	if err != nil {
		t.Fatal(err)
	}
	out := exectest.SameOnTape(t, g, total, grads[0], grads[1])
	if got := fmt.Sprint(out[0].Data, out[1].Data, out[2].Data); got != "[117] [15 21 27] [3 6 9]" {
		t.Error(got)
	}
}

func TestShapeErrors(t *testing.T) {
	g := gorgonia.NewGraph()
	in := func(name string, shape ...int) *node {
		n, err := op.Input(g, name, shape...)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	rows, wide, vector := in("rows", 17, 4), in("wide", 17, 5), in("vector", 3)
	maps, w, flat := in("maps", 2, 6, 7, 3, 16), in("w", 8, 4, 3, 3), in("flat", 8, 4)
	var n *node
	var err error
	for _, c := range []struct {
		f    func()
		want string
	}{
		{func() { n, err = op.Add(rows, wide) }, "add over [(17, 4) (17, 5)]"},
		{func() { n, err = op.Add(rows, nil) }, "add: input 1 is nil"},
		{func() { n, err = op.ToLanes(vector) }, "(3)"},
		{func() { n, err = op.ToRows(maps, 17) }, "pool them first"},
		{func() { n, err = op.ToRows(maps, 33) }, "33 examples"},
		{func() { n, err = op.Conv(maps, w, 17, op.ConvOptions{}) }, "weights (8, 4, 3, 3) do not fit maps (2, 6, 7, 3, 16)"},
		{func() { n, err = op.Conv(rows, w, 17, op.ConvOptions{}) }, "conv: (17, 4) is not the lanes shape"},
		{func() { n, err = op.Linear(maps, flat, 17) }, "linear: weights (8, 4)"},
		{func() { n, err = op.Bias(maps, flat, 17, false) }, "the bias is (8, 4), not (3)"},
		{func() { _, _, err = op.BatchNorm(maps, vector, vector, nil, 17, op.NormOptions{Groups: 2}) }, "17 examples do not split into 2"},
		{func() { _, _, err = op.BatchNorm(maps, flat, vector, nil, 17, op.NormOptions{}) }, "gamma is (8, 4), not (3)"},
		{func() { _, _, err = op.BatchNorm(maps, vector, vector, rows, 17, op.NormOptions{}) }, "the residual is (17, 4)"},
		{func() {
			n, err = op.BatchNormEval(maps, vector, flat, vector, vector, nil, 17, op.NormOptions{})
		}, "the running variance is (8, 4)"},
		{func() {
			_, _, err = op.BatchNormPool(maps, flat, vector, 17, op.NormOptions{}, op.PoolOptions{Kernel: [2]int{2, 2}})
		}, "gamma is (8, 4), not (3)"},
		{func() {
			_, _, err = op.BatchNormPool(maps, vector, vector, 17, op.NormOptions{}, op.PoolOptions{Kernel: [2]int{9, 9}})
		}, "does not fit"},
		{func() { n, err = op.MaxPool(maps, 17, op.PoolOptions{Kernel: [2]int{9, 9}}) }, "does not fit"},
		{func() { n, err = op.MaxPool(maps, 17, op.PoolOptions{}) }, "at least 1"},
		{func() { n, err = op.Concat(rows, maps) }, "concat over"},
		{func() { n, err = op.Normalize(vector) }, "normalize over [(3)]"},
		{func() { n, err = op.Rows(rows, 3, 18) }, "rows 3 to 18 of (17, 4)"},
		{func() { n, err = op.Reshape(rows, 3, 3) }, "[3 3]"},
		{func() { n, err = op.LossOf(rows) }, "loss_of over [(17, 4)]"},
		{func() { err = op.Bind(rows, make([]float32, 3)) }, `"rows" is (17, 4), 68 elements; it is given 3`},
	} {
		c.f()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q: %v", c.want, err)
		}
		_ = n
	}
}
