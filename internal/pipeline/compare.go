package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/rundir"
)

// A Comparison shows runs side by side. The first is what the others are
// compared with.
type Comparison struct {
	Runs   []string       `json:"runs"`
	Config []Values       `json:"config"`  // keys that are not the same in all; empty where a run has none. Paths and workers are left out
	MadeBy []Values       `json:"made_by"` // what decides the bytes beside the config, where it is not the same in all
	Folds  []FoldCompared `json:"folds"`
	Probes []ProbeCompare `json:"probes"`
}

// A Values is a key and its value in each run.
type Values struct {
	Key    string   `json:"key"`
	Values []string `json:"values"`
}

// A FoldCompared is a fold's training in each run.
type FoldCompared struct {
	Fold string          `json:"fold"`
	Runs []TrainingScore `json:"runs"`
}

// A TrainingScore sums a fold's metrics.jsonl up. Means are over the last epoch.
type TrainingScore struct {
	Steps     int         `json:"steps"` // logged; 0: there are none
	Epochs    int         `json:"epochs"`
	FirstLoss float64     `json:"first_loss"` // mean of the first epoch
	Loss      float64     `json:"loss"`
	ZStd      float64     `json:"z_std"`
	GradNorm  float64     `json:"grad_norm"`
	ClipsPS   float64     `json:"clips_per_s"` // over all steps
	SHA256    string      `json:"last_sha256"` // of last.safetensors; empty if there is none
	Same      bool        `json:"same_bytes"`  // as the first run's
	Parts     *Difference `json:"parts_at"`    // first step that differs from the first run's; null if none does
	lines     []rundir.Line
}

// A ProbeCompare is a probe's scores in each run that has them.
type ProbeCompare struct {
	Probe string       `json:"probe"`
	Runs  []ProbeScore `json:"runs"`
}

// A ProbeScore is a run's, and a test of whether it is another one than the
// first run's.
type ProbeScore struct {
	Run      string       `json:"run"`
	Protocol string       `json:"protocol"`
	Measure  string       `json:"measure"` // what its report puts first, accuracy or map
	Score    eval.Score   `json:"score"`
	Std      eval.Score   `json:"std"` // over splits and seeds
	Splits   int          `json:"splits"`
	Interval *[2]float64  `json:"ci95"`
	MacroF1  float64      `json:"macro_f1"`
	Stale    bool         `json:"stale"`          // a fold's encoder is not the checkpoint's
	Test     *eval.Paired `json:"test,omitempty"` // against the first run, of clips that are right (of several labels, all of them); with more than two runs P is Holm's
	Why      string       `json:"why,omitempty"`  // there is no test
	corpus   string       // hash
	shares   *predictions // nil: none
}

// tested says what the test against the run called first finds; of several labels,
// that it is no test of the mAP.
func (s ProbeScore) tested(beside string) string {
	t := s.Test
	said := fmt.Sprintf("%+.1f%s (%+.1f to %+.1f), p = %s", 100*t.Difference, beside, 100*t.Interval[0], 100*t.Interval[1], pValue(t.P))
	if s.Measure != "accuracy" {
		said = "all labels right " + said
	}
	return said
}

