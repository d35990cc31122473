package loss

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

	"clr/internal/exec"
	"clr/internal/kernel"
	"clr/internal/op"
)

// An array in float64, for the loops below.
type rows struct {
	n, d int
	x    []float64
}

func (r rows) row(i int) []float64 { return r.x[i*r.d : (i+1)*r.d] }

func wide(a kernel.Array) rows {
	r := rows{n: a.Shape[0], d: len(a.Data) / a.Shape[0], x: make([]float64, len(a.Data))}
	for i, v := range a.Data {
		r.x[i] = float64(v)
	}
	return r
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

// The losses as the papers write them, in float64 loops over rows in[0], in[1], ...
// They do not normalise: that is done before.

// ntxentLoops is SimCLR's algorithm 1.
func ntxentLoops(tau float64, in ...rows) float64 {
	z := in[0]
	n := z.n / 2
	ell := func(i, j int) float64 {
		largest := math.Inf(-1)
		for k := range 2 * n {
			if k != i {
				largest = math.Max(largest, dot(z.row(i), z.row(k))/tau)
			}
		}
		sum := 0.0
		for k := range 2 * n {
			if k != i {
				sum += math.Exp(dot(z.row(i), z.row(k))/tau - largest)
			}
		}
		return -(dot(z.row(i), z.row(j))/tau - largest - math.Log(sum))
	}
	total := 0.0
	for k := range n {
		total += ell(k, k+n) + ell(k+n, k)
	}
	return total / float64(2*n)
}

// infonceLoops is MoCo's algorithm 1: cross entropy of [l_pos, l_neg] with class 0.
func infonceLoops(tau float64, in ...rows) float64 {
	q, k, queue := in[0], in[1], in[2]
	total := 0.0
	for i := range q.n {
		logits := []float64{dot(q.row(i), k.row(i)) / tau}
		for j := range queue.n {
			logits = append(logits, dot(q.row(i), queue.row(j))/tau)
		}
		total += crossEntropyOf(logits, 0)
	}
	return total / float64(q.n)
}

func crossEntropyLoops(_ float64, in ...rows) float64 {
	total := 0.0
	for i := range in[0].n {
		total += crossEntropyOf(in[0].row(i), int(in[1].x[i]))
	}
	return total / float64(in[0].n)
}

func crossEntropyOf(logits []float64, class int) float64 {
	largest, sum := slices.Max(logits), 0.0
	for _, l := range logits {
		sum += math.Exp(l - largest)
	}
	return largest + math.Log(sum) - logits[class]
}

// draw makes unit rows, times length.
func draw(r *rand.Rand, length float64, n, d int) kernel.Array {
	a := kernel.New(n, d)
	for i := range n {
		row, sum := a.Data[i*d:(i+1)*d], 0.0
		for j := range row {
			row[j] = float32(r.NormFloat64())
			sum += float64(row[j]) * float64(row[j])
		}
		for j := range row {
			row[j] *= float32(length / math.Sqrt(sum))
		}
	}
	return a
}

func labels(r *rand.Rand, n, classes int) kernel.Array {
	a := kernel.New(n)
	for i := range a.Data {
		a.Data[i] = float32(r.IntN(classes))
	}
	return a
}

// packed runs a fused loss by itself: its value and its gradient by in[0].
func packed(t *testing.T, f op.Func, in ...kernel.Array) (float64, []float32) {
	t.Helper()
	loss, grad, err := tryPacked(f, in...)
	if err != nil {
		t.Fatal(err)
	}
	return loss, grad
}

func tryPacked(f op.Func, in ...kernel.Array) (float64, []float32, error) {
	shapes := make([]tensor.Shape, len(in))
	for i, a := range in {
		shapes[i] = a.Shape
	}
	s, err := f.Infer(shapes...)
	if err != nil {
		return 0, nil, err
	}
	out := kernel.New(s...)
	fill(out.Data)
	var scratch []float32
	if f, ok := f.(op.Scratcher); ok {
		scratch = make([]float32, f.Scratch(shapes...))
		fill(scratch)
	}
	err = f.Run(out, in, scratch)
	return float64(out.Data[0]), out.Data[1:], err
}

// fill puts in what a function must not read.
func fill(x []float32) {
	for i := range x {
		x[i] = float32(math.NaN())
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*(1+math.Abs(want))) {
		t.Errorf("%s is %.9g, want %.9g", what, got, want)
	}
}

type variant struct {
	name  string
	f     op.Func
	loops func(float64, ...rows) float64
	tau   float64
	in    []kernel.Array
}

// variants are the losses over awkward sizes.
func variants(length float64) []variant {
	r := rand.New(rand.NewPCG(1, 2))
	var vs []variant
	for _, tau := range []float64{0.07, 0.5} {
		for _, s := range [][3]int{{1, 1, 1}, {1, 3, 2}, {2, 8, 5}, {5, 7, 33}, {17, 16, 3}} {
			n, d, k := s[0], s[1], s[2]
			vs = append(vs,
				variant{"nt_xent", ntxent{tau}, ntxentLoops, tau, []kernel.Array{draw(r, length, 2*n, d)}},
				variant{"info_nce", infonce{tau}, infonceLoops, tau,
					[]kernel.Array{draw(r, length, n, d), draw(r, length, n, d), draw(r, length, k, d)}},
				variant{"cross_entropy", crossEntropy{}, crossEntropyLoops, 1, []kernel.Array{draw(r, length/tau, n, d), labels(r, n, d)}})
		}
	}
	return vs
}

// The fused losses equal the papers' loops, and their gradients the loops'
// central differences.
func TestLossesAreThePapers(t *testing.T) {
	for _, v := range variants(1) {
		name := fmt.Sprintf("%s %v", v.f.Sig(), v.in[0].Shape)
		loss, grad := packed(t, v.f, v.in...)
		in := make([]rows, len(v.in))
		for i, a := range v.in {
			in[i] = wide(a)
		}
		near(t, name, loss, v.loops(v.tau, in...), 1e-6)
		const h = 1e-5
		for i, x := range in[0].x {
			in[0].x[i] = x + h
			up := v.loops(v.tau, in...)
			in[0].x[i] = x - h
			down := v.loops(v.tau, in...)
			in[0].x[i] = x
			near(t, fmt.Sprintf("%s gradient %d", name, i), float64(grad[i]), (up-down)/(2*h), 2e-6/v.tau)
		}
	}
}

// Logits of ±1e4 neither overflow nor lose the gradient.
func TestLargeLogits(t *testing.T) {
	for _, v := range variants(1e2) { // products up to 1e4, divided by the temperature
		name := fmt.Sprintf("%s %v", v.f.Sig(), v.in[0].Shape)
		loss, grad := packed(t, v.f, v.in...)
		in := make([]rows, len(v.in))
		for i, a := range v.in {
			in[i] = wide(a)
		}
		near(t, name, loss, v.loops(v.tau, in...), 1e-4)
		for i, g := range grad {
			if math.IsNaN(float64(g)) || math.IsInf(float64(g), 0) {
				t.Fatalf("%s gradient %d is %g", name, i, g)
			}
		}
	}
}

func TestClosedForms(t *testing.T) {
	for _, n := range []int{1, 2, 8, 33} {
		equal := kernel.New(2*n, 4)
		for i := range 2 * n {
			equal.Data[4*i] = 1
		}
		loss, grad := packed(t, ntxent{0.1}, equal)
		near(t, fmt.Sprintf("equal rows, N=%d", n), loss, math.Log(float64(2*n-1)), 1e-6)
		for _, g := range grad {
			near(t, "gradient at equal rows", float64(g), 0, 2e-6) // the pulls of all rows cancel
		}
		// each pair at a corner of its own: cosines 1 and 0
		corners := kernel.New(2*n, n)
		for i := range 2 * n {
			corners.Data[i*n+i%n] = 1
		}
		const tau = 0.5
		loss, _ = packed(t, ntxent{tau}, corners)
		near(t, fmt.Sprintf("corners, N=%d", n), loss, math.Log1p(float64(2*n-2)*math.Exp(-1/tau)), 1e-6)
		// a queue of K keys all equal to query and key
		one := kernel.Array{Shape: []int{n, 4}, Data: equal.Data[:4*n]}
		loss, _ = packed(t, infonce{tau}, one, one, equal)
		near(t, fmt.Sprintf("equal keys, K=%d", 2*n), loss, math.Log(float64(2*n+1)), 1e-6)
		loss, _ = packed(t, crossEntropy{}, kernel.New(n, 10), kernel.New(n))
		near(t, "equal logits", loss, math.Log(10), 1e-6)
	}
}

// A loss that is not a number must show, so that training can stop on it.
func TestNaNShows(t *testing.T) {
	nan := float32(math.NaN())
	for _, v := range variants(1) {
		v.in[0].Data[0] = nan
		if loss, _ := packed(t, v.f, v.in...); !math.IsNaN(loss) && v.in[0].Shape[0] > 1 {
			t.Errorf("%s %v of a NaN is %g", v.name, v.in[0].Shape, loss)
		}
	}
}

func TestRefusals(t *testing.T) {
	two := kernel.New(2, 3)
	for _, c := range []struct {
		f    op.Func
		in   []kernel.Array
		want string
	}{
		{ntxent{0}, []kernel.Array{two}, "temperature is 0, must be positive"},
		{ntxent{math.NaN()}, []kernel.Array{two}, "must be positive"},
		{infonce{-1}, []kernel.Array{two, two, two}, "temperature is -1, must be positive"},
		{ntxent{1}, []kernel.Array{kernel.New(3, 2)}, "want z (2N, D)"},
		{infonce{1}, []kernel.Array{two, kernel.New(3, 3), two}, "want q (N, D), k (N, D)"},
		{infonce{1}, []kernel.Array{two, two, kernel.New(2, 4)}, "want q (N, D), k (N, D)"},
		{crossEntropy{}, []kernel.Array{two, kernel.New(3)}, "want logits (N, C)"},
		{crossEntropy{}, []kernel.Array{two, {Shape: []int{2}, Data: []float32{0, 3}}}, "label 3 of row 1 is not one of 3 classes"},
		{crossEntropy{}, []kernel.Array{two, {Shape: []int{2}, Data: []float32{0.5, 0}}}, "label 0.5 of row 0"},
		{crossEntropy{}, []kernel.Array{two, {Shape: []int{2}, Data: []float32{-1, 0}}}, "label -1 of row 0"},
	} {
		_, _, err := tryPacked(c.f, c.in...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.f.Sig(), err, c.want)
		}
	}
	if _, err := NTXent(nil, 1); err == nil {
		t.Error("a nil node is taken")
	}
}

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
	loss, err := build(nodes)
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

