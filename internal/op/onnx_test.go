package op

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"clr/internal/kernel"
	"clr/internal/onnx"

	"gorgonia.org/gorgonia"
)

// leaf is an input with values, one for each place.
func leaf(t *testing.T, g *gorgonia.ExprGraph, name string, shape ...int) *gorgonia.Node {
	t.Helper()
	n, err := Input(g, name, shape...)
	if err != nil {
		t.Fatal(err)
	}
	a := kernel.New(shape...)
	for i := range a.Data {
		a.Data[i] = float32(i%7) + 0.5
	}
	if err := Bind(n, a.Data); err != nil {
		t.Fatal(err)
	}
	return n
}

// said is the model of a node, as bytes.
func said(t *testing.T, out, x *gorgonia.Node, shape []int, foldNorms bool) ([]byte, error) {
	t.Helper()
	g := &onnx.Graph{}
	v, err := ONNX(g, out, map[*gorgonia.Node]onnx.Value{x: g.Input("x", shape, "N")}, foldNorms)
	if err != nil {
		return nil, err
	}
	g.Output("y", v, "N")
	var b bytes.Buffer
	err = g.Write(&b, "", onnx.Producer{}, nil)
	return b.Bytes(), err
}

// A norm behind a convolution is in its weights if norms are folded, be it one
// function with it or two; one behind anything else stays.
func TestONNXFolds(t *testing.T) {
	const n = 16
	build := func(apart, bare bool) (out, x *gorgonia.Node) {
		g := gorgonia.NewGraph()
		x = leaf(t, g, "x", n, 3, 4, 5)
		maps, err := ToLanes(x)
		w := leaf(t, g, "w", 2, 3, 3, 3)
		norm := FixedNorm{Mean: leaf(t, g, "mean", 2), Variance: leaf(t, g, "variance", 2), Gamma: leaf(t, g, "gamma", 2), Beta: leaf(t, g, "beta", 2)}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case bare:
			if out, err = Conv(maps, w, n, ConvOptions{}); err == nil {
				out, err = ReLU(out)
			}
			if err == nil {
				out, err = BatchNormEval(out, norm.Mean, norm.Variance, norm.Gamma, norm.Beta, nil, n, NormOptions{})
			}
		case apart:
			if out, err = Conv(maps, w, n, ConvOptions{}); err == nil {
				out, err = BatchNormEval(out, norm.Mean, norm.Variance, norm.Gamma, norm.Beta, nil, n, NormOptions{ReLU: true})
			}
		default:
			out, err = ConvNorm(maps, w, n, ConvOptions{}, norm, nil, true)
		}
		if err != nil {
			t.Fatal(err)
		}
		return out, x
	}
	var models [2][2][]byte // apart, folded
	for i, apart := range []bool{false, true} {
		for j, folded := range []bool{false, true} {
			out, x := build(apart, false)
			b, err := said(t, out, x, []int{onnx.Free, 3, 4, 5}, folded)
			if err != nil {
				t.Fatal(err)
			}
			if has := bytes.Contains(b, []byte("BatchNormalization")); has == folded {
				t.Errorf("apart %v, folded %v: there is a norm: %v", apart, folded, has)
			}
			models[i][j] = b
		}
	}
	for j := range models[0] {
		if !bytes.Equal(models[0][j], models[1][j]) {
			t.Errorf("one function and two are two models, folded %v", j == 1)
		}
	}
	out, x := build(false, true)
	if b, err := said(t, out, x, []int{onnx.Free, 3, 4, 5}, true); err != nil || !bytes.Contains(b, []byte("BatchNormalization")) {
		t.Errorf("a norm behind a ReLU is gone: %v", err)
	}
}

// What only training or few examples need is refused by its name.
func TestONNXRefuses(t *testing.T) {
	const n = 4
	for want, build := range map[string]func(x, c *gorgonia.Node) (*gorgonia.Node, error){
		"batch_norm{": func(x, c *gorgonia.Node) (*gorgonia.Node, error) {
			maps, err := ToLanes(x)
			if err != nil {
				return nil, err
			}
			y, _, err := BatchNorm(maps, c, c, nil, n, NormOptions{})
			return y, err
		},
		"no words for nearest": func(x, c *gorgonia.Node) (*gorgonia.Node, error) {
			rows, err := Reshape(x, n, 2)
			if err != nil {
				return nil, err
			}
			return Nearest(rows, rows)
		},
		"no words for to_pixels": func(x, c *gorgonia.Node) (*gorgonia.Node, error) { return ToPixels(x) },
		"a part of":              func(x, c *gorgonia.Node) (*gorgonia.Node, error) { return Rows(x, 1, 3) },
		"mixes the examples":     func(x, c *gorgonia.Node) (*gorgonia.Node, error) { return Reshape(x, 2*n, 1) },
	} {
		g := gorgonia.NewGraph()
		x := leaf(t, g, "x", n, 2, 1, 1)
		y, err := build(x, leaf(t, g, "c", 2))
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		if _, err := said(t, y, x, []int{onnx.Free, 2, 1, 1}, false); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	g := gorgonia.NewGraph()
	x := leaf(t, g, "x", 2, 2)
	y, err := Input(g, "without values", 2, 2)
	if err == nil {
		y, err = Add(x, y)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := said(t, y, x, []int{onnx.Free, 2}, false); err == nil || !strings.Contains(err.Error(), "without values: no value") {
		t.Errorf("an input that nobody gives: %v", err)
	}
}
