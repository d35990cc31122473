package loss

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
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
			classes := append(labels(r, 2*n-1, 3).Data, -1) // 0 to 2, and one unlabelled
			add("supcon", supcon(divide(tau)), with(tau, supconLoops), 1/tau, rows(2*n), kernel.Array{Shape: []int{2 * n}, Data: classes})
			add("in_batch", inBatch(divide(tau), false), with(tau, inBatchLoops), 1/tau, rows(n), rows(n))
			add("in_batch", inBatch(divide(tau), true), with(tau, bothWaysLoops), 1/tau, rows(n), rows(n))
			add("in_batch", inBatch(learn, true), learnt(bothWaysLoops), 1/tau, rows(n), rows(n), s)
			add("moco_v3", mocoV3(divide(tau)), with(tau, mocoV3Loops), 1, rows(n), rows(n))
			add("bilinear", bilinear(), bilinearLoops, 1, rows(n), draw(r, 1, d, k), draw(r, length, n, k))
			for _, views := range []int{2, 3} {
				o := SwAVOptions{Views: views, Assign: 2, Epsilon: tau, Iterations: 3, Temperature: tau}
				scores, queue := draw(r, length*length, views*n, d), draw(r, length*length, 2*k, d)
				add("swav", swav(o, 1), swavLoops(o, wide(scores)), 1/tau, scores)
				add("swav", swav(o, 2), swavLoops(o, wide(scores), wide(queue)), 1/tau, scores, queue)
			}
			similar := labels(r, 2*n, 2)
			add("contrastive", contrastive(2*length), with(2*length, contrastiveLoops), length, rows(2*n), rows(2*n), similar)
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
		}
	}
	return vs
}

func divide(tau float64) temperature { return temperature{number: tau} }

var learn = temperature{learnt: true}

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
			for i, x := range in[j].x {
				in[j].x[i] = x + h
				up := v.loops(in...)
				in[j].x[i] = x - h
				down := v.loops(in...)
				in[j].x[i] = x
				near(t, fmt.Sprintf("%v gradient of input %d, %d", v, j, i), float64(grads[0]), (up-down)/(2*h), 2e-6*v.steep)
				grads = grads[1:]
			}
		}
	}
}

