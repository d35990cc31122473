package op

import (
	"fmt"

	"clr/internal/kernel"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Nearest is, for each row of x (N, D), the row of queue (K, D) with which its product
// is largest, the first of equal ones: (N, D). Of unit rows that is the nearest
// neighbour. A choice has no gradient, and what is chosen is a constant.
func Nearest(x, queue *gorgonia.Node) (*gorgonia.Node, error) { return Apply(nearest{}, x, queue) }

type nearest struct{}

func (nearest) Sig() string     { return "nearest" }
func (nearest) DiffWRT() []bool { return []bool{false, false} }

func (nearest) Infer(in ...tensor.Shape) (tensor.Shape, error) {
	if len(in[0]) != 2 || len(in[1]) != 2 || in[0][1] != in[1][1] {
		return nil, fmt.Errorf("want x (N, D) and a queue (K, D)")
	}
	return in[0], nil
}

func (nearest) Diff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
	return make(gorgonia.Nodes, 2), nil
}

func (nearest) Scratch(in ...tensor.Shape) int {
	n, d, k := in[0][0], in[0][1], in[1][0]
	return n*k + kernel.MatMulScratch(n, k, d)
}

func (nearest) Run(out kernel.Array, in []kernel.Array, scratch []float32) error {
	n, d, k := out.Shape[0], out.Shape[1], in[1].Shape[0]
	products, scratch := scratch[:n*k], scratch[n*k:] // (N, K)
	kernel.MatMul(products, in[0].Data, in[1].Data, n, k, d, false, true, false, scratch)
	for i := range n {
		best, row := 0, products[i*k:(i+1)*k]
		for j, v := range row {
			if v > row[best] {
				best = j
			}
		}
		copy(out.Data[i*d:(i+1)*d], in[1].Data[best*d:])
	}
	return nil
}
