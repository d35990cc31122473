package pipeline

import (
	"fmt"

	"clr/internal/model"
)

// A Summary is an encoder's layers and size.
type Summary struct {
	Encoder    string  `json:"encoder"` // what it was called
	Channels   int     `json:"channels"`
	Bins       int     `json:"bins"`
	Frames     int     `json:"frames"`
	Layers     []Layer `json:"layers"`
	Dim        int     `json:"embedding_dim"`
	Parameters int     `json:"parameters"`
	FLOPs      int     `json:"flops"` // of an example, forward; convolutions, nominal
	Batch      int     `json:"batch"`
	Plan       int     `json:"plan_bytes"` // memory in which a batch is embedded
}

// A Layer is one row of a summary.
type Layer struct {
	Name       string `json:"name"`
	Kind       string `json:"kind"`
	Out        [3]int `json:"output"` // channels, bins, frames
	Parameters int    `json:"parameters"`
	FLOPs      int    `json:"flops"`
}

// Summarize looks at an encoder for such spectrograms.
func Summarize(name string, e model.Encoder, batch int, in model.Input) (*Summary, error) {
	layers, err := model.Layers(e, in)
	if err != nil {
		return nil, err
	}
	embedder, err := model.NewEmbedder(e, model.DraftParams(), "encoder", batch, in, false)
	if err != nil {
		return nil, err
	}
	s := &Summary{Encoder: name, Channels: in.Channels, Bins: in.Bins, Frames: in.Frames, Dim: embedder.Dim(), Batch: batch, Plan: embedder.Plan().Bytes}
	for _, l := range layers {
		s.Layers = append(s.Layers, Layer{l.Name, l.Kind, l.Out, l.Weights, l.FLOPs()})
		s.Parameters += l.Weights
		s.FLOPs += l.FLOPs()
	}
	return s, nil
}

// Write shows a summary, as a table or as JSON.
func (s *Summary) Write(con Console) error {
	if con.JSON {
		return con.Show(s)
	}
	var err error
	line := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(con.Out, format+"\n", args...)
		}
	}
	line("%-34s%-13s%16s%12s%12s", "layer", "kind", "output", "parameters", "MFLOPs")
	for _, l := range s.Layers {
		line("%-34s%-13s%16s%12d%12.2f", l.Name, l.Kind, fmt.Sprintf("%d×%d×%d", l.Out[0], l.Out[1], l.Out[2]), l.Parameters, float64(l.FLOPs)/1e6)
	}
	line("%s of %v: embedding of %d, %d parameters, %.1f MFLOPs an example; %s to embed %d at a time",
		s.Encoder, model.Input{Channels: s.Channels, Bins: s.Bins, Frames: s.Frames}, s.Dim, s.Parameters, float64(s.FLOPs)/1e6, size(s.Plan), s.Batch)
	return err
}
