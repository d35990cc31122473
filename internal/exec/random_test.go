package exec_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"clr/internal/exec/exectest"
	"clr/internal/op"

	"gorgonia.org/gorgonia"
)

// Random graphs of functions that write over their inputs, windows into them, and
// functions that do neither, with random outputs: whatever the plan reuses, the
// bytes are those of a machine that reuses nothing, and of the tape machine.
func TestRandomGraphs(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			g := gorgonia.NewGraph()
			pool := gorgonia.Nodes{input(g, r, "a", 4, 3), input(g, r, "b", 4, 3), input(g, r, "c", 2, 3)}
			pick := func() *node { // the youngest are likelier, so that chains form
				return pool[len(pool)-1-min(r.IntN(len(pool)), r.IntN(len(pool)))]
			}
			for range 4 + r.IntN(30) {
				pool = append(pool, grow(r, pick))
			}
			outputs := gorgonia.Nodes{pool[len(pool)-1]}
			for range r.IntN(4) {
				outputs = append(outputs, pick())
			}
			exectest.SameOnTape(t, g, outputs...)
		})
	}
}

// grow makes one more node of what is there.
func grow(r *rand.Rand, pick func() *node) *node {
	x := pick()
	rows, columns := x.Shape()[0], x.Shape()[1]
	switch r.IntN(9) {
	case 0:
		return must(op.ReLU(x))
	case 1:
		return must(op.Add(x, x))
	case 2:
		return must(op.StopGradient(x))
	case 3:
		from := r.IntN(rows)
		return must(op.Rows(x, from, from+1+r.IntN(rows-from)))
	case 4:
		return must(op.Reshape(x, columns, rows))
	case 5:
		return must(op.Normalize(x))
	case 6: // stock "+", as Grad makes it
		if y := pick(); x.Shape().Eq(y.Shape()) {
			return gorgonia.Must(gorgonia.Add(x, y))
		}
		return gorgonia.Must(gorgonia.Add(x, x))
	case 7:
		if y := pick(); rows == y.Shape()[0] && columns+y.Shape()[1] < 20 {
			return must(op.Concat(x, y))
		}
		return must(op.ReLU(x))
	default:
		if y := pick(); x.Shape().Eq(y.Shape()) {
			return must(op.Add(x, y))
		}
		return must(op.Add(x, x))
	}
}
