package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"clr/configs"
	"clr/internal/checkpoint"
	"clr/internal/embedding"
	"clr/internal/eval"
	"clr/internal/kernel"
	"clr/internal/rundir"
)

// A route is a way through the whole program: a config, what it changes, and how
// far it trains.
type route struct {
	corpus string // folder of recordings with a config.yaml
	set    []string
	steps  int
	fold   string // whose encoder is exported; empty: the only one
}

// whole is a config whose layers reach every way to convolve: directly (the
// first layer, strides, 1 × 1) and by each minimal filter, chunk by chunk (24 ×
// 16 maps) and stage by stage (smaller ones; the last have 256 channels). Of
// tones(t, 24) it takes all 20 training clips a step: with two views 40 rows,
// of which the last block of 16 is not full. There are fewer clips than features.
const whole = `corpus: manifest.csv
sample_rate: 8000
feature: {name: logmel, n_fft: 128, win_length: 128, hop_length: 64, n_mels: 24, f_max: 3800}
view: {frames: 16}
augment: [{name: gain}, {name: mix}, {name: resized_crop}, {name: time_mask, frames: 3}]
encoder: {name: resnet, depth: 10, width: 32, stem: small}
schedule: {epochs: 3, warmup_epochs: 1}
batch: 20
health: {every: 1, knn: {every: 1}}
linear_probe: {c_steps: 4}
mlp_probe: {hidden: [32], epochs: 5, seeds: [1, 2]}
`

// many is a config whose probes have clips enough to share out: of tones(t,
// 200) two rooms with ten labels, each left out in turn.
const many = `corpus: manifest.csv
sample_rate: 8000
split: {by: room}
feature: {name: logmel, n_fft: 128, win_length: 128, hop_length: 64, n_mels: 33, f_max: 3800}
view: {frames: 16}
augment: [{name: blur}, {name: freq_mask}, {name: shift}, {name: time_shift}, {name: fader}]
encoder: {name: resnet, depth: 10, width: 4, stem: imagenet}
method: {name: simclr, projector: {hidden: [16], out: 8}}
optimizer: {name: adam, lr: 0.01}
schedule: {epochs: 3, warmup_epochs: 1}
batch: 50
health: {every: 1}
linear_probe: {c_min: 0.01, c_steps: 3, inner_folds: 2}
mlp_probe: {epochs: 3, batch: 70}
`

// routes between them reach both methods, every optimiser, both blocks of the
// ResNet, exact convolutions, recordings read by the loader, folds, and probes
// with more clips than features and fewer; the long form also takes the demo's,
// not to its end.
func routes(few, lots, speech string) map[string]route {
	all := map[string]route{
		"simclr": {few, []string{"method={name: simclr, projector: {hidden: [32], out: 16}}", "optimizer={name: adamw, lr: 0.01}"}, 3, ""},
		"moco":   {few, []string{"method={name: moco, queue: 50, bn_groups: 2, projector: {hidden: [32], out: 16}}", "optimizer={name: sgd, lr: 0.05}"}, 3, ""},
		"bottleneck": {few, []string{"method={name: simclr, bn_groups: 2, projector: {hidden: [16], out: 8}}", "optimizer={name: lars, lr: 0.3}",
			"encoder={name: resnet, depth: 50, width: 4, stem: imagenet, pool: time_mean_max}", "engine.exact_conv=true", "embed.pool=mean_max",
			"augment=[{name: wave_mix}, {name: background}, {name: noise, color: any}, {name: wave_stretch}, {name: reverb}, {name: wave_shift}, {name: stretch}, {name: mel_warp}, {name: eq}, {name: noise_floor}]",
			"view.normalize=band"}, 2, ""},
		"folds": {lots, nil, 2, "y"},
	}
	if soak {
		all["digits"] = route{speech, []string{"schedule.epochs=3", "mlp_probe.seeds=[42]"}, 40, ""}
	}
	return all
}