// PyTorch's numbers, through normalisation and graph.
func TestReference(t *testing.T) {
	for _, name := range []string{"losses/nt_xent_t0.5", "losses/nt_xent_t0.1"} {
		c := reference(t, name)
		z1, z2 := c.Inputs["z1"].array(t), c.Inputs["z2"].array(t)
		z := kernel.Array{Shape: []int{2 * z1.Shape[0], z1.Shape[1]}, Data: append(slices.Clone(z1.Data), z2.Data...)}
		loss, d := graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
			z, err := op.Normalize(in[0])
			if err != nil {
				return nil, err
			}
			return NTXent(z, c.Params.Temperature)
		}, 1, z)
		c.Outputs["loss"].compare(t, name, loss.Data)
		c.Outputs["d_z1"].compare(t, name+" d_z1", d[0].Data[:len(z1.Data)])
		c.Outputs["d_z2"].compare(t, name+" d_z2", d[0].Data[len(z1.Data):])
	}

	c := reference(t, "losses/info_nce_moco")
	loss, d := graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) {
		unit := make([]*gorgonia.Node, len(in))
		for i := range in {
			var err error
			if unit[i], err = op.Normalize(in[i]); err != nil {
				return nil, err
			}
		}
		return InfoNCE(unit[0], unit[1], unit[2], c.Params.Temperature)
	}, 1, c.Inputs["q"].array(t), c.Inputs["k"].array(t), c.Inputs["queue"].array(t))
	c.Outputs["loss"].compare(t, c.Name, loss.Data)
	c.Outputs["d_q"].compare(t, c.Name+" d_q", d[0].Data)

	c = reference(t, "losses/cross_entropy")
	loss, d = graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return CrossEntropy(in[0], in[1]) }, 1,
		c.Inputs["logits"].array(t), c.Inputs["labels"].array(t))
	c.Outputs["loss"].compare(t, c.Name, loss.Data)
	c.Outputs["d_logits"].compare(t, c.Name+" d_logits", d[0].Data)
}

