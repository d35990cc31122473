package pipeline

import (
	"io"
	"strconv"

	"clr/internal/disk"
	"clr/internal/onnx"
	"clr/internal/rundir"
)

// exportONNX writes the graph that embeds, with all that is needed to feed it in
// the metadata.
func (d *data) exportONNX(o ExportOptions, e encoderState, step string) error {
	net, err := d.embedder(e, embedBatch)
	if err != nil {
		return err
	}
	g := &onnx.Graph{}
	shape := d.input.Shape(onnx.Free) // (N, C, F, T)
	h, err := net.ONNX(g, g.Input("spectrogram", shape, "N"), o.FoldBN)
	if err != nil {
		return err
	}
	g.Output("embedding", h, "N")
	meta := d.about(e, step)
	meta["clr.dim"] = strconv.Itoa(net.Dim()) // with what is kept of a projector
	by := onnx.Producer{Name: "clr", Version: rundir.Version()}
	return disk.WriteFile(o.Out, func(w io.Writer) error { return g.Write(w, "encoder", by, meta) })
}
