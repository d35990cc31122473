package model

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"clr/internal/embedding"
	"clr/internal/kernel"
	"clr/internal/op"
	"clr/internal/optim"
)

// travelling is where PyTorch's arrays are. See testdata/reference/README.md.
const travelling = "../../testdata/reference"

type referenceFile struct {
	File      string
	Shape     []int
	Tolerance struct {
		MaxAbs float64 `json:"max_abs"`
		RelL2  float64 `json:"rel_l2"`
	}
}

type referenceCase struct {
	root            string
	Name            string
	Params          struct{ Width int }
	Inputs, Outputs map[string]referenceFile
	Tensors         map[string]struct {
		Weight, Grad referenceFile
		After        referenceFile `json:"after_train_step"`
	}
	TensorOrder []string         `json:"tensor_order"`
	GradOrder   []string         `json:"grad_order"`
	Shapes      map[string][]int `json:"shapes"`
	XFirst      []float32        `json:"x_first8"`
}

func reference(t *testing.T, root, manifest, name string) referenceCase {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, manifest))
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Cases []json.RawMessage }
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	for _, raw := range m.Cases {
		var c referenceCase
		if !strings.Contains(string(raw), fmt.Sprintf("%q", name)) {
			continue
		}
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		if c.Name == name {
			c.root = root
			return c
		}
	}
	t.Fatalf("no reference case %s", name)
	return referenceCase{}
}

func (c referenceCase) array(t *testing.T, f referenceFile) kernel.Array {
	t.Helper()
	if strings.Contains(f.File, "num_batches_tracked") { // the one int64
		return kernel.Array{Data: []float32{7}}
	}
	r, err := os.Open(filepath.Join(c.root, f.File))
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
func (c referenceCase) compare(t *testing.T, what string, f referenceFile, got []float32) {
	t.Helper()
	want := c.array(t, f).Data
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	var worst, diff, norm float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		worst = math.Max(worst, math.Abs(d))
		diff, norm = diff+d*d, norm+float64(want[i])*float64(want[i])
	}
	if rel := math.Sqrt(diff / norm); !(worst <= f.Tolerance.MaxAbs && rel <= f.Tolerance.RelL2) {
		t.Errorf("%s: off by %g at most (allowed %g), %g in all (allowed %g)", what, worst, f.Tolerance.MaxAbs, rel, f.Tolerance.RelL2)
	}
}

// compareLoss allows Σ h·dy what the tolerance of h allows. (The loss's own
// tolerance is of a single number, in which PyTorch's errors happened to cancel.)
func (c referenceCase) compareLoss(t *testing.T, got float32, dy []float32) {
	t.Helper()
	allowed := 0.0
	for _, v := range dy {
		allowed += math.Abs(float64(v)) * c.Outputs["y_train"].Tolerance.MaxAbs
	}
	if want := c.array(t, c.Outputs["loss"]).Data[0]; !(math.Abs(float64(got-want)) <= allowed) {
		t.Errorf("loss is %g, want %g (allowed %g)", got, want, allowed)
	}
}

// weighted is Σ y·dy, the loss of the reference, packed with its gradient dy.
type weighted struct{}

func (weighted) Sig() string     { return "weighted" }
func (weighted) DiffWRT() []bool { return []bool{true, false} }
func (weighted) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	return op.PackedShape(in[0]), nil
}
func (f weighted) Diff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	return op.PackedDiff(f.DiffWRT(), in, out, grad)
}
func (weighted) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	out.Data[0] = float32(kernel.Dot(in[0].Data, in[1].Data))
	copy(out.Data[1:], in[1].Data)
	return nil
}

// A bench is an encoder built for training under the loss Σ h·dy.
type bench struct {
	machine        *Machine
	x, dy, h, loss *G.Node
	image          *optim.Param // the input's gradient
}

