package method

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"clr/internal/exec/exectest"
	"clr/internal/kernel"
	"clr/internal/model"
)

// The rows of Z are unit vectors, and a contrastive loss is the papers' of them;
// others are of what is behind Z, and package loss tries them.
func TestLossIsOfTheProjections(t *testing.T) {
	const n = 6
	for _, name := range names(options()) {
		m := newMethod(t, options()[name], setup(n))
		train(t, m, sgd(m), n, 0, 3)
		r := step(t, m, toy(n, 3))
		d := r.Z.Shape[1]
		row := func(i int) []float32 { return r.Z.Data[i*d : (i+1)*d] }
		scale := 1 / 0.2
		if s := inside(m).params.Weight(scaleName); s != nil {
			scale = math.Exp(float64(s.Value.Data[0]))
		}
		cosine := func(a, b []float32) float64 { return kernel.Dot(a, b) * scale }
		loss := 0.0
		for i := range 2 * n {
			if norm := kernel.SumSquares(row(i)); math.Abs(norm-1) > 1e-5 {
				t.Errorf("%s: |z|² of row %d is %g", name, i, norm)
			}
		}
		_, negatives := m.(followedQueue)
		switch q := m.State()["queue"]; {
		case negatives:
			for i := range n {
				positive := cosine(row(i), row(i+n))
				sum := math.Exp(positive)
				for j := range q.Shape[0] {
					sum += math.Exp(cosine(row(i), q.Data[j*d:(j+1)*d]))
				}
				loss += (math.Log(sum) - positive) / n
			}
		case strings.HasPrefix(name, "simclr"):
			for i := range 2 * n {
				sum := 0.0
				for j := range 2 * n {
					if j != i {
						sum += math.Exp(cosine(row(i), row(j)))
					}
				}
				loss += (math.Log(sum) - cosine(row(i), row((i+n)%(2*n)))) / (2 * n)
			}
		}
		if loss != 0 && math.Abs(float64(r.Loss)-loss) > 1e-5 {
			t.Errorf("%s: the loss is %g, of the projections %g", name, r.Loss, loss)
		}
	}
}

// inside is what every method is made of.
func inside(m Method) *siamese {
	switch m := m.(type) {
	case *siamese:
		return m
	case followed:
		return m.siamese
	case queued:
		return m.siamese
	case followedQueue:
		return m.siamese
	}
	panic(fmt.Sprintf("add %T to inside, so that its graphs are tried", m))
}

// graphs are all that a method has made.
func graphs(m Method) (machines []*model.Machine) {
	for _, g := range inside(m).graphs {
		machines = append(machines, g.machine)
	}
	if t := inside(m).second; t != nil {
		for _, g := range t.graphs {
			machines = append(machines, g.machine)
		}
	}
	return machines
}

// Every method's graphs are ordinary Gorgonia graphs: its own tape machine
// computes the same bytes, gradients included.
func TestGraphsRunOnTheTapeMachine(t *testing.T) {
	for _, name := range names(options()) {
		m := newMethod(t, options()[name], setup(6))
		step(t, m, toy(6, 0))
		step(t, m, toy(6, 2)) // where all have begun
		for _, machine := range graphs(m) {
			var outputs gorgonia.Nodes
			g := machine.Graph()
			for _, n := range g.AllNodes() {
				switch {
				case n.IsVar() && n.Deriv() != nil:
					outputs = append(outputs, n.Deriv())
				case n.Op() != nil && (fmt.Sprint(n.Op()) == "loss_of" || fmt.Sprint(n.Op()) == "normalize"):
					outputs = append(outputs, n)
				}
			}
			if len(outputs) == 0 {
				t.Fatalf("%s: a graph without outputs", name)
			}
			exectest.SameOnTape(t, g, outputs...)
		}
	}
}
