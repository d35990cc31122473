package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clr/internal/checkpoint"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/rundir"
)

// around is a run with everything around the optimiser: of its 9 steps
// every second moves the weights.
var around = []string{"update={accumulate: 2, clip_norm: 0.3, ema: 0.75, lr_scale: sqrt, layer_decay: 0.8, freeze: [encoder.conv1.*, encoder.bn1.*]}",
	"optimizer={name: lamb, lr: 0.02, exclude: ['*.bn2.*']}"}

// Stopped in the middle of an accumulation or not, on any number of threads, and
// executed again: the same bytes.
func TestUpdateResumesToTheSameBytes(t *testing.T) {
	dir := tones(t, 20)
	straight := filepath.Join(dir, "straight")
	con, said := silent()
	if err := Pretrain(t.Context(), load(t, dir, around...), PretrainOptions{Run: straight}, con); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"warning: update.accumulate 2 averages gradients; it is no batch of 12 clips: negatives and batch statistics are still those of 6",
		"the last 1 of 9 steps come to no move", "learning rate 0.00433: 0.02 × √(6 × 2 / 256), top of cosine over 3 epochs, the first 1 of them warm-up (3 steps)"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	for _, at := range []int{1, 3, 4} {
		run := filepath.Join(dir, fmt.Sprint("stopped", at))
		ctx, cancel := context.WithCancel(t.Context())
		err := Pretrain(ctx, load(t, dir, around...), PretrainOptions{Run: run}, Console{Err: trap{fmt.Sprintf("pretrain %d/9", at), cancel}})
		if fault.KindOf(err) != fault.Interrupted {
			t.Fatal(err)
		}
		cp, err := checkpoint.Load(filepath.Join(run, rundir.LastFile))
		if err != nil {
			t.Fatal(err)
		}
		if got := cp.Arrays["optimizer.batches"].Data[0]; got != float32(at%2) {
			t.Errorf("stopped after %d: %g batches are in the sums", at, got)
		}
		pretrain(t, load(t, dir, append(around, "workers=1")...), PretrainOptions{Run: run, Resume: true})
		same(t, rundir.LastFile, straight, run)
	}
	for _, threads := range []int{1, 3} {
		run := filepath.Join(dir, fmt.Sprint("threads", threads))
		before := runtime.GOMAXPROCS(threads)
		pretrain(t, load(t, dir, around...), PretrainOptions{Run: run})
		runtime.GOMAXPROCS(before)
		same(t, rundir.LastFile, straight, run)
	}
	for _, optimizer := range []string{"adamw", "sgd", "lars"} {
		set := append(slices.Clone(around[:1]), "optimizer={name: "+optimizer+"}")
		whole, stopped := filepath.Join(dir, optimizer), filepath.Join(dir, optimizer+"-stopped")
		pretrain(t, load(t, dir, set...), PretrainOptions{Run: whole})
		for _, step := range []int{3, 4, 9} { // between two moves, after one, the end
			pretrain(t, load(t, dir, set...), PretrainOptions{Run: stopped, MaxSteps: step, Resume: step > 3})
		}
		same(t, rundir.LastFile, whole, stopped)
	}
	if v, err := Verify(t.Context(), VerifyOptions{Run: straight}, Overrides{}, Console{Out: io.Discard, Err: io.Discard}); err != nil || !v.Identical || !v.Folds[0].Reached {
		t.Errorf("executed again: %+v, %v", v, err)
	}
}

// beforeAndAfter is the state at the start and at the end of a run.
func beforeAndAfter(t *testing.T, c *Config, steps int) (before, after map[string]kernel.Array) {
	t.Helper()
	d := open(t, c)
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	before = map[string]kernel.Array{}
	for name, a := range tr.state() {
		before[name] = kernel.Array{Shape: a.Shape, Data: slices.Clone(a.Data)}
	}
	load, err := startLoader(t.Context(), d, tr.loaderOptions(0, steps))
	if err != nil {
		t.Fatal(err)
	}
	defer load.stop()
	for i := range steps {
		b, err := load.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.step(t.Context(), b, i); err != nil {
			t.Fatal(err)
		}
	}
	return before, tr.state()
}

