package model

import (
	"fmt"

	G "gorgonia.org/gorgonia"
)

// An Input is the size of what an encoder sees of a view: (C, F, T).
type Input struct{ Channels, Bins, Frames int }

// Rows is how many rows a view has, the channels below each other.
func (in Input) Rows() int { return in.Channels * in.Bins }

// Values is how many numbers a view has.
func (in Input) Values() int { return in.Rows() * in.Frames }

func (in Input) String() string {
	if in.Channels == 1 {
		return fmt.Sprintf("%d × %d", in.Bins, in.Frames)
	}
	return fmt.Sprintf("%d × %d × %d", in.Channels, in.Bins, in.Frames)
}

// Shape is that of n views: (N, C, F, T).
func (in Input) Shape(n int) []int { return []int{n, in.Channels, in.Bins, in.Frames} }

// An Encoder maps spectrograms x (N, C, F, T) to embeddings h (N, Dim).
type Encoder interface {
	Doc() string // one line for clr list
	Check() error
	Dim(Input) int // size of an embedding
	// Build lays the encoder over x; its weights' names begin with name and a dot.
	Build(b *Builder, p *Params, name string, x *G.Node) *G.Node
}

// Encoders are the encoders by name, holding their defaults.
var Encoders = map[string]Encoder{
	"resnet": ResNet{Depth: 18, Width: 64, Stem: "imagenet", Pool: "mean"},
}

// Draft is an encoder's weights and buffers, named encoder and a dot, with shapes
// and no values.
func Draft(e Encoder, in Input) (*Params, error) {
	p, b := DraftParams(), NewBuilder(Training)
	e.Build(b, p, "encoder", b.Input("x", in.Shape(2)...))
	return p, b.Err()
}

// Count is the number of single weights of an encoder.
func Count(e Encoder, in Input) (int, error) {
	p, err := Draft(e, in)
	return p.Count(), err
}
