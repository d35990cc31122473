package sweep

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/pipeline"
)

// small is a config that a sweep varies.
const small = `corpus: builtin:fsdd
split: {by: speaker, holdout: [theo]}
method: {name: simclr, temperature: 0.3}
schedule: {epochs: 9, warmup_epochs: 1}
augment: [{name: gain}]
`

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// load reads a sweep that varies small.
func load(t *testing.T, text string) (*File, error) {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "small.yaml"), small)
	put(t, filepath.Join(dir, "sweep.yaml"), "config: small.yaml\n"+text)
	return Load(filepath.Join(dir, "sweep.yaml"), pipeline.Overrides{})
}

func good(t *testing.T, text string) *File {
	t.Helper()
	f, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// begun is a sweep in a new folder.
func begun(t *testing.T, text string) *Sweep {
	t.Helper()
	s, err := Begin(good(t, text), filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// came writes what a trial came to: scores by fold.
func (s *Sweep) came(t *testing.T, i int, r Result, folds ...map[string]float64) {
	t.Helper()
	p, known, err := s.point(i / s.Seeds)
	if err != nil || !known {
		t.Fatalf("trial %d: known %v, %v", i, known, err)
	}
	r.Scores = map[string]float64{}
	for k, scores := range folds {
		r.Folds = append(r.Folds, pipeline.FoldScores{Fold: fmt.Sprint("fold", k), Scores: scores})
	}
	if len(folds) > 0 {
		for name := range folds[0] {
			r.Scores[name], _ = mean(r.Folds, name)
		}
	}
	put(t, filepath.Join(s.TrialDir(i), "x"), "")
	if err := writeJSON(filepath.Join(s.TrialDir(i), resultFile), struct {
		Trial
		Result
	}{s.trial(i, p), r}); err != nil {
		t.Fatal(err)
	}
}

// What is wrong with a file is told at once, where it stands, and what Weights &
// Biases knows and we do not is named.
func TestFileRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"program: train.py\nmethod: grid\nparameters: {seed: {value: 1}}", "sweep.yaml:2:1: the key program means nothing here"},
		{"method: grid\nmetric: {name: loss, goal: minimize, target: 1}\nparameters: {seed: {value: 1}}", ":3:38: the key target means nothing here"},
		{"method: grids\nparameters: {seed: {value: 1}}", `:2:9: method is "grids"`},
		{"method: grid\nparametres: {}", "did you mean parameters?"},
		{"method: grid", "there are no parameters"},
		{"method: grid\nparameters: [1]", "parameters is a section with keys of the config"},
		{"method: grid\nparameters: {method.temprature: {value: 1}}", ":3:14: unknown key method.temprature; did you mean method.temperature?"},
		{"method: grid\nparameters: {batch: {values: [64, x]}}", ":3:35: batch needs a whole number, not x"},
		{"method: grid\nparameters: {batch: 64}", "batch is a section with keys of its own, not 64"},
		{"method: grid\nparameters: {batch: {vals: [1]}}", "unknown key vals in batch; did you mean value?"},
		{"method: grid\nparameters: {batch: {}}", "batch takes no values"},
		{"method: grid\nparameters: {batch: {values: []}}", "needs a list of one value or more"},
		{"method: grid\nparameters: {method.queue: {value: 4}}", "unknown key queue in method simclr; it is a key of method moco"},
		{"method: grid\nparameters: {optimizer.lr: {min: 0.1, max: 0.2}}", "a grid cannot count the values of uniform"},
		{"method: grid\nparameters: {batch: {values: [1], q: 2}}", "q means nothing to categorical"},
		{"method: grid\nparameters: {batch: {min: 2, max: 1}}", "max is 1, below min, 2"},
		{"method: random\nrun_cap: 2\nparameters: {batch: {min: 2}}", "uniform needs max"},
		{"method: random\nrun_cap: 2\nparameters: {batch: {distribution: beta, min: 2}}", `there is no distribution "beta"`},
		{"method: random\nrun_cap: 2\nparameters: {batch: {distribution: q_int_uniform, min: 2, max: 3}}", `there is no distribution "q_int_uniform"`},
		{"method: random\nrun_cap: 2\nparameters: {optimizer.lr: {distribution: log_uniform_values, min: 0, max: 3}}", "min is 0, it must be above 0"},
		{"method: random\nrun_cap: 2\nparameters: {optimizer.lr: {distribution: log_uniform, min: 0, max: 3000}}", "whose exponential is too large"},
		{"method: random\nrun_cap: 2\nparameters: {optimizer.lr: {distribution: normal, sigma: -1}}", "sigma is -1, it must be above 0"},
		{"method: random\nrun_cap: 2\nparameters: {batch: {values: [8, 9], probabilities: [0.5]}}", "1 probabilities for 2 values"},
		{"method: random\nrun_cap: 2\nparameters: {batch: {values: [8, 9], probabilities: [0.5, 0.6]}}", "the probabilities come to 1.1"},
		{"method: random\nparameters: {batch: {value: 8}}", "method random has no end without run_cap"},
		{"method: grid\nseeds: 2\nrun_cap: 3\nparameters: {batch: {value: 8}}", "run_cap is 3, and trials come by 2 seeds"},
		{"method: grid\nseeds: 2\nparameters: {seed: {value: 8}}", "seed is a parameter, and seeds is 2"},
		{"method: grid\nrun_cap: 0\nparameters: {batch: {value: 8}}", "run_cap is 0, it must be 1 to 100000"},
		{"method: grid\nseeds: 0\nparameters: {seed: {value: 8}}", "seeds is 0"},
		{"method: bayes\nrun_cap: 3\nparameters: {batch: {value: 8}}", "method bayes needs a metric"},
		{"method: grid\nparameters: {method: {parameters: {temperature: {value: 1}}}, method.temperature: {value: 2}}", "method.temperature is set by method.temperature, too"},
		{"method: grid\nparameters: {method: {parameters: {temperature: {value: 1}}, value: 2}}", "method has parameters, and other keys beside"},
		{"method: grid\nthen: [probe]\nparameters: {batch: {value: 8}}", `then has "probe", which is no probe`},
		{"method: grid\nthen: [knn-probe, knn-probe]\nparameters: {batch: {value: 8}}", "then has knn-probe twice"},
		{"method: grid\nmetric: {name: lost, goal: minimize}\nparameters: {batch: {value: 8}}", `there is no score "lost"`},
		{"method: grid\nmetric: {name: loss}\nparameters: {batch: {value: 8}}", `metric.goal is ""`},
		{"method: grid\nthen: [linear-probe]\nmetric: {name: linear.accuracy, goal: maximize}\nparameters: {batch: {value: 8}}", "what is chosen by them has no test left"},
		{"method: grid\nmetric: {name: linear.valid_accuracy, goal: maximize}\nparameters: {batch: {value: 8}}", "which then does not have"},
		{"method: grid\nearly_terminate: {type: hyperband, min_iter: 3}\nparameters: {batch: {value: 8}}", "early_terminate needs a metric"},
		{"method: grid\nearly_terminate: {type: median}\nparameters: {batch: {value: 8}}", `type is "median"`},
		{"method: grid\nearly_terminate: {type: hyperband}\nparameters: {batch: {value: 8}}", "it needs one of min_iter and max_iter"},
		{"method: grid\nearly_terminate: {type: hyperband, max_iter: 9}\nparameters: {batch: {value: 8}}", "max_iter needs s"},
		{"method: grid\nearly_terminate: {type: hyperband, min_iter: 9, s: 1}\nparameters: {batch: {value: 8}}", "s belongs to max_iter"},
		{"method: grid\nearly_terminate: {type: hyperband, min_iter: 9, eta: 1}\nparameters: {batch: {value: 8}}", "eta is 1, it must be 2 to 100"},
		{"method: grid\nearly_terminate: {type: hyperband, min_iter: 9, strict: true}\nparameters: {batch: {value: 8}}", "the key strict means nothing here"},
		{"method: grid\nparameters: {batch: {min: 1, max: 1000}, view.frames: {min: 1, max: 1000}}", "the grid has more than 100000 trials"},
	} {
		_, err := load(t, c.text)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngives %v\nwant %s", c.text, err, c.want)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), pipeline.Overrides{}); fault.KindOf(err) != fault.Usage {
		t.Errorf("no file: %v", err)
	}
}