// stores are features that no route trains on, with the rate of their clips.
var stores = map[string]string{
	"mfcc":        "sample_rate: 8000\nfeature: {name: mfcc}",
	"resampled":   "sample_rate: 11025\nfeature: {name: mfcc, mel: {n_fft: 300, win_length: 250, log: ln}}", // and no power of two
	"kaldi_fbank": "sample_rate: 8000\nfeature: {name: kaldi_fbank}",
	"kaldi_mfcc":  "sample_rate: 8000\nfeature: {name: kaldi_mfcc}",
}

// oneStep is a smaller network, for plain Go, and plain gradient descent: its
// momentum after one step is the gradient.
var oneStep = []string{"encoder.width=16", "optimizer={name: sgd, lr: 0.05}", "schedule.warmup_epochs=0"}

// otherProcess says, in the environment of a test run by TestSameBytes, what to
// do, with which recordings, and where to write.
const otherProcess = "CLR_TEST_BYTES"

// soak asks for the long form, of some minutes.
var soak = os.Getenv("CLR_SOAK") != ""

// likeAVX2 makes Go's runtime and library, too, see a processor that has AVX2
// and nothing newer.
const likeAVX2 = "GODEBUG=cpu.avx512f=off,cpu.avx512dq=off,cpu.avx512bw=off,cpu.avx512vl=off,cpu.avx512cd=off,cpu.sha=off,cpu.vpclmulqdq=off,cpu.erms=off,cpu.fsrm=off,cpu.adx=off"

// Everything that lasts has the same bytes, whatever the number of threads and
// loader workers, in another process, and on AVX2 and AVX-512: feature stores,
// checkpoints, embeddings, reports, exports, and metrics but for their clocks.
// Plain Go comes near. CLR_OTHER names a command that runs this package's tests
// elsewhere, such as "qemu-aarch64 pipeline.test"; it must come near too.
func TestSameBytes(t *testing.T) {
	if os.Getenv(otherProcess) != "" {
		t.Skip("this process is such a run")
	}
	few, lots, speech, dir := tones(t, 24), tones(t, 200), t.TempDir(), t.TempDir()
	put(t, filepath.Join(few, "config.yaml"), []byte(whole))
	put(t, filepath.Join(lots, "config.yaml"), []byte(many))
	tenLabels(t, lots)
	put(t, filepath.Join(speech, "config.yaml"), configs.Quickstart)
	for name, config := range stores {
		put(t, filepath.Join(few, name+".yaml"), []byte("corpus: manifest.csv\n"+config+"\n"))
	}
	run := func(name, cpu, what string, command ...string) string {
		t.Helper()
		out := filepath.Join(dir, name)
		cmd := exec.Command(command[0], append(command[1:], "-test.run=^TestOtherProcess$", "-test.v", "-test.timeout=30m")...)
		cmd.Env = append(os.Environ(), otherProcess+"="+strings.Join([]string{what, few, lots, speech, out}, " "), "CLR_CPU="+cpu)
		if cpu == "avx2" {
			cmd.Env = append(cmd.Env, likeAVX2)
		}
		began := time.Now()
		if said, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(said, []byte("--- PASS")) {
			t.Fatalf("%s: %v\n%s", name, err, said)
		}
		t.Logf("%s took %.1f s", name, time.Since(began).Seconds())
		return out
	}
	self, here := os.Args[0], kernel.CPU()
	others := map[string]string{} // folders with one step, by what made them
	if here != "generic" {
		best := run(here, here, "all", self)
		n := sameFiles(t, best, run("again", here, "once", self))
		if here == "avx512" {
			sameFiles(t, best, run("avx2", "avx2", "half", self))
		} else {
			t.Log("no AVX-512 here to compare with")
		}
		t.Logf("%d files of %d routes", n, len(routes("", "", "")))
		embeddingsNear(t, best, filepath.Join(dir, "given"), func() { run("given", "generic", "given", self) })
		out := filepath.Join(dir, here+"-step")
		others[here] = out
		oneStepEach(t, few, out)
	}
	plain := run("generic", "generic", "step", self)
	if command := strings.Fields(os.Getenv("CLR_OTHER")); len(command) > 0 {
		others[command[0]] = run("other", "", "step", command...)
	}
	for cpu, out := range others {
		for _, name := range []string{"simclr", "moco"} {
			d := distance(t, filepath.Join(out, name, rundir.LastFile), filepath.Join(plain, name, rundir.LastFile))
			x, y := firstLoss(t, out, name), firstLoss(t, plain, name)
			t.Logf("%s: one step on %s is %.2g from plain Go, its loss %.2g", name, cpu, d, math.Abs(x-y)/y)
			if !(d < 1e-2 && math.Abs(x-y) < 1e-5*y) {
				t.Errorf("%s: one step on %s is %.2g from plain Go; its loss is %v, not %v", name, cpu, d, x, y)
			}
		}
	}
}

