package pipeline

import (
	"bytes"
	"maps"
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

// exportOf exports a fold's encoder.
func exportOf(t *testing.T, run, fold, out string) {
	t.Helper()
	con, _ := silent()
	if err := Export(t.Context(), ExportOptions{Run: run, Fold: fold, Format: "safetensors", Out: out}, con); err != nil {
		t.Fatal(err)
	}
}

// encoderIn are the encoder's arrays of a state, copied.
func encoderIn(state map[string]kernel.Array) map[string]kernel.Array {
	kept := map[string]kernel.Array{}
	for name, a := range state {
		if strings.HasPrefix(name, "encoder.") {
			kept[name] = kernel.Array{Shape: a.Shape, Data: slices.Clone(a.Data)}
		}
	}
	return kept
}

func equalArrays(a, b map[string]kernel.Array) bool {
	return maps.EqualFunc(a, b, func(a, b kernel.Array) bool { return slices.Equal(a.Shape, b.Shape) && slices.Equal(a.Data, b.Data) })
}

// begun is the state of the first fold's trainer before its first step.
func begun(t *testing.T, c *Config) map[string]kernel.Array {
	t.Helper()
	d := open(t, c)
	tr, err := newTrainer(d, d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	return tr.state()
}

// What a run has learnt is what another begins with, as an export, a checkpoint
// or a run folder: the embeddings are the same. A tower that follows begins so too.
func TestInitFromRun(t *testing.T) {
	dir := tones(t, 20)
	run, export := filepath.Join(dir, "run"), filepath.Join(dir, "e.safetensors")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 4})
	exportOf(t, run, "", export)
	cp, err := checkpoint.Load(filepath.Join(run, rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	d := open(t, load(t, dir))
	trained, err := d.trained(cp)
	if err != nil {
		t.Fatal(err)
	}
	con, _ := silent()
	want, _, err := d.embed(t.Context(), trained, con.Progress("", 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, init := range []string{export, run, filepath.Join(run, rundir.LastFile)} {
		for _, name := range []string{"simclr", "byol", "moco"} {
			set := []string{"init=" + init, "seed=9", "method.name=" + name}
			if name == "moco" {
				set = append(set, "method.bn_groups=1")
			}
			state := begun(t, load(t, dir, set...))
			if !equalArrays(encoderIn(state), encoderIn(cp.Arrays)) {
				t.Errorf("%s from %s: other weights", name, filepath.Base(init))
			}
			for follower := range state {
				if tower, rest, ok := strings.Cut(follower, ".encoder."); ok && (tower == "key" || tower == "target") && !slices.Equal(state[follower].Data, cp.Arrays["encoder."+rest].Data) {
					t.Errorf("%s from %s: %s is another", name, filepath.Base(init), follower)
				}
			}
			e, err := d.fresh(trained.norm)
			if err != nil {
				t.Fatal(err)
			}
			if err := e.params.Load("", state); err != nil {
				t.Fatal(err)
			}
			if x, _, err := d.embed(t.Context(), e, con.Progress("", 0, 1)); err != nil || !slices.Equal(x, want) {
				t.Errorf("%s from %s: other embeddings, %v", name, filepath.Base(init), err)
			}
		}
	}
	if equalArrays(encoderIn(begun(t, load(t, dir))), encoderIn(cp.Arrays)) {
		t.Error("without init the weights are the same: nothing was compared")
	}
}

// A file that does not fit is refused before anything is written: all that is
// wrong at once, and what it would fit.
func TestInitRefused(t *testing.T) {
	dir := tones(t, 20)
	run, path := filepath.Join(dir, "run"), filepath.Join(dir, "x.safetensors")
	refused := func(what string, remedy string, words ...string) {
		t.Helper()
		con, _ := silent()
		err := Pretrain(t.Context(), load(t, dir, "init="+path), PretrainOptions{Run: run}, con)
		says(t, err, words...)
		if fault.KindOf(err) != fault.Data || !strings.Contains(fault.Remedy(err), remedy) {
			t.Errorf("%s: kind %d, remedy %q", what, fault.KindOf(err), fault.Remedy(err))
		}
		if exists(run) {
			t.Errorf("%s: the run folder is there", what)
		}
	}
	refused("missing", "safetensors file", "init: ", path)
	put(t, path, []byte("PK\x03\x04 a file of another format, as torch.save writes it"))
	refused("format", "save_file", "init: ", path, "as torch.save writes")
	put(t, path, []byte("something else altogether"))
	refused("no format", "to be saved as one", "init: ", path)

	file, _ := foreign(t, load(t, dir))
	with := func(change func(map[string]kernel.Array)) {
		changed := maps.Clone(file)
		change(changed)
		otherTool(t, path, "F32", changed)
	}
	with(func(f map[string]kernel.Array) {
		delete(f, "layer1.0.bn1.bias")
		f["layer2.0.conv1.weight"] = kernel.New(8, 4, 1, 1)
		f["layer5.0.conv1.weight"] = kernel.New(1)
		f["bn1.weight"] = kernel.New(5)
	})
	refused("all at once", "a checkpoint of clr", path, "it has no encoder.layer1.0.bn1.bias [4]", "encoder.layer2.0.conv1.weight is [8 4 1 1], the encoder needs [8 4 3 3]",
		"it has layer5.0.conv1.weight [1], the encoder has not", "encoder.bn1.weight is [5], the encoder needs [4]")
	with(func(f map[string]kernel.Array) {
		f["bn1.bias"] = kernel.Array{Shape: []int{4}, Data: []float32{0, 1, float32(math.NaN()), 2}}
	})
	refused("not finite", "", "encoder.bn1.bias holds NaN")
	with(func(f map[string]kernel.Array) {
		f["bn1.running_var"] = kernel.Array{Shape: []int{4}, Data: []float32{1, 1, -1, 1}}
	})
	refused("variance", "", "encoder.bn1.running_var holds -1")
	var whole bytes.Buffer
	if err := checkpoint.WriteSafetensors(&whole, []checkpoint.Tensor{{Name: "conv1.weight", Shape: []int{1}, I64: []int64{1}}}, nil); err != nil {
		t.Fatal(err)
	}
	put(t, path, whole.Bytes())
	refused("whole numbers", "", "encoder.conv1.weight is of whole numbers")

	// What would fit is found among the ResNets, and by the config in a file of ours.
	for _, set := range []string{"encoder.depth=18", "encoder.width=6", "encoder.stem=imagenet", "encoder.depth=50"} {
		other, _ := foreign(t, load(t, dir, set))
		otherTool(t, path, "F32", other)
		refused(set, "it would fit with "+set)
	}
	pretrain(t, load(t, dir, "encoder.depth=18", "encoder.width=5"), PretrainOptions{Run: filepath.Join(dir, "wide"), MaxSteps: 1})
	path = filepath.Join(dir, "wide.safetensors")
	exportOf(t, filepath.Join(dir, "wide"), "", path)
	refused("export", "it would fit with encoder.depth=18, encoder.width=5", "encoder.bn1.bias is [5], the encoder needs [4]", "and ")
	path = filepath.Join(dir, "wide")
	refused("run folder", "it would fit with encoder.depth=18, encoder.width=5", rundir.LastFile)
	path = dir
	refused("folder without a run", "with a checkpoint of every fold", filepath.Join(dir, rundir.LastFile))
}

// Runs that begin with one file are the same bytes wherever it lies; with another
// file, or none, a run does not go on and is not verified.
func TestInitIsPartOfTheRun(t *testing.T) {
	dir := tones(t, 20)
	file, _ := foreign(t, load(t, dir))
	one, two := filepath.Join(dir, "one.safetensors"), filepath.Join(dir, "two.safetensors")
	otherTool(t, one, "F32", file)
	put(t, two, get(t, one))
	a, b, stopped := filepath.Join(dir, "a"), filepath.Join(dir, "deeper", "b"), filepath.Join(dir, "stopped")
	pretrain(t, load(t, dir, "init="+one), PretrainOptions{Run: a})
	pretrain(t, load(t, dir, "init="+two), PretrainOptions{Run: b})
	same(t, rundir.LastFile, a, b)
	if x, y := made(t, a), made(t, b); x != y || len(x.Init) != 64 {
		t.Errorf("%+v, %+v", x, y)
	}
	cp, err := checkpoint.Load(filepath.Join(a, rundir.LastFile))
	if err != nil || cp.Meta["init"] != made(t, a).Init || strings.Contains(cp.Meta["config"], "one.safetensors") {
		t.Errorf("%v, %v", cp.Meta, err)
	}
	con, _ := silent()
	if v, err := Verify(t.Context(), VerifyOptions{Run: b}, Overrides{}, con); err != nil || !v.Identical {
		t.Errorf("%+v, %v", v, err)
	}

	pretrain(t, load(t, dir, "init="+one), PretrainOptions{Run: stopped, MaxSteps: 4})
	pretrain(t, load(t, dir, "init="+two), PretrainOptions{Run: stopped, Resume: true})
	same(t, rundir.LastFile, a, stopped)

	fresh := filepath.Join(dir, "fresh")
	pretrain(t, load(t, dir), PretrainOptions{Run: fresh, MaxSteps: 4})
	file["bn1.bias"].Data[0]++
	otherTool(t, two, "F32", file)
	for _, do := range []func() error{
		func() error {
			return Pretrain(t.Context(), load(t, dir, "init="+two), PretrainOptions{Run: stopped, Resume: true}, con)
		},
		func() error {
			return Pretrain(t.Context(), load(t, dir), PretrainOptions{Run: stopped, Resume: true}, con)
		},
		func() error {
			return Pretrain(t.Context(), load(t, dir, "init="+one), PretrainOptions{Run: fresh, Resume: true}, con)
		},
		func() error {
			_, err := Verify(t.Context(), VerifyOptions{Run: b}, Overrides{}, con)
			return err
		},
		func() error { // run.json agrees, the checkpoint does not
			put(t, two, get(t, one))
			put(t, filepath.Join(b, rundir.LastFile), get(t, fresh, rundir.LastFile))
			_, err := Verify(t.Context(), VerifyOptions{Run: b}, Overrides{}, con)
			return err
		},
	} {
		err := do()
		says(t, err, "began with", "init is now")
		if fault.KindOf(err) != fault.Data || !strings.Contains(fault.Remedy(err), "bring back the file") {
			t.Errorf("%v, remedy %q", err, fault.Remedy(err))
		}
	}
	os.Remove(one)
	if err := Pretrain(t.Context(), load(t, dir, "init="+one), PretrainOptions{Run: a, Resume: true}, con); fault.KindOf(err) != fault.Data {
		t.Errorf("a file that is gone: %v", err)
	}
}

// Of a run folder each fold takes its own; a fold's file is not for another fold
// of the same corpus.
func TestInitFolds(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "split.by=room"), PretrainOptions{Run: run, MaxSteps: 2})
	c := load(t, dir, "split.by=room", "init="+run)
	d := open(t, c)
	for _, s := range d.splits {
		tr, err := newTrainer(d, s)
		if err != nil {
			t.Fatal(err)
		}
		cp, err := checkpoint.Load(filepath.Join(run, "fold-"+s.Name, rundir.LastFile))
		if err != nil || !equalArrays(encoderIn(tr.state()), encoderIn(cp.Arrays)) {
			t.Errorf("fold %s begins with another's: %v", s.Name, err)
		}
	}
	con, _ := silent()
	other := filepath.Join(run, "fold-x", rundir.LastFile)
	err := Pretrain(t.Context(), load(t, dir, "split.by=room", "init="+other), PretrainOptions{Run: filepath.Join(dir, "leak")}, con)
	says(t, err, "fold y: init: ", other, "was trained on fold x", "has heard the clips that fold y is tested on")
	if fault.KindOf(err) != fault.Data || !strings.Contains(fault.Remedy(err), "run folder") {
		t.Errorf("%v, %q", err, fault.Remedy(err))
	}
	before := made(t, func() string {
		next := filepath.Join(dir, "next")
		pretrain(t, c, PretrainOptions{Run: next, MaxSteps: 1})
		return next
	}())
	pretrain(t, load(t, dir, "split.by=room"), PretrainOptions{Run: run, Resume: true, MaxSteps: 3, Fold: "y"})
	after, err := open(t, c).initHash()
	if err != nil || after == before.Init || len(after) != 64 {
		t.Errorf("the hash is %q, before it was %q; %v", after, before.Init, err)
	}
}

// The file stands where the config says, seen from the config, or the flag, seen
// from here; what travels does not hold its place.
func TestInitPathIsRelative(t *testing.T) {
	dir := tones(t, 20)
	put(t, filepath.Join(dir, "config.yaml"), []byte(small+"init: e.safetensors\n"))
	c := load(t, dir)
	if got := c.initFile(""); got != filepath.Join(dir, "e.safetensors") {
		t.Errorf("init leads to %s", got)
	}
	if got := load(t, dir, "init=e.safetensors").initFile(""); got == c.initFile("") || filepath.Base(got) != "e.safetensors" {
		t.Errorf("by a flag it leads to %s", got)
	}
	if moved := c.At(filepath.Join(dir, "runs", "a")).Init; moved != "../../e.safetensors" {
		t.Errorf("in the run folder it is %s", moved)
	}
	if c.portable().Init != "" {
		t.Error("the portable config holds the path")
	}
}

// A plan counts the arrays that the towers begin with.
func TestInitIsPlanned(t *testing.T) {
	dir := tones(t, 20)
	plain, err := Plan(load(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	with, err := Plan(load(t, dir, "init=x"))
	if err != nil || with.Train-plain.Train < 4*plain.Parameters {
		t.Errorf("%d and %d bytes, %v", plain.Train, with.Train, err)
	}
}

// Of a run that keeps an average of its encoder, that is what others begin with.
func TestInitFromAverage(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "update.ema=0.9"), PretrainOptions{Run: run, MaxSteps: 4})
	cp, err := checkpoint.Load(filepath.Join(run, rundir.LastFile))
	if err != nil {
		t.Fatal(err)
	}
	state := encoderIn(begun(t, load(t, dir, "init="+run)))
	for name, a := range state {
		if !slices.Equal(a.Data, cp.Arrays[averaged+name].Data) {
			t.Errorf("%s is not the average", name)
		}
	}
	if equalArrays(state, encoderIn(cp.Arrays)) {
		t.Error("the average is what it averages: nothing was compared")
	}
}