// A config with one store for features cannot have them varied.
func TestOneStore(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "small.yaml"), small+"store: f.clrs\n")
	put(t, filepath.Join(dir, "sweep.yaml"), "config: small.yaml\nmethod: grid\nparameters: {feature.n_mels: {values: [64, 80]}}\n")
	if _, err := Load(filepath.Join(dir, "sweep.yaml"), pipeline.Overrides{}); err == nil || !strings.Contains(err.Error(), "feature.n_mels changes the features") {
		t.Errorf("%v", err)
	}
}

// The sweeps that travel with the project can be read.
func TestProjectSweeps(t *testing.T) {
	files, err := filepath.Glob("../../configs/sweeps/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d sweeps, %v", len(files), err)
	}
	for _, path := range files {
		f, err := Load(path, pipeline.Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range f.Points() {
			if _, err := f.config(f.trial(i*f.Seeds, f.gridPoint(i)), f.gridPoint(i)); err != nil {
				t.Errorf("%s, point %d: %v", path, i, err)
			}
		}
	}
}

// A folder is of one file and one config.
func TestAnotherFile(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	f := good(t, "method: grid\nparameters: {batch: {values: [8, 9]}}\n")
	if _, err := Begin(f, out); err != nil {
		t.Fatal(err)
	}
	if _, err := Begin(f, out); err != nil {
		t.Errorf("the same again: %v", err)
	}
	other := good(t, "method: grid\nparameters: {batch: {values: [8, 10]}}\n")
	if _, err := Begin(other, out); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "is the folder of another sweep") {
		t.Errorf("%v", err)
	}
	warmer, err := Load(f.Name, pipeline.Overrides{Env: []string{"CLR_METHOD_TEMPERATURE=0.7"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Begin(warmer, out); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "method.temperature: the sweep has 0.3, the config now 0.7") {
		t.Errorf("%v", err)
	}
	s, err := Open(out)
	if err != nil || s.Trials != 2 || s.base.Method == nil {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Open(t.TempDir()); fault.KindOf(err) != fault.Usage {
		t.Errorf("no sweep: %v", err)
	}
}

// States are read from what stands in a trial's folder.
func TestStates(t *testing.T) {
	s := begun(t, "method: grid\nparameters: {batch: {values: [8, 9, 10, 11, 12]}}\n")
	s.came(t, 0, Result{Status: Done}, map[string]float64{"loss": 1})
	s.came(t, 1, Result{Status: Failed, Reason: "pretrain: no", Exit: 3})
	put(t, filepath.Join(s.TrialDir(2), progressFile), "{}")
	put(t, filepath.Join(s.TrialDir(3), progressFile), "{}")
	lock, err := disk.TryLock(filepath.Join(s.TrialDir(3), lockFile), "")
	if err != nil {
		t.Fatal(err)
	}
	states, err := s.States()
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, st := range states {
		got += st.Status + " "
	}
	if got != "done failed stopped running waiting " || states[3].Holder.PID != os.Getpid() {
		t.Errorf("%s, %v", got, states[3].Holder)
	}
	lock.Release()
	if again, err := s.Retry([]int{0, 2}); len(again) != 0 || err != nil {
		t.Errorf("%v, %v", again, err)
	}
	if again, err := s.Retry(nil); fmt.Sprint(again) != "[1]" || err != nil {
		t.Errorf("%v, %v", again, err)
	}
	if st, err := s.State(1); err != nil || st.Status != Waiting {
		t.Errorf("%v, %v", st, err)
	}
	put(t, filepath.Join(s.TrialDir(4), resultFile), "{")
	if _, err := s.State(4); fault.KindOf(err) != fault.Data {
		t.Errorf("%v", err)
	}
}

// What failed for a reason that may have passed can be tried again, the rest fails
// again.
func TestRetryPassing(t *testing.T) {
	s := begun(t, "method: grid\nparameters: {batch: {values: [8, 9, 10, 11, 12, 13, 14, 15]}}\n")
	for i, exit := range []int{0, 1, 2, 3, 4, 6, 137} {
		r := Result{Status: Failed, Exit: exit}
		if exit == 0 {
			r.Status = Done
		}
		s.came(t, i, r)
	}
	if err := s.retryPassing([]int{0, 1, 2, 3, 4, 5, 7}); err != nil {
		t.Fatal(err)
	}
	states, err := s.States()
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, st := range states {
		got += st.Status + " "
	}
	if got != "done waiting failed failed failed waiting failed waiting " {
		t.Error(got)
	}
}

// Files of ours that were damaged are refused with their name.
func TestDamaged(t *testing.T) {
	s := begun(t, "method: bayes\nrun_cap: 12\nmetric: {name: loss, goal: minimize}\nearly_terminate: {type: hyperband, min_iter: 1}\nparameters: {method.temperature: {min: 0.1, max: 0.9}}\n")
	w := &worker{Sweep: s, over: map[int]*Result{}, rungs: map[[2]int]*float64{}, busy: map[int]string{}}
	for _, c := range []struct {
		file, text string
		read       func() error
	}{
		{"trials/0000/trial.json", "{}", func() error { _, err := s.State(0); return err }},
		{"trials/0000/trial.json", `{"status": "well"}`, func() error { _, err := s.State(0); return err }},
		{"trials/0000/trial.json", `[]`, func() error { _, err := s.State(0); return err }},
		{"trials/0000/progress.json", `{"stages": -1}`, func() error { _, err := s.progress(0); return err }},
		{"trials/0000/progress.json", `{"stages": 99}`, func() error { return w.trial(t.Context(), 0) }},
		{"trials/0000/progress.json", `{"stages": 1}`, func() error { return w.trial(t.Context(), 0) }},
		{"rounds/0001.json", `{"shares": [[0.5]]}`, func() error { _, err := s.State(9); return err }},
		{"rounds/0001.json", `{"shares": [[5], [0.5]]}`, func() error { _, err := s.State(8); return err }},
	} {
		path := filepath.Join(s.Dir, c.file)
		put(t, path, c.text)
		if err := c.read(); fault.KindOf(err) != fault.Data || fault.Remedy(err) == "" || !strings.Contains(err.Error(), filepath.FromSlash(c.file)) {
			t.Errorf("%s in %s: %v", c.text, c.file, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