// What is frozen keeps its bytes in every method, tower and optimiser: weights,
// the running statistics of norms, averages. All else moves.
func TestFrozenBytes(t *testing.T) {
	dir := tones(t, 20)
	for _, set := range [][]string{
		{"optimizer.name=adamw"}, {"optimizer.name=lars"}, {"optimizer.name=lamb"}, {"optimizer.name=sgd", "optimizer.weight_decay=0.1"},
		{"method={name: moco, queue: 12, bn_groups: 1}"}, {"method={name: byol, projector: {out: 4}, predictor: {out: 4}}"}, {"update.accumulate=2"}, {"update.clip_norm=1e-3"},
	} {
		c := load(t, dir, append([]string{"update.freeze=[encoder.conv1.*, encoder.bn1.*, 'encoder.layer[12].*']", "update.ema=0.5"}, set...)...)
		before, after := beforeAndAfter(t, c, 4)
		for _, name := range slices.Sorted(maps.Keys(before)) {
			bare := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(name, averaged), "key."), "target.")
			rest, encoder := strings.CutPrefix(bare, "encoder.")
			if !encoder {
				continue
			}
			frozen := strings.HasPrefix(rest, "conv1.") || strings.HasPrefix(rest, "bn1.") || strings.HasPrefix(rest, "layer1.") || strings.HasPrefix(rest, "layer2.")
			if same := slices.EqualFunc(before[name].Data, after[name].Data, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }); same != frozen {
				t.Errorf("%v: %s is the same: %v", set, name, same)
			}
		}
	}
}

// The learning rate that is logged is the one that is taken.
func TestScaledRateIsLogged(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	c := load(t, dir, "update.lr_scale=linear", "update.accumulate=3", "schedule={shape: step, step: {milestones: [2], gamma: 0.5}}")
	pretrain(t, c, PretrainOptions{Run: run})
	lines, err := rundir.ReadLog(run)
	if err != nil {
		t.Fatal(err)
	}
	top := 0.01 * 6 * 3 / 256
	for i, want := range []float64{top / 3, top * 2 / 3, top, top, top, top, top / 2, top / 2, top / 2} {
		if got := lines[i].LR; math.Abs(got-want) > 1e-15 {
			t.Errorf("step %d: learning rate %g, want %g", i, got, want)
		}
	}
}

// A staircase with parts of the run gets longer with it; steps so far stay as they
// were, and an accumulation goes on over the seam.
func TestMoreEpochsOfStairs(t *testing.T) {
	dir := tones(t, 20)
	set := func(epochs int) *Config {
		return load(t, dir, "update.accumulate=2", "schedule={shape: step, warmup_epochs: 0, step: {milestones: [0.5], gamma: 0.5}}", fmt.Sprint("schedule.epochs=", epochs))
	}
	once, twice := filepath.Join(dir, "once"), filepath.Join(dir, "twice")
	for _, run := range []string{once, twice} {
		pretrain(t, set(3), PretrainOptions{Run: run}) // 9 steps, half of a move is left
	}
	pretrain(t, set(5), PretrainOptions{Run: once, Resume: true})
	for _, stop := range []int{10, 13, 0} {
		pretrain(t, set(5), PretrainOptions{Run: twice, Resume: true, MaxSteps: stop})
	}
	same(t, rundir.LastFile, once, twice)
	lines, err := rundir.ReadLog(once)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range lines {
		want := 0.01
		if i >= 5 { // round(0.5 · 9); half of 15 steps, 8, has passed when the run gets longer
			want = 0.005
		}
		if l.LR != want {
			t.Errorf("step %d: learning rate %g, want %g", i, l.LR, want)
		}
	}
}

