// Package exectest helps tests of other packages to check their graphs on
// Gorgonia's own tape machine.
package exectest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"clr/internal/exec"
	"clr/internal/kernel"
	"clr/internal/op"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// SameOnTape runs a graph, whose inputs must be bound, three times: on our executor,
// on our executor without reuse of memory, and on Gorgonia's tape machine. The
// outputs have to be equal to the last bit, which proves the memory plan, and that
// the graph is an ordinary Gorgonia graph. It returns copies of the outputs.
//
// The tape machine writes over values that it thinks dead, so the graph gets a
// copying node for each output; machines compiled before are not disturbed.
func SameOnTape(t testing.TB, g *gorgonia.ExprGraph, outputs ...*gorgonia.Node) []kernel.Array {
	t.Helper()
	want := run(t, g, exec.Options{Poison: true}, outputs)
	plain := run(t, g, exec.Options{NoReuse: true, Poison: true}, outputs)
	tape, err := onTape(g, outputs)
	if err != nil {
		t.Fatalf("tape machine: %v", err)
	}
	for i, n := range outputs {
		equal(t, fmt.Sprintf("output %d, %v, without reuse of memory", i, n), want[i], plain[i])
		equal(t, fmt.Sprintf("output %d, %v, on the tape machine", i, n), want[i], tape[i])
	}
	return want
}

func run(t testing.TB, g *gorgonia.ExprGraph, o exec.Options, outputs []*gorgonia.Node) []kernel.Array {
	t.Helper()
	m, err := exec.Compile(g, o, outputs...)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var vs []kernel.Array
	for range 2 { // the second run meets what the first left behind
		if err := m.RunAll(); err != nil {
			t.Fatal(err)
		}
		vs = vs[:0]
		for _, n := range outputs {
			a, err := m.Value(n)
			if err != nil {
				t.Fatal(err)
			}
			vs = append(vs, kernel.Array{Shape: a.Shape, Data: slices.Clone(a.Data)})
		}
	}
	return vs
}

func onTape(g *gorgonia.ExprGraph, outputs []*gorgonia.Node) (vs []kernel.Array, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	var copies gorgonia.Nodes
	for _, n := range outputs {
		c, err := op.Apply(keep{}, n)
		if err != nil {
			return nil, err
		}
		copies = append(copies, c)
	}
	m := gorgonia.NewTapeMachine(g)
	defer m.Close()
	if err := m.RunAll(); err != nil {
		return nil, err
	}
	for _, c := range copies {
		a, err := op.ArrayOf(c.Value())
		if err != nil {
			return nil, err
		}
		vs = append(vs, kernel.Array{Shape: a.Shape, Data: slices.Clone(a.Data)})
	}
	return vs, nil
}

func equal(t testing.TB, what string, want, have kernel.Array) {
	t.Helper()
	if !slices.Equal(want.Shape, have.Shape) {
		t.Errorf("%s: shape %v, not %v", what, have.Shape, want.Shape)
		return
	}
	for i := range want.Data {
		if math.Float32bits(want.Data[i]) != math.Float32bits(have.Data[i]) {
			t.Errorf("%s: element %d of %v is %v, not %v", what, i, want.Shape, have.Data[i], want.Data[i])
			return
		}
	}
}

// keep is its input.
type keep struct{}

func (keep) Sig() string                                    { return "keep" }
func (keep) DiffWRT() []bool                                { return []bool{false} }
func (keep) Infer(in ...tensor.Shape) (tensor.Shape, error) { return in[0], nil }

func (keep) Diff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{nil}, nil
}

func (keep) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	copy(out.Data, in[0].Data)
	return nil
}
