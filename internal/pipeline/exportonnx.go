package pipeline

import (
	"io"
	"strconv"

	"clr/internal/audio"
	"clr/internal/disk"
	"clr/internal/onnx"
	"clr/internal/rundir"
)

// exportONNX writes the graph that embeds, with the head behind it if there is one, and
// all that is needed to feed it in the metadata.
func (p *parcel) exportONNX(o ExportOptions) error {
	write, err := p.onnx(o.FrontEnd, o.FoldBN)
	if err != nil {
		return err
	}
	return disk.WriteFile(o.Out, write)
}

// onnx says what exportONNX writes; nothing fails behind it but the writing.
func (p *parcel) onnx(frontEnd, foldNorms bool) (write func(io.Writer) error, err error) {
	g, name := &onnx.Graph{}, "encoder"
	meta, err := p.meta()
	if err != nil {
		return nil, err
	}
	if p.license != "" {
		meta["model_license"] = p.license // as the standard names it
	}
	of := p.onWindow
	if frontEnd {
		of, name = p.onWaveform, "front end, encoder"
		meta["clr.sample_rate"] = strconv.Itoa(p.c.SampleRate)
	}
	x, clip, err := of(g, p.e, foldNorms)
	if err != nil {
		return nil, err
	}
	g.Output("embedding", x, "N")
	meta["clr.dim"] = strconv.Itoa(x.Shape[1])
	if p.head != nil {
		logits, probabilities := p.head.onnx(g, clip)
		g.Output("logits", logits, "N")
		g.Output("probabilities", probabilities, "N")
		name += ", " + p.head.kind + " probe"
	}
	by := onnx.Producer{Name: "clr", Version: rundir.Version()}
	return func(w io.Writer) error { return g.Write(w, name, by, meta) }, nil
}

// onWindow lays the encoder over single windows: their embeddings (N, D), and those
// of clips that are one window each.
func (d *data) onWindow(g *onnx.Graph, e encoderState, foldNorms bool) (h, clip onnx.Value, err error) {
	net, err := d.embedder(e, embedBatch)
	if err != nil {
		return h, clip, err
	}
	if h, err = net.ONNX(g, g.Input("spectrogram", d.input.Shape(onnx.Free), "N"), foldNorms); err != nil { // (N, C, F, T) → (N, D)
		return h, clip, err
	}
	clip = h
	if d.c.Embed.Pool == "mean_max" {
		clip = both(g, h, h)
	}
	return h, clip, nil
}

// onWaveform lays everything from samples to the embedding of a clip, as embed
// makes it: feature, windows, encoder, pool.
func (d *data) onWaveform(g *onnx.Graph, e encoderState, foldNorms bool) (clip, same onnx.Value, err error) {
	net, err := d.embedder(e, embedBatch)
	if err != nil {
		return clip, same, err
	}
	x, err := audio.ONNX(g, d.c.Feature, d.c.SampleRate, g.Input("waveform", []int{onnx.Free, onnx.Free}, "N", "samples"))
	if err != nil {
		return clip, same, err
	}
	x, count, err := d.views(e.norm).ONNX(g, x, d.hop())
	if err != nil {
		return clip, same, err
	}
	h, err := net.ONNX(g, x, foldNorms) // (N·W, D)
	if err != nil {
		return clip, same, err
	}
	dim := net.Dim()
	count = g.Do("Unsqueeze", []int{1}, []onnx.Value{count, onnx.Wholes(0)})
	shape := g.Do("Concat", []int{3}, []onnx.Value{onnx.Wholes(onnx.Free), count, onnx.Wholes(dim)}, onnx.Attr{Name: "axis", Value: 0})
	h = g.Do("Reshape", []int{onnx.Free, onnx.Free, dim}, []onnx.Value{h, shape})
	over := func(op string) onnx.Value {
		return g.Do(op, []int{onnx.Free, dim}, []onnx.Value{h}, onnx.Attr{Name: "axes", Value: []int{1}}, onnx.Attr{Name: "keepdims", Value: 0})
	}
	switch d.c.Embed.Pool {
	case "mean":
		clip = over("ReduceMean")
	case "max":
		clip = over("ReduceMax")
	default:
		clip = both(g, over("ReduceMean"), over("ReduceMax"))
	}
	return clip, clip, g.Err()
}

// both sets rows (N, D) side by side.
func both(g *onnx.Graph, a, b onnx.Value) onnx.Value {
	return g.Do("Concat", []int{onnx.Free, a.Shape[1] + b.Shape[1]}, []onnx.Value{a, b}, onnx.Attr{Name: "axis", Value: 1})
}