func newBench(t *testing.T, b *Builder, p *Params, e Encoder, n, bins, frames int) *bench {
	t.Helper()
	s := &bench{x: b.Input("x", n, 1, bins, frames), dy: b.Input("dy", n, e.Dim(Input{1, bins, frames})), image: &optim.Param{}}
	s.h = e.Build(b, p, "encoder", s.x)
	s.loss = b.lay("weighted", func() (*G.Node, error) {
		packed, err := op.Apply(weighted{}, s.h, s.dy)
		if err != nil {
			return nil, err
		}
		return op.LossOf(packed)
	})
	b.used, b.nodes = append(b.used, s.image), append(b.nodes, s.x)
	var err error
	if s.machine, err = b.CompileGrad(s.loss, s.h); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *bench) run(t *testing.T, x, dy []float32) {
	t.Helper()
	s.machine.Set(s.x, x)
	s.machine.Set(s.dy, dy)
	if err := s.machine.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestResNet18IsTorchvisions(t *testing.T) {
	testResNet(t, 18, reference(t, travelling, "models/manifest.json", "models/resnet18_w8"))
}

func TestResNet50IsTorchvisions(t *testing.T) {
	testResNet(t, 50, reference(t, travelling, "models/manifest.json", "models/resnet50_w4"))
}

func testResNet(t *testing.T, depth int, c referenceCase) {
	e := ResNet{Depth: depth, Width: c.Params.Width, Stem: "imagenet", Pool: "mean"}
	x, dy := c.array(t, c.Inputs["x"]), c.array(t, c.Inputs["dy"])
	n, bins, frames := x.Shape[0], x.Shape[2], x.Shape[3]
	p := NewParams(1)
	s := newBench(t, NewBuilder(Training), p, e, n, bins, frames)
	var evals []*Embedder // in pixels, in lanes
	for _, batch := range []int{n, few + n} {
		eval, err := NewEmbedder(e, p, "encoder", batch, Input{1, bins, frames}, false)
		if err != nil {
			t.Fatal(err)
		}
		evals = append(evals, eval)
	}
	state := map[string]kernel.Array{}
	for name, w := range c.Tensors {
		state["encoder."+name] = c.array(t, w.Weight)
	}
	if err := p.Load("", state); err != nil {
		t.Fatal(err)
	}

	for _, eval := range evals {
		h := make([]float32, n*eval.Dim())
		if err := eval.Embed(context.Background(), h, x.Data); err != nil {
			t.Fatal(err)
		}
		c.compare(t, "h in inference", c.Outputs["y_eval"], h)
	}

	s.run(t, x.Data, dy.Data)
	s.machine.UpdateStats()
	c.compare(t, "h", c.Outputs["y_train"], s.machine.Value(s.h).Data)
	c.compareLoss(t, s.machine.Value(s.loss).Data[0], dy.Data)
	c.compare(t, "dx", c.Outputs["d_x"], s.image.Grad.Data)
	for _, w := range p.All() {
		name := strings.TrimPrefix(w.Name, "encoder.")
		if !slices.Equal(w.Grad.Shape, w.Value.Shape) {
			t.Errorf("gradient of %s is %v, want %v", name, w.Grad.Shape, w.Value.Shape)
		}
		c.compare(t, "gradient of "+name, c.Tensors[name].Grad, w.Grad.Data)
	}
	for _, b := range p.Buffers() {
		name := strings.TrimPrefix(b.Name, "encoder.")
		if strings.HasSuffix(name, "num_batches_tracked") {
			if b.Value.Data[0] != 8 {
				t.Errorf("%s is %g after a step, want 8", name, b.Value.Data[0])
			}
			continue
		}
		c.compare(t, name+" after a step", c.Tensors[name].After, b.Value.Data)
	}
}

// formula is the reference's generator of numbers in [-0.5, 0.5).
func formula(index, count int) []float64 {
	u := make([]float64, count)
	for i := range u {
		h := uint32(i)*2654435761 + uint32(index)*40503 + 12345
		h ^= h >> 16
		h *= 2246822519
		h ^= h >> 13
		h *= 3266489917
		h ^= h >> 16
		u[i] = float64(h)/(1<<32) - 0.5
	}
	return u
}

// The network at its full width, whose weights are a formula.
func TestFullResNet18IsTorchvisions(t *testing.T) {
	c := reference(t, travelling, "models/manifest.json", "models/resnet18_formula")
	if kernel.CPU() == "generic" {
		t.Skip("takes half a minute on the plain Go kernels")
	}
	const n, bins, frames = 2, 64, 96
	e := Encoders["resnet"]
	p := NewParams(1)
	s := newBench(t, NewBuilder(Training), p, e, n, bins, frames)
	state := map[string]kernel.Array{}
	p.State("", state)
	for i, name := range c.TensorOrder {
		w, ok := state["encoder."+name]
		if !ok || !slices.Equal(w.Shape, c.Shapes[name]) {
			t.Fatalf("%s is %v, want %v", name, w.Shape, c.Shapes[name])
		}
		scale, shift := 0.4, 0.0
		switch {
		case strings.HasSuffix(name, "running_mean"):
			scale = 0.2
		case strings.HasSuffix(name, "running_var"):
			scale, shift = 0.5, 1
		case len(w.Shape) > 1:
			scale = math.Sqrt(24 / float64(len(w.Data)/w.Shape[0]))
		case strings.HasSuffix(name, "weight"):
			shift = 1
		}
		for j, u := range formula(i, len(w.Data)) {
			w.Data[j] = float32(shift + scale*u)
		}
	}
	x, dy := make([]float32, n*bins*frames), make([]float32, n*512)
	for i, u := range formula(1000, len(x)) {
		x[i] = float32(2 * u)
	}
	for i, u := range formula(1001, len(dy)) {
		dy[i] = float32(2 * u)
	}
	if !slices.Equal(x[:8], c.XFirst) {
		t.Fatalf("the formula gives %v, want %v", x[:8], c.XFirst)
	}

	eval, err := NewEmbedder(e, p, "encoder", n, Input{1, bins, frames}, false)
	if err != nil {
		t.Fatal(err)
	}
	h := make([]float32, n*eval.Dim())
	if err := eval.Embed(context.Background(), h, x); err != nil {
		t.Fatal(err)
	}
	c.compare(t, "h in inference", c.Outputs["y_eval"], h)

	s.run(t, x, dy)
	c.compare(t, "h", c.Outputs["y_train"], s.machine.Value(s.h).Data)
	c.compareLoss(t, s.machine.Value(s.loss).Data[0], dy)
	var norms []float32
	for _, name := range c.GradOrder {
		norms = append(norms, float32(math.Sqrt(kernel.SumSquares(p.weight["encoder."+name].Grad.Data))))
	}
	c.compare(t, "gradient norms", c.Outputs["grad_norms"], norms)
	c.compare(t, "gradient of conv1.weight", c.Outputs["d_conv1"], p.All()[0].Grad.Data)
}
