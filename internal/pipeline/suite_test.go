package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"clr/internal/audio"
	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
)

// suiteOf writes a suite beside tones, and says how to ask a run by it.
func suiteOf(t *testing.T, dir, text string, runs ...string) EvalOptions {
	t.Helper()
	path := filepath.Join(dir, "suite.yaml")
	put(t, path, []byte(text))
	return EvalOptions{Suite: path, Runs: runs, Out: filepath.Join(dir, "out"), Cache: filepath.Join(dir, "embeddings")}
}

// evaluated are the files of a suite's results, by their paths in the folder.
func evaluated(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	if err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			all[strings.TrimPrefix(path, dir)] = string(get(t, filepath.Dir(path), filepath.Base(path)))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// A suite asks its own corpus as the commands do: of each fold the encoder that never
// heard it, to the last digit, from embeddings made or found.
func TestSuiteIsTheCommands(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "split.by=room", "schedule.epochs=1"), PretrainOptions{Run: run})
	con, said := silent()
	o := suiteOf(t, dir, `tasks: [{name: rooms, corpus: manifest.csv, split: {by: room}}]
probes:
  - {name: linear-probe, c_steps: 1, inner_folds: 2}
  - {name: linear-probe, title: votes, c_steps: 1, inner_folds: 2, windows: vote}
  - {name: linear-probe, protocol: cola}
  - {name: mlp-probe, epochs: 2}
  - {name: knn-probe}
  - {name: judge, few_shot: {episodes: 5}}
`, run)
	want := map[string][]eval.Row{}
	for title, ask := range map[string]struct{ kind, set string }{
		"linear-probe-lbfgs": {"linear", "linear_probe.windows=embeddings"}, "votes": {"linear", "linear_probe.windows=vote"},
		"mlp-probe-adamw": {"mlp", "mlp_probe.epochs=2"}, "knn-probe": {"knn", "knn_probe.seed=1"},
	} {
		r, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: ask.kind}, Overrides{Set: []string{ask.set}}, con)
		if err != nil {
			t.Fatal(err)
		}
		want[title] = r.Rows
	}
	cola, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{Set: []string{"linear_probe.protocol=cola", "embed.hop=1"}}, con)
	if err != nil {
		t.Fatal(err)
	}
	want["linear-probe-cola"] = cola.Rows
	judged, err := Judge(t.Context(), Asked{Run: run}, Overrides{Set: []string{"judge.few_shot.episodes=5"}}, con)
	if err != nil {
		t.Fatal(err)
	}
	for _, round := range []string{"made", "found"} {
		said.Reset()
		got, err := Eval(t.Context(), o, con)
		if err != nil {
			t.Fatal(err)
		}
		if anew := strings.Contains(said.String(), "embeddings: 0 of"); anew != (round == "made") {
			t.Errorf("%s: it says %s", round, said)
		}
		for title, rows := range want {
			var a answer
			if err := json.Unmarshal(get(t, o.Out, filepath.Join("run", "rooms", title+".json")), &a); err != nil {
				t.Fatal(err)
			}
			if a.Heard == nil || *a.Heard != 0 || len(a.Report.Rows) != len(rows) {
				t.Fatalf("%s: %+v", title, a)
			}
			for i, row := range rows {
				if r := a.Report.Rows[i]; r.Name != row.Name || !reflect.DeepEqual(r.Folds, row.Folds) || !reflect.DeepEqual(r.Intervals, row.Intervals) {
					t.Errorf("%s, %s: the suite finds %+v, the command %+v", title, row.Name, r.Mean, row.Mean)
				}
			}
		}
		var found []eval.Measured
		for _, row := range got.Rows {
			if row.Probe == "judge" {
				found = append(found, row.Measured)
			}
		}
		a, _ := json.Marshal(found)
		if b, _ := json.Marshal(judged.Measured()); !bytes.Equal(a, b) {
			t.Errorf("the suite judges %s, the command %s", a, b)
		}
		os.RemoveAll(o.Out) // the embeddings stay
	}

	// Other corpora need one encoder; the same corpus divided otherwise was heard.
	o = suiteOf(t, dir, "tasks: [{name: parts, corpus: manifest.csv}]\nprobes: [{name: linear-probe, c_steps: 1}]\n", run)
	_, err = Eval(t.Context(), o, con)
	says(t, err, "has 2 encoders, of the folds")
	o.Fold = "x"
	said.Reset()
	got, err := Eval(t.Context(), o, con)
	if err != nil || len(got.Rows) != 1 || got.Rows[0].Heard == nil || *got.Rows[0].Heard != 2 || got.Rows[0].Clips != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	says(t, errors.New(said.String()), "2 of its test clips were heard")
	before := evaluated(t, o.Out)
	pretrain(t, load(t, dir, "split.by=room", "schedule.epochs=2"), PretrainOptions{Run: run, Resume: true})
	said.Reset()
	if _, err := Eval(t.Context(), o, con); err != nil || reflect.DeepEqual(before, evaluated(t, o.Out)) || !strings.Contains(said.String(), "embeddings: 0 of") {
		t.Errorf("the encoder has learnt, and the answers stay: %v, %s", err, said)
	}
}

