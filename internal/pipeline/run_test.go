package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"clr/internal/fault"
	"clr/internal/rundir"
)

// Equal runs are equal bytes: in another folder, and with config and corpus
// moved to another place.
func TestEqualRunsAreEqualBytes(t *testing.T) {
	dir, moved := tones(t, 20), tones(t, 20)
	a, b, c := filepath.Join(dir, "a"), filepath.Join(t.TempDir(), "deep", "b"), filepath.Join(moved, "c")
	pretrain(t, load(t, dir), PretrainOptions{Run: a})
	pretrain(t, load(t, dir, "workers=5"), PretrainOptions{Run: b})
	pretrain(t, load(t, moved, "store="+filepath.Join(moved, "elsewhere.clrs")), PretrainOptions{Run: c})
	for _, name := range []string{rundir.LastFile, "last-1.safetensors"} {
		same(t, name, a, b)
		same(t, name, a, c)
	}
	if made(t, a) != made(t, b) || made(t, a) != made(t, c) {
		t.Errorf("made with %+v, %+v, %+v", made(t, a), made(t, b), made(t, c))
	}
	if bytes.Contains(get(t, a, rundir.ProvenanceFile), []byte(dir)) || bytes.Contains(get(t, a, rundir.LastFile), []byte(dir)) {
		t.Error("a path got into what is hashed")
	}

	// A config that computes something else says so.
	pretrain(t, load(t, dir, "seed=2"), PretrainOptions{Run: filepath.Join(dir, "d"), MaxSteps: 1})
	if d := made(t, filepath.Join(dir, "d")); d == made(t, a) || d.Hash() == made(t, a).Hash() {
		t.Error("two seeds, one provenance")
	}
}

// made is what decided a run's bytes, as its folder says.
func made(t *testing.T, dir string) rundir.Provenance {
	t.Helper()
	p, _, err := rundir.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProvenance(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	var p map[string]any
	if err := json.Unmarshal(get(t, run, rundir.ProvenanceFile), &p); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"clr", "binary_sha256", "go", "cpu_path", "config_sha256", "corpus_sha256", "store_sha256", "sha256"} {
		if s, ok := p[key].(string); !ok || s == "" {
			t.Errorf("%s is %v", key, p[key])
		}
		if s := p[key].(string); strings.HasSuffix(key, "sha256") && len(s) != 64 {
			t.Errorf("%s is %q", key, s)
		}
	}
	if len(p) != 10 || p["seed"] != 1.0 || p["sha256"] != made(t, run).Hash() {
		t.Errorf("%v", p)
	}

	// Who and when stands apart, a session a process.
	pretrain(t, load(t, dir), PretrainOptions{Run: run, Resume: true})
	_, sessions, err := rundir.Read(run)
	if err != nil || len(sessions) != 2 {
		t.Fatalf("%+v, %v", sessions, err)
	}
	host, _ := os.Hostname()
	for _, s := range sessions {
		if s.PID != os.Getpid() || s.Host != host || s.Threads < 1 || s.Outcome != "done" || s.End == nil || s.End.Before(s.Start) || time.Since(s.Start) > time.Hour || s.Environment != made(t, run).Environment {
			t.Errorf("%+v", s)
		}
	}
}

// A run folder is never overwritten.
func TestCreateRunRefusesAFolderInUse(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	c := load(t, dir)
	pretrain(t, c, PretrainOptions{Run: run, MaxSteps: 1})
	con, _ := silent()
	err := Pretrain(t.Context(), c, PretrainOptions{Run: run}, con)
	says(t, err, run, "already holds a run")
	if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.Remedy(err), "--resume") {
		t.Errorf("%v, remedy %q", err, fault.Remedy(err))
	}
	os.Remove(filepath.Join(run, rundir.ConfigFile))
	err = Pretrain(t.Context(), c, PretrainOptions{Run: run}, con)
	says(t, err, run, "already holds a checkpoint")
	if fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
		t.Errorf("%v, remedy %q", err, fault.Remedy(err))
	}

	// The checkpoint before the last is one, and so is a fold's.
	last := get(t, run, rundir.LastFile)
	for i, path := range []string{"last-1.safetensors", "fold-x/last.safetensors", "fold-y/last-1.safetensors"} {
		foreign := filepath.Join(dir, fmt.Sprint("foreign", i))
		path = filepath.Join(foreign, path)
		if err := rundir.MakeDir(filepath.Dir(path)); err != nil {
			t.Fatal(err)
		}
		put(t, path, last)
		err := Pretrain(t.Context(), c, PretrainOptions{Run: foreign}, con)
		says(t, err, filepath.Dir(path), "already holds a checkpoint")
		if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.Remedy(err), "--run") {
			t.Errorf("%v, remedy %q", err, fault.Remedy(err))
		}
	}
	file := filepath.Join(dir, "manifest.csv", "run")
	if err := Pretrain(t.Context(), c, PretrainOptions{Run: file}, con); fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
		t.Errorf("%v, remedy %q", err, fault.Remedy(err))
	}
}