// Keys and queue are constants: Gorgonia finds no way to them.
func TestKeysHaveNoGradient(t *testing.T) {
	g := gorgonia.NewGraph()
	var in []*gorgonia.Node
	for i, rows := range []int{2, 2, 5} {
		n, err := op.Input(g, fmt.Sprint("in", i), rows, 3)
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, n)
	}
	loss, err := InfoNCE(in[0], in[1], in[2], 0.2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := op.Grad(loss, in...); err == nil {
		t.Error("keys or queue have a gradient")
	}
}

// Scratch comes from the plan.
func TestRunsAllocateNothing(t *testing.T) {
	for _, v := range variants(1) {
		shapes := make([]tensor.Shape, len(v.in))
		for i, a := range v.in {
			shapes[i] = a.Shape
		}
		s, err := v.f.Infer(shapes...)
		if err != nil {
			t.Fatal(err)
		}
		out := kernel.New(s...)
		var scratch []float32
		if f, ok := v.f.(op.Scratcher); ok {
			scratch = make([]float32, f.Scratch(shapes...))
		}
		if n := testing.AllocsPerRun(10, func() { _ = v.f.Run(out, v.in, scratch) }); n > 0 {
			t.Errorf("%s %v allocates %g times a run", v.name, v.in[0].Shape, n)
		}
	}
}
