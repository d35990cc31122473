package pipeline

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"clr/internal/eval"
	"clr/internal/model"
)

// interopFolder is where npm installs ONNX Runtime.
const interopFolder = "../../testdata/interop"

// A session is what ONNX Runtime is asked to do, all of it by one process.
type session struct {
	dir   string
	jobs  []job
	then  []func(t *testing.T, shapes map[string][]int) // a job each
	worst float64                                       // how far off anything was
}

type job struct {
	Model   string            `json:"model"`
	Inputs  map[string]feed   `json:"inputs"`
	Outputs map[string]string `json:"outputs"`
}

type feed struct {
	Shape []int  `json:"shape"`
	File  string `json:"file"`
}

// newSession needs Node.js and what `make interop` installs. Without them the test
// is skipped, but under CI=true it fails.
func newSession(t *testing.T) *session {
	t.Helper()
	missing := ""
	if _, err := exec.LookPath("node"); err != nil {
		missing = "Node.js is not installed"
	} else if !exists(filepath.Join(interopFolder, "node_modules", "onnxruntime-node")) {
		missing = "ONNX Runtime is not installed; make interop does so"
	}
	if missing != "" && os.Getenv("CI") == "true" {
		t.Fatal(missing)
	} else if missing != "" {
		t.Skip(missing)
	}
	return &session{dir: t.TempDir()}
}

// ask adds a run of a model over x; check is given the named outputs.
func (s *session) ask(t *testing.T, model, input string, shape []int, x []float32, check func(t *testing.T, out map[string][]float32, shapes map[string][]int), outputs ...string) {
	t.Helper()
	file := func(kind string) string { return filepath.Join(s.dir, fmt.Sprintf("%d.%s", len(s.jobs), kind)) }
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, x)
	put(t, file("in"), b.Bytes())
	j := job{model, map[string]feed{input: {shape, file("in")}}, map[string]string{}}
	for _, name := range outputs {
		j.Outputs[name] = file(name)
	}
	s.jobs = append(s.jobs, j)
	s.then = append(s.then, func(t *testing.T, shapes map[string][]int) {
		out := map[string][]float32{}
		for name, file := range j.Outputs {
			raw := get(t, file)
			out[name] = make([]float32, len(raw)/4)
			if _, err := binary.Decode(raw, binary.LittleEndian, out[name]); err != nil {
				t.Fatal(err)
			}
		}
		check(t, out, shapes)
	})
}

// run does what was asked for.
func (s *session) run(t *testing.T) {
	t.Helper()
	list, err := json.Marshal(s.jobs)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(s.dir, "jobs.json"), list)
	var said, wrong bytes.Buffer
	node := exec.CommandContext(t.Context(), "node", filepath.Join(interopFolder, "run.mjs"), filepath.Join(s.dir, "jobs.json"))
	node.Stdout, node.Stderr = &said, &wrong
	if err := node.Run(); err != nil {
		t.Fatalf("%v after %d of %d jobs\n%s", err, bytes.Count(said.Bytes(), []byte("\n")), len(s.jobs), wrong.Bytes())
	}
	lines := bufio.NewScanner(&said)
	for _, check := range s.then {
		var shapes map[string][]int
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &shapes) != nil {
			t.Fatalf("ONNX Runtime said %q", lines.Text())
		}
		check(t, shapes)
	}
	t.Logf("%d answers, off by %.1e at most", len(s.jobs), s.worst)
}

// near compares n rows with those wanted. What counts is the largest difference of
// a row, in the row's largest value.
func (s *session) near(t *testing.T, what string, shape []int, got []float32, n int, want []float32) {
	t.Helper()
	width := len(want) / n
	if !slices.Equal(shape, []int{n, width}) || len(got) != len(want) {
		t.Errorf("%s: %d values come as %v, want %v", what, len(got), shape, []int{n, width})
		return
	}
	worst := 0.0
	for i := 0; i < len(want); i += width {
		most, differ := 0.0, 0.0
		for k, w := range want[i : i+width] {
			most = max(most, math.Abs(float64(w)))
			differ = max(differ, math.Abs(float64(got[i+k])-float64(w)))
		}
		worst = max(worst, differ/most)
	}
	s.worst = max(s.worst, worst)
	if !(worst <= 1e-4) {
		t.Errorf("%s: off by %.1e", what, worst)
	}
}

