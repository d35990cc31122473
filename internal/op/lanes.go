package op

import (
	"fmt"

	"clr/internal/kernel"
	"clr/internal/onnx"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// maps are the true sizes of a node of feature maps, (N, C, H, W); embeddings in
// lanes are maps of one pixel.
type maps struct{ N, C, H, W int }

func (m maps) lanes() tensor.Shape { // (B, H, W, C, 16)
	return tensor.Shape{kernel.Blocks(m.N), m.H, m.W, m.C, kernel.Lanes}
}

// mapsOf reads the sizes of x, (B, H, W, C, 16) of n examples.
func mapsOf(name string, x *gorgonia.Node, n int) (maps, error) {
	if x == nil {
		return maps{}, fmt.Errorf("op: %s: the input is nil", name)
	}
	s := x.Shape()
	if len(s) != 5 || s[4] != kernel.Lanes || n < 1 || s[0] != kernel.Blocks(n) {
		return maps{}, fmt.Errorf("op: %s: %v is not the lanes shape (⌈%d/16⌉, H, W, C, 16) of %d examples", name, s, n, n)
	}
	return maps{n, s[3], s[1], s[2]}, nil
}

// want refuses an input whose shape is not the one named.
func want(what string, have tensor.Shape, shape ...int) error {
	if !sameShape(have, shape) {
		return fmt.Errorf("%s is %v, not %v", what, have, tensor.Shape(shape))
	}
	return nil
}

// ToLanes puts sixteen examples side by side: (N, C, H, W) → (B, H, W, C, 16), and
// (N, D) → (B, 1, 1, D, 16). Lanes without an example are zero.
func ToLanes(x *gorgonia.Node) (*gorgonia.Node, error) {
	switch s := x.Shape(); len(s) {
	case 2:
		return Apply(toLanes{maps{s[0], s[1], 1, 1}}, x)
	case 4:
		return Apply(toLanes{maps{s[0], s[1], s[2], s[3]}}, x)
	default:
		return nil, fmt.Errorf("op: to_lanes: %v is neither (N, C, H, W) nor (N, D)", s)
	}
}

// ToRows takes n embeddings out of the lanes, or out of pixels, (N, 1, 1, D):
// (B, 1, 1, D, 16) → (N, D).
func ToRows(x *gorgonia.Node, n int) (*gorgonia.Node, error) {
	m, _, err := eitherOf("to_rows", x, n)
	if err != nil {
		return nil, err
	}
	if m.H != 1 || m.W != 1 {
		return nil, fmt.Errorf("op: to_rows: %v has %d×%d pixels; pool them first", x.Shape(), m.H, m.W)
	}
	if inPixels(x) {
		return Reshape(x, m.N, m.C)
	}
	return Apply(fromLanes{m, tensor.Shape{m.N, m.C}}, x)
}

// ToMaps takes n feature maps out of the lanes: (B, H, W, C, 16) → (N, C, H, W).
func ToMaps(x *gorgonia.Node, n int) (*gorgonia.Node, error) {
	m, err := mapsOf("to_maps", x, n)
	if err != nil {
		return nil, err
	}
	return Apply(fromLanes{m, tensor.Shape{m.N, m.C, m.H, m.W}}, x)
}

type toLanes struct{ m maps }

func (f toLanes) Sig() string                                 { return fmt.Sprintf("to_lanes%+v", f.m) }
func (f toLanes) DiffWRT() []bool                             { return []bool{true} }
func (f toLanes) Infer(...tensor.Shape) (tensor.Shape, error) { return f.m.lanes(), nil }

func (f toLanes) Diff(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	d, err := Apply(fromLanes{f.m, in[0].Shape()}, grad)
	return gorgonia.Nodes{d}, err
}

func (f toLanes) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	kernel.ToLanes(out.Data, in[0].Data, f.m.N, f.m.C, f.m.H, f.m.W)
	return nil
}

type fromLanes struct {
	m     maps
	shape tensor.Shape // (N, C, H, W) or (N, C)
}

func (f fromLanes) Sig() string     { return fmt.Sprintf("from_lanes%+v%v", f.m, f.shape) }
func (f fromLanes) DiffWRT() []bool { return []bool{true} }

func (f fromLanes) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	return f.shape, want("the input", in[0], f.m.lanes()...)
}

func (f fromLanes) Diff(_ gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	d, err := Apply(toLanes{f.m}, grad)
	return gorgonia.Nodes{d}, err
}

func (f fromLanes) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	kernel.FromLanes(out.Data, in[0].Data, f.m.N, f.m.C, f.m.H, f.m.W)
	return nil
}

func (f toLanes) translate(t *translation, in gorgonia.Nodes) onnx.Value { return t.value(in[0]) }

func (f fromLanes) translate(t *translation, in gorgonia.Nodes) onnx.Value {
	x := t.value(in[0])
	if len(x.Shape) == len(f.shape) {
		return x
	}
	return t.Reshape(x, perN(f.shape[1:]...)...)
}
