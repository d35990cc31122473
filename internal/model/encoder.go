package model

import (
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"

	"clr/internal/fault"
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
	"audiontt2020": AudioNTT2020{Width: 64, Out: 2048, Dropout: 0.3},
	"cnn":          CNN{Layers: []CNNLayer{cnnLayer(32), cnnLayer(64), cnnLayer(128)}, Pool: "time_mean", Hidden: []int{512}, Activation: "relu"},
	"mlp":          Dense{Hidden: []int{512, 512}, Out: 512, Activation: "relu", Output: "linear"},
	"resnet":       ResNet{Depth: 18, Width: 64, Stem: "imagenet", Pool: "mean"},
	"resnet1d":     ResNet1D{Depth: 18, Width: 64, Stem: "wave", Pool: "mean"},
	"samplecnn":    SampleCNN{Width: 128},
}

// atLeast refuses views x (N, C, F, T) that are too small for an encoder; or says
// what else could be changed. It tells whether the encoder can go on.
func (b *Builder) atLeast(encoder string, x *G.Node, bins, frames int, or string) bool {
	if b.err != nil {
		return false
	}
	s := x.Shape()
	what, need, have, remedy := "frames", frames, s[3], fmt.Sprintf("set view.frames to %d or more", frames)
	if s[2] < bins {
		what, need, have, remedy = "bins", bins, s[2], "take a feature of more bins"
	}
	if have < need {
		b.err = fault.New(fault.Usage, strings.TrimSpace(remedy+" "+or), "encoder %s needs views of at least %d %s, these have %d", encoder, need, what, have)
	}
	return b.err == nil
}

// Draft is an encoder's weights and buffers, named encoder and a dot, with shapes
// and no values.
func Draft(e Encoder, in Input) (*Params, error) {
	p, b := DraftParams(), NewBuilder(Training)
	e.Build(b, p, "encoder", b.Input("x", in.Shape(2)...))
	return p, b.Err()
}
