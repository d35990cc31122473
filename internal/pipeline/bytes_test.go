package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/kernel"
	"clr/internal/rundir"
)

// whole is a config whose layers reach every way to convolve: directly (the
// first layer, strides, 1 × 1) and by each minimal filter, chunk by chunk (24 ×
// 16 maps) and stage by stage (smaller ones; the last have 256 channels). Of
// tones(t, 24) it takes all 20 training clips a step: with two views 40 rows,
// of which the last block of 16 is not full.
const whole = `corpus: manifest.csv
sample_rate: 8000
store: store.clrs
feature: {name: logmel, n_fft: 128, win_length: 128, hop_length: 64, n_mels: 24, f_max: 3800}
view: {frames: 16}
augment: [{name: gain}, {name: mix}, {name: resized_crop}, {name: time_mask, frames: 3}]
encoder: {name: resnet, depth: 10, width: 32, stem: small}
schedule: {epochs: 3, warmup_epochs: 1}
batch: 20
`

var wholeMethods = map[string][]string{
	"simclr": {"method={name: simclr, projector: {hidden: [32], out: 16}}", "optimizer={name: adamw, lr: 0.01}"},
	"moco":   {"method={name: moco, queue: 50, bn_groups: 2, projector: {hidden: [32], out: 16}}", "optimizer={name: sgd, lr: 0.05}"},
}

// oneStep is a smaller network, for plain Go, and plain gradient descent: its
// momentum after one step is the gradient.
var oneStep = []string{"encoder.width=16", "optimizer={name: sgd, lr: 0.05}", "schedule.warmup_epochs=0"}

// otherProcess says, in the environment of a test run by TestSameBytes, where
// to write and what.
const otherProcess = "CLR_TEST_BYTES"

// The checkpoint has the same bytes after some whole steps (features, loader,
// forward, loss, backward, optimiser, what the method does then) on any number
// of threads and loader workers and on AVX2 and AVX-512. Plain Go comes near.
// CLR_OTHER names a command that runs this package's tests elsewhere, such as
// "qemu-aarch64 pipeline.test"; it must come near too.
func TestSameBytes(t *testing.T) {
	if os.Getenv(otherProcess) != "" {
		t.Skip("this process is such a run")
	}
	dir := tones(t, 24)
	put(t, filepath.Join(dir, "config.yaml"), []byte(whole))
	run := func(name, what string, command ...string) string {
		t.Helper()
		out := filepath.Join(dir, name)
		cmd := exec.Command(command[0], append(command[1:], "-test.run=^TestOtherProcess$", "-test.v")...)
		cmd.Env = append(os.Environ(), otherProcess+"="+what+" "+dir+" "+out, "CLR_CPU="+name)
		if said, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(said, []byte("--- PASS")) {
			t.Fatalf("%s: %v\n%s", name, err, said)
		}
		return out
	}
	self, here := os.Args[0], kernel.CPU()
	if here != "generic" {
		best := run(here, "threads", self)
		if here == "avx512" {
			other := run("avx2", "threads", self)
			for name := range wholeMethods {
				same(t, rundir.LastFile, filepath.Join(best, name), filepath.Join(other, name))
			}
		} else {
			t.Log("no AVX-512 here to compare with")
		}
	}
	others := map[string]string{} // folders by what made them
	plain := run("generic", "step", self)
	if here != "generic" {
		out := filepath.Join(dir, here+"-step")
		others[here] = out
		wholeSteps(t, dir, out, 1, oneStep...)
	}
	if command := strings.Fields(os.Getenv("CLR_OTHER")); len(command) > 0 {
		others[command[0]] = run("", "step", command...)
	}
	for cpu, out := range others {
		for name := range wholeMethods {
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
	if len(f) != 3 {
		t.Skip("only for TestSameBytes")
	}
	what, dir, out := f[0], f[1], f[2]
	if want := os.Getenv("CLR_CPU"); want != "" && kernel.CPU() != want {
		t.Fatalf("runs on %s, not on %s", kernel.CPU(), want)
	}
	if what == "step" {
		wholeSteps(t, dir, out, 1, oneStep...)
		return
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	first := ""
	for _, c := range [][2]int{{1, 2}, {2, 1}, {3, 8}, {8, 2}} { // threads, workers
		runtime.GOMAXPROCS(c[0])
		to := out
		if first != "" {
			to = fmt.Sprintf("%s-%d-%d", out, c[0], c[1])
		}
		wholeSteps(t, dir, to, 3, fmt.Sprint("workers=", c[1]))
		for name := range wholeMethods {
			if first != "" {
				same(t, rundir.LastFile, filepath.Join(first, name), filepath.Join(to, name))
			}
		}
		first = out
	}
}

// wholeSteps takes steps with each method, in a folder of its own within out.
// It makes its own features.
func wholeSteps(t *testing.T, dir, out string, steps int, set ...string) {
	t.Helper()
	for name, method := range wholeMethods {
		c := load(t, dir, slices.Concat([]string{"store=" + out + ".clrs"}, method, set)...)
		if err := os.MkdirAll(out, 0o777); err != nil {
			t.Fatal(err)
		}
		pretrain(t, c, PretrainOptions{Run: filepath.Join(out, name), MaxSteps: steps})
	}
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
		var wrong, value float64
		for i := range u.Data {
			d := float64(u.Data[i]) - float64(v.Data[i])
			wrong += d * d
			value += float64(v.Data[i]) * float64(v.Data[i])
		}
		if wrong > 0 {
			most = max(most, math.Sqrt(wrong/value))
		}
	}
	return most
}
