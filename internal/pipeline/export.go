package pipeline

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"clr/internal/audio"
	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/embedding"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/rundir"
)

// ExportOptions are what the command line says of an export.
type ExportOptions struct {
	Run, Fold string
	Format    string // safetensors, onnx: the encoder; npy, csv: embeddings of a corpus
	Out       string // file
	Corpus    string // another manifest to embed; empty: the run's
	FrontEnd  bool   // onnx: with all that stands before the encoder
	Probe     bool   // onnx: with the run's linear probe behind the encoder
	FoldBN    bool   // onnx: batch norms go into the weights before them
}

// ExportFormats are the formats that Export writes, with what each holds.
var ExportFormats = func() map[string]string {
	all := map[string]string{
		"safetensors": "the encoder, under torchvision's key names, with the feature settings",
		"onnx":        "the encoder for ONNX Runtime and others, from spectrograms (N, C, F, T) to embeddings, with the feature settings",
		"csv":         "embeddings, one line per clip: path, label, with windows start and end, values",
	}
	maps.Copy(all, embedding.Formats)
	return all
}()

// Export writes a run's encoder, or what it makes of a corpus, for other tools.
func Export(ctx context.Context, o ExportOptions, con Console) error {
	if _, ok := ExportFormats[o.Format]; !ok {
		return fault.New(fault.Usage, "use one of "+strings.Join(slices.Sorted(maps.Keys(ExportFormats)), ", "), "there is no format %q", o.Format)
	}
	network := o.Format == "safetensors" || o.Format == "onnx"
	if o.Corpus != "" && network {
		return fault.New(fault.Usage, "leave --corpus out, or choose a --format of embeddings", "format %s is the encoder, which needs no corpus; --corpus %s was given", o.Format, o.Corpus)
	}
	if (o.FrontEnd || o.Probe || o.FoldBN) && o.Format != "onnx" {
		return fault.New(fault.Usage, "leave them out, or use --format onnx", "--front-end, --probe and --fold-bn are for format onnx, the format is %s", o.Format)
	}
	c, err := runConfig(o.Run, Overrides{})
	if err != nil {
		return err
	}
	if err := Replaceable(o.Out, "export of format "+o.Format, func(head []byte) bool { return exported(o.Format, head) }); err != nil {
		return err
	}
	d, err := openData(ctx, c, con, false)
	if err != nil {
		return err
	}
	defer d.Close()
	s, err := d.oneSplit(o.Fold)
	if err != nil {
		return err
	}
	cp, err := d.saved(o.Run, s, con)
	if err != nil {
		return err
	}
	var h *head
	if o.Probe {
		if h, err = d.readHead(o.Run, s); err != nil {
			return err
		}
		if c.Embed = h.embed; c.Check() != nil {
			return fault.New(fault.Data, probeAgain, "the linear probe does not fit the run's config: %w", c.Check())
		}
	}
	e, err := d.trained(cp)
	if err != nil {
		return err
	}
	switch {
	case o.Format == "onnx":
		err = d.exportONNX(o, e, h, cp.Meta["step"])
	case network:
		err = d.exportEncoder(o.Out, e, cp.Meta["step"])
	default:
		err = d.exportEmbeddings(ctx, o, e, con)
	}
	if err != nil {
		return err
	}
	con.Say("wrote %s", o.Out)
	if con.JSON {
		return con.Show(map[string]string{"format": o.Format, "out": o.Out})
	}
	return nil
}

// exported tells an earlier export of a format by its first bytes.
func exported(format string, head []byte) bool {
	switch format {
	case "safetensors":
		return bytes.Contains(head, []byte(`"`+encoderKey+`":`))
	case "onnx":
		return bytes.HasPrefix(head, []byte("\x08\x08\x12\x03clr"))
	case "csv":
		return bytes.HasPrefix(head, []byte("path,label,e0"))
	}
	return embedding.Format(head) == format && (format != "npz" || bytes.Contains(head[:min(len(head), 64)], []byte("x.npy")))
}

// encoderKey is metadata that an exported encoder has, and no checkpoint.
const encoderKey = "clr.sha256"

// oneSplit is the fold that is named, or the only one.
func (d *data) oneSplit(name string) (eval.Split, error) {
	if name == "" && len(d.splits) > 1 {
		return eval.Split{}, fault.New(fault.Usage, "choose one with --fold: "+d.foldNames(),
			"the run has %d encoders, one per fold", len(d.splits))
	}
	s, err := d.splitsOf(name)
	if err != nil {
		return eval.Split{}, err
	}
	return s[0], nil
}