// Logits of ±1e4 neither overflow nor lose the gradient.
func TestLargeLogits(t *testing.T) {
	for _, v := range variants(1e2) { // products up to 1e4, divided by the temperature
		loss, grads := packed(t, v.f, v.in...)
		near(t, v.String(), loss, v.loops(v.wide()...), 1e-3) // float32 has 1e4 to 1e-3
		for i, g := range grads {
			if math.IsNaN(float64(g)) || math.IsInf(float64(g), 0) {
				t.Fatalf("%v gradient %d is %g", v, i, g)
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
		loss, grad := packed(t, ntxent(divide(0.1)), equal)
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
		loss, _ = packed(t, ntxent(divide(tau)), corners)
		near(t, fmt.Sprintf("corners, N=%d", n), loss, math.Log1p(float64(2*n-2)*math.Exp(-1/tau)), 1e-6)
		// a queue of K keys all equal to query and key
		one := kernel.Array{Shape: []int{n, 4}, Data: equal.Data[:4*n]}
		loss, _ = packed(t, infonce(divide(tau)), one, one, equal)
		near(t, fmt.Sprintf("equal keys, K=%d", 2*n), loss, math.Log(float64(2*n+1)), 1e-6)
		loss, _ = packed(t, crossEntropy(0), kernel.New(n, 10), kernel.New(n))
		near(t, "equal logits", loss, math.Log(10), 1e-6)
	}
}

// Special cases of one loss are another.
func TestLossesAreEachOther(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const n, d, tau = 7, 5, 0.3
	same := func(what string, f op.Func, in []kernel.Array, g op.Func, others []kernel.Array, times float64) {
		t.Helper()
		loss, grads := packed(t, f, in...)
		want, wants := packed(t, g, others...)
		near(t, what, loss, times*want, 1e-6)
		for i := range n * d { // by the first input
			near(t, what+" gradient", float64(grads[i]), times*float64(wants[i]), 1e-6)
		}
	}
	z := draw(r, 1, 2*n, d)
	pairs := kernel.New(2 * n)
	for i := range pairs.Data {
		pairs.Data[i] = float32(i % n)
	}
	same("SupCon of pairs", supcon(divide(tau)), []kernel.Array{z, pairs}, ntxent(divide(tau)), []kernel.Array{z}, 1)
	a, b := draw(r, 1, n, d), draw(r, 1, n, d)
	same("MoCo v3", mocoV3(divide(tau)), []kernel.Array{a, b}, inBatch(divide(tau), false), []kernel.Array{a, b}, 2*tau)
	identity := kernel.New(d, d)
	for i := range d {
		identity.Data[i*d+i] = 1
	}
	same("bilinear by the identity", bilinear(), []kernel.Array{a, identity, b}, inBatch(divide(1), false), []kernel.Array{a, b}, 1)
}

// Without positives a row is nothing but a negative.
func TestSupConWithoutPositives(t *testing.T) {
	z := draw(rand.New(rand.NewPCG(7, 8)), 1, 4, 3)
	loss, grads := packed(t, supcon(divide(0.1)), z, kernel.Array{Shape: []int{4}, Data: []float32{0, 1, -1, -1}})
	near(t, "loss", loss, 0, 0)
	for _, g := range grads {
		near(t, "gradient", float64(g), 0, 0)
	}
}

// Assignments are PyTorch's; a sample's add up to 1, and after many iterations all
// prototypes are used equally. Equal scores are assigned equally.
func TestSinkhorn(t *testing.T) {
	c := reference(t, "losses/swav_sinkhorn")
	q := c.Inputs["scores"].array(t)
	n, k := q.Shape[0], q.Shape[1]
	scratch := make([]float32, SinkhornScratch(n, k))
	fill(scratch)
	Sinkhorn(q.Data, n, k, c.Params.Epsilon, c.Params.Iterations, scratch)
	c.Outputs["q"].compare(t, c.Name, q.Data)

	for _, length := range []float64{1, 1e4} {
		q := draw(rand.New(rand.NewPCG(9, 10)), length, 12, 4)
		Sinkhorn(q.Data, 12, 4, 0.1*length, 200, make([]float32, SinkhornScratch(12, 4)))
		w := wide(q)
		for i := range 12 {
			near(t, "row", 4*mean(w.row(i)), 1, 1e-6)
		}
		for j := range 4 {
			sum := 0.0
			for i := range 12 {
				sum += w.row(i)[j]
			}
			near(t, "column", sum, 3, 1e-5)
		}
	}
	equal := kernel.New(6, 4)
	fillWith(equal.Data, 1e4)
	Sinkhorn(equal.Data, 6, 4, 0.05, 1, make([]float32, SinkhornScratch(6, 4)))
	for _, v := range equal.Data {
		near(t, "equal", float64(v), 0.25, 1e-7)
	}
}

// What the papers say of views that agree, or do not.
func TestClosedFormsOfViews(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	z := draw(r, 1, 8, 5)
	opposite := kernel.New(8, 5)
	for i, v := range z.Data {
		opposite.Data[i] = -v
	}
	for _, c := range []struct {
		f    op.Func
		z    kernel.Array
		want float64
	}{
		{cosine("byol", 4, 4), z, 0},
		{cosine("byol", 4, 4), opposite, 8},
		{cosine("simsiam", 0, 1), z, -1},
		{cosine("simsiam", 0, 1), opposite, 1},
	} {
		loss, _ := packed(t, c.f, z, c.z)
		near(t, c.f.Sig(), loss, c.want, 1e-6)
	}

	// columns of ±1 that are orthogonal and the same in both views
	hadamard := []float32{1, 1, 1, -1, 1, -1, -1, -1, 1, 1, -1, -1}
	same := kernel.Array{Shape: []int{8, 3}, Data: append(hadamard[:12:12], hadamard...)}
	loss, _ := packed(t, barlowTwins(1), same)
	near(t, "identity", loss, 0, 1e-6)
	loss, _ = packed(t, vicreg(VICRegOptions{25, 25, 1}), same)
	near(t, "spread and uncorrelated", loss, 0, 1e-6)

	equal := kernel.New(8, 3) // collapse: no variance, no correlation
	fillWith(equal.Data, 1)
	loss, grads := packed(t, barlowTwins(1), equal)
	near(t, "collapsed Barlow Twins", loss, 3, 1e-6)
	loss, _ = packed(t, vicreg(VICRegOptions{25, 25, 1}), equal)
	near(t, "collapsed VICReg", loss, 25*(1-0.01), 1e-6)
	for _, g := range grads {
		near(t, "gradient at collapse", float64(g), 0, 0)
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

func TestRefusals(t *testing.T) {
	two := kernel.New(2, 3)
	for _, c := range []struct {
		f    op.Func
		in   []kernel.Array
		want string
	}{
		{ntxent(divide(0)), []kernel.Array{two}, "temperature is 0, must be positive"},
		{ntxent(divide(math.NaN())), []kernel.Array{two}, "must be positive"},
		{infonce(divide(-1)), []kernel.Array{two, two, two}, "temperature is -1, must be positive"},
		{ntxent(divide(1)), []kernel.Array{kernel.New(3, 2)}, "want z (2N, D)"},
		{ntxent(learn), []kernel.Array{two, two}, "want s (1)"},
		{infonce(divide(1)), []kernel.Array{two, kernel.New(3, 3), two}, "want q (N, D), k (N, D)"},
		{infonce(divide(1)), []kernel.Array{two, two, kernel.New(2, 4)}, "want q (N, D), k (N, D)"},
		{cosine("byol", 4, 4), []kernel.Array{two, kernel.New(2, 4)}, "want p (2N, P) and z (2N, P)"},
		{cosine("byol", 4, 4), []kernel.Array{kernel.New(3, 3), kernel.New(3, 3)}, "want p (2N, P) and z (2N, P)"},
		{barlowTwins(-1), []kernel.Array{two}, "lambda is -1, must not be negative"},
		{barlowTwins(1), []kernel.Array{kernel.New(3, 2)}, "want z (2N, D)"},
		{vicreg(VICRegOptions{}), []kernel.Array{two}, "of two pairs or more"},
		{vicreg(VICRegOptions{Cov: math.Inf(1)}), []kernel.Array{kernel.New(4, 2)}, "cov is +Inf, must not be negative"},
		{supcon(divide(1)), []kernel.Array{two, kernel.New(3)}, "want z (M, D) and labels (M)"},
		{supcon(divide(1)), []kernel.Array{two, {Shape: []int{2}, Data: []float32{0, 0.5}}}, "label 0.5 of row 1 is not a whole number"},
		{supcon(divide(1)), []kernel.Array{two, {Shape: []int{2}, Data: []float32{float32(math.NaN()), 0}}}, "label NaN of row 0"},
		{inBatch(divide(1), true), []kernel.Array{two, kernel.New(3, 3)}, "want two times (N, D)"},
		{inBatch(divide(0), true), []kernel.Array{two, two}, "temperature is 0, must be positive"},
		{mocoV3(divide(1)), []kernel.Array{two, kernel.New(2, 4)}, "want two times (N, D)"},
		{bilinear(), []kernel.Array{two, two, two}, "want a (N, D), w (D, E), b (N, E)"},
		{swav(SwAVOptions{2, 3, 1, 1, 1}, 1), []kernel.Array{two}, "assign is 3, must be 1 to the 2 views"},
		{swav(SwAVOptions{1, 1, 1, 1, 1}, 1), []kernel.Array{two}, "views is 1, must be 2 or more"},
		{swav(SwAVOptions{2, 2, 0, 1, 1}, 1), []kernel.Array{two}, "epsilon is 0, must be positive"},
		{swav(SwAVOptions{2, 2, 1, 0, 1}, 1), []kernel.Array{two}, "iterations is 0, must be positive"},
		{swav(SwAVOptions{2, 2, 1, 1, 0}, 1), []kernel.Array{two}, "temperature is 0, must be positive"},
		{swav(SwAVOptions{2, 2, 1, 1, 1}, 1), []kernel.Array{kernel.New(3, 2)}, "want the scores of 2 views"},
		{swav(SwAVOptions{2, 2, 1, 1, 1}, 2), []kernel.Array{two, kernel.New(2, 4)}, "want a queue for each of 2 views"},
		{contrastive(0), []kernel.Array{two, two, kernel.New(2)}, "the margin is 0, must be positive"},
		{contrastive(1), []kernel.Array{two, two, two}, "want a (N, D), b (N, D), similar (N)"},
		{contrastive(1), []kernel.Array{two, two, {Shape: []int{2}, Data: []float32{1, 2}}}, "similar is 2 for pair 1, must be 0 or 1"},
		{triplet(TripletOptions{1, false, "soft"}), []kernel.Array{two, kernel.New(2)}, `mining is "soft", must be hard, semi_hard or all`},
		{triplet(TripletOptions{-1, false, "all"}), []kernel.Array{two, kernel.New(2)}, "the margin is -1, must be positive"},
		{triplet(TripletOptions{1, false, "all"}), []kernel.Array{two, kernel.New(3)}, "want z (M, D) and labels (M)"},
		{triplet(TripletOptions{1, false, "all"}), []kernel.Array{two, {Shape: []int{2}, Data: []float32{0, 1e9}}}, "label 1e+09 of row 1"},
		{givenTriplets(TripletOptions{Margin: 1}), []kernel.Array{two}, "want z (3N, D)"},
		{bce(), []kernel.Array{two, kernel.New(2, 4)}, "want logits (N, C) and targets (N, C)"},
		{bce(), []kernel.Array{two, {Shape: []int{2, 3}, Data: []float32{0, 1, 0, 0, 1.5, 0}}}, "target 1.5 of row 1, class 1 is not from 0 to 1"},
		{crossEntropy(2), []kernel.Array{two, kernel.New(2)}, "smoothing is 2, must be from 0 to 1"},
		{crossEntropy(0), []kernel.Array{two, kernel.New(3)}, "want logits (N, C)"},
		{crossEntropy(0), []kernel.Array{two, {Shape: []int{2}, Data: []float32{0, 3}}}, "label 3 of row 1 is not one of 3 classes"},
		{crossEntropy(0), []kernel.Array{two, {Shape: []int{2}, Data: []float32{0.5, 0}}}, "label 0.5 of row 0"},
		{crossEntropy(0), []kernel.Array{two, {Shape: []int{2}, Data: []float32{-1, 0}}}, "label -1 of row 0"},
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
