package pipeline

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// ResultFile is what a run came to, for who runs many: keys that stay, no clock,
// equal bytes of equal runs. It is written when a training ends with all that it
// was to do, and again by each probe; while a run is resumed it is away.
const ResultFile = "result.json"

// A RunResult is what stands in it.
type RunResult struct {
	Config   string                   `json:"config_sha256"` // as in run.json, as the next two
	Corpus   string                   `json:"corpus_sha256"`
	Seed     uint64                   `json:"seed"`
	Epochs   int                      `json:"epochs"` // that the config asks for
	Loss     float64                  `json:"loss"`   // mean over the folds, as those below
	ZStd     float64                  `json:"z_std"`
	GradNorm float64                  `json:"grad_norm"`
	Healthy  bool                     `json:"healthy"` // as clr health says
	Warnings int                      `json:"warnings"`
	Folds    []FoldResult             `json:"folds"`
	Probes   map[string]ProbeResult   `json:"probes"` // by the names of Kinds: those that were asked
	Judge    map[string]eval.Measured `json:"judge"`  // by measure; empty where nobody judged
}

// A FoldResult is what a fold's training came to. Values are means over its last
// epoch.
type FoldResult struct {
	Fold     string  `json:"fold"`
	Steps    int     `json:"steps"` // logged
	Epochs   int     `json:"epochs"`
	Loss     float64 `json:"loss"`
	ZStd     float64 `json:"z_std"`
	GradNorm float64 `json:"grad_norm"`
	SHA256   string  `json:"last_sha256"` // of last.safetensors; empty if there is none
}

// A ProbeResult is a probe's scores as fractions, with what they are worth.
type ProbeResult struct {
	Accuracy     float64    `json:"accuracy"` // of several labels a clip: all of them right
	MAP          eval.Score `json:"map"`
	Interval     [2]float64 `json:"accuracy_interval"`
	MacroF1      float64    `json:"macro_f1"`
	LogLoss      float64    `json:"log_loss"`
	RandomInit   float64    `json:"random_init"`
	FeatureStats float64    `json:"feature_stats"`
	Majority     float64    `json:"majority"`
}

// removeResult takes away what a run came to before it goes on.
func removeResult(run string) error {
	path := filepath.Join(run, ResultFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := disk.Remove(path); err != nil {
		return disk.Failed(path, err)
	}
	return nil
}

// writeResult writes what a run has come to.
func writeResult(run string) error {
	r, err := resultOf(run)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return disk.WriteBytes(filepath.Join(run, ResultFile), append(b, '\n'))
}

func resultOf(run string) (*RunResult, error) {
	c, err := runConfig(run, Overrides{})
	if err != nil {
		return nil, err
	}
	made, _, err := rundir.Read(run)
	if err != nil {
		return nil, err
	}
	r := &RunResult{Config: made.Config, Corpus: made.Corpus, Seed: made.Seed, Epochs: c.Schedule.Epochs, Folds: []FoldResult{}, Probes: map[string]ProbeResult{}, Judge: map[string]eval.Measured{}}
	seen, err := Health(run)
	if seen == nil {
		return nil, err
	}
	r.Healthy = seen.Healthy
	for _, f := range seen.Folds {
		r.Warnings += len(f.Warnings)
		t, err := trainingScore(rundir.FoldDir(run, f.Fold))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a fold that has not begun has no log
			return nil, err
		}
		r.Folds = append(r.Folds, FoldResult{f.Fold, t.Steps, t.Epochs, t.Loss, t.ZStd, t.GradNorm, t.SHA256})
	}
	for _, f := range r.Folds {
		n := float64(len(r.Folds))
		r.Loss, r.ZStd, r.GradNorm = r.Loss+f.Loss/n, r.ZStd+f.ZStd/n, r.GradNorm+f.GradNorm/n
	}
	for _, kind := range Kinds {
		p, err := probeResult(run, kind)
		if err != nil {
			return nil, err
		}
		if p != nil {
			r.Probes[kind.Name] = *p
		}
	}
	var j eval.Judgement
	switch found, err := readScores(filepath.Join(run, judgeReport), "clr judge --run "+run, &j, func() bool { return len(j.Rows) > 0 }); {
	case err != nil:
		return nil, err
	case found:
		for _, m := range j.Measured() {
			r.Judge[m.Name] = m
		}
	}
	return r, nil
}

// readScores reads what was found of a run into a report, which the command again
// makes anew; false where nobody asked.
func readScores(path, again string, into any, scored func() bool) (found bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err == nil && !scored() {
		err = errors.New("it has no scores")
	}
	if err != nil {
		return false, fault.New(fault.Data, again+" makes it anew", "%s: %w", path, err)
	}
	return true, nil
}

// probeResult sums up a report; nil: there is none.
func probeResult(run string, kind Kind) (*ProbeResult, error) {
	r, err := kind.read(run)
	if r == nil {
		return nil, err
	}
	row := r.Rows[0]
	p := &ProbeResult{Accuracy: row.Mean.Accuracy, MAP: row.Mean.MAP, Interval: row.Interval, MacroF1: row.Mean.MacroF1, LogLoss: row.Mean.LogLoss}
	for _, base := range r.Rows {
		switch base.Name {
		case eval.RowRandomInit:
			p.RandomInit = base.Mean.Accuracy
		case eval.RowStats:
			p.FeatureStats = base.Mean.Accuracy
		case eval.RowMajority:
			p.Majority = base.Mean.Accuracy
		}
	}
	return p, nil
}