// Whatever change to the disk is the last, the same command goes on from there, to
// the same bytes; and one process at a time writes.
func TestSuiteGoesOn(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "schedule.epochs=1"), PretrainOptions{Run: run})
	con, said := silent()
	o := suiteOf(t, dir, `tasks:
  - {name: parts, corpus: manifest.csv}
  - {name: rooms, corpus: manifest.csv, split: {by: room, holdout: [y]}, probes: [{name: linear-probe, c_steps: 1}]}
probes: [{name: knn-probe, k: [1]}, {name: judge, few_shot: {episodes: 5}}]
`, run)
	if _, err := Eval(t.Context(), o, con); err != nil {
		t.Fatal(err)
	}
	straight, kept := evaluated(t, o.Out), evaluated(t, o.Cache)
	if len(straight) != 6 || len(kept) != 2 { // pretrained and random
		t.Fatalf("%v\n%v", straight, kept)
	}
	dead := errors.New("dead")
	for at, most := 0, 1; at < most; at++ {
		o.Out, o.Cache = filepath.Join(memory(t), fmt.Sprint("out", at)), filepath.Join(memory(t), fmt.Sprint("cache", at))
		changes := 0
		restore := disk.Intercept(func(c disk.Change) error {
			if changes++; changes > at {
				return dead
			}
			return nil
		})
		_, err := Eval(t.Context(), o, con)
		restore()
		most = max(most, changes)
		if err != nil && !errors.Is(err, dead) {
			t.Errorf("at %d: %v", at, err)
		}
		if _, err := Eval(t.Context(), o, con); err != nil || !reflect.DeepEqual(evaluated(t, o.Out), straight) {
			t.Errorf("dead at %d, and then other bytes: %v", at, err)
		}
		if at > 30 && !t.Failed() {
			at += 4
		}
	}
	// Stopped, it says what is not done.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := o
	stopped.Out = filepath.Join(memory(t), "stopped")
	restore := disk.Intercept(func(c disk.Change) error {
		if strings.Contains(c.Path, "knn-probe") {
			cancel()
		}
		return nil
	})
	_, err := Eval(ctx, stopped, con)
	restore()
	says(t, err, "interrupted in task parts", "not done: parts, rooms", stopped.Out)
	if fault.KindOf(err) != fault.Interrupted || !strings.Contains(fault.Remedy(err), "the same command") {
		t.Errorf("%v", err)
	}
	lock, err := disk.TryLock(filepath.Join(o.Out, evalLock), o.Out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Eval(t.Context(), o, con); fault.KindOf(err) != fault.Resource || !errors.Is(err, disk.ErrLocked) {
		t.Errorf("while another writes: %v", err)
	}
	lock.Release()
	said.Reset()
	if _, err := Eval(t.Context(), o, con); err != nil || strings.Contains(said.String(), "embeddings:") {
		t.Errorf("%v, %s", err, said)
	}
}