// digits is a corpus of real clips: spoken digits of the one in the binary, two of
// each digit from each of two speakers, the second of which is for testing. Other
// encoders than those of spectrograms take samples.
func digits(t *testing.T, encoder string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	z, err := zip.NewReader(bytes.NewReader(fsdd), int64(len(fsdd)))
	if err != nil {
		t.Fatal(err)
	}
	manifest, taken := "path,label,split\n", map[string]int{}
	for _, f := range z.File {
		name := path.Base(f.Name) // 3_theo_12.flac
		words := strings.Split(name, "_")
		if len(words) != 3 || words[1] != "theo" && words[1] != "jackson" || taken[words[0]+words[1]] == 2 {
			continue
		}
		taken[words[0]+words[1]]++
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, name), b)
		manifest += fmt.Sprintf("%s,%s,%s\n", name, words[0], map[string]string{"theo": "train", "jackson": "test"}[words[1]])
	}
	put(t, filepath.Join(dir, "manifest.csv"), []byte(manifest))
	feature, frames := "{name: logmel, n_fft: 256, win_length: 256, hop_length: 80, n_mels: 40, f_max: 3800}", 64
	if strings.Contains(encoder, "resnet1d") || strings.Contains(encoder, "samplecnn") {
		feature, frames = "{name: waveform}", 4000
	}
	put(t, filepath.Join(dir, "config.yaml"), fmt.Appendf(nil, `corpus: manifest.csv
sample_rate: 8000
store: store.clrs
feature: %s
view: {frames: %d}
augment: []
encoder: %s
method: {name: simclr, projector: {hidden: [8], out: 4, norm: true}}
batch: 10
schedule: {epochs: 1, warmup_epochs: 0}
`, feature, frames, encoder))
	return dir
}

// firstWindows are the first window of every other clip, (M, C, F, T), and their
// embeddings (M, D).
func firstWindows(t *testing.T, d *data, e encoderState) (x, h []float32) {
	t.Helper()
	net, err := d.embedder(e, embedBatch)
	if err != nil {
		t.Fatal(err)
	}
	views, size := d.views(e.norm), d.input.Values()
	for i := 0; i < d.store.Len(); i += 2 {
		spectrogram, err := d.store.Spectrogram(i)
		if err != nil {
			t.Fatal(err)
		}
		x = append(x, make([]float32, size)...)
		if err := views.Window(x[len(x)-size:], &spectrogram, 1, 0); err != nil {
			t.Fatal(err)
		}
	}
	h = make([]float32, len(x)/size*net.Dim())
	if err := net.Embed(t.Context(), h, x); err != nil {
		t.Fatal(err)
	}
	return x, h
}

// interopEncoders are the encoders that ONNX Runtime is given: each as it is by
// default, and with what their options may bring besides.
func interopEncoders() []string {
	all := []string{
		"{name: audiontt2020, width: 8, dim: 24, input_norm: true}",
		"{name: cnn, layers: [{channels: 8, kernel: [3, 5], stride: [1, 2], norm: true, activation: gelu, pool: avg, pool_size: [2, 2]}, {channels: 12, kernel: [3, 3], stride: [2, 1], norm: false, activation: tanh, pool: max, pool_size: [2, 3]}], pool: flatten, hidden: [24, 16], activation: sigmoid}",
		"{name: cnn, layers: [{channels: 8, kernel: [4, 4], stride: [2, 2], norm: false, activation: relu, pool: none, pool_size: [1, 1]}], pool: time_mean_max, hidden: [], activation: relu}",
		"{name: mlp, hidden: [20], out: 16, activation: gelu, output: softmax}",
		"{name: resnet, depth: 10, width: 8, stem: small, pool: time_mean}",
		"{name: resnet, depth: 50, width: 4, pool: mean_max}",
		"{name: resnet1d, depth: 10, width: 4, stem: imagenet, pool: max}",
	}
	for name := range model.Encoders {
		all = append(all, "{name: "+name+"}")
	}
	slices.Sort(all)
	return all
}

// ONNX Runtime gives what clr gives, of real clips, for every encoder, with norms
// as they are and folded, one clip at a time and seven.
func TestONNXRuntime(t *testing.T) {
	s := newSession(t)
	for _, encoder := range interopEncoders() {
		dir := digits(t, encoder)
		run, d, e := trainedOn(t, dir)
		x, want := firstWindows(t, d, e)
		size := d.input.Values()
		dim := len(want) * size / len(x)
		for _, folded := range []bool{false, true} {
			out := filepath.Join(dir, fmt.Sprintf("folded-%v.onnx", folded))
			export(t, ExportOptions{Run: run, Format: "onnx", Out: out, FoldBN: folded})
			for _, n := range []int{1, 7} {
				s.ask(t, out, "spectrogram", d.input.Shape(n), x[:n*size], func(t *testing.T, out map[string][]float32, shapes map[string][]int) {
					s.near(t, fmt.Sprintf("%s, norms folded %v", encoder, folded), shapes["embedding"], out["embedding"], n, want[:n*dim])
				}, "embedding")
			}
		}
	}
	s.run(t)
}

