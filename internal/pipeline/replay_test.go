package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	"clr/internal/method"
	"clr/internal/rundir"
)

// smallMethods are methods for the small config.
var smallMethods = map[string]string{
	"barlow_twins":  "method={name: barlow_twins, projector: {hidden: [8], out: 4}}",
	"byol":          "method={name: byol, projector: {hidden: [8], out: 4}, predictor: {hidden: [8], out: 4}}",
	"simsiam":       "method={name: simsiam, projector: {hidden: [8], out: 4}, predictor: {hidden: [8], out: 4}}",
	"vicreg":        "method={name: vicreg, projector: {hidden: [8], out: 4}}",
	"clar":          "method={name: clar, projector: {hidden: [8], out: 4}}",
	"cola":          "method={name: cola, out: 4}",
	"moco_v3":       "method={name: moco_v3, projector: {hidden: [8], out: 4}, predictor: {hidden: [8], out: 4}}",
	"nnclr":         "method={name: nnclr, learn_temperature: true, queue: 20, projector: {hidden: [8], out: 4}, predictor: {hidden: [8], out: 4}}",
	"swav":          "method={name: swav, prototypes: 6, crops: 2, crop_frames: 12, queue: 20, queue_start: 2, freeze_prototypes: 1, projector: {hidden: [8], out: 4}}",
	"contrastive":   "method={name: contrastive, projector: {hidden: [8], out: 4}}",
	"cross_entropy": "method={name: cross_entropy}",
	"supcon":        "method={name: supcon, projector: {hidden: [8], out: 4}}",
	"triplet":       "method={name: triplet, by: label, projector: {hidden: [8], out: 4}}",
	"simclr":        "method={name: simclr, projector: {hidden: [8], out: 4}}",
	"moco":          "method={name: moco, queue: 20, bn_groups: 1, projector: {hidden: [8], out: 4}}",
}

// A stopped is a step of the small config, and where its replay file went.
type stopped struct {
	dir   string // of the corpus
	batch *views
	line  rundir.Line
	err   error
	path  string
}

// stopAt takes one step of a method, harmed before it, and keeps it.
func stopAt(t *testing.T, m string, harm func(*trainer, *views)) stopped {
	t.Helper()
	s := stopped{dir: tones(t, 20)}
	d := open(t, load(t, s.dir, smallMethods[m]))
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := startLoader(t.Context(), d, tr.loaderOptions(2, 3))
	if err != nil {
		t.Fatal(err)
	}
	defer l.stop()
	if s.batch, err = l.next(t.Context()); err != nil {
		t.Fatal(err)
	}
	harm(tr, s.batch)
	s.line, err = tr.step(t.Context(), s.batch, 2)
	con, _ := silent()
	s.err = tr.diverged(s.dir, s.batch, s.line, err, con)
	s.path = filepath.Join(s.dir, divergedFile)
	if fault.KindOf(s.err) != fault.Diverged || !strings.Contains(fault.Remedy(s.err), "clr replay "+s.path) {
		t.Fatalf("%v, remedy %q", s.err, fault.Remedy(s.err))
	}
	return s
}

// replay runs a file again and checks what holds of every one that diverges.
func replay(t *testing.T, path string) *Rerun {
	t.Helper()
	r, err := Replay(t.Context(), path)
	if r == nil || fault.KindOf(err) != fault.Diverged || fault.Remedy(err) == "" {
		t.Fatalf("%v", err)
	}
	if !r.Diverged || r.First == nil || r.First.NotFinite == 0 {
		t.Errorf("diverged %v, first %+v", r.Diverged, r.First)
	}
	return r
}

// elsewhere moves a replay file to a folder of its own, and removes the corpus.
func elsewhere(t *testing.T, s stopped) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "sent.safetensors")
	put(t, to, get(t, s.path))
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	return to
}