// An answer stands as long as nothing that decides it has changed: groups say which
// clips validate together.
func TestSuiteAsksAnew(t *testing.T) {
	dir := tones(t, 20)
	t.Chdir(dir) // where features of another manifest are kept
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "schedule.epochs=1"), PretrainOptions{Run: run})
	lines := strings.Split(strings.TrimSpace(string(get(t, dir, "manifest.csv"))), "\n")
	grouped := func(group func(i int) int) {
		text := lines[0] + ",group\n"
		for i, l := range lines[1:] {
			text += fmt.Sprintf("%s,%d\n", l, group(i))
		}
		put(t, filepath.Join(dir, "grouped.csv"), []byte(text))
	}
	con, said := silent()
	o := suiteOf(t, dir, "tasks: [{name: parts, corpus: grouped.csv}]\nprobes: [{name: linear-probe, c_steps: 2, inner_folds: 2}]\n", run)
	for _, c := range []struct {
		group func(i int) int
		asked bool
	}{{func(i int) int { return i / 10 }, true}, {func(i int) int { return i / 10 }, false}, {func(i int) int { return i / 4 }, true}} {
		grouped(c.group)
		said.Reset()
		if _, err := Eval(t.Context(), o, con); err != nil || strings.Contains(said.String(), "linear probe:") != c.asked {
			t.Errorf("%v, asked: %t, says %s", err, c.asked, said)
		}
	}
}