func TestResumeRefusesAnotherRun(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 1})
	con, said := silent()
	resume := func(set ...string) error {
		return Pretrain(t.Context(), load(t, dir, set...), PretrainOptions{Run: run, Resume: true, MaxSteps: 1}, con)
	}

	// Every difference is named, with both values.
	before := get(t, run, rundir.ConfigFile)
	err := resume("optimizer.lr=0.5", "batch=4", "augment=[]", "workers=7")
	says(t, err, "\n  optimizer.lr: the run has 0.01, the config 0.5", "\n  batch: the run has 6, the config 4", "augment")
	if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.Remedy(err), rundir.ConfigFile) || strings.Contains(err.Error(), "workers") {
		t.Errorf("%v, remedy %q", err, fault.Remedy(err))
	}
	if !bytes.Equal(get(t, run, rundir.ConfigFile), before) {
		t.Error("a refused config was kept")
	}

	// What does not touch training may change, and is kept.
	if err := resume("workers=7", "checkpoint.every=5", "embed.pool=max", "linear_probe.c_steps=2", "mlp_probe.epochs=1", "store="+filepath.Join(dir, "other.clrs")); err != nil {
		t.Error(err)
	}
	if got := get(t, run, rundir.ConfigFile); !bytes.Contains(got, []byte("workers: 7")) || !bytes.Contains(got, []byte("other.clrs")) {
		t.Errorf("the run's config is now\n%s", got)
	}
	if strings.Contains(said.String(), "warning") {
		t.Errorf("it says %q", said)
	}

	// Another binary or processor goes on, with a warning.
	p := string(get(t, run, rundir.ProvenanceFile))
	put(t, filepath.Join(run, rundir.ProvenanceFile), []byte(strings.ReplaceAll(p, `"cpu_path": "`, `"cpu_path": "plan9/`)))
	if err := resume(); err != nil || !strings.Contains(said.String(), "warning: ") || !strings.Contains(said.String(), "plan9/") {
		t.Errorf("%v; it says %q", err, said)
	}

	// Without its provenance nobody knows what the run was.
	for _, bad := range []string{"", "{"} {
		put(t, filepath.Join(run, rundir.ProvenanceFile), []byte(bad))
		if err := resume(); fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%v", err)
		}
	}
	put(t, filepath.Join(run, rundir.ProvenanceFile), []byte(p))

	// Nor does a run go on over another corpus: a label, a clip, a recording.
	manifest := get(t, dir, "manifest.csv")
	sound := get(t, dir, "00.wav")
	for what, change := range map[string]func(){
		"label": func() {
			put(t, filepath.Join(dir, "manifest.csv"), bytes.Replace(manifest, []byte("00.wav,low"), []byte("00.wav,high"), 1))
		},
		"part": func() {
			put(t, filepath.Join(dir, "manifest.csv"), bytes.Replace(manifest, []byte("00.wav,low,train"), []byte("00.wav,low,test"), 1))
		},
		"one clip less": func() {
			put(t, filepath.Join(dir, "manifest.csv"), manifest[:bytes.LastIndexByte(manifest[:len(manifest)-1], '\n')+1])
		},
		"recording": func() {
			put(t, filepath.Join(dir, "00.wav"), wav(500, 0.3, 1))
			os.Remove(filepath.Join(dir, "store.clrs")) // or clr features
		},
	} {
		change()
		err := resume()
		says(t, err, "another corpus")
		if fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" {
			t.Errorf("%s: %v, remedy %q", what, err, fault.Remedy(err))
		}
		put(t, filepath.Join(dir, "manifest.csv"), manifest)
		put(t, filepath.Join(dir, "00.wav"), sound)
		os.Remove(filepath.Join(dir, "store.clrs"))
	}
	if err := resume(); err != nil {
		t.Errorf("the corpus as it was: %v", err)
	}

	// Where there is no run yet, it is started.
	nowhere := filepath.Join(dir, "nowhere")
	if err := Pretrain(t.Context(), load(t, dir), PretrainOptions{Run: nowhere, Resume: true, MaxSteps: 1}, con); err != nil {
		t.Error(err)
	}
	if got := stepIn(t, nowhere, rundir.LastFile); got != 1 {
		t.Errorf("it is at step %d, want 1", got)
	}
}

// A recording that changed under its store is found out where recordings are
// read again.
func TestResumeWaveformsOfAnotherCorpus(t *testing.T) {
	dir := tones(t, 20)
	run := filepath.Join(dir, "run")
	pretrain(t, load(t, dir, "augment=[{name: wave_gain}]"), PretrainOptions{Run: run, MaxSteps: 1})
	put(t, filepath.Join(dir, "00.wav"), wav(500, 0.3, 1))
	con, _ := silent()
	err := Pretrain(t.Context(), load(t, dir, "augment=[{name: wave_gain}]"), PretrainOptions{Run: run, Resume: true}, con)
	says(t, err, "another corpus")
}

