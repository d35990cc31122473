package pipeline

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/onnx"
	"clr/internal/rundir"
)

// headFile is the linear probe's head in the folder of its fold.
const headFile = "linear-probe.safetensors"

// A head is a linear probe's, with what it stands on.
type head struct {
	classes []string
	embed   EmbedOptions
	encoder string // hash of the one that it was fitted on
	eval.LinearHead
}

// keepHeads keeps the first head of each split of a report beside its checkpoint.
func (d *data) keepHeads(run string, r *eval.Report) error {
	row, kept := r.Rows[0], map[string]bool{}
	for i, f := range row.Folds {
		l, ok := eval.LinearOf(row.Heads[i])
		if !ok || kept[f.Fold] {
			continue
		}
		kept[f.Fold] = true
		split, err := d.oneSplit(f.Fold)
		if err != nil {
			return err
		}
		if err := d.keepHead(filepath.Join(rundir.FoldDir(run, d.foldName(split)), headFile), head{r.Classes, d.c.Embed, r.Encoders[f.Fold], l}); err != nil {
			return err
		}
	}
	return nil
}

func (d *data) keepHead(path string, h head) error {
	classes, err := json.Marshal(h.classes)
	if err != nil {
		return err
	}
	embed, err := json.Marshal(h.embed)
	if err != nil {
		return err
	}
	narrow := func(x []float64, shape ...int) kernel.Array {
		a := kernel.New(shape...)
		for i, v := range x {
			a.Data[i] = float32(v)
		}
		return a
	}
	return checkpoint.Save(path, &checkpoint.Checkpoint{
		Meta: map[string]string{"classes": string(classes), "embed": string(embed), "link": h.Link.String(), "encoder": h.encoder},
		Arrays: map[string]kernel.Array{
			"mean": narrow(h.Mean, h.D), "factor": narrow(h.Factor, h.D),
			"weight": narrow(h.W, h.K, h.D), "bias": narrow(h.B, h.K),
		},
	})
}

const probeAgain = "clr linear-probe --run FOLDER fits another"

// readHead reads the head of a fold.
func (d *data) readHead(run string, s eval.Split) (*head, error) {
	path := filepath.Join(rundir.FoldDir(run, d.foldName(s)), headFile)
	cp, err := checkpoint.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "let clr linear-probe --run "+run+" fit one", "%s is not there: no linear probe was fitted on this encoder", path)
	}
	if err != nil {
		return nil, err
	}
	h := &head{encoder: cp.Meta["encoder"]}
	wrong := func(format string, args ...any) error {
		return fault.New(fault.Data, probeAgain, "%s: "+format, append([]any{path}, args...)...)
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
	h.K, h.D = len(h.classes), len(cp.Arrays["mean"].Data)
	for _, part := range []struct {
		name  string
		shape []int
		to    *[]float64
	}{{"mean", []int{h.D}, &h.Mean}, {"factor", []int{h.D}, &h.Factor}, {"weight", []int{h.K, h.D}, &h.W}, {"bias", []int{h.K}, &h.B}} {
		a := cp.Arrays[part.name]
		if !slices.Equal(a.Shape, part.shape) || h.K*h.D == 0 {
			return nil, wrong("%s is %v, for %d classes and %d features it would be %v", part.name, a.Shape, h.K, h.D, part.shape)
		}
		for _, v := range a.Data {
			*part.to = append(*part.to, float64(v))
		}
	}
	return h, nil
}

// fits refuses a head for embeddings of another size, or of another encoder.
func (h *head) fits(encoder string, dim int) error {
	if h.encoder != encoder {
		return fault.New(fault.Data, probeAgain, "the linear probe was fitted on the encoder %.12s, the run's is %.12s: it has learnt on since", h.encoder, encoder)
	}
	if h.D != dim {
		return fault.New(fault.Data, probeAgain, "the linear probe was fitted on embeddings of %d values, these have %d", h.D, dim)
	}
	return nil
}

// onnx lays the head over embeddings x (N, D), giving logits and probabilities
// (N, K).
func (h *head) onnx(g *onnx.Graph, x onnx.Value) (logits, probabilities onnx.Value) {
	constant := func(name string, v []float64, shape ...int) onnx.Value {
		c := onnx.Value{Name: "probe." + name, Shape: shape, Data: make([]float32, len(v))}
		for i := range v {
			c.Data[i] = float32(v[i])
		}
		return c
	}
	x = g.Each("Mul", g.Each("Sub", x, constant("mean", h.Mean, h.D)), constant("factor", h.Factor, h.D))
	logits = g.Do("Gemm", []int{onnx.Free, h.K}, []onnx.Value{x, constant("weight", h.W, h.K, h.D), constant("bias", h.B, h.K)}, onnx.Attr{Name: "transB", Value: 1})
	switch h.Link {
	case eval.Sigmoid:
		return logits, g.Each("Sigmoid", logits)
	case eval.Normalized: // softmax of log σ(z) = -softplus(-z)
		return logits, g.Each("Softmax", g.Each("Neg", g.Each("Softplus", g.Each("Neg", logits))))
	}
	return logits, g.Each("Softmax", logits)
}
