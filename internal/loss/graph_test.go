package loss

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/kernel"
	"clr/internal/op"
)

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

// Sides of 1 are no scalars to us, whatever Gorgonia thinks of them.
func TestOneRow(t *testing.T) {
	one := func(shape ...int) kernel.Array {
		a := kernel.New(shape...)
		for i := range a.Data {
			a.Data[i] = 0.5
		}
		return a
	}
	for _, d := range []int{1, 3} {
		loss, g := graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return CrossEntropy(in[0], in[1]) }, 1, one(1, d), kernel.New(1))
		near(t, "cross entropy of one row", float64(loss.Data[0]), math.Log(float64(d)), 1e-6)
		near(t, "its gradient", float64(g[0].Data[0]), 1/float64(d)-1, 1e-6)
		loss, g = graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return NTXent(in[0], 1) }, 1, one(2, d))
		near(t, "NT-Xent of one pair", float64(loss.Data[0]), 0, 1e-6) // no negatives
		near(t, "its gradient", float64(g[0].Data[0]), 0, 1e-6)
		loss, _ = graph(t, func(in []*gorgonia.Node) (*gorgonia.Node, error) { return InfoNCE(in[0], in[1], in[2], 1) }, 1, one(1, d), one(1, d), one(1, d))
		near(t, "InfoNCE of one query", float64(loss.Data[0]), math.Log(2), 1e-6)
	}
}
