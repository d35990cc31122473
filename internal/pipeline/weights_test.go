package pipeline

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/embedding"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/rundir"
)

// npy reads an array that PyTorch wrote.
func npy(t *testing.T, path string) kernel.Array {
	t.Helper()
	if strings.HasSuffix(path, ".num_batches_tracked.npy") { // the one kind of whole numbers
		return kernel.Array{Shape: []int{}, Data: []float32{7}}
	}
	a, err := embedding.ReadNPY(bytes.NewReader(get(t, path)))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return a
}

// A ResNet that torchvision made, in a file of its state dict, becomes a run: its
// embeddings are those that PyTorch computed, and what leaves is what came.
func TestImportWeights(t *testing.T) {
	const root = "../../testdata/reference/models"
	for _, c := range []struct {
		name              string
		depth, width, dim int
		most, all         float64 // tolerances of manifest.json
	}{{"resnet18_w8", 18, 8, 64, 5e-4, 3e-6}, {"resnet50_w4", 50, 4, 128, 0.04, 7e-6}} {
		dir := tones(t, 20)
		file := filepath.Join(dir, c.name+".safetensors")
		arrays := map[string]kernel.Array{"fc.weight": kernel.New(10, c.dim), "fc.bias": kernel.New(10)}
		names, err := filepath.Glob(filepath.Join(root, c.name+".state", "*.npy"))
		if err != nil || len(names) < 100 {
			t.Fatalf("%d arrays, %v", len(names), err)
		}
		for _, name := range names {
			arrays[strings.TrimSuffix(filepath.Base(name), ".npy")] = npy(t, name)
		}
		otherTool(t, file, "F32", arrays)
		config := load(t, dir, fmt.Sprintf("encoder.depth=%d", c.depth), fmt.Sprintf("encoder.width=%d", c.width), "encoder.stem=imagenet",
			"feature.n_mels=64", "feature.n_fft=512", "view.frames=48")
		run := filepath.Join(dir, "run")
		con, _ := silent()
		if err := ImportWeights(t.Context(), config, file, run, con); err != nil {
			t.Fatal(err)
		}

		d := open(t, load(t, dir, fmt.Sprintf("encoder.depth=%d", c.depth), fmt.Sprintf("encoder.width=%d", c.width), "encoder.stem=imagenet",
			"feature.n_mels=64", "feature.n_fft=512", "view.frames=48", "init="+file))
		cp, err := d.saved(run, d.splits[0], con)
		if err != nil {
			t.Fatal(err)
		}
		e, err := d.trained(cp)
		if err != nil {
			t.Fatal(err)
		}
		x, want := npy(t, filepath.Join(root, c.name+".in.x.npy")), npy(t, filepath.Join(root, c.name+".out.y_eval.npy"))
		net, err := d.embedder(e, x.Shape[0])
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(want.Data))
		if err := net.Embed(t.Context(), got, x.Data); err != nil {
			t.Fatal(err)
		}
		var most, differ, norm float64
		for i, w := range want.Data {
			off := float64(got[i]) - float64(w)
			most, differ, norm = max(most, math.Abs(off)), differ+off*off, norm+float64(w)*float64(w)
		}
		if rel := math.Sqrt(differ / norm); !(most <= c.most && rel <= c.all) {
			t.Errorf("%s: off by %g at most, %g in all", c.name, most, rel)
		}

		made, _, err := rundir.Read(run)
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := hashOf(file); err != nil || made.Init != sum || cp.Meta["init"] != sum || cp.Meta["step"] != "0" {
			t.Errorf("%s: the run began with %q, the checkpoint of step %s with %q, the file is %q, %v", c.name, made.Init, cp.Meta["step"], cp.Meta["init"], sum, err)
		}
		out := filepath.Join(dir, "out.safetensors")
		export(t, ExportOptions{Run: run, Format: "safetensors", Out: out})
		tensors, _, err := checkpoint.LoadTensors(out)
		if err != nil {
			t.Fatal(err)
		}
		left := 0
		for _, x := range tensors {
			a, ok := arrays[x.Name]
			switch {
			case x.I64 != nil && !ok: // a count that PyTorch's file need not have
				if x.I64[0] != 0 {
					t.Errorf("%s: %s is %d", c.name, x.Name, x.I64[0])
				}
				continue
			case x.I64 != nil:
				x.F32 = []float32{float32(x.I64[0])}
			}
			if left++; !slices.Equal(x.Shape, a.Shape) || !slices.Equal(x.F32, a.Data) {
				t.Errorf("%s: %s is another", c.name, x.Name)
			}
		}
		if left != len(arrays)-2 {
			t.Errorf("%s: %d arrays leave of %d", c.name, left, len(arrays)-2)
		}
	}
}

