package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// LayerNorm normalises each row of x (N, D) by its own mean and variance, scales it by
// gamma (D) and shifts it by beta (D), as PyTorch does; eps is added to the variance.
func LayerNorm(x, gamma, beta *gorgonia.Node, eps float64) (*gorgonia.Node, error) {
	return Apply(layerNorm{eps}, x, gamma, beta)
}

type layerNorm struct{ eps float64 }

func (f layerNorm) Sig() string     { return fmt.Sprintf("layer_norm{eps %g}", f.eps) }
func (f layerNorm) DiffWRT() []bool { return []bool{true, true, true} }
func (f layerNorm) InPlace() int    { return 0 }

func (f layerNorm) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in[0]) != 2 {
		return nil, fmt.Errorf("want rows (N, D)")
	}
	if err := want("gamma", in[1], in[0][1]); err != nil {
		return nil, err
	}
	return in[0], want("beta", in[2], in[0][1])
}

func (f layerNorm) of(x []int) kernel.LayerNorm {
	return kernel.LayerNorm{N: x[0], D: x[1], Eps: f.eps}
}

func (f layerNorm) Diff(in gorgonia.Nodes, _, dy *gorgonia.Node) (gorgonia.Nodes, error) {
	x, gamma := in[0], in[1]
	k := f.of(x.Shape())
	dx, err := fixed{sig: f.Sig() + " gradient", shape: x.Shape(),
		run: func(dx kernel.Array, in []kernel.Array, _ []float32) {
			k.Data(dx.Data, in[0].Data, in[1].Data, in[2].Data)
		}}.over(2, x, gamma, dy)
	if err != nil {
		return nil, err
	}
	sums, err := fixed{sig: f.Sig() + " sums", shape: tensor.Shape{2, k.D}, scratch: k.ScratchSize(),
		run: func(sums kernel.Array, in []kernel.Array, scratch []float32) {
			k.Sums(sums.Data, in[0].Data, in[1].Data, scratch)
		}}.apply(x, dy)
	if err != nil {
		return nil, err
	}
	var d [2]*gorgonia.Node // by gamma, by beta
	for i := range d {
		if d[i], err = Apply(window{i * k.D, tensor.Shape{k.D}, false}, sums); err != nil {
			return nil, err
		}
	}
	return gorgonia.Nodes{dx, d[0], d[1]}, nil
}

func (f layerNorm) Run(out kernel.Array, in []kernel.Array, _ []float32) error {
	f.of(out.Shape).Apply(out.Data, in[0].Data, in[1].Data, in[2].Data)
	return nil
}
