package loss

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"clr/internal/kernel"
	"clr/internal/op"
	"clr/internal/reftest"
)

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

// What chooses among N equal rows pays log N.
func TestClosedFormsOfChoices(t *testing.T) {
	for _, n := range []int{2, 5, 33} {
		equal, same := kernel.New(n, 4), kernel.New(n)
		for i := range n {
			equal.Data[4*i+i%2] = 1e-30 // products are 0
		}
		for _, f := range []op.Func{inBatch(divide(0.1), false), inBatch(divide(0.1), true)} {
			loss, _ := packed(t, f, equal, equal)
			near(t, f.Sig(), loss, math.Log(float64(n)), 1e-6)
		}
		loss, _ := packed(t, mocoV3(divide(0.1)), equal, equal)
		near(t, "MoCo v3", loss, 0.2*math.Log(float64(n)), 1e-6)
		loss, _ = packed(t, bilinear(), equal, kernel.New(4, 4), equal)
		near(t, "bilinear by nothing", loss, math.Log(float64(n)), 1e-6)
		loss, _ = packed(t, supcon(divide(0.1)), equal, same)
		near(t, "SupCon of one label", loss, math.Log(float64(n-1)), 1e-6)
		loss, _ = packed(t, swav(SwAVOptions{2, 2, 0.05, 3, 0.1}, 1), kernel.New(2*n, 7))
		near(t, "SwAV of equal scores", loss, math.Log(7), 1e-6)
		loss, _ = packed(t, bce(), kernel.New(n, 3), kernel.New(n, 3))
		near(t, "BCE of nothing", loss, math.Ln2, 1e-6)
	}
}

// A queue of equal scores leaves a batch its own preference; one that has used a
// prototype up turns the batch to the other.
func TestQueueBalances(t *testing.T) {
	scores := kernel.Array{Shape: []int{2, 2}, Data: []float32{1, 0.9, 0, 0}} // a view that is assigned, and one that predicts equally
	first := func(queue ...float32) float64 {
		_, grads := packed(t, swav(SwAVOptions{2, 1, 0.1, 50, 1}, 2), scores, kernel.Array{Shape: []int{len(queue) / 2, 2}, Data: queue})
		return 0.5 - float64(grads[2]) // the gradient by the second view's scores is softmax - q
	}
	if neutral, used := first(1, 0.9, 0.9, 1), first(1, 0, 1, 0, 1, 0); !(neutral > 0.5 && used < 0.5) {
		t.Errorf("the first prototype has %g beside a balanced queue, %g beside one that is full of it", neutral, used)
	}
}

// Pairs and triplets on a line, with gradients to count by hand.
func TestClosedFormsOfDistances(t *testing.T) {
	line := func(x ...float32) kernel.Array { return kernel.Array{Shape: []int{len(x), 1}, Data: x} }
	flags := func(x ...float32) kernel.Array { return kernel.Array{Shape: []int{len(x)}, Data: x} }
	for _, c := range []struct {
		f     op.Func
		in    []kernel.Array
		want  float64
		grads []float64
	}{
		{contrastive(2), []kernel.Array{line(0, 0, 0, 5), line(3, 1.5, 4, 5), flags(1, 0, 0, 0)}, (4.5 + 0.125 + 0 + 2) / 4,
			[]float64{-0.75, 0.125, 0, 0, 0.75, -0.125, 0, 0}}, // similar; too near; far enough; nowhere to go
		{givenTriplets(TripletOptions{Margin: 1}), []kernel.Array{line(0, 2, 2.5)}, 0.5, []float64{0, 1, -1}},
		{givenTriplets(TripletOptions{Margin: 1, Squared: true}), []kernel.Array{line(0, 2, 2.5)}, 0, []float64{0, 0, 0}},
		// anchors 0 and 2, at 2 from each other; negatives at 3 and 5, the latter unlabelled
		{triplet(TripletOptions{1.5, false, "hard"}), []kernel.Array{line(0, 2, 3, 5), flags(0, 0, 1, -1)}, (0.5 + 2.5) / 2, []float64{-0.5, 1.5, -1, 0}},
		{triplet(TripletOptions{1.5, false, "semi_hard"}), []kernel.Array{line(0, 2, 3, 5), flags(0, 0, 1, -1)}, (0.5 + 0.5) / 2, []float64{-0.5, 1.5, -0.5, -0.5}},
		{triplet(TripletOptions{1.5, false, "all"}), []kernel.Array{line(0, 2, 3, 5), flags(0, 0, 1, -1)}, (0.5 + 2.5 + 0.5) / 3, []float64{-2. / 3, 5. / 3, -2. / 3, -1. / 3}},
		{triplet(TripletOptions{1.5, false, "all"}), []kernel.Array{line(0, 2, 3, 5), flags(0, 1, 2, -1)}, 0, []float64{0, 0, 0, 0}},
	} {
		loss, grads := packed(t, c.f, c.in...)
		near(t, c.f.Sig(), loss, c.want, 1e-6)
		for i, g := range c.grads {
			near(t, fmt.Sprintf("%s gradient %d", c.f.Sig(), i), float64(grads[i]), g, 1e-6)
		}
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
	c := reftest.Get[params](t, "losses/swav_sinkhorn")
	q := c.Inputs["scores"].Array(t)
	n, k := q.Shape[0], q.Shape[1]
	scratch := make([]float32, kernel.SinkhornScratch(n, k))
	fill(scratch)
	kernel.Sinkhorn(q.Data, n, k, c.Params.Epsilon, c.Params.Iterations, scratch)
	reftest.Match(t, c.Outputs["q"], c.Name, q.Data...)

	for _, length := range []float64{1, 1e4} {
		q := draw(rand.New(rand.NewPCG(9, 10)), length, 12, 4)
		kernel.Sinkhorn(q.Data, 12, 4, 0.1*length, 200, make([]float32, kernel.SinkhornScratch(12, 4)))
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
	kernel.Sinkhorn(equal.Data, 6, 4, 0.05, 1, make([]float32, kernel.SinkhornScratch(6, 4)))
	for _, v := range equal.Data {
		near(t, "equal", float64(v), 0.25, 1e-7)
	}
}

// What the papers say of views that agree, or do not.
func TestClosedFormsOfViews(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	z := draw(r, 1, 8, 5)
	other, opposite := kernel.New(8, 5), kernel.New(8, 5) // views that change places, and the opposite
	for i, v := range z.Data {
		j := (i + 20) % 40
		other.Data[j], opposite.Data[j] = v, -v
	}
	for _, c := range []struct {
		f    op.Func
		z    kernel.Array
		want float64
	}{
		{cosine("byol", 4, 4), other, 0},
		{cosine("byol", 4, 4), opposite, 8},
		{cosine("simsiam", 0, 1), other, -1},
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
