package loss

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/tensor"

	"clr/internal/kernel"
	"clr/internal/op"
)

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

// packed runs a loss by itself: its value and all of its gradients, one after the other.
func packed(t *testing.T, f op.Func, in ...kernel.Array) (float64, []float32) {
	t.Helper()
	loss, grads, err := tryPacked(f, in...)
	if err != nil {
		t.Fatal(err)
	}
	return loss, grads
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
func fill(x []float32) { fillWith(x, float32(math.NaN())) }

func fillWith(x []float32, v float32) {
	for i := range x {
		x[i] = v
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
	loops loops
	steep float64 // how steep the loss is, for what float32 leaves of a gradient
	in    []kernel.Array
}

func (v variant) String() string { return fmt.Sprintf("%s %v", v.f.Sig(), v.in[0].Shape) }

// wide are the inputs in float64.
func (v variant) wide() []rows {
	in := make([]rows, len(v.in))
	for i, a := range v.in {
		in[i] = wide(a)
	}
	return in
}

// variants are the losses over awkward sizes.
func variants(length float64) []variant {
	r := rand.New(rand.NewPCG(1, 2))
	var vs []variant
	add := func(name string, f op.Func, l loops, steep float64, in ...kernel.Array) {
		vs = append(vs, variant{name, f, l, steep, in})
	}
	for _, tau := range []float64{0.07, 0.5} {
		s := kernel.Array{Shape: []int{1}, Data: []float32{float32(-math.Log(tau))}}
		for _, size := range [][3]int{{1, 1, 1}, {1, 3, 2}, {2, 8, 5}, {5, 7, 33}, {17, 16, 3}} {
			n, d, k := size[0], size[1], size[2]
			rows := func(n int) kernel.Array { return draw(r, length, n, d) }
			add("nt_xent", ntxent(divide(tau)), with(tau, ntxentLoops), 1/tau, rows(2*n))
			add("nt_xent", ntxent(learn), learnt(ntxentLoops), 1/tau, rows(2*n), s)
			add("info_nce", infonce(divide(tau)), with(tau, infonceLoops), 1/tau, rows(n), rows(n), rows(k))
			add("info_nce", infonce(learn), learnt(infonceLoops), 1/tau, rows(n), rows(n), rows(k), s)
			classes := append(labels(r, 2*n-1, 3).Data, -1) // 0 to 2, and one unlabelled
			add("supcon", supcon(divide(tau)), with(tau, supconLoops), 1/tau, rows(2*n), kernel.Array{Shape: []int{2 * n}, Data: classes})
			add("supcon", supcon(learn), learnt(supconLoops), 1/tau, rows(2*n), kernel.Array{Shape: []int{2 * n}, Data: classes}, s)
			add("in_batch", inBatch(divide(tau), false), with(tau, inBatchLoops), 1/tau, rows(n), rows(n))
			add("in_batch", inBatch(divide(tau), true), with(tau, bothWaysLoops), 1/tau, rows(n), rows(n))
			add("in_batch", inBatch(learn, true), learnt(bothWaysLoops), 1/tau, rows(n), rows(n), s)
			add("moco_v3", mocoV3(divide(tau)), with(tau, mocoV3Loops), 1, rows(n), rows(n))
			add("moco_v3", mocoV3(learn), mocoV3From(learn.number), learn.number/tau, rows(n), rows(n), s)
			add("bilinear", bilinear(), bilinearLoops, 1, rows(n), draw(r, 1, d, k), draw(r, length, n, k))
			for _, views := range []int{2, 3} {
				o := SwAVOptions{Views: views, Assign: 2, Epsilon: tau, Iterations: 3, Temperature: tau}
				scores, queue := draw(r, length*length, views*n, d), draw(r, length*length, 2*k, d)
				add("swav", swav(o, 1), swavLoops(o, wide(scores)), 1/tau, scores)
				add("swav", swav(o, 2), swavLoops(o, wide(scores), wide(queue)), 1/tau, scores, queue)
			}
			similar := labels(r, 2*n, 2)
			add("contrastive", contrastive(2*length), with(2*length, contrastiveLoops), length, rows(2*n), rows(2*n), similar)
			add("contrastive", contrastivePairs(length), contrastivePairsLoops(length), length, draw(r, length, 2*n+3, d+1),
				kernel.Array{Shape: []int{2*n + 3}, Data: append(labels(r, 2*n, 3).Data, -1, 0, 0)})
			for i, mining := range []string{"hard", "semi_hard", "all"} {
				o := TripletOptions{Margin: tau * length, Squared: (n+i)%2 == 0, Mining: mining}
				classes := append(labels(r, 2*n, 3).Data, -1, 0, 0) // enough for one triplet; in one dimension all distances would be 0 or 2
				add("triplet", triplet(o), tripletLoops(o), 1, draw(r, length, 2*n+3, d+1), kernel.Array{Shape: []int{2*n + 3}, Data: classes})
				add("triplet", givenTriplets(o), givenTripletsLoops(o), 1, draw(r, length, 3*n, d+1))
			}
			targets := draw(r, 1, n, d)
			for i, v := range targets.Data {
				targets.Data[i] = v * v
			}
			add("bce", bce(), bceLoops, 1, draw(r, length/tau, n, d), targets)
			add("cross_entropy", crossEntropy(0.1), with(0.1, smoothLoops), 1, draw(r, length/tau, n, d), labels(r, n, d))
			add("byol", cosine("byol", 4, 4), byolLoops, 1, rows(2*n), rows(2*n))
			add("simsiam", cosine("simsiam", 0, 1), simsiamLoops, 1, rows(2*n), rows(2*n))
			add("barlow_twins", barlowTwins(0.05/tau), with(0.05/tau, barlowTwinsLoops), 30, rows(2*n))
			if n > 1 {
				o := VICRegOptions{Sim: 25, Var: 2 / tau, Cov: 1}
				add("vicreg", vicreg(o), vicregLoops(o), 1, rows(2*n))
			}
			add("cross_entropy", crossEntropy(0), crossEntropyLoops, 1, draw(r, length/tau, n, d), labels(r, n, d))
			some := labels(r, n+1, d)
			some.Data[n/2] = -1
			add("cross_entropy", crossEntropy(0), labelledLoops, 1, draw(r, length/tau, n+1, d), some)
		}
	}
	return vs
}

func divide(tau float64) temperature { return temperature{number: tau} }

var learn = temperature{number: 0.2, learnt: true}

// Every loss of the table is tried, and none besides.
func TestTable(t *testing.T) {
	tried := map[string]bool{}
	for _, v := range variants(1) {
		tried[v.name] = true
		if _, ok := Table[v.name]; !ok {
			t.Errorf("the table has no %s", v.name)
		}
	}
	for name := range Table {
		if !tried[name] {
			t.Errorf("%s is not tried", name)
		}
	}
}

// The fused losses equal the papers' loops, and their gradients the loops'
// central differences.
func TestLossesAreThePapers(t *testing.T) {
	for _, v := range variants(1) {
		loss, grads := packed(t, v.f, v.in...)
		in := v.wide()
		near(t, v.String(), loss, v.loops(in...), 1e-6)
		const h = 1e-6 // short enough for the kinks of hinges to lie elsewhere
		for j, has := range v.f.DiffWRT() {
			if !has {
				continue
			}
			some := 1 + len(in[j].x)/100 // of large inputs
			for i, x := range in[j].x {
				if i%some != 0 {
					continue
				}
				in[j].x[i] = x + h
				up := v.loops(in...)
				in[j].x[i] = x - h
				down := v.loops(in...)
				in[j].x[i] = x
				near(t, fmt.Sprintf("%v gradient of input %d, %d", v, j, i), float64(grads[i]), (up-down)/(2*h), 2e-6*v.steep)
			}
			grads = grads[len(in[j].x):]
		}
	}
}

// Logits of ±1e4 neither overflow nor lose the gradient.
func TestLargeLogits(t *testing.T) {
	vs := variants(1e2) // products up to 1e4, divided by the temperature
	for i, v := range vs {
		if v.name == "bce" || v.name == "cross_entropy" { // these take logits as they are
			for k := range v.in[0].Data {
				vs[i].in[0].Data[k] = 1e4 * float32(1-2*(k%2))
			}
		}
	}
	for _, v := range vs {
		loss, grads := packed(t, v.f, v.in...)
		near(t, v.String(), loss, v.loops(v.wide()...), 1e-3) // float32 has 1e4 to 1e-3
		for i, g := range grads {
			if math.IsNaN(float64(g)) || math.IsInf(float64(g), 0) {
				t.Fatalf("%v gradient %d is %g", v, i, g)
			}
		}
	}
}

// A loss that is not a number must show, so that training can stop on it.
func TestNaNShows(t *testing.T) {
	nan := float32(math.NaN())
	for _, v := range variants(1) {
		was, _ := packed(t, v.f, v.in...)
		v.in[0].Data[0] = nan
		if v.name == "supcon" && was == 0 {
			continue // nothing but negatives: there is no loss
		}
		if loss, _ := packed(t, v.f, v.in...); !math.IsNaN(loss) && v.in[0].Shape[0] > 1 {
			t.Errorf("%v of a NaN is %g", v, loss)
		}
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
			t.Errorf("%v allocates %g times a run", v, n)
		}
	}
}
