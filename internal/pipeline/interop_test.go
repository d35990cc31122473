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
	"slices"
	"strings"
	"testing"
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