// TestOtherProcess is TestSameBytes's part in a process of another CLR_CPU.
func TestOtherProcess(t *testing.T) {
	f := strings.Fields(os.Getenv(otherProcess))
	if len(f) != 5 {
		t.Skip("only for TestSameBytes")
	}
	what, few, lots, speech, out := f[0], f[1], f[2], f[3], f[4]
	if want := os.Getenv("CLR_CPU"); want != "" && kernel.CPU() != want {
		t.Fatalf("runs on %s, not on %s", kernel.CPU(), want)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	counts := [][2]int{{2, 2}, {1, 8}, {3, 1}, {8, 2}} // threads, workers
	if soak {
		counts = [][2]int{{2, 2}}
		for _, threads := range []int{1, 2, 3, 8} {
			for _, workers := range []int{1, 2, 8} {
				counts = append(counts, [2]int{threads, workers})
			}
		}
	}
	switch what {
	case "step":
		oneStepEach(t, few, out)
		return
	case "given":
		for _, name := range given() {
			probed(t, routes(few, lots, speech)[name], name, out)
		}
		return
	case "once":
		counts = counts[:1]
	case "half": // other numbers than the first, which it is compared with
		counts = counts[len(counts)/2:]
	}
	for i, c := range counts {
		runtime.GOMAXPROCS(c[0])
		to := out
		if i > 0 {
			to = filepath.Join(t.TempDir(), "again")
		}
		everything(t, routes(few, lots, speech), to, c[1])
		otherStores(t, few, to, c[1])
		if i > 0 {
			sameFiles(t, out, to)
			os.RemoveAll(to)
		}
	}
}

// everything goes each route, from recordings to exports, in a folder.
func everything(t *testing.T, routes map[string]route, out string, workers int) {
	t.Helper()
	con, _ := silent()
	for name, r := range routes {
		run := filepath.Join(out, name)
		c := load(t, r.corpus, slices.Concat(r.set, []string{"store=" + run + ".clrs", fmt.Sprint("workers=", workers)})...)
		if err := Features(t.Context(), c, con); err != nil {
			t.Fatal(err)
		}
		pretrain(t, c, PretrainOptions{Run: run, MaxSteps: r.steps})
		probed(t, r, name, out)
	}
}

// otherStores makes the stores.
func otherStores(t *testing.T, few, out string, workers int) {
	t.Helper()
	con, _ := silent()
	for name := range stores {
		c, err := LoadConfig(filepath.Join(few, name+".yaml"),
			Overrides{Set: []string{"store=" + filepath.Join(out, name+".clrs"), fmt.Sprint("workers=", workers)}})
		if err != nil {
			t.Fatal(err)
		}
		if err := Features(t.Context(), c, con); err != nil {
			t.Fatal(err)
		}
	}
}

// probed probes and exports a run.
func probed(t *testing.T, r route, name, out string) {
	t.Helper()
	con, _ := silent()
	run := filepath.Join(out, name)
	for _, kind := range []string{"linear", "mlp", "knn"} {
		if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: kind}, Overrides{}, con); err != nil {
			t.Fatal(err)
		}
	}
	for format := range ExportFormats {
		if err := Export(t.Context(), ExportOptions{Run: run, Fold: r.fold, Format: format, Out: run + "." + format}, con); err != nil {
			t.Fatal(err)
		}
	}
	fewRows(t, run, r.fold, run)
}

