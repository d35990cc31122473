package pipeline

import (
	"encoding/json"
	"io"
	"maps"
	"strconv"

	"clr/internal/disk"
	"clr/internal/onnx"
	"clr/internal/rundir"
)

// exportONNX writes the graph that embeds, with the head h behind it if there is
// one, and all that is needed to feed it in the metadata.
func (d *data) exportONNX(o ExportOptions, e encoderState, h *head, step string) error {
	net, err := d.embedder(e, embedBatch)
	if err != nil {
		return err
	}
	meta := d.about(e, step)
	meta["clr.dim"] = strconv.Itoa(net.Dim()) // with what is kept of a projector
	g, name := &onnx.Graph{}, "encoder"
	x, err := net.ONNX(g, g.Input("spectrogram", d.input.Shape(onnx.Free), "N"), o.FoldBN) // (N, C, F, T) → (N, D)
	if err != nil {
		return err
	}
	g.Output("embedding", x, "N")
	if h != nil {
		name = "encoder and linear probe"
		x = d.ofOneWindow(g, x)
		if err := h.fits(e.hash(), x.Shape[1]); err != nil {
			return err
		}
		logits, probabilities := h.onnx(g, x)
		g.Output("logits", logits, "N")
		g.Output("probabilities", probabilities, "N")
		more, err := h.meta()
		if err != nil {
			return err
		}
		maps.Copy(meta, more)
	}
	by := onnx.Producer{Name: "clr", Version: rundir.Version()}
	return disk.WriteFile(o.Out, func(w io.Writer) error { return g.Write(w, name, by, meta) })
}

// ofOneWindow is the embedding of a clip that is one window (N, D).
func (d *data) ofOneWindow(g *onnx.Graph, h onnx.Value) onnx.Value {
	if d.c.Embed.Pool != "mean_max" {
		return h
	}
	return g.Do("Concat", []int{onnx.Free, 2 * h.Shape[1]}, []onnx.Value{h, h}, onnx.Attr{Name: "axis", Value: 1})
}

// meta is what an export says of a head.
func (h *head) meta() (map[string]string, error) {
	labels, err := json.Marshal(h.classes)
	return map[string]string{"clr.labels": string(labels), "clr.probabilities": h.Link.String()}, err
}
