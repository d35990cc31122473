package pipeline

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/embedding"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/rundir"
)

func export(t *testing.T, o ExportOptions) {
	t.Helper()
	con, _ := silent()
	if err := Export(t.Context(), o, con); err != nil {
		t.Fatal(err)
	}
}

// resnet10 is what torchvision would call the parts of a ResNet of one block a
// stage, w channels wide, for one channel in.
func resnet10(w int) map[string][]int {
	all := map[string][]int{}
	norm := func(name string, c int) {
		for _, v := range []string{"weight", "bias", "running_mean", "running_var"} {
			all[name+"."+v] = []int{c}
		}
		all[name+".num_batches_tracked"] = []int{}
	}
	all["conv1.weight"] = []int{w, 1, 7, 7}
	norm("bn1", w)
	in := w
	for stage := range 4 {
		out, block := w<<stage, fmt.Sprintf("layer%d.0", stage+1)
		all[block+".conv1.weight"] = []int{out, in, 3, 3}
		norm(block+".bn1", out)
		all[block+".conv2.weight"] = []int{out, out, 3, 3}
		norm(block+".bn2", out)
		if stage > 0 {
			all[block+".downsample.0.weight"] = []int{out, in, 1, 1}
			norm(block+".downsample.1", out)
		}
		in = out
	}
	return all
}