// Compare puts runs side by side.
func Compare(runs []string) (*Comparison, error) {
	c := &Comparison{Runs: runs}
	var corpora []string
	for i, r := range runs {
		if j := slices.IndexFunc(runs[:i], func(o string) bool { return sameFolder(o, r) }); j >= 0 {
			return nil, fault.New(fault.Usage, "name each run once", "%s and %s are the same run", runs[j], r)
		}
		config, err := runConfig(r, Overrides{})
		if err != nil {
			return nil, err
		}
		made, _, err := rundir.Read(r)
		if err != nil {
			return nil, err
		}
		corpora = append(corpora, made.Corpus)
		for _, v := range [][2]string{{"clr", made.Version}, {"binary_sha256", made.Binary}, {"go", made.Go}, {"cpu_path", made.CPU}, {"corpus_sha256", made.Corpus}, {"init_sha256", made.Init}, {"store_sha256", made.Store}} {
			c.MadeBy = setValue(c.MadeBy, v[0], v[1], i, len(runs))
		}
		for _, l := range schema().Leaves(config.portable()) {
			c.Config = setValue(c.Config, l.Path, l.Text, i, len(runs))
		}
	}
	c.Config, c.MadeBy = differing(c.Config), differing(c.MadeBy)
	for i, r := range runs {
		if err := c.addTraining(i, r); err != nil {
			return nil, err
		}
	}
	for _, kind := range Kinds {
		if err := c.addProbe(kind, corpora); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func sameFolder(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// setValue sets run i's value of a key.
func setValue(all []Values, key, value string, i, runs int) []Values {
	at := slices.IndexFunc(all, func(v Values) bool { return v.Key == key })
	if at < 0 {
		at = len(all)
		all = append(all, Values{key, make([]string, runs)})
	}
	all[at].Values[i] = value
	return all
}

func differing(all []Values) []Values {
	return slices.DeleteFunc(all, func(v Values) bool {
		return !slices.ContainsFunc(v.Values, func(x string) bool { return x != v.Values[0] })
	})
}

// addTraining sums up the folds of run i.
func (c *Comparison) addTraining(i int, run string) error {
	folds, err := rundir.Folds(run)
	if err != nil {
		return err
	}
	for _, name := range folds {
		at := slices.IndexFunc(c.Folds, func(f FoldCompared) bool { return f.Fold == name })
		if at < 0 {
			at = len(c.Folds)
			c.Folds = append(c.Folds, FoldCompared{name, make([]TrainingScore, len(c.Runs))})
		}
		t, err := trainingScore(rundir.FoldDir(run, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a fold that has not begun has no log
			return err
		}
		if first := c.Folds[at].Runs[0]; i > 0 && first.Steps > 0 && t.Steps > 0 {
			t.Same = t.SHA256 != "" && t.SHA256 == first.SHA256
			for k := range min(t.Steps, first.Steps) {
				x, y := first.lines[k], t.lines[k]
				if x.Digest == "" || y.Digest == "" { // taken at other steps
					x.Digest, y.Digest = "", ""
				}
				if t.Parts = differs(x, y); t.Parts != nil {
					break
				}
			}
		}
		c.Folds[at].Runs[i] = t
	}
	return nil
}

func trainingScore(dir string) (t TrainingScore, err error) {
	if t.lines, err = rundir.ReadLog(dir); err != nil {
		return t, err
	}
	saved := filepath.Join(dir, rundir.LastFile)
	if _, err := os.Stat(saved); err == nil {
		if t.SHA256, err = disk.Hash(os.DirFS(dir), rundir.LastFile); err != nil {
			return t, fault.New(fault.Data, "", "%s: %w", saved, err)
		}
	}
	if t.Steps = len(t.lines); t.Steps == 0 { // as of an import
		return t, nil
	}
	last := t.lines[t.Steps-1].Epoch
	t.Epochs = last + 1
	first, count, timed := 0, 0, 0.0
	for _, l := range t.lines {
		if l.Epoch == t.lines[0].Epoch {
			t.FirstLoss += l.Loss
			first++
		}
		if l.Epoch == last {
			t.Loss, t.ZStd, t.GradNorm = t.Loss+l.Loss, t.ZStd+l.ZStd, t.GradNorm+l.GradNorm
			count++
		}
		if l.ClipsPS > 0 {
			t.ClipsPS += 1 / l.ClipsPS
			timed++
		}
	}
	n := float64(count)
	t.FirstLoss, t.Loss, t.ZStd, t.GradNorm = t.FirstLoss/float64(first), t.Loss/n, t.ZStd/n, t.GradNorm/n
	if timed > 0 {
		t.ClipsPS = timed / t.ClipsPS // the harmonic mean: batches are nearly equal
	}
	return t, nil
}

// addProbe adds a probe's scores, if any run has them.
func (c *Comparison) addProbe(kind Kind, corpora []string) error {
	p := ProbeCompare{Probe: kind.Name}
	for i, run := range c.Runs {
		r, err := kind.read(run)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		row := r.Rows[0]
		s := ProbeScore{Run: run, Protocol: r.Protocol, Splits: len(row.Folds), MacroF1: row.Mean.MacroF1, corpus: corpora[i]}
		s.Measure, s.Score, s.Interval = r.First(row)
		_, s.Std, _ = r.First(eval.Row{Mean: row.Std})
		if s.shares, err = readPredictions(run, kind, r.Predictions); err != nil {
			s.Why = err.Error()
		}
		if s.Stale, err = stale(run, r.Encoders); err != nil {
			return err
		}
		if s.Stale {
			s.shares, s.Why = nil, "the encoder has learnt since it was asked; "+kind.again(run)+" asks again"
		}
		p.Runs = append(p.Runs, s)
	}
	if len(p.Runs) == 0 {
		return nil
	}
	p.test()
	c.Probes = append(c.Probes, p)
	return nil
}

// stale says whether a report's encoders are others than the checkpoints': the
// run has gone on since. Where a fold has no checkpoint nobody can tell.
func stale(run string, encoders map[string]string) (bool, error) {
	folds, err := rundir.Folds(run)
	if err != nil {
		return false, err
	}
	for _, fold := range folds {
		cp, _, err := checkpoint.LoadNewest(rundir.FoldDir(run, fold), rundir.LastFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		if asked, ok := encoders[cp.Meta["fold"]]; ok && asked != encoderHash(cp.Arrays, "") && asked != encoderHash(cp.Arrays, averaged) {
			return true, nil
		}
	}
	return false, nil
}

// test compares each run's predictions with the first's.
func (p *ProbeCompare) test() {
	first := p.Runs[0]
	var ps []float64
	for i := 1; i < len(p.Runs); i++ {
		s := &p.Runs[i]
		switch {
		case first.shares == nil:
			s.Why = first.Why
		case s.shares == nil:
		case s.Protocol != first.Protocol:
			s.Why = fmt.Sprintf("the protocols are %s and %s", first.Protocol, s.Protocol)
		case s.corpus != first.corpus:
			s.Why = "the corpora are not the same"
		default:
			var a, b [][]float64
			if a, b, s.Why = first.shares.pair(s.shares); s.Why == "" {
				t := eval.Pair(a, b)
				s.Test = &t
				ps = append(ps, t.P)
			}
		}
	}
	eval.Holm(ps)
	for i := range p.Runs {
		if t := p.Runs[i].Test; t != nil {
			t.P, ps = ps[0], ps[1:]
		}
	}
}
