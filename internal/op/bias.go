package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Bias adds b (C) to every pixel of n maps x (B, H, W, C, 16), and then, if asked
// to, takes the ReLU. In lanes an embedding is a map of one pixel.
func Bias(x, b *gorgonia.Node, n int, relu bool) (*gorgonia.Node, error) {
	m, err := mapsOf("bias", x, n)
	if err != nil {
		return nil, err
	}
	return Apply(bias{m, relu}, x, b)
}

type bias struct {
	m    maps
	relu bool
}

func (f bias) Sig() string     { return fmt.Sprintf("bias%+v", f) }
func (f bias) DiffWRT() []bool { return []bool{true, true} }
func (f bias) InPlace() int    { return 0 }

func (f bias) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	return in[0], want("the bias", in[1], f.m.C)
}

func (f bias) Diff(_ gorgonia.Nodes, out, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	var err error
	if f.relu {
		if dy, err = reluGrad(out, dy); err != nil {
			return nil, err
		}
	}
	db, err := fixed{sig: f.Sig() + " gradient", shape: tensor.Shape{f.m.C},
		run: func(db kernel.Array, in []kernel.Array, _ []float32) {
			kernel.BiasGrad(db.Data, in[0].Data, f.m.N, f.m.C, f.m.H*f.m.W)
		}}.apply(dy)
	return gorgonia.Nodes{dy, db}, err
}

func (f bias) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	kernel.AddBias(out.Data, in[0].Data, in[1].Data, f.m.N, f.m.C, f.m.H*f.m.W, f.relu)
	return nil
}