// fewRows writes the embeddings of three windows that go through the encoder as
// a batch of their own, in pixels, and in a larger one, in lanes.
func fewRows(t *testing.T, run, fold, to string) {
	t.Helper()
	c, err := runConfig(run, Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, c)
	con, _ := silent()
	splits, err := d.splitsOf(fold)
	if err != nil {
		t.Fatal(err)
	}
	cp, err := d.saved(run, splits[0], con)
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.trained(cp)
	if err != nil {
		t.Fatal(err)
	}
	var in []float32
	for clip := range 3 {
		s, err := d.store.Spectrogram(clip)
		if err != nil {
			t.Fatal(err)
		}
		one := make([]float32, d.input.Bins*c.View.Frames)
		if err := d.views(e.norm).Window(one, &s, c.View.Frames, 0); err != nil {
			t.Fatal(err)
		}
		in = append(in, one...)
	}
	for name, n := range map[string]int{"-few.npy": 3, "-many.npy": 16} {
		net, err := d.embedder(e, n)
		if err != nil {
			t.Fatal(err)
		}
		h := kernel.New(3, net.Dim())
		if err := net.Embed(t.Context(), h.Data, in); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := embedding.WriteNPY(&b, h); err != nil {
			t.Fatal(err)
		}
		put(t, to+name, b.Bytes())
	}
}

// sameFiles fails unless two folders hold the same files with the same bytes,
// those aside that say where, when and with how many workers. It tells how many.
func sameFiles(t *testing.T, a, b string) int {
	t.Helper()
	x, y := lasting(t, a), lasting(t, b)
	for name, want := range x {
		if got, there := y[name]; !there {
			t.Errorf("%s is in %s only", name, a)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s differs between %s and %s", name, a, b)
		}
	}
	if len(y) != len(x) {
		t.Errorf("%s has %d files, %s %d", a, len(x), b, len(y))
	}
	return len(x)
}

// lasting is a folder's files, by their names in it, as far as they are promised.
func lasting(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch filepath.Base(path) {
		case rundir.ConfigFile, rundir.ProvenanceFile:
		case rundir.MetricsFile:
			files[name] = untimed(t, get(t, path))
		default:
			files[name] = get(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// untimed is metrics without what a clock said.
func untimed(t *testing.T, log []byte) (out []byte) {
	t.Helper()
	for line := range bytes.Lines(log) {
		var s map[string]any
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatal(err)
		}
		delete(s, "clips_per_s")
		delete(s, "wait_s")
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, b...), '\n')
	}
	return out
}

// oneStepEach takes one step of each method. It makes its own features.
func oneStepEach(t *testing.T, few, out string) {
	t.Helper()
	if err := os.MkdirAll(out, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"simclr", "moco"} {
		r := routes(few, "", "")[name]
		c := load(t, few, slices.Concat([]string{"store=" + out + ".clrs"}, r.set, oneStep)...)
		pretrain(t, c, PretrainOptions{Run: filepath.Join(out, name), MaxSteps: 1})
	}
}

// given are the routes whose trained runs plain Go embeds and probes.
func given() []string {
	if soak {
		return []string{"moco", "bottleneck", "digits"}
	}
	return []string{"moco", "bottleneck"}
}