// So it does with the linear probe behind an encoder, whatever makes probabilities
// of its logits, and whoever fitted it.
func TestONNXRuntimeProbes(t *testing.T) {
	s := newSession(t)
	for _, set := range [][]string{
		{"linear_probe.c_steps=2"},
		{"linear_probe.standardize=false", "embed.pool=mean_max"},
		{"linear_probe.multi=one_vs_rest", "embed.head_layers=1"},
		{"linear_probe.protocol=evar"},
		{"tags"},
	} {
		dir := digits(t, "{name: resnet, depth: 10, width: 8}")
		multi := set[0] == "tags"
		if multi {
			set = nil
			manifest := string(get(t, dir, "manifest.csv"))
			for _, odd := range []string{"1", "3", "5", "7", "9"} {
				manifest = strings.ReplaceAll(manifest, ","+odd+",", ","+odd+";odd,")
			}
			put(t, filepath.Join(dir, "manifest.csv"), []byte(manifest))
		}
		run, _, _ := trainedOn(t, dir)
		con, _ := silent()
		if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{Set: set}, con); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "probe.onnx")
		export(t, ExportOptions{Run: run, Format: "onnx", Out: out, Probe: true})

		// what clr itself says of them
		d := open(t, load(t, dir, set...))
		cp, err := d.saved(run, d.splits[0], con)
		if err != nil {
			t.Fatal(err)
		}
		e, err := d.trained(cp)
		if err != nil {
			t.Fatal(err)
		}
		x, h := firstWindows(t, d, e)
		size := d.input.Values()
		known, err := d.labels()
		if err != nil {
			t.Fatal(err)
		}
		if multi != (known.Labels == nil) {
			t.Fatalf("%v: several labels", multi)
		}
		dim := len(h) * size / len(x)
		p := newPool(d.c.Embed.Pool, len(x)/size, dim)
		for i := range p.count {
			p.add(i, h[i*dim:(i+1)*dim])
		}
		clips := eval.Set{X: p.finish(), N: len(p.count), D: p.dim, Classes: known.Classes}
		r, err := eval.Evaluate(t.Context(), "again", d.c.LinearProbe, embeddedOnce(t, d, e, known), d.splits)
		if err != nil {
			t.Fatal(err)
		}
		k := len(known.Classes)
		var want []float32
		for _, v := range r.Heads[0].LogProba(clips) {
			want = append(want, float32(math.Exp(v)))
		}
		for _, n := range []int{1, 7} {
			s.ask(t, out, "spectrogram", d.input.Shape(n), x[:n*size], func(t *testing.T, out map[string][]float32, shapes map[string][]int) {
				s.near(t, fmt.Sprintf("embeddings, %v", set), shapes["embedding"], out["embedding"], n, h[:n*dim])
				s.near(t, fmt.Sprintf("probabilities, %v", set), shapes["probabilities"], out["probabilities"], n, want[:n*k])
				if !slices.Equal(shapes["logits"], []int{n, k}) {
					t.Errorf("%v: logits are %v", set, shapes["logits"])
				}
			}, "embedding", "logits", "probabilities")
		}
	}
	s.run(t)
}

// embeddedOnce are all clips with their labels.
func embeddedOnce(t *testing.T, d *data, e encoderState, known eval.Set) eval.Set {
	t.Helper()
	known.X, known.D = embedded(t, d, e)
	return known
}

// docs/export.md's program for Node.js does what it is there for.
func TestONNXRuntimeDocs(t *testing.T) {
	newSession(t) // only to see that all is installed
	docs := regexp.MustCompile("(?s)```js\n(.*?)```").FindSubmatch(get(t, "../../docs/export.md"))
	modules, err := filepath.Abs(filepath.Join(interopFolder, "node_modules"))
	if docs == nil || err != nil {
		t.Fatalf("the program is not there: %v", err)
	}
	dir := digits(t, "{name: resnet, depth: 10, width: 8}")
	run, d, _ := trainedOn(t, dir)
	con, _ := silent()
	if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con); err != nil {
		t.Fatal(err)
	}
	export(t, ExportOptions{Run: run, Format: "onnx", Out: filepath.Join(dir, "digits.onnx"), FrontEnd: true, Probe: true, FoldBN: true})
	clip, err := d.readClip(0)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, clip.Samples)
	put(t, filepath.Join(dir, "clip.f32"), b.Bytes())
	put(t, filepath.Join(dir, "program.js"), docs[1])
	node := exec.CommandContext(t.Context(), "node", "program.js")
	node.Dir, node.Env = dir, append(os.Environ(), "NODE_PATH="+modules)
	out, err := node.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 2 || lines[0] != "1 64" || len(strings.Fields(lines[1])) != 10 {
		t.Fatalf("%v\n%s", err, out)
	}
	total := 0.0
	for _, word := range strings.Fields(lines[1]) {
		p, err := strconv.ParseFloat(word, 64)
		if err != nil {
			t.Fatal(err)
		}
		total += p
	}
	if math.Abs(total-1) > 1e-5 {
		t.Errorf("the probabilities sum to %v", total)
	}
}