// What may change on resume is not in the identity, and the rest is.
func TestIdentity(t *testing.T) {
	dir := tones(t, 20)
	base := load(t, dir)
	for set, same := range map[string]bool{
		"corpus=other.csv": true, "workers=7": true, "store=x": true, "checkpoint.every=5": true, "embed.hop=0.25": true, "linear_probe.c_steps=2": true,
		"mlp_probe.epochs=3": true, "on_error.do=skip": true, "windows.length=0.1": false, "channels=left": false, "resample=kaiser_best": false, "seed=2": false, "batch=4": false, "split.by=room": false, "feature.n_mels=20": false, "view.frames=8": false,
		"augment=[]": false, "encoder.width=8": false, "method.temperature=0.5": false, "optimizer.lr=0.5": false, "schedule.epochs=4": false, "sample_rate=16000": false,
	} {
		c := load(t, dir, set)
		if bytes.Equal(c.identity(), base.identity()) != same {
			t.Errorf("%s: the identity is the same: %v", set, !same)
		}
		if (len(Diff(base.pretraining(), c.pretraining())) == 0) != same {
			t.Errorf("%s may change: %v", set, !same)
		}
	}
}

// A run resumed with what may change ends in the same checkpoint, and its
// files describe what it went on with.
func TestResumeDescribesTheRun(t *testing.T) {
	dir := tones(t, 20)
	straight, run := filepath.Join(dir, "straight"), filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: straight})
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 4})
	p := string(get(t, run, rundir.ProvenanceFile))
	put(t, filepath.Join(run, rundir.ProvenanceFile), []byte(strings.ReplaceAll(p, `"clr": "`, `"clr": "old-`)))
	pretrain(t, load(t, dir, "checkpoint.every=2", "embed.pool=max", "linear_probe.c_steps=2", "mlp_probe.epochs=1"), PretrainOptions{Run: run, Resume: true})
	same(t, rundir.LastFile, straight, run)
	if made(t, straight) != made(t, run) {
		t.Errorf("made with %+v and %+v", made(t, straight), made(t, run))
	}
	if got := get(t, run, rundir.ConfigFile); !bytes.Contains(got, []byte("pool: max")) {
		t.Errorf("the run's config is now\n%s", got)
	}
}

// A run goes on after its corpus, its config and itself have moved.
func TestResumeElsewhere(t *testing.T) {
	dir, moved := tones(t, 20), tones(t, 20)
	straight, run := filepath.Join(dir, "straight"), filepath.Join(dir, "run")
	pretrain(t, load(t, dir), PretrainOptions{Run: straight})
	pretrain(t, load(t, dir), PretrainOptions{Run: run, MaxSteps: 4})
	if err := os.Rename(run, filepath.Join(moved, "there")); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"manifest.csv", "00.wav", "store.clrs"} {
		os.Remove(filepath.Join(dir, gone))
	}
	pretrain(t, load(t, moved), PretrainOptions{Run: filepath.Join(moved, "there"), Resume: true})
	same(t, rundir.LastFile, straight, filepath.Join(moved, "there"))
}

// Where there are folds, each has a folder of its own, and one can be chosen.
func TestFolds(t *testing.T) {
	dir := tones(t, 16)
	run := filepath.Join(dir, "run")
	c := func() *Config { return load(t, dir, "split.by=room", "schedule.epochs=1") }
	pretrain(t, c(), PretrainOptions{Run: run, Fold: "y"})
	if _, err := os.Stat(filepath.Join(run, "fold-x")); err == nil {
		t.Error("fold x was trained")
	}
	con, said := silent()
	_, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con)
	says(t, err, "fold-x", "no checkpoint")
	if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.Remedy(err), "pretrain") {
		t.Errorf("%v, remedy %q", err, fault.Remedy(err))
	}
	pretrain(t, c(), PretrainOptions{Run: run, Resume: true})
	if _, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run}, Kind: "linear"}, Overrides{}, con); err != nil {
		t.Fatal(err)
	}
	whole := get(t, run, "report-linear-probe.json")
	r, err := Probe(t.Context(), ProbeOptions{Asked: Asked{Run: run, Fold: "y"}, Kind: "linear"}, Overrides{}, con)
	if err != nil || len(r.Rows[0].Folds) != 1 || r.Rows[0].Folds[0].Fold != "y" {
		t.Errorf("%+v, %v", r, err)
	}
	if !bytes.Equal(get(t, run, "report-linear-probe.json"), whole) {
		t.Error("the report of one fold took the place of the whole")
	}
	get(t, run, "fold-y", "report-linear-probe.json")
	if strings.Contains(said.String(), "warning") {
		t.Errorf("it says %q", said)
	}
	for _, fold := range []string{"x", "y"} {
		d := open(t, c())
		s, err := d.splitsOf(fold)
		if err != nil || len(s) != 1 || d.foldName(s[0]) != fold {
			t.Errorf("fold %s: %v, %v", fold, s, err)
		}
	}
	if _, err := open(t, c()).splitsOf("z"); fault.KindOf(err) != fault.Usage || fault.Remedy(err) != "the folds are x, y" {
		t.Errorf("%v", err)
	}
}
