package pipeline

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/model"
	"clr/internal/rundir"
)

// withHead is a run of tones with a linear probe.
func withHead(t *testing.T, set ...string) (dir, run string) {
	t.Helper()
	dir = tones(t, 20)
	run, _, _ = trainedOn(t, dir)
	con, _ := silent()
	if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{Set: set}, con); err != nil {
		t.Fatal(err)
	}
	return dir, run
}

// Equal runs give equal models, which say what they are: ONNX Runtime checks what
// they compute.
func TestExportONNX(t *testing.T) {
	var dirs [2]string
	for i := range dirs {
		dir, run := withHead(t)
		dirs[i] = dir
		for name, o := range map[string]ExportOptions{
			"encoder.onnx": {}, "folded.onnx": {FoldBN: true}, "probe.onnx": {Probe: "linear"}, "all.onnx": {FrontEnd: true, Probe: "linear", FoldBN: true},
		} {
			o.Run, o.Format, o.Out = run, "onnx", filepath.Join(dir, name)
			export(t, o)
			export(t, o) // in its own place
		}
	}
	for name, has := range map[string][]string{
		"encoder.onnx": {"spectrogram", "embedding", "BatchNormalization", "clr.sha256", "clr.mean", rundir.Version()},
		"folded.onnx":  {"spectrogram", "embedding"},
		"probe.onnx":   {"spectrogram", "embedding", "logits", "probabilities", `["high","low"]`, "BatchNormalization"},
		"all.onnx":     {"waveform", "embedding", "logits", "probabilities", `["high","low"]`, "clr.sample_rate", "8000"},
	} {
		same(t, name, dirs[0], dirs[1])
		b := get(t, dirs[0], name)
		for _, what := range has {
			if !bytes.Contains(b, []byte(what)) {
				t.Errorf("%s has no %s", name, what)
			}
		}
		if bytes.Contains(b, []byte("BatchNormalization")) != (name == "encoder.onnx" || name == "probe.onnx") {
			t.Errorf("%s has norms, or has none", name)
		}
		if bytes.Contains(b, []byte(dirs[0])) {
			t.Errorf("%s names a folder", name)
		}
	}
}

func TestExportONNXRefuses(t *testing.T) {
	dir, run := withHead(t, "embed.pool=mean_max")
	con, _ := silent()
	refuses := func(want string, kind fault.Kind, o ExportOptions) {
		t.Helper()
		o.Run, o.Format = run, "onnx"
		if o.Out == "" {
			o.Out = filepath.Join(dir, "no.onnx")
		}
		err := Export(t.Context(), o, con)
		says(t, err, want)
		if fault.KindOf(err) != kind || fault.Remedy(err) == "" {
			t.Errorf("%v: kind %d, remedy %q", err, fault.KindOf(err), fault.Remedy(err))
		}
	}
	refuses("is no earlier export of format onnx", fault.Usage, ExportOptions{Out: filepath.Join(run, rundir.ConfigFile)})

	file := filepath.Join(run, headFile("linear"))
	whole := get(t, file)
	for i := range 3 { // somewhere in the header, the checksums and the numbers
		broken := bytes.Clone(whole)
		broken[40+i*(len(broken)-50)/2] ^= 1
		put(t, file, broken)
		refuses(headFile("linear"), fault.Data, ExportOptions{Probe: "linear"})
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	refuses("no such probe was fitted", fault.Usage, ExportOptions{Probe: "linear"})

	// a file that is whole, and not what this run's is
	d := open(t, load(t, dir))
	layer := func(in, out int) model.Affine {
		return model.Affine{In: in, Out: out, W: make([]float64, in*out), B: make([]float64, out)}
	}
	h := head{kind: "linear", classes: []string{"a", "b"}, embed: d.c.Embed, encoder: "another", PlainHead: eval.PlainHead{
		Mean: make([]float64, 3), Factor: make([]float64, 3), Layers: []model.Affine{layer(3, 2)}}}
	keep := func(h head) {
		t.Helper()
		if err := keepHead(run, h); err != nil {
			t.Fatal(err)
		}
	}
	keep(h)
	refuses("it has learnt on since", fault.Data, ExportOptions{Probe: "linear"})
	cp, err := d.saved(run, d.splits[0], con)
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.trained(cp)
	if err != nil {
		t.Fatal(err)
	}
	h.encoder = e.hash()
	keep(h)
	refuses("fitted on embeddings of 3 values, these have 32", fault.Data, ExportOptions{Probe: "linear"})
	h.embed.HeadLayers = 5
	keep(h)
	refuses("head_layers is 5", fault.Data, ExportOptions{Probe: "linear"})
	h.embed = d.c.Embed
	h.classes = []string{"a"}
	keep(h)
	refuses("0.weight is [2 3], for 1 classes and the layers before it would be [1 3]", fault.Data, ExportOptions{Probe: "linear"})
	h.classes, h.Layers = []string{"a", "b"}, []model.Affine{layer(3, 4), layer(5, 2)}
	keep(h)
	refuses("2.weight is [2 5], for 2 classes and the layers before it would be [2 4]", fault.Data, ExportOptions{Probe: "linear"})
	h.Layers, h.Mean, h.Factor = []model.Affine{layer(0, 2)}, nil, nil
	keep(h)
	refuses("0.weight has no values", fault.Data, ExportOptions{Probe: "linear"})
	refuses("no such probe was fitted", fault.Usage, ExportOptions{Probe: "mlp"})
	refuses("no kind of probe whose head is kept", fault.Usage, ExportOptions{Probe: "knn"})

	if _, err := os.Stat(filepath.Join(dir, "no.onnx")); !errors.Is(err, os.ErrNotExist) {
		t.Error("something was written")
	}
}

// A probe by other settings of embed leaves with these.
func TestExportONNXProbesEmbed(t *testing.T) {
	dir, run := withHead(t, "embed.pool=max", "embed.hop=0.25")
	out := filepath.Join(dir, "p.onnx")
	export(t, ExportOptions{Run: run, Format: "onnx", Out: out, Probe: "linear", FrontEnd: true})
	if b := string(get(t, out)); !strings.Contains(b, "pool: max") || !strings.Contains(b, "hop: 0.25") || !strings.Contains(b, "ReduceMax") {
		t.Error("the pool is not the probe's")
	}
}

// A feature without words is refused before anything is written.
func TestExportONNXFeatures(t *testing.T) {
	dir := featured(t, "{name: stft, value: phase, n_fft: 64, win_length: 64, hop_length: 80}", "[]")
	run, _, _ := trainedOn(t, dir)
	con, _ := silent()
	err := Export(t.Context(), ExportOptions{Run: run, Format: "onnx", Out: filepath.Join(dir, "no.onnx"), FrontEnd: true}, con)
	says(t, err, "no words for the feature stft of value phase")
	if fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}
}