// Probes and exports take the average, unless they are asked for the raw weights;
// clr compare knows the report of either for this checkpoint's.
func TestAverageIsWhatIsProbed(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "update.ema=0.9"), PretrainOptions{Run: run})
	cp, err := checkpoint.Load(filepath.Join(run, rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	raw, average := encoderHash(cp.Arrays, ""), encoderHash(cp.Arrays, averaged)
	if raw == average {
		t.Fatal("the average is the raw encoder")
	}
	if got := cp.Arrays["ema.encoder.bn1.num_batches_tracked"].Data[0]; got != 9 {
		t.Errorf("the average has seen %g batches, want 9", got)
	}
	for _, c := range []struct {
		set  []string
		want string
	}{{nil, average}, {[]string{"embed.weights=raw"}, raw}} {
		r, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{Set: c.set}, Console{Out: io.Discard, Err: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range r.Encoders {
			if h != c.want {
				t.Errorf("%v: the probe asked encoder %.8s; raw is %.8s, the average %.8s", c.set, h, raw, average)
			}
		}
		if old, err := stale(run, r.Encoders); err != nil || old {
			t.Errorf("%v: clr compare takes the report for one of an encoder that has learnt since: %v, %v", c.set, old, err)
		}
	}
	out := filepath.Join(dir, "encoder.safetensors")
	if err := Export(t.Context(), ExportOptions{Run: run, Format: "safetensors", Out: out}, Console{Out: io.Discard, Err: io.Discard}); err != nil {
		t.Fatal(err)
	}
	if b := get(t, out); !bytes.Contains(b, []byte(average)) {
		t.Errorf("the export is not of the average")
	}
}

// A run without an average has nothing else to probe.
func TestNoAverage(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 3})
	cp, err := checkpoint.Load(filepath.Join(run, rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	for name := range cp.Arrays {
		if strings.HasPrefix(name, averaged) || strings.HasPrefix(name, "optimizer.gradient") {
			t.Errorf("the checkpoint holds %s", name)
		}
	}
}

// What stands around the optimiser is counted too.
func TestPlanCountsUpdate(t *testing.T) {
	dir := tones(t, 20)
	c := load(t, dir, around...)
	p, err := Plan(c)
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, c)
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for name, a := range tr.state() {
		if strings.HasPrefix(name, "optimizer.") || strings.HasPrefix(name, averaged) {
			kept += 4 * len(a.Data)
		}
	}
	if p.Optimizer != kept {
		t.Errorf("%d bytes planned, %d kept", p.Optimizer, kept)
	}
	var b strings.Builder
	p.write(&b)
	if want := "learning rate         0.00433  0.02 × √(6 × 2 / 256), top of cosine over 3 epochs, the first 1 of them warm-up\n"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, b.String())
	}
}

// A step that diverged replays with what is frozen left out of its norm.
func TestReplayOfFrozen(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	con, _ := silent()
	err := Pretrain(t.Context(), load(t, dir, append(around, "optimizer.lr=1e30", "update.clip_norm=0")...), PretrainOptions{Run: run}, con)
	if fault.KindOf(err) != fault.Diverged {
		t.Fatal(err)
	}
	file := filepath.Join(run, divergedFile)
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	r, err := Replay(t.Context(), file)
	if r == nil || !r.Same || !r.Diverged {
		t.Errorf("%+v, %v", r, err)
	}
}

// Each shape of the schedule trains and resumes.
func TestShapesResume(t *testing.T) {
	dir := tones(t, 20)
	for _, set := range []string{"schedule={shape: constant}", "schedule={shape: step, step: {milestones: [0.5, 2]}}", "schedule={shape: one_cycle, warmup_epochs: 0}"} {
		whole, stopped := filepath.Join(t.TempDir(), "whole"), filepath.Join(t.TempDir(), "stopped")
		pretrain(t, load(t, dir, set), PretrainOptions{Run: whole})
		pretrain(t, load(t, dir, set), PretrainOptions{Run: stopped, MaxSteps: 4})
		pretrain(t, load(t, dir, set), PretrainOptions{Run: stopped, Resume: true})
		same(t, rundir.LastFile, whole, stopped)
	}
}

// An average that is kept changes nothing of what is trained.
func TestAverageChangesNoTraining(t *testing.T) {
	dir := tones(t, 20)
	_, plain := beforeAndAfter(t, load(t, dir), 4)
	_, kept := beforeAndAfter(t, load(t, dir, "update.ema=0.5"), 4)
	for name, a := range plain {
		if !slices.Equal(a.Data, kept[name].Data) {
			t.Errorf("%s is another one where an average is kept", name)
		}
	}
}