// The encoder leaves under the names and shapes that torchvision's
// load_state_dict expects, with all that is needed to feed it.
func TestExportEncoder(t *testing.T) {
	dir := tones(t, 20)
	run, d, e := trainedOn(t, dir, "encoder.stem=imagenet")
	out := filepath.Join(dir, "encoder.safetensors")
	export(t, ExportOptions{Run: run, Format: "safetensors", Out: out})
	tensors, meta, err := checkpoint.LoadTensors(out)
	if err != nil {
		t.Fatal(err)
	}
	state := map[string]kernel.Array{}
	e.params.State("", state)
	want := resnet10(4)
	for _, x := range tensors {
		shape, ok := want[x.Name]
		if !ok || !slices.Equal(x.Shape, shape) {
			t.Errorf("%s %v, want %v", x.Name, x.Shape, shape)
		}
		delete(want, x.Name)
		a := state["encoder."+x.Name]
		if strings.HasSuffix(x.Name, ".num_batches_tracked") {
			if x.F32 != nil || !slices.Equal(x.I64, []int64{2}) { // steps
				t.Errorf("%s: %v %v, want the 64-bit integer 2", x.Name, x.F32, x.I64)
			}
		} else if !slices.Equal(x.F32, a.Data) {
			t.Errorf("%s: the values are not the encoder's", x.Name)
		}
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
	for key, value := range map[string]string{
		"format": "pt", "clr.version": rundir.Version(), "clr.config": string(d.c.portable().Resolved()), "clr.step": "2", "clr.sha256": e.hash(),
		"clr.dim": "32", "clr.bins": "24", "clr.frames": "16", "clr.corpus": d.hash,
	} {
		if meta[key] != value {
			t.Errorf("%s is %q, want %q", key, meta[key], value)
		}
	}
	if !strings.Contains(meta["clr.config"], "pool: mean") || strings.Contains(meta["clr.config"], dir) {
		t.Errorf("clr.config is\n%s", meta["clr.config"])
	}
	var settings struct {
		Rate    int `json:"sample_rate"`
		Options map[string]any
	}
	if err := json.Unmarshal([]byte(meta["clr.feature"]), &settings); err != nil || settings.Rate != rate || settings.Options["n_mels"] != 24.0 {
		t.Errorf("clr.feature is %s: %v", meta["clr.feature"], err)
	}
	for key, value := range map[string]float32{"clr.mean": e.norm.mean[0], "clr.std": e.norm.std[0]} {
		if v, err := strconv.ParseFloat(meta[key], 32); err != nil || float32(v) != value {
			t.Errorf("%s is %s, want %v", key, meta[key], value)
		}
	}
	if len(meta) != 13 {
		t.Errorf("%d entries in the metadata: %v", len(meta), slices.Sorted(maps.Keys(meta)))
	}

	// An equal run elsewhere exports equal bytes.
	other := tones(t, 20)
	run2, _, _ := trainedOn(t, other, "encoder.stem=imagenet")
	export(t, ExportOptions{Run: run2, Format: "safetensors", Out: filepath.Join(other, "encoder.safetensors")})
	same(t, "encoder.safetensors", dir, other)
}

// What stood behind the encoder leaves with it where that is asked for, as the
// checkpoint has it, and is in nobody's way.
func TestExportProjector(t *testing.T) {
	dir := tones(t, 20)
	const byol = "method={name: byol, projector: {hidden: [8], out: 4}, predictor: {hidden: [6], out: 4}}"
	run, _, e := trainedOn(t, dir, byol)
	out := filepath.Join(dir, "encoder.safetensors")
	export(t, ExportOptions{Run: run, Format: "safetensors", Out: out, Projector: true})
	tensors, _, err := checkpoint.LoadTensors(out)
	if err != nil {
		t.Fatal(err)
	}
	cp, err := checkpoint.Load(filepath.Join(run, rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]int{}
	for _, x := range tensors {
		a, ok := cp.Arrays[x.Name]
		if !ok {
			continue // the encoder's
		}
		name, _, _ := strings.Cut(x.Name, ".")
		parts[name]++
		if x.I64 == nil && (!slices.Equal(x.Shape, a.Shape) || !slices.Equal(x.F32, a.Data)) {
			t.Errorf("%s is not the checkpoint's", x.Name)
		}
	}
	for name := range cp.Arrays {
		if part, _, _ := strings.Cut(name, "."); part == "projector" || part == "predictor" {
			parts[part]--
		}
	}
	if want := map[string]int{"projector": 0, "predictor": 0}; !maps.Equal(parts, want) {
		t.Errorf("of the parts that the checkpoint has, there are too many or too few: %v", parts)
	}
	if f, err := openModel(out, Source{Model: out}, Overrides{}); err != nil || f.state.hash() != e.hash() {
		t.Errorf("it embeds no more: %v", err)
	}
	if state := begun(t, load(t, dir, byol, "init="+out)); !equalArrays(encoderIn(state), encoderIn(cp.Arrays)) {
		t.Error("it begins a run with other weights")
	}
}

// Where bins are normalised one by one, the export says by what, as training and
// probing had it.
func TestExportSaysBins(t *testing.T) {
	dir := tones(t, 20)
	run, d, e := trainedOn(t, dir, "view.normalize=corpus_band")
	fresh, err := d.normalization(d.splits[0].Train)
	if err != nil || !reflect.DeepEqual(e.norm, fresh) || len(e.norm.binMean) != 24 {
		t.Errorf("the checkpoint has %+v, the training clips %+v: %v", e.norm, fresh, err)
	}
	out := filepath.Join(dir, "encoder.safetensors")
	export(t, ExportOptions{Run: run, Format: "safetensors", Out: out})
	_, meta, err := checkpoint.LoadTensors(out)
	if err != nil {
		t.Fatal(err)
	}
	for key, values := range map[string][]float32{"clr.bin_mean": e.norm.binMean, "clr.bin_std": e.norm.binStd} {
		words := strings.Split(meta[key], ",")
		if len(words) != len(values) {
			t.Fatalf("%s is %s", key, meta[key])
		}
		for b, w := range words {
			if v, err := strconv.ParseFloat(w, 32); err != nil || float32(v) != values[b] {
				t.Errorf("%s of bin %d is %s, want %v", key, b, w, values[b])
			}
		}
	}
	views := d.views(e.norm)
	s, err := d.store.Spectrogram(3)
	if err != nil {
		t.Fatal(err)
	}
	in, err := views.Windows(nil, &s, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := in[16*5], (s.Row(5)[0]-e.norm.binMean[5])/e.norm.binStd[5]; s.Frames >= 16 && math.Abs(float64(got-want)) > 1e-5*(1+math.Abs(float64(want))) {
		t.Errorf("the encoder sees %v, want %v", got, want)
	}
	cp, err := checkpoint.Load(filepath.Join(run, rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	delete(cp.Arrays, "input.bin_std")
	_, err = d.trained(cp)
	says(t, err, "no input.bin_std of 24 values")
}

// Kinds of features other than log-mel go the whole way.
func TestOtherFeaturesTrain(t *testing.T) {
	for feature, normalize := range map[string]string{
		"{name: stft, value: if, n_fft: 64, win_length: 64, hop_length: 80}":                                                                 "band_std",
		"{name: deltas, order: 1, of: {name: mfcc, n_mfcc: 6, mel: {n_fft: 256, win_length: 200, hop_length: 80, n_mels: 20, f_max: 3800}}}": "running",
		"{name: waveform, frame_length: 24, hop_length: 24}":                                                                                 "corpus",
	} {
		dir := featured(t, feature, "[{name: time_mask}]")
		_, d, e := trainedOn(t, dir, "view.normalize="+normalize)
		if x, _ := embedded(t, d, e); slices.ContainsFunc(x, func(v float64) bool { return v-v != 0 }) {
			t.Errorf("%s: an embedding is not finite", feature)
		}
	}
}

func TestExportEmbeddings(t *testing.T) {
	dir := tones(t, 20)
	run, d, e := trainedOn(t, dir)
	x, dim := embedded(t, d, e)
	npy, table := filepath.Join(dir, "e.npy"), filepath.Join(dir, "e.csv")
	export(t, ExportOptions{Run: run, Format: "npy", Out: npy})
	export(t, ExportOptions{Run: run, Format: "csv", Out: table})

	f, err := os.Open(npy)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := embedding.ReadNPY(f)
	if err != nil || !slices.Equal(a.Shape, []int{20, dim}) {
		t.Fatalf("%v: %v", a.Shape, err)
	}
	rows := readCSV(t, table)
	labels := slices.Index(rows[0], "label")
	first := len(rows[0]) - dim
	if len(rows) != 21 || rows[0][0] != "path" || labels < 1 || first != len(d.corpus.Columns) || rows[0][first] != "e0" || rows[0][first+dim-1] != fmt.Sprint("e", dim-1) {
		t.Fatalf("%d lines, the first %v", len(rows), rows[0])
	}
	for i, row := range rows[1:] {
		if it := d.corpus.Items[i]; row[0] != it.Path || row[labels] != it.Label {
			t.Errorf("line %d is of %s, %s", i, row[0], row[labels])
		}
		for k := range dim {
			want := float32(x[i*dim+k])
			if got, err := strconv.ParseFloat(row[first+k], 32); err != nil || float32(got) != want || a.Data[i*dim+k] != want {
				t.Fatalf("clip %d, value %d: %s in the table, %v in the array, want %v", i, k, row[first+k], a.Data[i*dim+k], want)
			}
		}
	}
}

// Another corpus goes through the same encoder with the run's normalisation: a
// clip of the run's own corpus has the same embedding there.
func TestExportOfAnotherCorpus(t *testing.T) {
	t.Chdir(t.TempDir()) // the other corpus's store is made here
	dir := tones(t, 20)
	run, d, e := trainedOn(t, dir)
	x, dim := embedded(t, d, e)
	put(t, filepath.Join(dir, "other.csv"), []byte("path\n05.wav\n02.wav\n"))
	out := filepath.Join(dir, "other.out.csv")
	export(t, ExportOptions{Run: run, Format: "csv", Out: out, Corpus: filepath.Join(dir, "other.csv")})
	rows := readCSV(t, out)
	if len(rows) != 3 || rows[1][0] != "05.wav" || rows[0][1] != "e0" || rows[2][0] != "02.wav" {
		t.Fatalf("%d lines: %.20q", len(rows), rows)
	}
	for line, clip := range map[int]int{1: 5, 2: 2} {
		for k := range dim {
			if got, _ := strconv.ParseFloat(rows[line][1+k], 32); float32(got) != float32(x[clip*dim+k]) {
				t.Fatalf("clip %d, value %d is %v, want %v", clip, k, got, x[clip*dim+k])
			}
		}
	}
	con, _ := silent()
	err := Export(t.Context(), ExportOptions{Run: run, Format: "csv", Out: out, Corpus: filepath.Join(dir, "none.csv")}, con)
	says(t, err, "none.csv")
	if fault.KindOf(err) != fault.Data {
		t.Errorf("%v", err)
	}
}

// The corpus in the binary is another corpus too; it has no path.
func TestOver(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir)
	if got := c.over("builtin:fsdd").CorpusPath(); got != "builtin:fsdd" {
		t.Errorf("builtin:fsdd became %s", got)
	}
	path := filepath.Join(t.TempDir(), "m.csv")
	if got := c.over(path).CorpusPath(); got != path {
		t.Errorf("%s became %s", path, got)
	}
	if c.Corpus != "manifest.csv" || c.Store != "store.clrs" {
		t.Error("the run's own config changed")
	}
}

func TestExportRefuses(t *testing.T) {
	dir := tones(t, 16)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "split.by=room"), PretrainOptions{Run: run, MaxSteps: 1})
	con, _ := silent()
	out := filepath.Join(dir, "out")
	for what, o := range map[string]ExportOptions{
		"there is no format \"tflite\"":      {Run: run, Format: "tflite", Out: out},
		"the run has 2 encoders":             {Run: run, Format: "safetensors", Out: out},
		"there is no fold \"z\"":             {Run: run, Format: "safetensors", Out: out, Fold: "z"},
		"is not a run folder":                {Run: dir + "x", Format: "safetensors", Out: out},
		"writing " + filepath.Join(out, "x"): {Run: run, Format: "safetensors", Out: filepath.Join(out, "x"), Fold: "x"},
		"--projector is for safetensors":     {Run: run, Format: "onnx", Out: out, Fold: "x", Projector: true},
		"--fold-bn is for onnx and bundle":   {Run: run, Format: "safetensors", Out: out, Fold: "x", FoldBN: true},
		"format onnx is the encoder":         {Run: run, Format: "onnx", Out: out, Fold: "x", Corpus: "manifest.csv"},
		"--corpus manifest.csv was given":    {Run: run, Format: "safetensors", Out: out, Fold: "x", Corpus: "manifest.csv"},
	} {
		err := Export(t.Context(), o, con)
		says(t, err, what)
		if fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("%v, kind %d, remedy %q", err, fault.KindOf(err), fault.Remedy(err))
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written")
	}
	export(t, ExportOptions{Run: run, Format: "safetensors", Out: out, Fold: "y"})
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(string(get(t, path)))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}
