package sweep

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/pipeline"
	"clr/internal/rundir"
)

// What stands in a sweep's folder.
const (
	FileName = "sweep.yaml" // the file, as it was when the sweep began
	baseName = "base.yaml"  // the config that trials vary, every key
	lockName = "sweep.lock" // while these two are made
	trialDir = "trials"

	lockFile     = "trial.lock"    // who works on a trial
	configFile   = "trial.yaml"    // its config
	resultFile   = "trial.json"    // what it came to; there when it is finished
	progressFile = "progress.json" // how far it has come
	LogFile      = "log.txt"       // what its commands said
	runDir       = "run"           // its run folder
)

// A Sweep is a file and the folder in which it is carried out.
type Sweep struct {
	*File
	Dir string
}

// How trials end, and what they are before.
const (
	Done    = "done"
	Failed  = "failed"
	Pruned  = "pruned"  // stopped early, by the file's rule
	Running = "running" // somebody works on it
	Stopped = "stopped" // begun, and nobody works on it
	Waiting = "waiting"
)

// A Result is what a trial came to.
type Result struct {
	Status string                `json:"status"` // done, failed or pruned
	Reason string                `json:"reason,omitempty"`
	Exit   int                   `json:"exit_code"` // of the command that failed; of one that a signal ended 128 and its number
	Epochs int                   `json:"epochs"`
	Steps  int                   `json:"steps"`  // of all folds
	Scores map[string]float64    `json:"scores"` // means over the folds
	Folds  []pipeline.FoldScores `json:"folds"`
	Rungs  []Rung                `json:"rungs,omitempty"`
}

// mayPass says whether a trial failed for what may be over when it is tried again: it
// was ended, or the disk was full. The point, the data and a divergence stay as they are.
func (r *Result) mayPass() bool {
	return r.Status == Failed && (r.Exit < int(fault.Usage) || r.Exit > int(fault.Diverged))
}

// A Rung is what a trial's metric was when it was compared with others.
type Rung struct {
	Epoch int     `json:"epoch"`
	Value float64 `json:"value"`
}

// progress is how far a trial has come, for whoever goes on with it.
type progress struct {
	Stages   int       `json:"stages"` // that are done
	Rungs    []Rung    `json:"rungs"`
	Sessions []session `json:"sessions"`
}

// A session is a worker's time with a trial, up to the last stage that it finished.
type session struct {
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Open is a sweep that was begun, with its file and config as they were.
func Open(dir string) (*Sweep, error) {
	path := filepath.Join(dir, FileName)
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "give the folder that clr sweep run --out made", "%s is not a sweep's folder: it has no %s", dir, FileName)
	}
	if err != nil {
		return nil, fault.New(fault.Data, "see that the file may be read", "sweep: %w", err)
	}
	f, err := parse(path, text, func(string) (*pipeline.Config, error) {
		return pipeline.LoadConfig(filepath.Join(dir, baseName), pipeline.Overrides{})
	})
	if err != nil {
		return nil, err
	}
	return &Sweep{f, dir}, nil
}

// Begin is the sweep of a file in a folder, which is made where there is none. One
// that holds the sweep of another file, or of another config, is refused.
func Begin(f *File, dir string) (*Sweep, error) {
	s := &Sweep{f, dir}
	if _, err := disk.MkdirAll(filepath.Join(dir, trialDir)); err != nil {
		return nil, disk.Failed(dir, err)
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) { // others may begin it, too
		lock, err := disk.TryLock(filepath.Join(dir, lockName), dir)
		if err == nil {
			defer lock.Release()
			return s, s.begin()
		}
		if !errors.Is(err, disk.ErrLocked) || time.Since(began) > time.Minute {
			return nil, err
		}
	}
}

func (s *Sweep) begin() error {
	path := filepath.Join(s.Dir, FileName)
	was, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.write()
	case err != nil:
		return fault.New(fault.Data, "see that the file may be read", "sweep: %w", err)
	case !bytes.Equal(was, s.text):
		return fault.New(fault.Usage, "name another folder with --out, or go on with "+path, "%s is the folder of another sweep: the hash of its %s is %.12s, that of %s is %.12s", s.Dir, FileName, hash(was), s.Name, hash(s.text))
	}
	base, err := pipeline.LoadConfig(filepath.Join(s.Dir, baseName), pipeline.Overrides{})
	if err != nil {
		return err
	}
	var differ []string
	for _, d := range pipeline.Diff(base, s.base.At(s.Dir)) {
		if d.Key != "workers" {
			differ = append(differ, fmt.Sprintf("  %s: the sweep has %s, the config now %s", d.Key, d.Old, d.New))
		}
	}
	if len(differ) > 0 {
		return fault.New(fault.Usage, "bring the config back as it was, variables that begin with CLR_ too, or name another folder with --out",
			"%s was begun with another config:\n%s", s.Dir, strings.Join(differ, "\n"))
	}
	return nil
}

