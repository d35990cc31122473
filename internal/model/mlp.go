package model

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
)

// An MLP is a stack of linear layers with ReLU between them: projector,
// predictor or probe; with no hidden layer a linear probe. With Norm it is
// SimCLR's projector, without it MoCo v2's. Layers are numbered as in PyTorch's
// Sequential(Linear, [BatchNorm1d,] ReLU, ..., Linear).
type MLP struct {
	Hidden  []int `yaml:"hidden" doc:"sizes of the hidden layers"`
	Out     int   `yaml:"out" doc:"size of the result"`
	Norm    bool  `yaml:"norm" doc:"batch normalisation after each hidden layer, which then has no bias of its own"`
	OutNorm bool  `yaml:"out_norm" doc:"batch normalisation of the result too, as SimSiam's and MoCo v3's projectors have it"`
}

// maxLayer bounds the units of a layer: more can only be a slip, and would end
// in the runtime's own words about memory.
const maxLayer = 1 << 16

// Check refuses layers without units, and of more than anyone means.
func (h MLP) Check() error {
	if err := checkHidden(h.Hidden); err != nil {
		return err
	}
	if h.Out < 1 || h.Out > maxLayer {
		return fault.New(fault.Usage, "", "out is %d, must be 1 to %d", h.Out, maxLayer)
	}
	return nil
}

func checkHidden(sizes []int) error {
	for i, n := range sizes {
		if n < 1 || n > maxLayer {
			return fault.New(fault.Usage, "", "hidden layer %d has size %d, must be 1 to %d", i+1, n, maxLayer)
		}
	}
	return nil
}

// Build lays the MLP over rows x (N, D), giving (N, Out); its weights' names
// begin with name and a dot.
func (h MLP) Build(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	return h.After(b, p, name, x, len(h.Hidden)+1)
}

// After is Build, but gives what comes out of layer k, the first being 1. The layers
// behind it are laid too, so that p has all of the MLP's weights.
func (h MLP) After(b *Builder, p *Params, name string, x *G.Node, k int) (y *G.Node) {
	s := sequence{b: b, p: p, name: name}
	x = b.Lanes(x)
	for i, size := range append(slices.Clone(h.Hidden), h.Out) {
		norm, activation := h.Norm, "relu"
		if i == len(h.Hidden) {
			norm, activation = h.OutNorm, "linear"
		}
		if x = s.dense(x, size, norm, activation); i+1 == k {
			y = b.Rows(x)
		}
	}
	return y
}

// A sequence numbers layers as PyTorch's Sequential does.
type sequence struct {
	b    *Builder
	p    *Params
	name string // of them all, before a dot and the number
	n    int    // there are
}

func (s *sequence) next() string {
	s.n++
	return fmt.Sprintf("%s.%d", s.name, s.n-1)
}

// dense lays a linear layer over x, in lanes, batch normalisation behind it, which
// takes the place of its bias, and an activation, which has a number and no weights.
func (s *sequence) dense(x *G.Node, size int, norm bool, activation string) *G.Node {
	relu := activation == "relu"
	x = s.b.Linear(s.p, s.next(), x, size, !norm, relu && !norm)
	if norm {
		x = s.b.BatchNorm(s.p, s.next(), x, Norm{ReLU: relu})
	}
	s.next()
	if relu {
		return x
	}
	return s.b.Activate(x, activation)
}
