package model

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"

	"clr/internal/kernel"
)

// A Classifier is a small network over embeddings: linear layers, and behind each
// hidden one batch normalisation where Norm says so, a ReLU, and dropout. Dropout
// before the ReLU, as HEAR has it, is the same. Layers are numbered as in PyTorch's
// Sequential.
type Classifier struct {
	Hidden  []int
	Out     int
	Norm    bool
	Dropout float64
	Init    string // pytorch, xavier_uniform, xavier_normal or keras: see Begin
}

// Build lays the classifier over rows x (N, D), giving logits (N, Out); its
// weights' names begin with name and a dot.
func (c Classifier) Build(b *Builder, p *Params, name string, x *G.Node) *G.Node {
	at := 0
	next := func() string { at++; return fmt.Sprintf("%s.%d", name, at-1) }
	x = b.Lanes(x)
	for _, width := range c.Hidden {
		x = b.Linear(p, next(), x, width, !c.Norm, !c.Norm)
		if c.Norm {
			x = b.BatchNorm(p, next(), x, Norm{ReLU: true})
		}
		next() // the ReLU
		if c.Dropout > 0 {
			x = b.Dropout(p, next(), x, c.Dropout)
		}
	}
	return b.Rows(b.Linear(p, next(), x, c.Out, true, false))
}

// Begin says what the weights over rows of d values begin as, before they are
// made. pytorch leaves them to Linear. xavier_uniform and xavier_normal are Glorot
// & Bengio's (2010, formula 16), times torch's gain of √2 behind a ReLU; keras is
// Keras's Dense, uniform without the gain, and biases of 0.
func (c Classifier) Begin(p *Params, name string, d int) {
	if c.Init == "pytorch" {
		return
	}
	first := map[string]kernel.Array{}
	each := 2 // numbers of a hidden layer
	if c.Norm {
		each++
	}
	if c.Dropout > 0 {
		each++
	}
	for i, out := range append(append([]int{}, c.Hidden...), c.Out) {
		layer := fmt.Sprintf("%s.%d", name, i*each)
		spread := math.Sqrt(2 / float64(d+out))
		if i > 0 && c.Init != "keras" {
			spread *= math.Sqrt2
		}
		w, r := kernel.New(out, d), Rand(p.seed, layer+".weight")
		for j := range w.Data {
			if c.Init == "xavier_normal" {
				w.Data[j] = float32(spread * r.NormFloat64())
			} else {
				w.Data[j] = float32(spread * math.Sqrt(3) * (2*r.Float64() - 1))
			}
		}
		first[layer+".weight"] = w
		if c.Init == "keras" {
			first[layer+".bias"] = kernel.New(out)
		}
		d = out
	}
	p.Init(first)
}
