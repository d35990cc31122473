package op_test

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/embedding"
	"clr/internal/exec/exectest"
	"clr/internal/kernel"
	"clr/internal/op"

	"gorgonia.org/gorgonia"
)

// references are arrays that PyTorch computed in float64, gradients of Σ y·dy.
const references = "../../testdata/reference"

type referenceFile struct {
	File      string
	Tolerance struct {
		MaxAbs float64 `json:"max_abs"`
		RelL2  float64 `json:"rel_l2"`
	}
}

type referenceCase struct {
	Name            string
	Params          map[string]any
	Inputs, Outputs map[string]referenceFile
}

// number is a parameter of a case, for both axes.
func (c referenceCase) number(name string) [2]int {
	v, _ := c.Params[name].(float64)
	return [2]int{int(v), int(v)}
}

// Every layer of the references, as a node that Gorgonia differentiates.
func TestPyTorchParity(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(references, "layers", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Cases []referenceCase }
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range m.Cases {
		name := strings.TrimPrefix(c.Name, "layers/")
		layer, _, _ := strings.Cut(name, "_")
		if strings.HasPrefix(name, "conv") {
			layer = "conv"
		}
		build, ok := layers[layer]
		if !ok {
			t.Errorf("nothing builds %s", c.Name)
			continue
		}
		seen[layer] = true
		t.Run(name, func(t *testing.T) { c.check(t, build) })
	}
	for layer := range layers {
		if !seen[layer] {
			t.Errorf("no reference of %s", layer)
		}
	}
}

func (c referenceCase) check(t *testing.T, build func(c referenceCase, n int, in map[string]*node) (*node, error)) {
	g := gorgonia.NewGraph()
	in := map[string]*node{}
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		a := c.Inputs[name].read(t)
		if strings.HasPrefix(c.Name, "layers/conv1d") && len(a.Shape) == 3 { // one row of an image
			a.Shape = []int{a.Shape[0], a.Shape[1], 1, a.Shape[2]}
		}
		n, err := op.Input(g, name, a.Shape...)
		if err != nil {
			t.Fatal(err)
		}
		if err := op.Bind(n, a.Data); err != nil {
			t.Fatal(err)
		}
		in[name] = n
	}
	y, err := build(c, in["x"].Shape()[0], in)
	if err != nil {
		t.Fatal(err)
	}
	loss, err := op.Apply(dot{}, y, in["dy"])
	if err != nil {
		t.Fatal(err)
	}
	var wrt nodes
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.Outputs)) {
		if of, ok := strings.CutPrefix(name, "d_"); ok {
			wrt, names = append(wrt, in[of]), append(names, name)
		}
	}
	grads, err := op.Grad(loss, wrt...)
	if err != nil {
		t.Fatal(err)
	}
	names = append([]string{"y"}, names...)
	for i, a := range exectest.SameOnTape(t, g, append(nodes{y}, grads...)...) {
		c.Outputs[names[i]].compare(t, names[i], a.Data)
	}
}

var layers = map[string]func(c referenceCase, n int, in map[string]*node) (*node, error){
	"conv": func(c referenceCase, n int, in map[string]*node) (*node, error) {
		o := op.ConvOptions{Stride: c.number("stride"), Pad: c.number("padding"), Dilation: c.number("dilation")}
		return onMaps(n, in["x"], func(x *node) (*node, error) {
			y, err := op.Conv(x, in["w"], n, o)
			if err != nil || in["b"] == nil {
				return y, err
			}
			return op.Bias(y, in["b"], n, false)
		})
	},
	"batchnorm1d": func(_ referenceCase, n int, in map[string]*node) (*node, error) {
		return onRows(n, in["x"], func(x *node) (*node, error) {
			y, _, err := op.BatchNorm(x, in["gamma"], in["beta"], nil, n, op.NormOptions{})
			return y, err
		})
	},
	"batchnorm2d": func(c referenceCase, n int, in map[string]*node) (*node, error) {
		return onMaps(n, in["x"], func(x *node) (*node, error) {
			if c.Params["training"] == true {
				y, _, err := op.BatchNorm(x, in["gamma"], in["beta"], nil, n, op.NormOptions{})
				return y, err
			}
			return op.BatchNormEval(x, in["running_mean"], in["running_var"], in["gamma"], in["beta"], nil, n, op.NormOptions{})
		})
	},
	"maxpool3x3": func(c referenceCase, n int, in map[string]*node) (*node, error) {
		o := op.PoolOptions{Kernel: c.number("kernel"), Stride: c.number("stride"), Pad: c.number("padding")}
		return onMaps(n, in["x"], func(x *node) (*node, error) { return op.MaxPool(x, n, o) })
	},
	"global": func(c referenceCase, n int, in map[string]*node) (*node, error) {
		return onRows(n, in["x"], func(x *node) (*node, error) {
			if strings.Contains(c.Name, "max") { // of the mean over bins
				var err error
				if x, err = op.AvgPool(x, n, op.PoolOptions{Kernel: [2]int{in["x"].Shape()[2], 1}}); err != nil {
					return nil, err
				}
			}
			mean, err := op.GlobalMean(x, n, false)
			if err != nil || !strings.Contains(c.Name, "max") {
				return mean, err
			}
			most, err := op.GlobalMax(x, n, false)
			if err != nil {
				return nil, err
			}
			return op.Add(most, mean)
		})
	},
	"linear": func(_ referenceCase, n int, in map[string]*node) (*node, error) {
		return onRows(n, in["x"], func(x *node) (*node, error) {
			y, err := op.Linear(x, in["w"], n)
			if err != nil {
				return nil, err
			}
			return op.Bias(y, in["b"], n, false)
		})
	},
	"relu": func(_ referenceCase, _ int, in map[string]*node) (*node, error) { return op.ReLU(in["x"]) },
	"layernorm": func(_ referenceCase, _ int, in map[string]*node) (*node, error) {
		return op.LayerNorm(in["x"], in["gamma"], in["beta"], 1e-5)
	},
	"gelu": func(_ referenceCase, _ int, in map[string]*node) (*node, error) { return op.GELU(in["x"]) },
	"l2":   func(_ referenceCase, _ int, in map[string]*node) (*node, error) { return op.Normalize(in["x"]) },
}

// onRows wraps a function on lanes whose result is one pixel: (N, D) out.
func onRows(n int, x *node, f func(x *node) (*node, error)) (*node, error) {
	l, err := op.ToLanes(x)
	if err != nil {
		return nil, err
	}
	y, err := f(l)
	if err != nil {
		return nil, err
	}
	return op.ToRows(y, n)
}

func (f referenceFile) read(t *testing.T) kernel.Array {
	t.Helper()
	r, err := os.Open(filepath.Join(references, f.File))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	a, err := embedding.ReadNPY(r)
	if err != nil {
		t.Fatalf("%s: %v", f.File, err)
	}
	return a
}

// compare holds values against the reference, by both of its tolerances.
func (f referenceFile) compare(t *testing.T, what string, got []float32) {
	t.Helper()
	want := f.read(t).Data
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, not %d", what, len(got), len(want))
	}
	var worst, diff, norm float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		worst = max(worst, math.Abs(d))
		diff, norm = diff+d*d, norm+float64(want[i])*float64(want[i])
	}
	if rel := math.Sqrt(diff / norm); !(worst <= f.Tolerance.MaxAbs && rel <= f.Tolerance.RelL2) {
		t.Errorf("%s: off by %.3g at most (allowed %.3g), by %.3g in all (allowed %.3g)", what, worst, f.Tolerance.MaxAbs, rel, f.Tolerance.RelL2)
	}
}
