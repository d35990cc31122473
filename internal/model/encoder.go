package model

import G "gorgonia.org/gorgonia"

// An Encoder maps spectrograms x (N, 1, F, T) to embeddings h (N, Dim).
type Encoder interface {
	Doc() string // one line for clr list
	Check() error
	// Dim is the size of an embedding of spectrograms of bins × frames.
	Dim(bins, frames int) int
	// Build lays the encoder over x; its weights' names begin with name and a dot.
	Build(b *Builder, p *Params, name string, x *G.Node) *G.Node
}

// Encoders are the encoders by name, holding their defaults.
var Encoders = map[string]Encoder{
	"resnet": ResNet{Depth: 18, Width: 64, Stem: "imagenet", Pool: "mean"},
}

// Count is the number of single weights of an encoder for spectrograms of
// bins × frames.
func Count(e Encoder, bins, frames int) (int, error) {
	p, b := DraftParams(), NewBuilder(Training)
	e.Build(b, p, "encoder", b.Input("x", 2, 1, bins, frames))
	return p.Count(), b.Err()
}
