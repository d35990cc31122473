package op_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"clr/internal/exec/exectest"
	"clr/internal/kernel"
	"clr/internal/op"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// A gradientCase is a function of inputs, in the graph and in float64 loops.
type gradientCase struct {
	name   string
	shapes [][]int
	frozen int // so many of the last inputs have no gradient
	build  func(in gorgonia.Nodes) (*gorgonia.Node, error)
	ref    func(in [][]float64) []float64
}

// check compares value and gradients of Σ v·f(in), for a random v, with the loops and
// their central differences; and all machines with each other.
func (c gradientCase) check(t *testing.T) {
	r := rand.New(rand.NewPCG(1, uint64(len(c.name))))
	g := gorgonia.NewGraph()
	var nodes gorgonia.Nodes
	var values [][]float64
	for i, s := range c.shapes {
		n, x := input(t, g, r, fmt.Sprint("in", i), s)
		nodes, values = append(nodes, n), append(values, x)
	}
	y, err := c.build(nodes)
	if err != nil {
		t.Fatal(err)
	}
	vn, v := input(t, g, r, "v", y.Shape())
	loss, err := op.Apply(dot{}, y, vn)
	if err != nil {
		t.Fatal(err)
	}
	wrt := nodes[:len(nodes)-c.frozen]
	grads, err := op.Grad(loss, wrt...)
	if err != nil {
		t.Fatal(err)
	}
	out := exectest.SameOnTape(t, g, append(gorgonia.Nodes{y, loss}, grads...)...)

	want := c.ref(values)
	if len(want) != len(out[0].Data) {
		t.Fatalf("%d elements, not %d", len(out[0].Data), len(want))
	}
	for i := range want {
		if d := math.Abs(want[i] - float64(out[0].Data[i])); !(d <= 2e-5*(1+math.Abs(want[i]))) {
			t.Fatalf("element %d is %v, not %v", i, out[0].Data[i], want[i])
		}
	}
	f := func() (s float64) {
		for i, y := range c.ref(values) {
			s += v[i] * y
		}
		return s
	}
	for i := range wrt {
		d := out[2+i]
		scale := 1.0
		for _, x := range d.Data {
			scale = max(scale, math.Abs(float64(x)))
		}
		for range min(40, len(values[i])) {
			j := r.IntN(len(values[i]))
			const h = 1e-6
			x := &values[i][j]
			old := *x
			*x = old + h
			up := f()
			*x = old - h
			down := f()
			*x = old
			if want := (up - down) / (2 * h); !(math.Abs(want-float64(d.Data[j])) <= 5e-5*scale) {
				t.Fatalf("gradient of input %d %v: element %d is %v, not %v", i, c.shapes[i], j, d.Data[j], want)
			}
		}
	}
}

// input is a bound input of normal values.
func input(t testing.TB, g *gorgonia.ExprGraph, r *rand.Rand, name string, shape []int) (*gorgonia.Node, []float64) {
	t.Helper()
	data := make([]float32, op.Size(shape))
	wide := make([]float64, len(data))
	for i := range data {
		data[i] = float32(r.NormFloat64())
		wide[i] = float64(data[i])
	}
	n, err := op.Input(g, name, shape...)
	if err != nil {
		t.Fatal(err)
	}
	if err := op.Bind(n, data); err != nil {
		t.Fatal(err)
	}
	return n, wide
}

// dot is Σ y·v, a scalar.
type dot struct{}

func (dot) Sig() string                                 { return "dot" }
func (dot) DiffWRT() []bool                             { return []bool{true, false} }
func (dot) Infer(...tensor.Shape) (tensor.Shape, error) { return tensor.Shape{}, nil }

func (dot) Diff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	d, err := op.Apply(times{}, in[1], grad)
	return gorgonia.Nodes{d, nil}, err
}

func (dot) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	var s float64
	for i, y := range in[0].Data {
		s += float64(y) * float64(in[1].Data[i])
	}
	out.Data[0] = float32(s)
	return nil
}

// times is an array times a scalar.
type times struct{}

func (times) Sig() string                                    { return "times" }
func (times) DiffWRT() []bool                                { return []bool{false, false} }
func (times) Infer(in ...tensor.Shape) (tensor.Shape, error) { return in[0], nil }

func (times) Diff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{nil, nil}, nil
}

func (times) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	for i, v := range in[0].Data {
		out.Data[i] = v * in[1].Data[0]
	}
	return nil
}

// onMaps wraps a function on lanes: (N, C, H, W) in, (N, C', H', W') out.
func onMaps(n int, x *gorgonia.Node, f func(x *gorgonia.Node) (*gorgonia.Node, error)) (*gorgonia.Node, error) {
	l, err := op.ToLanes(x)
	if err != nil {
		return nil, err
	}
	y, err := f(l)
	if err != nil {
		return nil, err
	}
	return op.ToMaps(y, n)
}