// A run at a learning rate that no one means stops with a file that gives the
// same values anywhere, on any number of threads; here the weights explode, and
// the statistics of a batch norm are the first to overflow.
func TestReplayOfAHighLearningRate(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, c := range []struct{ method, optimizer, what string }{
		{"simclr", "optimizer={name: adamw, lr: 1e30}", "loss"},
		{"moco", "optimizer={name: adamw, lr: 1e30}", "loss"},
		{"moco", "optimizer={name: sgd, lr: 1e12}", "gradient norm"}, // of a loss that is finite
	} {
		dir := tones(t, 20)
		run := filepath.Join(dir, "run")
		con, _ := silent()
		err := Pretrain(t.Context(), load(t, dir, smallMethods[c.method], c.optimizer, "schedule.warmup_epochs=0"), PretrainOptions{Run: run}, con)
		path := filepath.Join(run, divergedFile)
		if fault.KindOf(err) != fault.Diverged || !strings.Contains(fault.Remedy(err), "clr replay "+path) {
			t.Fatalf("%v", err)
		}
		says(t, err, "the "+c.what+" is NaN at step 1", "learning rate", ".wav", path)
		path = elsewhere(t, stopped{dir: dir, path: path})
		var first *Rerun
		for _, threads := range []int{1, 2} {
			runtime.GOMAXPROCS(threads)
			r := replay(t, path)
			if r.Recorded.What != c.what || r.Recorded.Step != 1 || len(r.Recorded.Clips) != 5 {
				t.Errorf("recorded: %+v", r.Recorded)
			}
			if !r.Same || math.Float64bits(float64(r.Loss)) != math.Float64bits(float64(r.Recorded.Loss)) && c.what != "loss" {
				t.Errorf("%s on %d threads: loss %v, gradient norm %v; recorded %v, %v", c.method, threads, r.Loss, r.GradNorm, r.Recorded.Loss, r.Recorded.GradNorm)
			}
			if r.Views.NotFinite+len(r.State) > 0 || !strings.HasPrefix(r.First.Func, "batch_norm_stats") || !strings.Contains(r.First.Layer, "bn1") {
				t.Errorf("first not finite: %+v; state %v", r.First, r.State)
			}
			if first == nil {
				first = r
			} else if a, b := fmt.Sprint(first.Functions), fmt.Sprint(r.Functions); a != b {
				t.Errorf("%s: the functions differ between 1 and 2 threads", c.method)
			}
		}
	}
}

// One value of one view is not a number: the replay names the clip, view, bin and
// frame, and the graph that came upon it.
func TestReplayOfABadView(t *testing.T) {
	for _, c := range []struct {
		method, graph string
		view          int
	}{{"simclr", "training", 1}, {"moco", "query tower", 1}, {"moco", "key tower", 2}} {
		const clip, bin, frame = 3, 7, 11
		s := stopAt(t, c.method, func(_ *trainer, v *views) {
			v.X[(((c.view-1)*v.N+clip)*v.Input.Bins+bin)*v.Input.Frames+frame] = float32(math.Inf(1))
		})
		name := s.batch.names[clip]
		r := replay(t, elsewhere(t, s))
		if want := fmt.Sprintf("%s, view %d: bin %d of frame %d is +Inf", name, c.view, bin, frame); r.Views.First != want || r.Views.NotFinite != 1 {
			t.Errorf("%d values of views, the first %q; want %q", r.Views.NotFinite, r.Views.First, want)
		}
		f := r.First
		if f.Graph != c.graph || !strings.HasPrefix(f.Func, "to_lanes") || f.NotFinite != 1 || !slices.Equal(f.Clips, []string{name}) {
			t.Errorf("%s: %+v", c.method, f)
		}
		var b bytes.Buffer
		if err := r.Write(Console{Out: &b}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{r.Views.First, "of the clips " + name, "in 1 of 6 clips: " + name, "diverges here too, with the recorded values"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("no %q in\n%s", want, b.String())
			}
		}
	}
}

// A weight that is not finite before the step is named, with the first function
// that reads it.
func TestReplayOfABadWeight(t *testing.T) {
	const weight = "encoder.layer2.0.conv2.weight"
	for m, name := range map[string]string{"simclr": weight, "moco": "key." + weight} {
		s := stopAt(t, m, func(tr *trainer, _ *views) { tr.state()[name].Data[40] = float32(math.NaN()) })
		r := replay(t, elsewhere(t, s))
		if len(r.State) != 1 || r.State[0].Name != name || r.State[0].NotFinite != 1 {
			t.Errorf("%s: state %+v", m, r.State)
		}
		if r.First.Layer != weight || r.First.Backward || r.First.Graph == "query tower" || len(r.First.Clips) != len(s.batch.names) {
			t.Errorf("%s: first %+v", m, r.First)
		}
		if m == "simclr" {
			i := slices.IndexFunc(r.Layers, func(l layerRow) bool { return l.Weight == weight })
			if l := r.Layers[i]; l.NotFinite != 1 || isFinite(float64(l.Norm)) {
				t.Errorf("%+v", l)
			}
		}
	}
}