// An imported run is probed and exported like others, without a warning, and goes on as
// one that had named the file as init.
func TestImportedRun(t *testing.T) {
	dir := tones(t, 20)
	pretrain(t, load(t, dir), PretrainOptions{Run: filepath.Join(dir, "first"), MaxSteps: 3})
	file := filepath.Join(dir, "first.safetensors")
	exportOf(t, filepath.Join(dir, "first"), "", file)
	run, warm := filepath.Join(dir, "run"), filepath.Join(dir, "warm")
	con, said := silent()
	if err := ImportWeights(t.Context(), load(t, dir), file, run, con); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"linear", "mlp"} {
		if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: kind}, Overrides{}, con); err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{"safetensors", "onnx", "bundle"} {
			export(t, ExportOptions{Run: run, Format: format, Out: filepath.Join(dir, kind+"."+format), Probe: kind})
		}
	}
	came, err := resultOf(run)
	if err != nil || came.Folds[0].Steps != 0 || len(came.Folds[0].SHA256) != 64 || len(came.Probes) != 2 {
		t.Errorf("%s is %+v, %v", ResultFile, came, err)
	}
	if strings.Contains(said.String(), "warning") {
		t.Errorf("it warns:\n%s", said)
	}
	pretrain(t, load(t, dir, "init="+file), PretrainOptions{Run: run, Resume: true})
	pretrain(t, load(t, dir, "init="+file), PretrainOptions{Run: warm})
	if !bytes.Equal(get(t, run, rundir.LastFile), get(t, warm, rundir.LastFile)) {
		t.Error("the imported run goes on to other bytes")
	}
	if err := ImportWeights(t.Context(), load(t, dir), file, run, con); fault.KindOf(err) != fault.Usage {
		t.Errorf("over a run: %v", err)
	}
	err = ImportWeights(t.Context(), load(t, dir, "init="+file), file, filepath.Join(dir, "no"), con)
	says(t, err, "the config names first weights")
}

// Files of other formats are told what they are, and nothing of them is run.
func TestImportRefuses(t *testing.T) {
	dir := tones(t, 20)
	con, _ := silent()
	for want, b := range map[string]string{
		"an archive, as torch.save": "PK\x03\x04\x00\x00\x00\x00\x00\x00data.pkl",
		"a pickle, as old versions": "\x80\x02\x8a\x0al\xfc\x9cF\xf9",
		"HDF5, as Keras":            "\x89HDF\r\n\x1a\n\x00\x00",
		"GGUF, not":                 "GGUF\x03\x00\x00\x00\x00",
		"ONNX, a graph, not":        "\x08\x08\x12\x03clr\x1a\x02",
		"too few for a header":      "PK\x05",
		"the header claims":         "\x80\x02\x00\x00\x00\x00\x00\x00{",
	} {
		path := filepath.Join(dir, "weights.pth")
		put(t, path, []byte(b))
		err := ImportWeights(t.Context(), load(t, dir), path, filepath.Join(dir, "no"), con)
		says(t, err, want)
		says(t, err, path)
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%v: kind %d, remedy %q", err, fault.KindOf(err), fault.Remedy(err))
		}
		if _, err := os.Stat(filepath.Join(dir, "no", rundir.ConfigFile)); err == nil {
			t.Error("a run was made")
		}
	}
	// a header whose length begins like a pickle is one of safetensors
	text := "{" + strings.Repeat(" ", 640-2) + "}"
	path := filepath.Join(dir, "long.safetensors")
	put(t, path, append(binary.LittleEndian.AppendUint64(nil, 640), text...))
	says(t, ImportWeights(t.Context(), load(t, dir), path, filepath.Join(dir, "no"), con), "does not fit the encoder")
}