// What is in the cache is believed if it can be; what somebody else removes is not
// missed, and what has another size is no embedding.
func TestEmbedCacheBesideOthers(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "schedule.epochs=1"), PretrainOptions{Run: run})
	con, said := silent()
	o := suiteOf(t, dir, "tasks: [{name: parts, corpus: manifest.csv}]\nprobes: [{name: knn-probe, k: [1]}]\n", run)
	if _, err := Eval(t.Context(), o, con); err != nil {
		t.Fatal(err)
	}
	straight := evaluated(t, o.Out)
	files, err := filepath.Glob(filepath.Join(o.Cache, "*", "*.safetensors"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	cp, err := checkpoint.Load(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for key, a := range cp.Arrays {
		cp.Arrays[key] = kernel.Array{Shape: []int{2 * a.Shape[0], a.Shape[1] / 2}, Data: a.Data}
	}
	if err := checkpoint.Save(files[0], cp); err != nil {
		t.Fatal(err)
	}
	put(t, files[1], []byte("no embeddings"))
	if err := os.Symlink("nowhere", filepath.Join(filepath.Dir(files[1]), "gone.safetensors")); err != nil {
		t.Skip(err)
	}
	defer disk.Intercept(func(c disk.Change) error {
		if c.Kind == "remove" && filepath.Ext(c.Path) == ".safetensors" {
			os.Remove(c.Path)
		}
		return nil
	})()
	os.RemoveAll(o.Out)
	said.Reset()
	if _, err := Eval(t.Context(), o, con); err != nil || !reflect.DeepEqual(evaluated(t, o.Out), straight) || strings.Count(said.String(), "embedded anew") != 2 {
		t.Errorf("%v, %s", err, said)
	}
}

// Of files that other tasks have filled the headers alone are read, each once.
func TestEmbedCacheOfOtherTasks(t *testing.T) {
	dir := tones(t, 20)
	t.Chdir(dir) // where features of the other manifest are kept
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "schedule.epochs=1"), PretrainOptions{Run: run})
	other := strings.ReplaceAll(string(get(t, dir, "manifest.csv")), ".wav", "b.wav")
	for i := range 20 {
		put(t, fmt.Sprintf("%02db.wav", i), wav(float64(300+40*i), 0.5, 1))
	}
	put(t, "other.csv", []byte(other))
	const both, probe = "{name: parts, corpus: manifest.csv}, {name: others, corpus: other.csv}", "]\nprobes: [{name: knn-probe, k: [1]}]\n"
	con, said := silent()
	o := suiteOf(t, dir, "tasks: ["+both+probe, run)
	if _, err := Eval(t.Context(), o, con); err != nil {
		t.Fatal(err)
	}
	straight := evaluated(t, o.Out)
	files, err := filepath.Glob(filepath.Join(o.Cache, "*", "*.safetensors"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	store, err := audio.OpenStore(load(t, dir).StorePath())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, path := range files { // the others', behind their headers
		if names, err := checkpoint.Names(path); err != nil || slices.Contains(names, store.Key(0)) {
			continue
		}
		b := get(t, filepath.Dir(path), filepath.Base(path))
		b[len(b)-1] ^= 1
		put(t, path, b)
	}
	for _, c := range []struct {
		tasks string
		anew  int
	}{{"{name: parts, corpus: manifest.csv}", 0}, {both, 2}} {
		os.RemoveAll(o.Out)
		suiteOf(t, dir, "tasks: ["+c.tasks+probe, run)
		said.Reset()
		if _, err := Eval(t.Context(), o, con); err != nil || strings.Count(said.String(), "embedded anew") != c.anew {
			t.Errorf("%s: %v, %s", c.tasks, err, said)
		}
	}
	if !reflect.DeepEqual(evaluated(t, o.Out), straight) {
		t.Error("other bytes")
	}
	k := newEmbedCache(o.Cache, con)
	for _, path := range files {
		if some, err := k.of(path, nil, 1); len(some) > 0 || err != nil || len(k.holds[path]) != 20 {
			t.Errorf("%d, %v, %v", len(some), err, k.holds)
		}
		put(t, path, nil)
		if _, err := k.of(path, nil, 1); err != nil {
			t.Errorf("the header is read again: %v", err)
		}
	}
}

// Tasks as HEAR and EVAR lay them out are asked where they are; events are refused.
func TestSuiteOfLayouts(t *testing.T) {
	dir := tones(t, 20)
	t.Chdir(dir)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "schedule.epochs=1"), PretrainOptions{Run: run})
	lists := map[string]map[string][]string{}
	evar := "file_name,label,split\n"
	for i := range 20 {
		split := []string{"train", "valid", "test", "train"}[i/2%4]
		name, label := fmt.Sprintf("%02d.wav", i), []string{"low", "high"}[i%2]
		if lists[split] == nil {
			lists[split] = map[string][]string{}
		}
		lists[split][name] = []string{label}
		if i < 4 {
			lists[split][name] = []string{"high", "low"} // several labels
		}
		evar += fmt.Sprintf("%s/%s,%s,%s\n", split, name, label, split)
		for _, to := range []string{filepath.Join("hear", "8000", split), filepath.Join("work", "16k", "tones", split)} {
			if err := os.MkdirAll(to, 0o777); err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(to, name), get(t, dir, name))
		}
	}
	for split, list := range lists {
		b, _ := json.Marshal(list)
		put(t, filepath.Join("hear", split+".json"), b)
	}
	put(t, filepath.Join("hear", "task_metadata.json"), []byte(`{"task_name": "tones", "embedding_type": "scene", "prediction_type": "multilabel", "split_mode": "trainvaltest", "sample_duration": 1}`))
	put(t, filepath.Join("hear", "labelvocabulary.csv"), []byte("idx,label\n0,low\n1,high\n"))
	if err := os.MkdirAll("metadata", 0o777); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join("metadata", "tones.csv"), []byte(evar))
	con, _ := silent()
	o := suiteOf(t, dir, `tasks:
  - {name: hear, layout: hear, corpus: hear, import: {rate: 8000}}
  - {name: evar, layout: evar, corpus: work/16k/tones, import: {csv: metadata/tones.csv}}
probes:
  - {name: linear-probe, c_steps: 1}
  - {name: knn-probe, k: [1]}
  - {name: judge, few_shot: {episodes: 5}}
`, run)
	got, err := Eval(t.Context(), o, con)
	if err != nil {
		t.Fatal(err)
	}
	var tells []string
	for i, r := range got.Rows {
		if line := got.lines()[i+1]; r.Task == meanTask && (r.Tasks != 2 || r.Of != 2 || line[0] != "mean of 2 tasks") {
			t.Errorf("%q, %+v", line, r)
		}
		tells = append(tells, strings.Join([]string{r.Task, r.Probe, r.Name}, " "))
		if r.Task != meanTask && (r.Clips != 4 || r.Splits != 1) {
			t.Errorf("%+v", r)
		}
	}
	if want := []string{"hear linear-probe lbfgs map", "hear knn-probe map", "hear judge map_at_1"}; !slices.Equal(tells[:3], want) {
		t.Errorf("%q, want %q first", tells, want)
	}
	if !slices.Contains(tells, "evar judge nmi") || !slices.Contains(tells, "evar knn-probe accuracy") || !slices.Contains(tells, "mean linear-probe lbfgs mean") {
		t.Errorf("%q", tells)
	}
	// The same manifest is written again, so features and answers are found.
	again := filepath.Join(dir, "again")
	o.Out = again
	con, said := silent()
	if _, err := Eval(t.Context(), o, con); err != nil || strings.Contains(said.String(), "features:") || strings.Contains(said.String(), "embeddings: 0") {
		t.Errorf("%v, %s", err, said)
	}
	put(t, filepath.Join("hear", "task_metadata.json"), []byte(`{"embedding_type": "event", "split_mode": "trainvaltest"}`))
	for split := range lists {
		put(t, filepath.Join("hear", split+".json"), []byte(`{"`+slices.Sorted(maps.Keys(lists[split]))[0]+`": [{"label": "low", "start": 0, "end": 100}]}`))
	}
	got, err = Eval(t.Context(), o, con)
	says(t, err, "hear is a task of events: it is scored by when they begin and end")
	if fault.KindOf(err) != fault.Data || len(got.Rows) == 0 || got.Rows[0].Task != "evar" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A suite can name every command that asks, with all keys of its section.
