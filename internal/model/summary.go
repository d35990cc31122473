package model

import (
	G "gorgonia.org/gorgonia"

	"clr/internal/exec"
	"clr/internal/kernel"
)

// A Layer is what one layer does to one example: to look at, not to run.
type Layer struct {
	Name           string // of its weights, without .weight
	Kind           string // conv, batch_norm, linear, max_pool, avg_pool, global_mean, global_max, dropout, softmax, or an activation
	In, Out        [3]int // (C, H, W)
	Window                // of a conv, a linear (a conv of one pixel), a pool, or the max pool after a batch_norm
	ReLU, Residual bool   // what a batch_norm or linear does besides
	Weights        int    // single weights
}

// FLOPs are the multiplications and additions of a forward pass over one
// example, 2·Co·OH·OW·Ci·KH·KW, nominal: taps that fall off the map count. Other
// kinds than conv and linear count as none.
func (l Layer) FLOPs() int {
	if !l.multiplies() {
		return 0
	}
	return 2 * l.Out[0] * l.Out[1] * l.Out[2] * l.In[0] * l.Kernel[0] * l.Kernel[1]
}

// TrainingFLOPs are those of a forward pass and of the gradients of weights
// and data; first says that nobody needs the gradient of the data.
func (l Layer) TrainingFLOPs(first bool) int {
	if first {
		return 2 * l.FLOPs()
	}
	return 3 * l.FLOPs()
}

func (l Layer) multiplies() bool { return l.Kind == "conv" || l.Kind == "linear" }

// Conv is a conv or linear layer over n examples as the kernels know it.
func (l Layer) Conv(n int) (kernel.ConvShape, bool) {
	return kernel.ConvShape{N: n, Ci: l.In[0], H: l.In[1], W: l.In[2], Co: l.Out[0],
		Kernel: l.Kernel, Stride: l.Stride, Pad: l.Pad}, l.multiplies()
}

// Layers are an encoder's for views of a size, in order. Nothing of the network's
// size is allocated.
func Layers(e Encoder, in Input) ([]Layer, error) {
	b := NewBuilder(Training)
	e.Build(b, DraftParams(), "encoder", b.Input("x", in.Shape(2)...))
	return b.layers, b.Err()
}

// Plan is the memory plan of the graph.
func (m *Machine) Plan() exec.Plan { return m.exec.Plan() }

// Plan is the memory plan of the graph.
func (d *Embedder) Plan() exec.Plan { return d.machine.Plan() }

// mapOf is the shape of an example of a feature map, (⌈N/16⌉, H, W, C, 16) or
// (N, H, W, C).
func mapOf(x *G.Node) [3]int {
	s := x.Shape()
	return [3]int{s[3], s[1], s[2]}
}
