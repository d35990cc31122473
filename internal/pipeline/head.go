package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/model"
	"clr/internal/onnx"
	"clr/internal/rundir"
)

// keptHeads are the kinds of probes whose heads are kept: those that have layers.
var keptHeads = []string{"linear", "mlp"}

// headFile is the head of a kind of probe in the folder of its fold.
func headFile(kind string) string { return kind + "-probe.safetensors" }

// A head is a probe's, with what it stands on.
type head struct {
	kind    string
	classes []string
	embed   EmbedOptions
	encoder string // hash of the one that it was fitted on
	eval.PlainHead
}

// keepHeads keeps the first head of each split of a report beside its checkpoint.
func (d *data) keepHeads(run string, r *eval.Report) error {
	row, kept := r.Rows[0], map[string]bool{}
	for i, f := range row.Folds {
		h, ok := eval.PlainOf(row.Heads[i])
		if !ok || kept[f.Fold] {
			continue
		}
		kept[f.Fold] = true
		split, err := d.oneSplit(f.Fold)
		if err != nil {
			return err
		}
		if err := keepHead(rundir.FoldDir(run, d.foldName(split)), head{r.Probe, r.Classes, d.c.Embed, r.Encoders[f.Fold], h}); err != nil {
			return err
		}
	}
	return nil
}

func keepHead(dir string, h head) error {
	classes, err := json.Marshal(h.classes)
	if err != nil {
		return err
	}
	embed, err := json.Marshal(h.embed)
	if err != nil {
		return err
	}
	return checkpoint.Save(filepath.Join(dir, headFile(h.kind)), &checkpoint.Checkpoint{
		Meta:   map[string]string{"classes": string(classes), "embed": string(embed), "link": h.Link.String(), "encoder": h.encoder},
		Arrays: h.arrays(),
	})
}

// arrays are the head's numbers, its layers numbered as in PyTorch's Sequential(Linear,
// ReLU, ..., Linear).
func (h *head) arrays() map[string]kernel.Array {
	narrow := func(x []float64, shape ...int) kernel.Array {
		a := kernel.New(shape...)
		for i, v := range x {
			a.Data[i] = float32(v)
		}
		return a
	}
	all := map[string]kernel.Array{"mean": narrow(h.Mean, len(h.Mean)), "factor": narrow(h.Factor, len(h.Factor))}
	for i, l := range h.Layers {
		all[weightOf(i)], all[biasOf(i)] = narrow(l.W, l.Out, l.In), narrow(l.B, l.Out)
	}
	return all
}

func weightOf(layer int) string { return fmt.Sprintf("%d.weight", 2*layer) }
func biasOf(layer int) string   { return fmt.Sprintf("%d.bias", 2*layer) }

// again is the remedy that fits another head.
func again(kind string) string { return "clr " + kind + "-probe --run FOLDER fits another" }

// readHead reads the head of a fold.
func (d *data) readHead(run string, s eval.Split, kind string) (*head, error) {
	path := filepath.Join(rundir.FoldDir(run, d.foldName(s)), headFile(kind))
	cp, err := checkpoint.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "let clr "+kind+"-probe --run "+run+" fit one", "%s is not there: no such probe was fitted on this encoder", path)
	}
	if err != nil {
		return nil, err
	}
	h := &head{kind: kind, encoder: cp.Meta["encoder"]}
	wrong := func(format string, args ...any) error {
		return fault.New(fault.Data, again(kind), "%s: "+format, append([]any{path}, args...)...)
	}
	if err := json.Unmarshal([]byte(cp.Meta["classes"]), &h.classes); err != nil {
		return nil, wrong("its classes are %q: %w", cp.Meta["classes"], err)
	}
	if err := json.Unmarshal([]byte(cp.Meta["embed"]), &h.embed); err != nil {
		return nil, wrong("its embed is %q: %w", cp.Meta["embed"], err)
	}
	var known bool
	if h.Link, known = eval.LinkOf(cp.Meta["link"]); !known {
		return nil, wrong("its link is %q", cp.Meta["link"])
	}
	var misshapen error
	take := func(name string, shape ...int) (values []float64) {
		a := cp.Arrays[name]
		if !slices.Equal(a.Shape, shape) && misshapen == nil {
			misshapen = wrong("%s is %v, for %d classes and the layers before it would be %v", name, a.Shape, len(h.classes), shape)
		}
		for _, v := range a.Data {
			values = append(values, float64(v))
		}
		return values
	}
	d0 := len(cp.Arrays["mean"].Data)
	h.Mean, h.Factor = take("mean", d0), take("factor", d0)
	for in := d0; ; {
		i := len(h.Layers)
		out := len(h.classes)
		if _, more := cp.Arrays[weightOf(i+1)]; more { // a hidden layer is as wide as it says
			out = len(cp.Arrays[biasOf(i)].Data)
		}
		h.Layers = append(h.Layers, model.Affine{In: in, Out: out, W: take(weightOf(i), out, in), B: take(biasOf(i), out)})
		if misshapen == nil && in*out == 0 {
			misshapen = wrong("%s has no values", weightOf(i))
		}
		if misshapen != nil {
			return nil, misshapen
		}
		if _, more := cp.Arrays[weightOf(i+1)]; !more {
			return h, nil
		}
		in = out
	}
}

// fits refuses a head for embeddings of another size, or of another encoder.
func (h *head) fits(encoder string, dim int) error {
	if h.encoder != encoder {
		return fault.New(fault.Data, again(h.kind), "the %s probe was fitted on the encoder %.12s, the run's is %.12s: it has learnt on since", h.kind, h.encoder, encoder)
	}
	if d := len(h.Mean); d != dim {
		return fault.New(fault.Data, again(h.kind), "the %s probe was fitted on embeddings of %d values, these have %d", h.kind, d, dim)
	}
	return nil
}

// onnx lays the head over embeddings x (N, D), giving logits and probabilities
// (N, K).
func (h *head) onnx(g *onnx.Graph, x onnx.Value) (logits, probabilities onnx.Value) {
	arrays := h.arrays()
	constant := func(name string) onnx.Value {
		return onnx.Value{Name: headPrefix + name, Shape: arrays[name].Shape, Data: arrays[name].Data}
	}
	x = g.Each("Mul", g.Each("Sub", x, constant("mean")), constant("factor"))
	for i, l := range h.Layers {
		if i > 0 {
			x = g.Each("Relu", x)
		}
		x = g.Do("Gemm", []int{onnx.Free, l.Out}, []onnx.Value{x, constant(weightOf(i)), constant(biasOf(i))}, onnx.Attr{Name: "transB", Value: 1})
	}
	switch h.Link {
	case eval.Sigmoid:
		return x, g.Each("Sigmoid", x)
	case eval.Normalized: // softmax of log σ(z) = -softplus(-z)
		return x, g.Each("Softmax", g.Each("Neg", g.Each("Softplus", g.Each("Neg", x))))
	}
	return x, g.Each("Softmax", x)
}

// headPrefix is before the names of a head's arrays in an export.
const headPrefix = "probe."

// meta is what an export says of a head.
func (h *head) meta() (map[string]string, error) {
	labels, err := json.Marshal(h.classes)
	return map[string]string{"clr.probe": h.kind, "clr.labels": string(labels), "clr.probabilities": h.Link.String()}, err
}