// A step that is finite may move the weights to where they are not: that is found
// when they are to be saved. No checkpoint is made, and the file holds them.
func TestReplayAfterTheMove(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	con, _ := silent()
	c := load(t, dir, "optimizer={name: sgd, lr: 1e45}", "schedule.warmup_epochs=0")
	err := Pretrain(t.Context(), c, PretrainOptions{Run: run, MaxSteps: 1}, con)
	if fault.KindOf(err) != fault.Diverged {
		t.Fatal(err)
	}
	path := filepath.Join(run, divergedFile)
	says(t, err, "after 1 steps", "not saved", "step 0", "learning rate 1e+45", ".wav", path)
	if exists(filepath.Join(run, rundir.LastFile)) {
		t.Error("there is a checkpoint")
	}
	r := replay(t, path)
	if !r.Recorded.Moved || !isFinite(float64(r.Recorded.Loss)) || len(r.State) == 0 || r.State[0].Name != r.Recorded.What {
		t.Errorf("recorded %+v, state %+v", r.Recorded, r.State)
	}
	var b bytes.Buffer
	if err := r.Write(Console{Out: &b}); err != nil || !strings.Contains(b.String(), "The step itself was finite. After it") {
		t.Errorf("%v, %s", err, b.String())
	}
}

// What diverged elsewhere may be finite here; then there is no error, and both
// places are named. JSON has everything, numbers that are none included.
func TestReplayThatIsFinite(t *testing.T) {
	s := stopAt(t, "moco", func(_ *trainer, v *views) { v.X[5] = float32(math.NaN()) })
	edit(t, s.path, func(cp *checkpoint.Checkpoint) {
		cp.Arrays[viewsKey].Data[5] = 0
		cp.Meta[stepKey] = strings.Replace(cp.Meta[stepKey], rundir.CPUPath(), "plan9/mips z80", 1)
	})
	r, err := Replay(t.Context(), s.path)
	if err != nil || r.Diverged || r.Same || r.First != nil {
		t.Fatalf("%v, %+v", err, r)
	}
	var table, text bytes.Buffer
	if err := r.Write(Console{Out: &table}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"does not diverge here: the loss was NaN on plan9/mips z80 and is finite on " + rundir.CPUPath(), "CLR_CPU=z80 clr replay"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, table.String())
		}
	}
	if err := r.Write(Console{Out: &text, JSON: true}); err != nil {
		t.Fatal(err)
	}
	var back Rerun
	if err := json.Unmarshal(text.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if !math.IsNaN(float64(back.Recorded.Loss)) || back.Loss != r.Loss || !slices.Equal(back.Recorded.Clips, s.batch.names) ||
		len(back.Functions) != len(r.Functions) || len(back.Layers) == 0 || len(back.Views.Rows) != 2*s.batch.N {
		t.Errorf("%+v", back)
	}
}

// edit changes a checkpoint or replay file, its checksums too.
func edit(t *testing.T, path string, f func(*checkpoint.Checkpoint)) {
	t.Helper()
	cp, err := checkpoint.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	f(cp)
	if err := checkpoint.Save(path, cp); err != nil {
		t.Fatal(err)
	}
}

// Files that cannot be believed are refused by name, before memory is taken for
// what they claim.
func TestReplayOfHostileFiles(t *testing.T) {
	s := stopAt(t, "moco", func(_ *trainer, v *views) { v.X[5] = float32(math.NaN()) })
	whole := get(t, s.path)
	refused := func(what string, words ...string) {
		t.Helper()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := Replay(t.Context(), s.path)
		runtime.ReadMemStats(&after)
		if r != nil || fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%s: %v of kind %v", what, err, fault.KindOf(err))
			return
		}
		says(t, err, append(words, s.path)...)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 64<<20 {
			t.Errorf("%s: took %d bytes", what, taken)
		}
	}
	for n := 0; n < len(whole); n += 4096 {
		put(t, s.path, whole[:n])
		refused(fmt.Sprintf("cut to %d bytes", n))
	}
	whole[len(whole)/2] ^= 1
	put(t, s.path, whole)
	refused("a flipped bit", "checksum")
	whole[len(whole)/2] ^= 1

	meta := func(key, old, new string) func(*checkpoint.Checkpoint) {
		return func(cp *checkpoint.Checkpoint) {
			if !strings.Contains(cp.Meta[key], old) {
				t.Fatalf("no %q in %s", old, cp.Meta[key])
			}
			cp.Meta[key] = strings.Replace(cp.Meta[key], old, new, 1)
		}
	}
	for what, c := range map[string]struct {
		change func(*checkpoint.Checkpoint)
		says   string
	}{
		"a checkpoint":         {func(cp *checkpoint.Checkpoint) { delete(cp.Meta, versionKey) }, "not a replay file"},
		"another version":      {meta(versionKey, "1", "2"), `version "2"`},
		"no step":              {func(cp *checkpoint.Checkpoint) { delete(cp.Meta, stepKey) }, "description"},
		"an unknown field":     {meta(stepKey, `"lr"`, `"rl"`), "rl"},
		"a loss of text":       {meta(stepKey, `"loss":"NaN"`, `"loss":"high"`), "high"},
		"a negative step":      {meta(stepKey, `"step":2`, `"step":-2`), "step -2"},
		"a clip too few":       {meta(stepKey, `.wav","`, `.wav,`), "clips"},
		"no config":            {func(cp *checkpoint.Checkpoint) { delete(cp.Meta, configKey) }, "by its config they would be of 64 × 96"},
		"an unknown key":       {meta(configKey, "temperature", "temperatura"), "unknown key temperatura"},
		"an unknown method":    {meta(configKey, "name: moco", "name: byol"), "byol"},
		"other frames":         {meta(configKey, "frames: 16", "frames: 17"), "by its config they would be of 24 × 17"},
		"a large encoder":      {meta(configKey, "width: 4", "width: 1024"), "by its config it would be"},
		"a deep encoder":       {meta(configKey, "depth: 10", "depth: 18"), "it has no "},
		"a large queue":        {meta(configKey, "queue: 20", "queue: 16777216"), "queue is [20 4], by its config it would be [16777216 4]"},
		"groups":               {meta(configKey, "bn_groups: 1", "bn_groups: 4"), "bn_groups is 4"},
		"another method":       {meta(configKey, "name: moco", "name: simclr"), "unknown key"},
		"no views":             {func(cp *checkpoint.Checkpoint) { delete(cp.Arrays, viewsKey) }, "views of step 2"},
		"views of other sides": {func(cp *checkpoint.Checkpoint) { cp.Arrays[viewsKey] = kernel.New(12, 1, 16, 24) }, "16 × 24"},
		"a weight too few":     {func(cp *checkpoint.Checkpoint) { delete(cp.Arrays, "encoder.conv1.weight") }, "it has no encoder.conv1.weight"},
		"an array too many":    {func(cp *checkpoint.Checkpoint) { cp.Arrays["decoder"] = kernel.New(1) }, "holds decoder"},
	} {
		put(t, s.path, whole)
		edit(t, s.path, c.change)
		refused(what, c.says)
	}
	put(t, s.path, whole)
	replay(t, s.path)
	if _, err := Replay(t.Context(), s.path+"x"); fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
		t.Errorf("no file: %v", err)
	}
}

