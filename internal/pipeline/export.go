package pipeline

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"

	"clr/internal/audio"
	"clr/internal/disk"
	"clr/internal/embedding"
	"clr/internal/eval"
	"clr/internal/fault"
)

// ExportOptions are what the command line says of an export.
type ExportOptions struct {
	Run, Fold string
	Format    string // safetensors, onnx, bundle: the encoder; others: embeddings of a corpus
	Out       string // file, of a bundle a folder
	Corpus    string // another manifest to embed; empty: the run's
	Probe     string // the encoder: with the head that a probe of this kind has fitted; empty: without
	License   string // the encoder: of its weights, an SPDX expression; empty: nothing is said
	Projector bool   // safetensors: with what stood behind the encoder while it learnt
	FrontEnd  bool   // onnx: with all that stands before the encoder
	FoldBN    bool   // onnx, bundle: batch norms go into the weights before them
	Force     bool   // bundle: in place of one that is there
}

// ExportFormats are the formats that Export writes, with what each holds.
var ExportFormats = func() map[string]string {
	all := map[string]string{
		"safetensors": "the encoder, under torchvision's key names, with the feature settings",
		"onnx":        "the encoder for ONNX Runtime and others, from spectrograms (N, C, F, T) to embeddings, with the feature settings",
		"bundle":      "a folder to give away: the encoder in both, from waveforms on where ONNX can, its settings and a model card",
	}
	maps.Copy(all, EmbedFormats)
	return all
}()

// Check refuses what cannot be meant.
func (o ExportOptions) Check() error {
	if _, ok := ExportFormats[o.Format]; !ok {
		return fault.New(fault.Usage, "use one of "+strings.Join(slices.Sorted(maps.Keys(ExportFormats)), ", "), "there is no format %q", o.Format)
	}
	if o.Corpus != "" && o.network() {
		return fault.New(fault.Usage, "leave --corpus out, or choose a --format of embeddings", "format %s is the encoder, which needs no corpus; --corpus %s was given", o.Format, o.Corpus)
	}
	const encoders = "safetensors, onnx and bundle"
	for _, flag := range []struct {
		name, formats string
		given, fits   bool
	}{
		{"--probe", encoders, o.Probe != "", o.network()},
		{"--license", encoders, o.License != "", o.network()},
		{"--projector", "safetensors", o.Projector, o.Format == "safetensors"},
		{"--front-end", "onnx; a bundle has it where it can", o.FrontEnd, o.Format == "onnx"},
		{"--fold-bn", "onnx and bundle", o.FoldBN, o.Format == "onnx" || o.Format == "bundle"},
		{"--force", "bundle; other formats replace what they have written earlier", o.Force, o.Format == "bundle"},
	} {
		if flag.given && !flag.fits {
			return fault.New(fault.Usage, "leave it out", "the format is %s, and %s is for %s", o.Format, flag.name, flag.formats)
		}
	}
	if o.Probe != "" && !slices.Contains(keptHeads, o.Probe) {
		return fault.New(fault.Usage, "use "+strings.Join(keptHeads, " or "), "--probe is %q, no kind of probe whose head is kept", o.Probe)
	}
	return checkLicense(o.License)
}

// network says whether it is the encoder that leaves.
func (o ExportOptions) network() bool {
	return slices.Contains([]string{"safetensors", "onnx", "bundle"}, o.Format)
}

// Export writes a run's encoder, or what it makes of a corpus, for other tools.
func Export(ctx context.Context, o ExportOptions, con Console) error {
	if err := o.Check(); err != nil {
		return err
	}
	c, err := runConfig(o.Run, Overrides{})
	if err != nil {
		return err
	}
	if o.Format == "bundle" {
		err = replaceableBundle(o.Out, o.Force)
	} else {
		err = Replaceable(o.Out, "export of format "+o.Format, func(head []byte) bool { return exported(o.Format, head) })
	}
	if err != nil {
		return err
	}
	d, err := openData(ctx, c, con, false)
	if err != nil {
		return err
	}
	defer d.Close()
	p, err := d.parcel(o, con)
	if err != nil {
		return err
	}
	switch o.Format {
	case "safetensors":
		err = disk.WriteFile(o.Out, p.writeSafetensors)
	case "onnx":
		err = p.exportONNX(o)
	case "bundle":
		err = p.exportBundle(o, con)
	default:
		err = d.exportEmbeddings(ctx, o, p.e, con)
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
	}
	return earlierTable(format, head)
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
	return disk.WriteFile(o.Out, func(w io.Writer) error { return d.writeTable(w, o.Format, x, dim) })
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
	out, err := embedding.NewWriter(w, format, len(d.corpus.Items), dim, columns, nil)
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
