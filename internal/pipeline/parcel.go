package pipeline

import (
	"io"
	"maps"
	"strconv"
	"strings"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/rundir"
)

// A parcel is an encoder on its way out, with what stands behind it and what is said
// of it.
type parcel struct {
	*data
	split   eval.Split
	e       encoderState
	head    *head  // nil: none
	step    string // that it is of
	license string // empty: nothing is said
}

// parcel reads what an export is made of.
func (d *data) parcel(o ExportOptions, con Console) (*parcel, error) {
	s, err := d.oneSplit(o.Fold)
	if err != nil {
		return nil, err
	}
	cp, err := d.saved(o.Run, s, con)
	if err != nil {
		return nil, err
	}
	p := &parcel{data: d, split: s, step: cp.Meta["step"], license: o.License}
	if o.Probe != "" {
		if p.head, err = d.readHead(o.Run, s, o.Probe); err != nil {
			return nil, err
		}
		if d.c.Embed = p.head.embed; d.c.Check() != nil {
			return nil, fault.New(fault.Data, again(o.Probe), "the %s probe does not fit the run's config: %w", o.Probe, d.c.Check())
		}
	}
	if p.e, err = d.trained(cp); err != nil || p.head == nil {
		return p, err
	}
	net, err := d.embedder(p.e, 1)
	if err != nil {
		return nil, err
	}
	return p, p.head.fits(p.e.hash(), newPool(d.c.Embed.Pool, 0, net.Dim()).dim)
}

// writeSafetensors writes the encoder's weights as torchvision names them, with a head
// those of the head and of what is kept of the projector, behind their prefixes, and
// all that is needed to feed them in the metadata.
func (p *parcel) writeSafetensors(w io.Writer) error {
	arrays := map[string]kernel.Array{}
	p.e.params.State("", arrays)
	var tensors []checkpoint.Tensor
	for name, a := range arrays {
		name, ok := strings.CutPrefix(name, "encoder.")
		if !ok && p.head == nil {
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
	if p.head != nil {
		for name, a := range p.head.arrays() {
			tensors = append(tensors, checkpoint.Tensor{Name: headPrefix + name, Shape: a.Shape, F32: a.Data})
		}
	}
	meta, err := p.meta()
	if err != nil {
		return err
	}
	meta["format"] = "pt"
	if p.license != "" {
		meta["license"] = p.license
	}
	return checkpoint.WriteSafetensors(w, tensors, meta)
}

// meta is metadata of an exported encoder: where it is from, what it takes, and what
// its head says.
func (p *parcel) meta() (map[string]string, error) {
	meta := map[string]string{
		"clr.version":  rundir.Version(),
		"clr.config":   string(p.c.portable().Resolved()),
		"clr.feature":  p.store.Settings(),
		"clr.step":     p.step,
		encoderKey:     p.e.hash(),
		"clr.dim":      strconv.Itoa(p.c.Encoder.Dim(p.input)),
		"clr.channels": strconv.Itoa(p.input.Channels),
		"clr.bins":     strconv.Itoa(p.input.Bins),
		"clr.frames":   strconv.Itoa(p.c.View.Frames),
		"clr.corpus":   p.hash,
	}
	maps.Copy(meta, p.e.norm.meta())
	if p.head == nil {
		return meta, nil
	}
	of, err := p.head.meta()
	maps.Copy(meta, of)
	return meta, err
}
