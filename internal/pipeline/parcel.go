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
	behind  map[string]kernel.Array // projector and predictor, behind the encoder in training; nil: they stay
	head    *head                   // nil: none
	step    string                  // that it is of
	license string                  // empty: nothing is said
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
	if o.Projector {
		p.behind = map[string]kernel.Array{}
		for name, a := range cp.Arrays {
			if strings.HasPrefix(name, projectorPrefix) || strings.HasPrefix(name, predictorPrefix) {
				p.behind[name] = a
			}
		}
		if len(p.behind) == 0 {
			return nil, fault.New(fault.Usage, "leave --projector out", "the method %s has no projector", d.c.section("method")["name"])
		}
	}
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

// writeSafetensors writes the encoder's weights as torchvision names them; behind their
// prefixes the projector where layers of it embed (see EmbedOptions), what else is to
// leave of projector and predictor, and a head; and in the metadata all that is needed
// to feed them.
func (p *parcel) writeSafetensors(w io.Writer) error {
	arrays := map[string]kernel.Array{}
	p.e.params.State("", arrays)
	maps.Copy(arrays, p.behind)
	var tensors []checkpoint.Tensor
	for name, a := range arrays {
		t := checkpoint.Tensor{Name: strings.TrimPrefix(name, "encoder."), Shape: a.Shape}
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
	if sum := projectorHash(tensors); sum != "" {
		meta[projectorKey] = sum
	}
	if p.license != "" {
		meta["license"] = p.license
	}
	return checkpoint.WriteSafetensors(w, tensors, meta)
}

// What is before the names of a projector's and of a predictor's arrays.
const (
	projectorPrefix = "projector."
	predictorPrefix = "predictor."
)

// projectorKey is what encoderKey is, of a projector that an export has.
const projectorKey = "clr.projector_sha256"

// projectorHash is the digest of a projector among an export's tensors; empty if there
// is none.
func projectorHash(tensors []checkpoint.Tensor) string {
	arrays := map[string]kernel.Array{}
	for _, t := range tensors {
		if !strings.HasPrefix(t.Name, projectorPrefix) {
			continue
		}
		for _, v := range t.I64 {
			t.F32 = append(t.F32, float32(v))
		}
		arrays[t.Name] = kernel.Array{Shape: t.Shape, Data: t.F32}
	}
	if len(arrays) == 0 {
		return ""
	}
	return checkpoint.Digest(arrays)
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
