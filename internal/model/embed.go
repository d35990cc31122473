package model

import (
	"context"
	"fmt"

	G "gorgonia.org/gorgonia"

	"clr/internal/onnx"
	"clr/internal/op"
)

// An Embedder computes embeddings with the running statistics, so that a
// spectrogram's embedding does not depend on its neighbours in the batch. Its
// last bits depend on N: up to ten examples are computed in another layout than
// more (see Builder.Lanes). It reads the Params at its first call, and at the first after Renew. One goroutine
// at a time.
type Embedder struct {
	machine *Machine
	x, h    *G.Node
	batch   []float32 // (N, C, F, T)
	size    int       // C·F·T
	dim     int
}

// NewEmbedder builds e over p, its names under name and a dot, for batches of n
// spectrograms; exact as in Builder.Exact.
func NewEmbedder(e Encoder, p *Params, name string, n int, in Input, exact bool) (*Embedder, error) {
	b := NewBuilder(Inference).Frozen().Exact(exact)
	x := b.Input("x", in.Shape(n)...) // (N, C, F, T)
	h := e.Build(b, p, name, x)       // (N, D)
	m, err := b.Compile(h)
	if err != nil {
		return nil, err
	}
	d := &Embedder{machine: m, x: x, h: h, batch: make([]float32, n*in.Values()), size: in.Values(), dim: h.Shape()[1]}
	m.Set(x, d.batch)
	return d, nil
}

// Renew says that the Params have changed.
func (d *Embedder) Renew() { d.machine.Renew() }

// Dim is the size of an embedding.
func (d *Embedder) Dim() int { return d.dim }

// Embed maps up to N spectrograms x, one after the other, to as many rows of
// Dim values in dst.
func (d *Embedder) Embed(ctx context.Context, dst, x []float32) error {
	rows := len(x) / d.size
	if len(x) != rows*d.size || len(x) > len(d.batch) || len(dst) != rows*d.dim {
		return fmt.Errorf("embed: %d values in for %d out; need up to %d rows of %d in, as many of %d out",
			len(x), len(dst), len(d.batch)/d.size, d.size, d.dim)
	}
	clear(d.batch[copy(d.batch, x):])
	if err := d.machine.Run(ctx); err != nil {
		return err
	}
	copy(dst, d.machine.Value(d.h).Data)
	return nil
}

// ONNX writes to g what e computes of x, which is spectrograms (N, C, F, T) there:
// embeddings (N, D) for any N. FoldNorms is as in op.ONNX.
func (d *Embedder) ONNX(g *onnx.Graph, x onnx.Value, foldNorms bool) (onnx.Value, error) {
	return op.ONNX(g, d.h, map[*G.Node]onnx.Value{d.x: x}, foldNorms)
}
