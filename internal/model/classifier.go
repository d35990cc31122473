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

// numbers is how many a hidden layer takes.
func (c Classifier) numbers() int {
	n := 2
	if c.Norm {
		n++
	}
	if c.Dropout > 0 {
		n++
	}
	return n
}

// Folded is what the classifier computes when it learns no more, by p's weights over rows
// of d values: linear layers with a ReLU between them, each norm in the layer before it.
func (c Classifier) Folded(p *Params, name string, d int) []Affine {
	state := map[string]kernel.Array{}
	p.State("", state)
	var layers []Affine
	for i, out := range append(append([]int{}, c.Hidden...), c.Out) {
		at := fmt.Sprintf("%s.%d.", name, i*c.numbers())
		l := Affine{In: d, Out: out, W: make([]float64, out*d), B: make([]float64, out)}
		for j, v := range state[at+"weight"].Data {
			l.W[j] = float64(v)
		}
		for k, v := range state[at+"bias"].Data { // none before a norm
			l.B[k] = float64(v)
		}
		if c.Norm && i < len(c.Hidden) {
			l.fold(state, fmt.Sprintf("%s.%d.", name, i*c.numbers()+1))
		}
		layers = append(layers, l)
		d = out
	}
	return layers
}

// An Affine layer is W·x + B.
type Affine struct {
	In, Out int
	W, B    []float64 // (Out, In), (Out)
}

// fold puts the norm of a name into the layer.
func (l *Affine) fold(state map[string]kernel.Array, norm string) {
	of := func(what string, k int) float64 { return float64(state[norm+what].Data[k]) }
	for k := range l.B {
		scale := of("weight", k) / math.Sqrt(of("running_var", k)+eps)
		for j := range l.In {
			l.W[k*l.In+j] *= scale
		}
		l.B[k] = of("bias", k) + float64((l.B[k]-of("running_mean", k))*scale)
	}
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
	for i, out := range append(append([]int{}, c.Hidden...), c.Out) {
		layer := fmt.Sprintf("%s.%d", name, i*c.numbers())
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