// write writes what the folder is of; the file is last, for what has it is a sweep.
func (s *Sweep) write() error {
	for _, f := range []struct {
		name string
		text []byte
	}{{baseName, s.base.At(s.Dir).Resolved()}, {FileName, s.text}} {
		if err := disk.WriteBytes(filepath.Join(s.Dir, f.name), f.text); err != nil {
			return err
		}
	}
	return nil
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// TrialDir is a trial's folder.
func (s *Sweep) TrialDir(i int) string {
	return filepath.Join(s.Dir, trialDir, fmt.Sprintf("%04d", i))
}

// RunDir is a trial's run folder.
func (s *Sweep) RunDir(i int) string { return filepath.Join(s.TrialDir(i), runDir) }

// ConfigPath is a trial's config, once it has begun.
func (s *Sweep) ConfigPath(i int) string { return filepath.Join(s.TrialDir(i), configFile) }

// Result is what a trial came to; nil: it is not finished.
func (s *Sweep) Result(i int) (*Result, error) {
	r := &Result{}
	path := filepath.Join(s.TrialDir(i), resultFile)
	ok, err := readJSON(path, r)
	if !ok {
		return nil, err
	}
	if !slices.Contains([]string{Done, Failed, Pruned}, r.Status) {
		return nil, damaged(path, "no trial ends as %q", r.Status)
	}
	return r, nil
}

func (s *Sweep) progress(i int) (p progress, err error) {
	path := filepath.Join(s.TrialDir(i), progressFile)
	if _, err = readJSON(path, &p); err == nil && p.Stages < 0 {
		err = damaged(path, "%d commands cannot be done", p.Stages)
	}
	return p, err
}

// damaged is what is wrong with one of our files.
func damaged(path, format string, args ...any) error {
	return fault.New(fault.Data, "bring back the file as clr sweep wrote it, or remove it: what it tells is made again", "%s: %w", path, fmt.Errorf(format, args...))
}

// readFile reads one of our files.
func readFile(path string) ([]byte, error) {
	if err := disk.Regular(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// readJSON reads one of our files; not ok: there is none.
func readJSON(path string, into any) (ok bool, err error) {
	b, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		return false, damaged(path, "%w", err)
	}
	return true, nil
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return disk.WriteBytes(path, append(b, '\n'))
}

// A State is where a trial is.
type State struct {
	Trial
	Status string
	Holder disk.Holder // of one that is running
	Result *Result     // of one that is finished
}

// State looks at a trial, in nobody's way.
func (s *Sweep) State(i int) (st State, err error) {
	p, known, err := s.point(i / s.Seeds)
	if err != nil {
		return st, err
	}
	st.Trial = Trial{Index: i, Point: i / s.Seeds, Seed: s.base.Seed + uint64(i%s.Seeds)}
	if known {
		st.Trial = s.trial(i, p)
	}
	if st.Result, err = s.Result(i); err != nil {
		return st, err
	}
	held := false
	if st.Result != nil {
		st.Status = st.Result.Status
	} else if st.Holder, held = disk.HolderOf(filepath.Join(s.TrialDir(i), lockFile)); held {
		st.Status = Running
	} else if _, err := os.Stat(filepath.Join(s.TrialDir(i), progressFile)); err == nil {
		st.Status = Stopped
	} else {
		st.Status = Waiting
	}
	return st, nil
}

// States are those of all trials.
func (s *Sweep) States() ([]State, error) {
	all := make([]State, s.Trials)
	for i := range all {
		var err error
		if all[i], err = s.State(i); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Retry makes failed trials unfinished again, those of only, or all where it is
// nil, and says which. What they had learnt is gone on with.
func (s *Sweep) Retry(only []int) (again []int, err error) {
	for i := range s.Trials {
		if only != nil && !slices.Contains(only, i) {
			continue
		}
		r, err := s.Result(i)
		if err != nil || r == nil || r.Status != Failed {
			if err != nil {
				return again, err
			}
			continue
		}
		path := filepath.Join(s.TrialDir(i), resultFile)
		if err := disk.Remove(path); err != nil {
			return again, disk.Failed(path, err)
		}
		again = append(again, i)
	}
	return again, nil
}

// mean is a score's over the folds; not ok: one of them does not have it.
func mean(folds []pipeline.FoldScores, name string) (v float64, ok bool) {
	for _, f := range folds {
		of, ok := f.Scores[name]
		if !ok {
			return 0, false
		}
		v += of
	}
	return v / float64(len(folds)), true
}

// read reads what a run came to.
func (r *Result) read(run string) error {
	if !rundir.Holds(run) {
		r.Scores, r.Folds = map[string]float64{}, []pipeline.FoldScores{}
		return nil
	}
	folds, err := pipeline.Scores(run)
	if err != nil {
		return err
	}
	r.Folds, r.Scores = folds, map[string]float64{}
	for name := range folds[0].Scores {
		if v, ok := mean(folds, name); ok {
			r.Scores[name] = v
		}
	}
	for _, f := range folds {
		r.Steps, r.Epochs = r.Steps+f.Steps, max(r.Epochs, f.Epochs)
	}
	return nil
}