// embeddingsNear has plain Go embed and probe with the weights of trained runs,
// and compares.
func embeddingsNear(t *testing.T, best, out string, run func()) {
	t.Helper()
	for _, name := range given() {
		if err := os.CopyFS(filepath.Join(out, name), os.DirFS(filepath.Join(best, name))); err != nil {
			t.Fatal(err)
		}
	}
	run()
	for _, name := range given() {
		for _, file := range []string{name + ".npy", name + "-few.npy"} {
			d := apart(array(t, best, file), array(t, out, file))
			t.Logf("%s: plain Go's are %.2g away", file, d)
			if !(d < 1e-5) {
				t.Errorf("%s: plain Go's are %.2g away", file, d)
			}
		}
		d := apart(array(t, best, name+"-few.npy"), array(t, best, name+"-many.npy"))
		t.Logf("%s: a batch of three is %.2g from a larger one", name, d)
		if !(d < 1e-5) {
			t.Errorf("%s: a batch of three is %.2g from a larger one", name, d)
		}
		if same := bytes.Equal(get(t, best, name+".safetensors"), get(t, out, name+".safetensors")); !same {
			t.Errorf("%s: plain Go exports other weights", name)
		}
		for _, kind := range []string{"linear", "mlp", "knn"} {
			x, y := scores(t, best, name, kind), scores(t, out, name, kind)
			t.Logf("%s: %s probe: accuracy %.4f, in plain Go %.4f; log loss %.6f and %.6f", name, kind, x.Accuracy, y.Accuracy, x.LogLoss, y.LogLoss)
			if !(math.Abs(x.LogLoss-y.LogLoss) <= 1e-2*x.LogLoss) {
				t.Errorf("%s: %s probe: log loss %v, in plain Go %v", name, kind, x.LogLoss, y.LogLoss)
			}
		}
	}
}

// array reads a .npy file.
func array(t *testing.T, path ...string) []float32 {
	t.Helper()
	a, err := embedding.ReadNPY(bytes.NewReader(get(t, path...)))
	if err != nil {
		t.Fatal(err)
	}
	return a.Data
}

// scores are those of a report's first row.
func scores(t *testing.T, out, name, kind string) eval.Metrics {
	t.Helper()
	var r eval.Report
	if err := json.Unmarshal(get(t, out, name, "report-"+kind+"-probe.json"), &r); err != nil {
		t.Fatal(err)
	}
	return r.Rows[0].Mean
}

// tenLabels gives the recordings of a manifest ten labels by turns.
func tenLabels(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "manifest.csv")
	lines := strings.SplitAfter(string(get(t, path)), "\n")
	for i, line := range lines[1:] {
		if f := strings.Split(line, ","); len(f) > 1 {
			f[1] = fmt.Sprint("label", i%10)
			lines[i+1] = strings.Join(f, ",")
		}
	}
	put(t, path, []byte(strings.Join(lines, "")))
}

// apart is the relative root of the mean square of the difference.
func apart(x, y []float32) float64 {
	var wrong, value float64
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		wrong += d * d
		value += float64(y[i]) * float64(y[i])
	}
	if wrong == 0 {
		return 0
	}
	return math.Sqrt(wrong / value)
}

// firstLoss is the loss of a run's first step.
func firstLoss(t *testing.T, path ...string) float64 {
	t.Helper()
	line, _, _ := bytes.Cut(get(t, filepath.Join(path...), rundir.MetricsFile), []byte("\n"))
	var s rundir.Line
	if err := json.Unmarshal(line, &s); err != nil {
		t.Fatal(err)
	}
	return s.Loss
}

// distance is the largest relative distance of an array of two checkpoints,
// root of the mean square. Those that began as zero, and the momentum, are
// gradients; they decide. Rounding makes 1e-5 of it, and one value that falls on
// the other side of a ReLU 1e-3.
func distance(t *testing.T, a, b string) (most float64) {
	t.Helper()
	x, err := checkpoint.Load(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := checkpoint.Load(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Arrays) != len(y.Arrays) {
		t.Fatalf("%d arrays and %d", len(x.Arrays), len(y.Arrays))
	}
	for name, u := range x.Arrays {
		v := y.Arrays[name]
		most = max(most, apart(u.Data, v.Data))
	}
	return most
}