// exportEncoder writes the encoder's weights as torchvision names them, with
// all that is needed to feed it in the metadata.
func (d *data) exportEncoder(path string, e encoderState, step string) error {
	arrays := map[string]kernel.Array{}
	e.params.State("", arrays)
	var tensors []checkpoint.Tensor
	for name, a := range arrays {
		name, ok := strings.CutPrefix(name, "encoder.")
		if !ok {
			continue // of the projector, see EmbedOptions
		}
		t := checkpoint.Tensor{Name: name, Shape: a.Shape}
		if strings.HasSuffix(name, ".num_batches_tracked") { // a 64-bit scalar in PyTorch
			t.Shape, t.I64 = []int{}, []int64{int64(a.Data[0])}
		} else {
			t.F32 = a.Data
		}
		tensors = append(tensors, t)
	}
	slices.SortFunc(tensors, func(a, b checkpoint.Tensor) int { return strings.Compare(a.Name, b.Name) })
	meta := d.about(e, step)
	meta["format"] = "pt"
	return disk.WriteFile(path, func(w io.Writer) error { return checkpoint.WriteSafetensors(w, tensors, meta) })
}

// about is metadata of an exported encoder: where it is from, and what it takes.
func (d *data) about(e encoderState, step string) map[string]string {
	meta := map[string]string{
		"clr.version":  rundir.Version(),
		"clr.config":   string(d.c.portable().Resolved()),
		"clr.feature":  d.store.Settings(),
		"clr.step":     step,
		encoderKey:     e.hash(),
		"clr.dim":      strconv.Itoa(d.c.Encoder.Dim(d.input)),
		"clr.channels": strconv.Itoa(d.input.Channels),
		"clr.bins":     strconv.Itoa(d.input.Bins),
		"clr.frames":   strconv.Itoa(d.c.View.Frames),
		"clr.corpus":   d.hash,
	}
	maps.Copy(meta, e.norm.meta())
	return meta
}

// exportEmbeddings embeds the run's corpus, or another manifest with the same
// settings.
func (d *data) exportEmbeddings(ctx context.Context, o ExportOptions, e encoderState, con Console) error {
	if o.Corpus != "" {
		other, err := d.over(ctx, o.Corpus, con)
		if err != nil {
			return err
		}
		defer other.Close()
		d = other
	}
	x, dim, err := d.embed(ctx, e, con.Progress("embed", 0, d.store.Len()))
	if err != nil {
		return err
	}
	return disk.WriteFile(o.Out, func(w io.Writer) error {
		if o.Format != "csv" {
			return d.writeTable(w, o.Format, x, dim)
		}
		return d.writeCSV(w, x, dim)
	})
}

// writeTable writes embeddings with all columns of the manifest but those that are
// of recordings alone.
func (d *data) writeTable(w io.Writer, format string, x []float64, dim int) error {
	names := slices.Clone(d.corpus.Columns)
	if d.c.Windows != (audio.Windows{}) {
		names = append(names, "start", "end")
	}
	columns := embedding.Columns{}
	for _, name := range names {
		if name == "sha256" || columns[name] != nil {
			continue
		}
		for _, it := range d.corpus.Items {
			columns[name] = append(columns[name], it.Value(name))
		}
	}
	out, err := embedding.NewWriter(w, format, len(d.corpus.Items), dim, columns)
	if err != nil {
		return err
	}
	row := make([]float32, dim)
	for i := range d.corpus.Items {
		for k, v := range x[i*dim : (i+1)*dim] {
			row[k] = float32(v)
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	return out.Close()
}

func (d *data) writeCSV(w io.Writer, x []float64, dim int) error {
	b := bufio.NewWriter(w)
	out := csv.NewWriter(b)
	head := []string{"path", "label"}
	stretches := d.c.Windows != (audio.Windows{}) // a path stands there more than once
	if stretches {
		head = append(head, "start", "end")
	}
	for k := range dim {
		head = append(head, "e"+strconv.Itoa(k))
	}
	out.Write(head)
	for i, it := range d.corpus.Items {
		row := []string{it.Path, it.Label}
		if stretches {
			row = append(row, it.Value("start"), it.Value("end"))
		}
		for _, v := range x[i*dim : (i+1)*dim] {
			row = append(row, strconv.FormatFloat(v, 'g', -1, 32))
		}
		out.Write(row)
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return err
	}
	return b.Flush()
}

// over is the same settings over another manifest.
func (d *data) over(ctx context.Context, manifest string, con Console) (*data, error) {
	c := d.c.over(manifest)
	other := &data{c: c}
	corpus, err := openCorpus(c)
	if err != nil {
		return nil, err
	}
	if err := other.build(ctx, corpus, con); err != nil {
		return nil, err
	}
	rows, _ := other.store.Entry(0)
	other.input = c.input(rows)
	return other, nil
}
