package pipeline

import (
	"bytes"
	"errors"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/fuzztest"
	"clr/internal/kernel"
)

// rewritten is an exported encoder with something else in it.
func rewritten(t *testing.T, from, to string, change func(meta map[string]string, tensors []checkpoint.Tensor) []checkpoint.Tensor) {
	t.Helper()
	tensors, meta, err := checkpoint.LoadTensors(from)
	if err != nil {
		t.Fatal(err)
	}
	tensors = change(meta, tensors)
	if err := disk.WriteFile(to, func(w io.Writer) error { return checkpoint.WriteSafetensors(w, tensors, meta) }); err != nil {
		t.Fatal(err)
	}
}

// exportedTones is an encoder that was trained on tones, and exported.
func exportedTones(t *testing.T, set ...string) (dir, model string) {
	t.Helper()
	dir = tones(t, 20)
	pretrain(t, load(t, dir, set...), PretrainOptions{Run: filepath.Join(dir, "run"), MaxSteps: 1})
	model = filepath.Join(dir, bundleWeights)
	export(t, ExportOptions{Run: filepath.Join(dir, "run"), Format: "safetensors", Out: model})
	return dir, model
}

// A file that is not as clr wrote it is refused, and by what differs.
func TestOpenModelRefuses(t *testing.T) {
	dir, model := exportedTones(t, "view.normalize=corpus_band")
	other := filepath.Join(dir, "other.safetensors")
	type tensors = []checkpoint.Tensor
	for says, change := range map[string]func(meta map[string]string, all tensors) tensors{
		"clr export did not write it": func(m map[string]string, all tensors) tensors { delete(m, "clr.sha256"); return all },
		"or clr.config":               func(m map[string]string, all tensors) tensors { delete(m, "clr.config"); return all },
		"there is none named rasnet": func(m map[string]string, all tensors) tensors {
			m["clr.config"] = strings.Replace(m["clr.config"], "name: resnet", "name: rasnet", 1)
			return all
		},
		"the encoder of its clr.config": func(m map[string]string, all tensors) tensors {
			m["clr.config"] = strings.Replace(m["clr.config"], "width: 4", "width: 1024", 1)
			return all
		},
		"it has no encoder.conv1.weight": func(m map[string]string, all tensors) tensors {
			return slices.DeleteFunc(all, func(t checkpoint.Tensor) bool { return t.Name == "conv1.weight" })
		},
		"holds NaN": func(m map[string]string, all tensors) tensors {
			all[len(all)-1].F32[0] = float32(math.NaN())
			return all
		},
		"are not those that it was written":    func(m map[string]string, all tensors) tensors { all[len(all)-1].F32[0]++; return all },
		"clr.mean holds 2 values":              func(m map[string]string, all tensors) tensors { m["clr.mean"] += ",1"; return all },
		`clr.std holds "0", which is no mean`:  func(m map[string]string, all tensors) tensors { m["clr.std"] = "0"; return all },
		`clr.bin_std holds "", which is no me`: func(m map[string]string, all tensors) tensors { delete(m, "clr.bin_std"); return all },
		"keeps of the projector": func(m map[string]string, all tensors) tensors {
			m["clr.config"] = strings.Replace(m["clr.config"], "head_layers: 0", "head_layers: 1", 1)
			return all
		},
	} {
		rewritten(t, model, other, change)
		_, err := openModel(other, Source{Model: other}, Overrides{})
		if !strings.Contains(errText(err), says) || !strings.Contains(errText(err), other) || fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("want %q of kind data: kind %d, remedy %q: %v", says, fault.KindOf(err), fault.Remedy(err), err)
		}
	}
	if _, err := openModel(filepath.Join(dir, "run", "last.safetensors"), Source{}, Overrides{}); fault.KindOf(err) != fault.Data {
		t.Errorf("a checkpoint: %v", err)
	}
	// What other parts a file holds does not matter.
	rewritten(t, model, other, func(m map[string]string, all tensors) tensors {
		return append(all, checkpoint.Tensor{Name: "predictor.0.weight", Shape: []int{1}, F32: []float32{1}})
	})
	a, err1 := openModel(model, Source{}, Overrides{})
	b, err2 := openModel(other, Source{}, Overrides{})
	if err := errors.Join(err1, err2); err != nil || a.digest() != b.digest() {
		t.Errorf("a file with a predictor beside the encoder: %v", err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// All that decides an embedding changes the digest, and where files are does not.
func TestFrozenDigest(t *testing.T) {
	dir, model := exportedTones(t)
	con, _ := silent()
	run, err := openFrozen(Source{Run: filepath.Join(dir, "run")}, Overrides{}, con)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for name, set := range map[string][]string{"": nil, "hop": {"embed.hop=0.25"}, "pool": {"embed.pool=max"}} {
		f, err := openModel(model, Source{Model: model}, Overrides{Set: set})
		if err != nil {
			t.Fatal(err)
		}
		if was, ok := seen[f.digest()]; ok {
			t.Errorf("%q and %q have one digest", name, was)
		}
		seen[f.digest()] = name
	}
	if name, ok := seen[run.digest()]; !ok || name != "" {
		t.Error("the run and its export have two digests")
	}
	run.state.norm.mean[0]++
	if _, ok := seen[run.digest()]; ok {
		t.Error("another normalisation has the same digest")
	}
	run.state.norm.mean[0]--
	run.state.params.All()[0].Value.Data[0]++
	if _, ok := seen[run.digest()]; ok {
		t.Error("other weights have the same digest")
	}
}

// smallest is an export of a network of one channel, with random weights.
func smallest(t testing.TB) []byte {
	t.Helper()
	c, err := ParseConfig("c.yaml", []byte(strings.Replace(small, "width: 4", "width: 1", 1)), Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFrozen(c, Source{})
	if err != nil {
		t.Fatal(err)
	}
	if f.state, err = f.fresh(normalization{mean: []float32{-3}, std: []float32{2}}); err != nil {
		t.Fatal(err)
	}
	meta := f.state.norm.meta()
	meta["clr.config"], meta[encoderKey] = string(c.portable().Resolved()), f.state.hash()
	arrays := map[string]kernel.Array{}
	f.state.params.State("", arrays)
	var tensors []checkpoint.Tensor
	for name, a := range arrays {
		tensors = append(tensors, checkpoint.Tensor{Name: strings.TrimPrefix(name, "encoder."), Shape: a.Shape, F32: a.Data})
		if last := &tensors[len(tensors)-1]; strings.HasSuffix(name, ".num_batches_tracked") {
			last.F32, last.I64 = nil, []int64{int64(a.Data[0])}
		}
	}
	var b bytes.Buffer
	if err := checkpoint.WriteSafetensors(&b, tensors, meta); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A damaged export is refused, or is an encoder.
func FuzzModel(f *testing.F) {
	path := filepath.Join(f.TempDir(), "a.safetensors")
	whole := smallest(f)
	put(f, path, whole)
	if _, err := openModel(path, Source{}, Overrides{}); err != nil {
		f.Fatal(err)
	}
	for _, b := range fuzztest.Some(whole, 3) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		put(t, path, b)
		var m *frozen
		var err error
		fuzztest.Bounded(t, len(b), 256<<20, func() { m, err = openModel(path, Source{}, Overrides{}) })
		if err != nil {
			if fault.KindOf(err) != fault.Resource { // views larger than this machine
				fuzztest.Refused(t, err, fault.Data, path)
			}
			return
		}
		if _, err := m.batcher(); err != nil && fault.KindOf(err) != fault.Resource {
			t.Error(err)
		}
	})
}
