package pipeline

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/rundir"
)

func TestMaxStepsAndCheckpointEvery(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	c := load(t, dir, "checkpoint.every=2")
	at := func(last, before int) {
		t.Helper()
		if got := stepIn(t, run, rundir.LastFile); got != last {
			t.Errorf("the last checkpoint is of step %d, want %d", got, last)
		}
		if before < 0 {
			if _, err := os.Stat(filepath.Join(run, "last-1.safetensors")); err == nil {
				t.Error("there is a checkpoint too many")
			}
			return
		}
		if got := stepIn(t, run, "last-1.safetensors"); got != before {
			t.Errorf("the checkpoint before is of step %d, want %d", got, before)
		}
	}
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 4}) // an epoch has 3 steps
	at(4, -1)
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 8, Resume: true})
	at(8, 6)
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 1000, Resume: true})
	at(9, 8)
}

// adopt makes a run's checkpoint one of the trainer's config, which resuming
// would refuse, and gives what it was.
func adopt(t *testing.T, run string, tr *trainer) (was []byte) {
	t.Helper()
	path := filepath.Join(run, rundir.LastFile)
	was = get(t, path)
	edit(t, path, func(cp *checkpoint.Checkpoint) { cp.Meta["config"] = string(tr.d.c.learnt()) })
	return was
}

func TestDivergedRunStops(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	c := load(t, dir)
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 3})

	// The same run at a learning rate that no one means, from its checkpoint.
	// Pretrain would refuse: lr may not change on resume.
	c = load(t, dir, "optimizer.lr=1e30")
	d := open(t, c)
	con, _ := silent()
	tr, err := planTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	adopt(t, run, tr)
	saved := get(t, run, rundir.LastFile)
	err = pretrainFold(t.Context(), tr, PretrainOptions{Run: run, Resume: true}, con)
	if fault.KindOf(err) != fault.Diverged || fault.Remedy(err) == "" {
		t.Fatalf("%v", err)
	}
	says(t, err, "at step 4", "e+29", ".wav")
	if !bytes.Equal(get(t, run, rundir.LastFile), saved) {
		t.Error("the checkpoint changed")
	}
	if got := steps(t, run); !slices.Equal(got, upTo(4)) {
		t.Errorf("metrics of steps %v", got)
	}
}

func TestFinite(t *testing.T) {
	many := strings.Split(strings.Repeat("a.wav ", 300), " ")
	for _, c := range []struct {
		l    rundir.Line
		want string
	}{
		{rundir.Line{Loss: math.NaN()}, "the loss is NaN at step 0"},
		{rundir.Line{Step: 7, Loss: 1, GradNorm: math.Inf(1)}, "the gradient norm is +Inf at step 7"},
	} {
		err := finite(c.l, many)
		says(t, err, c.want)
		if len(err.Error()) > 300 || fault.KindOf(err) != fault.Diverged {
			t.Errorf("%v", err)
		}
	}
	if err := finite(rundir.Line{Loss: 1e30, GradNorm: 1e30}, nil); err != nil {
		t.Error(err)
	}
}

// No test clip is drawn, not even to be mixed in, and what they hold does not
// move the normalisation: test clips of other sounds give the same bytes, once
// the corpus's own hash is set aside.
func TestTestClipsAreNeverHeard(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	s := d.splits[0]
	tr, err := newTrainer(d, s)
	if err != nil {
		t.Fatal(err)
	}
	test := map[string]bool{}
	for _, i := range s.Test {
		test[d.corpus.Items[i].Path] = true
	}
	if len(test) != 4 {
		t.Fatalf("%d test clips", len(test))
	}
	l, err := startLoader(t.Context(), d, tr.loaderOptions(0, 9))
	if err != nil {
		t.Fatal(err)
	}
	defer l.stop()
	for range 9 {
		v, err := l.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range v.names {
			if test[name] {
				t.Errorf("step %d draws the test clip %s", v.Step, name)
			}
		}
	}
	pretrain(t, load(t, dir), PretrainOptions{Run: filepath.Join(dir, "a")})
	for name := range test {
		put(t, filepath.Join(dir, name), wav(3000, 0.5, 0.01))
	}
	os.Remove(filepath.Join(dir, "store.clrs"))
	pretrain(t, load(t, dir), PretrainOptions{Run: filepath.Join(dir, "b")})
	a, err := checkpoint.Load(filepath.Join(dir, "a", rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	b, err := checkpoint.Load(filepath.Join(dir, "b", rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	if a.Meta["corpus"] == b.Meta["corpus"] {
		t.Error("the corpus's hash is the same: the recordings were not read again")
	}
	for name, x := range a.Arrays {
		if !slices.Equal(x.Data, b.Arrays[name].Data) {
			t.Errorf("%s depends on the test clips", name)
		}
	}
}

func TestSpread(t *testing.T) {
	z := kernel.New(4, 2)
	copy(z.Data, []float32{1, 0, -1, 0, 0, 1, 0, -1})
	if got := spread(z); math.Abs(got-math.Sqrt(0.5)) > 1e-12 { // 1/√P: evenly spread
		t.Errorf("evenly spread: %v", got)
	}
	copy(z.Data, []float32{.6, .8, .6, .8, .6, .8, .6, .8})
	if got := spread(z); got > 1e-7 {
		t.Errorf("collapsed: %v", got)
	}
}

// What is refused leaves no run folder: mended, it can be started under the same
// name.
func TestRefusedRunLeavesNothing(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	refused := func(kind fault.Kind, remedy string, set ...string) {
		t.Helper()
		con, _ := silent()
		err := Pretrain(t.Context(), load(t, dir, set...), PretrainOptions{Run: run}, con)
		if fault.KindOf(err) != kind || !strings.Contains(fault.Remedy(err), remedy) || fault.Remedy(err) == "" {
			t.Errorf("%q: %v, remedy %q", set, err, fault.Remedy(err))
		}
		if _, err := os.Stat(run); !os.IsNotExist(err) {
			t.Errorf("%q left a folder: %v", set, err)
		}
	}
	refused(fault.Usage, "set batch to at most 16", "batch=17")
	refused(fault.Usage, "multiple of bn_groups", "method.bn_groups=5")
	refused(fault.Usage, "multiple of bn_groups", "method={name: moco}")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	os.RemoveAll(run)

	// A later fold is refused as early: fold y trains on the 9 clips of room x.
	manifest := string(get(t, dir, "manifest.csv"))
	put(t, filepath.Join(dir, "manifest.csv"), []byte(strings.Replace(manifest, "01.wav,high,train,x", "01.wav,high,train,y", 1)))
	refused(fault.Usage, "set batch to at most 9", "split.by=room", "batch=10")

	// Silence has no deviation to divide by.
	for i := range 20 {
		put(t, filepath.Join(dir, fmt.Sprintf("%02d.wav", i)), wav(100, 0.2, 0))
	}
	os.Remove(filepath.Join(dir, "store.clrs"))
	refused(fault.Data, "silent")
}

// A folder in use is refused before features are made.
func TestRefusedBeforeFeatures(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	store := filepath.Join(dir, "store.clrs")
	os.Remove(store)
	con, _ := silent()
	says(t, Pretrain(t.Context(), load(t, dir), PretrainOptions{Run: run}, con), "already holds a run")
	says(t, Pretrain(t.Context(), load(t, dir, "seed=2"), PretrainOptions{Run: run, Resume: true}, con), "another config")
	if _, err := os.Stat(store); err == nil {
		t.Error("features were made")
	}
}
