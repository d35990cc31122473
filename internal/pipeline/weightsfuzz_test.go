package pipeline

import (
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/fuzztest"
	"clr/internal/kernel"
	"clr/internal/model"
	"clr/internal/onnx"
)

// What init or an import takes is finite arrays of the encoder's shapes; all else names
// the file, and takes no memory that it merely claims.
func FuzzInit(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "weights.safetensors")
	c, err := ParseConfig(filepath.Join(dir, "run.yaml"), []byte(strings.Replace(small, "corpus: manifest.csv", "corpus: none", 1)), Overrides{Set: []string{"encoder.width=1", "init=" + path}})
	if err != nil {
		f.Fatal(err)
	}
	in, err := c.Input()
	if err != nil {
		f.Fatal(err)
	}
	d := &data{c: c, input: in, hash: "corpus", splits: []eval.Split{{Name: "all"}}}
	p := model.NewParams(1)
	if _, err := d.embedder(encoderState{params: p}, 1); err != nil {
		f.Fatal(err)
	}
	state := map[string]kernel.Array{}
	p.State("", state)
	file := func(prefix string, meta map[string]string, also ...checkpoint.Tensor) []byte {
		for name, a := range state {
			x := checkpoint.Tensor{Name: prefix + strings.TrimPrefix(name, "encoder."), Shape: a.Shape, F32: a.Data}
			if !slices.ContainsFunc(also, func(other checkpoint.Tensor) bool { return other.Name == x.Name }) {
				also = append(also, x)
			}
		}
		var b bytes.Buffer
		if err := checkpoint.WriteSafetensors(&b, also, meta); err != nil {
			f.Fatal(err)
		}
		return b.Bytes()
	}
	config := map[string]string{"clr.config": string(c.portable().Resolved())}
	rgb := checkpoint.Tensor{Name: "conv1.weight", Shape: []int{1, 3, 3, 3}, F32: make([]float32, 27)}
	for _, b := range fuzztest.Some(file("", nil, rgb), 5) {
		f.Add(b)
	}
	for _, b := range [][]byte{
		file("", config), file("module.backbone.", nil), file("encoder.", map[string]string{"corpus": "corpus", "fold": "other"}),
		file("", nil, checkpoint.Tensor{Name: "conv1.weight", Shape: []int{9}, I64: make([]int64, 9)}),
		file("", nil, checkpoint.Tensor{Name: "bn1.bias", Shape: []int{1}, F32: []float32{float32(math.NaN())}}),
		file("", nil, checkpoint.Tensor{Name: "bn1.num_batches_tracked", Shape: []int{}, I64: []int64{math.MaxInt64}}),
		file("", config, checkpoint.Tensor{Name: "conv1.weight", Shape: []int{4, 1, 3, 3}, F32: make([]float32, 36)}),
		[]byte("PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl"), []byte("\x80\x02\x8a\x0al\xfc\x9cF"),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		put(t, path, b)
		var arrays map[string]kernel.Array
		var sum string
		var err error
		fuzztest.Bounded(t, len(b), 64<<20, func() { arrays, sum, err = d.firstWeights(d.splits[0]) })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
			return
		}
		if len(sum) != 64 {
			t.Errorf("the hash is %q", sum)
		}
		for name, a := range arrays {
			if !slices.Equal(a.Shape, state[name].Shape) || len(a.Data) != len(state[name].Data) {
				t.Errorf("%s is %v, the encoder needs %v", name, a.Shape, state[name].Shape)
			}
			for _, v := range a.Data {
				if v-v != 0 {
					t.Errorf("%s holds %v", name, v)
				}
			}
		}
		for name := range state {
			if _, ok := arrays[name]; !ok && !strings.HasSuffix(name, ".num_batches_tracked") {
				t.Errorf("%s is missing", name)
			}
		}
	})
}

// A head that is read can be laid over embeddings of its size, and written again.
func FuzzHead(f *testing.F) {
	dir := f.TempDir()
	h := head{kind: "mlp", classes: []string{"a", "b"}, embed: DefaultConfig().Embed, encoder: "e", PlainHead: eval.PlainHead{Link: eval.Sigmoid,
		Mean: make([]float64, 3), Factor: make([]float64, 3), Layers: []model.Affine{
			{In: 3, Out: 4, W: make([]float64, 12), B: make([]float64, 4)}, {In: 4, Out: 2, W: make([]float64, 8), B: make([]float64, 2)}}}}
	if err := keepHead(dir, h); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, headFile("mlp"))
	cp, err := checkpoint.Load(path)
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range fuzztest.Some([]byte(cp.Meta["embed"]), 3) {
		f.Add([]byte(cp.Meta["classes"]), b, cp.Meta["link"], uint8(3), uint8(4), uint8(4), uint8(2))
	}
	for _, b := range fuzztest.Damaged([]byte(cp.Meta["classes"])) {
		f.Add(b, []byte(cp.Meta["embed"]), cp.Meta["link"], uint8(3), uint8(4), uint8(4), uint8(2))
	}
	for _, n := range [][4]uint8{{0, 4, 4, 2}, {3, 0, 0, 2}, {3, 5, 4, 2}, {3, 4, 4, 3}, {255, 255, 255, 2}} {
		f.Add([]byte(cp.Meta["classes"]), []byte(cp.Meta["embed"]), "softmax", n[0], n[1], n[2], n[3])
	}
	d := &data{splits: []eval.Split{{Name: "all"}}}
	f.Fuzz(func(t *testing.T, classes, embed []byte, link string, dim, hidden, in, out uint8) {
		valid := func(b []byte) string { return strings.ToValidUTF8(string(b), "?") }
		cp := &checkpoint.Checkpoint{Meta: map[string]string{"classes": valid(classes), "embed": valid(embed), "link": valid([]byte(link)), "encoder": "e"},
			Arrays: map[string]kernel.Array{"mean": kernel.New(int(dim)), "factor": kernel.New(int(dim)), "0.weight": kernel.New(int(hidden), int(dim)), "0.bias": kernel.New(int(hidden)),
				"2.weight": kernel.New(int(out), int(in)), "2.bias": kernel.New(int(out))}}
		if err := checkpoint.Save(path, cp); err != nil {
			t.Fatal(err)
		}
		size := 6*(len(classes)+len(embed)+len(link)) + 4*(int(dim)*(int(hidden)+2)+int(out)*(int(in)+1))
		var h *head
		var err error
		fuzztest.Bounded(t, size, 1<<20, func() { h, err = d.readHead(dir, d.splits[0], "mlp") })
		if err != nil {
			fuzztest.Refused(t, err, fault.Data, path)
			return
		}
		g := &onnx.Graph{}
		logits, _ := h.onnx(g, g.Input("x", []int{onnx.Free, int(dim)}, "N"))
		if g.Err() != nil || logits.Shape[1] != len(h.classes) || len(h.classes) != int(out) || hidden != in {
			t.Errorf("%v gives logits %v, %v", h.classes, logits.Shape, g.Err())
		}
		again := t.TempDir()
		if err := keepHead(again, *h); err != nil {
			t.Fatal(err)
		}
		twice, err := d.readHead(again, d.splits[0], "mlp")
		if err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal([]any{h.classes, h.embed, h.Layers})
		b, _ := json.Marshal([]any{twice.classes, twice.embed, twice.Layers})
		fuzztest.Same(t, "written again", b, a)
	})
}