func TestAskings(t *testing.T) {
	for _, k := range Kinds {
		a, ok := Askings[k.Name+"-probe"]
		if !ok || a.kind() != k.Name {
			t.Fatalf("no suite can name %s-probe", k.Name)
		}
		c, d := DefaultConfig(), DefaultConfig()
		c.LinearProbe.CMax, c.MLPProbe.Epochs, c.KNNProbe.Temperature = 77, 77, 77
		a.into(c)
		if !reflect.DeepEqual(k.of(c), k.of(d)) {
			t.Errorf("%s-probe leaves %+v", k.Name, k.of(c))
		}
	}
	if len(Askings) != len(Kinds)+1 || Askings["judge"].kind() != "" {
		t.Errorf("%v", Askings)
	}
}

// The suite that the docs show is one, and names every key of a task.
func TestSuiteInTheDocs(t *testing.T) {
	_, text, _ := strings.Cut(string(get(t, "../../docs/evaluation.md")), "## Suites")
	_, text, _ = strings.Cut(text, "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	if s, err := ParseSuite("docs/evaluation.md", []byte(text)); err != nil || len(s.Tasks) != 4 || len(s.Probes) != 5 {
		t.Errorf("%+v, %v", s, err)
	}
	for i := range reflect.TypeFor[Task]().NumField() {
		if key := reflect.TypeFor[Task]().Field(i).Tag.Get("yaml"); !strings.Contains(text, key) {
			t.Errorf("the docs show no %s", key)
		}
	}
}