// With the front end inside, samples give the embedding that clr embed gives the
// clip: of clips shorter than a view and longer, by every feature that ONNX has
// words for and every normalisation.
func TestONNXRuntimeFrontEnd(t *testing.T) {
	s := newSession(t)
	for _, c := range []struct {
		feature string // in the config
		set     []string
	}{
		{"{name: logmel, n_fft: 256, win_length: 200, hop_length: 80, n_mels: 40, f_max: 3800}", []string{"embed.pool=mean_max"}},
		{"{name: logmel, n_fft: 256, win_length: 200, hop_length: 80, n_mels: 40, f_max: 3800, center: false}", []string{"view.normalize=band", "embed.hop=0.3"}},
		{"{name: logmel, n_fft: 250, win_length: 201, hop_length: 80, n_mels: 40, f_max: 3800, pad_mode: constant, power: 1, log: log10}", []string{"view.normalize=band_std", "view.unit=log10", "embed.pool=max"}},
		{"{name: logmel_librosa, n_fft: 256, win_length: 256, hop_length: 64, n_mels: 32}", []string{"view.normalize=clip", "view.unit=db"}},
		{"{name: logmel_torchaudio, n_fft: 200, win_length: 200, hop_length: 100, n_mels: 24}", []string{"view.normalize=running", "view.running=7", "view.unit=db"}},
		{"{name: logmel_byola, n_fft: 512, win_length: 512, hop_length: 80, n_mels: 24, f_max: 4000}", []string{"view.normalize=corpus_band"}},
		{"{name: mfcc, n_mfcc: 20, mel: {n_fft: 256, win_length: 200, hop_length: 80, n_mels: 30, log: db, f_max: 4000}}", []string{"view.normalize=none"}},
		{"{name: stft, n_fft: 128, win_length: 128, hop_length: 80, value: ln, floor: 1.0e-5}", nil},
		{"{name: stft, n_fft: 128, win_length: 100, hop_length: 80, window: hamming, value: magnitude}", nil},
		{"{name: gammatone, n_fft: 256, win_length: 200, hop_length: 80, n_filters: 24, log: db, top_db: 60}", []string{"view.unit=db"}},
		{"{name: waveform, frame_length: 24, hop_length: 80}", nil},
		{"{name: waveform}", []string{"view.frames=2000"}},
	} {
		encoder := "{name: cnn, layers: [{channels: 8, kernel: [3, 3], stride: [1, 1], norm: true, activation: relu, pool: none, pool_size: [1, 1]}], pool: time_mean_max, hidden: [16]}"
		dir := digits(t, encoder)
		config := regexp.MustCompile(`(?m)^feature: .*$`).ReplaceAllLiteralString(string(get(t, dir, "config.yaml")), "feature: "+c.feature)
		put(t, filepath.Join(dir, "config.yaml"), []byte(strings.Replace(config, "view: {frames: 64}", "view: {frames: 24}", 1)))
		lines := strings.Split(strings.TrimSpace(string(get(t, dir, "manifest.csv"))), "\n")
		manifest := lines[0] + ",start,end\n"
		for _, line := range lines[1:] {
			manifest += line + ",,\n"
			if strings.Contains(line, "jackson") {
				manifest += line + ",0.05,0.2\n" + line + ",0,0.34\n"
			}
		}
		put(t, filepath.Join(dir, "manifest.csv"), []byte(manifest))
		run, d, e := trainedOn(t, dir, c.set...)
		want, dim := embedded(t, d, e)
		out := filepath.Join(dir, "front.onnx")
		export(t, ExportOptions{Run: run, Format: "onnx", Out: out, FrontEnd: true})

		ask := func(clips ...int) {
			var x, h []float32
			for _, i := range clips {
				clip, err := d.readClip(i)
				if err != nil {
					t.Fatal(err)
				}
				x = append(x, clip.Samples...)
				for _, v := range want[i*dim : (i+1)*dim] {
					h = append(h, float32(v))
				}
			}
			n := len(clips)
			s.ask(t, out, "waveform", []int{n, len(x) / n}, x, func(t *testing.T, out map[string][]float32, shapes map[string][]int) {
				s.near(t, fmt.Sprintf("%s %v, of %d samples", c.feature, c.set, len(x)/n), shapes["embedding"], out["embedding"], n, h)
			}, "embedding")
		}
		equal := map[string][]int{} // clips of one length
		for i, it := range d.corpus.Items {
			if end := it.Value("end"); end != "" {
				equal[end] = append(equal[end], i)
			} else if i%5 == 0 {
				ask(i)
			}
		}
		ask(equal["0.2"][:7]...)
		ask(equal["0.34"][:7]...)
		ask(equal["0.34"][1])
	}
	s.run(t)
}