// What cannot be kept does not hide the divergence.
func TestReplayFileThatCannotBeWritten(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	inTheWay := filepath.Join(run, divergedFile)
	if err := os.MkdirAll(inTheWay, 0o777); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(inTheWay, "x"), nil)
	con, said := silent()
	err := Pretrain(t.Context(), load(t, dir, "optimizer.lr=1e30", "schedule.warmup_epochs=0"), PretrainOptions{Run: run}, con)
	if fault.KindOf(err) != fault.Diverged || strings.Contains(fault.Remedy(err)+err.Error(), "replay") {
		t.Errorf("%v, remedy %q", err, fault.Remedy(err))
	}
	if !strings.Contains(said.String(), "warning: the step could not be kept for clr replay: ") {
		t.Errorf("it says %q", said)
	}
}

// A resumed run that gets past the step removes the file once that is saved, and
// ends with the bytes of a run that never diverged; other errors leave nothing.
func TestReplayFileOfAStepThatWasPassed(t *testing.T) {
	dir := tones(t, 20)
	run, straight := filepath.Join(dir, "run"), filepath.Join(dir, "straight")
	c := load(t, dir)
	pretrain(t, c, PretrainOptions{Run: straight})
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 3})
	d := open(t, load(t, dir, "optimizer.lr=1e30")) // as if the memory or the program were at fault
	tr, err := planTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	con, _ := silent()
	was := adopt(t, run, tr)
	err = pretrainFold(t.Context(), tr, PretrainOptions{Run: run, Resume: true}, con)
	put(t, filepath.Join(run, rundir.LastFile), was)
	path := filepath.Join(run, divergedFile)
	if fault.KindOf(err) != fault.Diverged || !exists(path) {
		t.Fatalf("%v", err)
	}
	con, said := silent()
	for _, c := range []struct {
		steps int
		stays bool
	}{{4, true}, {5, false}, {9, false}} { // it was the fifth step, step 4
		if err := Pretrain(t.Context(), load(t, dir), PretrainOptions{Run: run, Resume: true, MaxSteps: c.steps}, con); err != nil {
			t.Fatal(err)
		}
		if exists(path) != c.stays {
			t.Errorf("after %d steps the file is there: %v", c.steps, !c.stays)
		}
	}
	if !strings.Contains(said.String(), divergedFile+" removed: step 4") {
		t.Errorf("it says %q", said)
	}
	same(t, rundir.LastFile, straight, run)

	other := fault.New(fault.Data, "", "a recording is gone")
	if err := tr.diverged(run, &views{Batch: method.Batch{}}, rundir.Line{}, other, con); err != other || exists(path) {
		t.Errorf("%v", err)
	}
}
