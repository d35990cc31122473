package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/layout"
	"clr/internal/rundir"
)

// EvalOptions are what the command line says of a suite.
type EvalOptions struct {
	Suite string   // file
	Runs  []string // folders
	Fold  string   // whose encoder is asked about other corpora than the run's; empty: the only one
	Out   string   // folder of results; empty: eval in the only run's
	Cache string   // folder of embeddings
}

// SuiteCache is where embeddings are kept if nobody says otherwise: beside the
// stores of features.
var SuiteCache = filepath.Join("cache", "embeddings")

const evalLock = "eval.lock"

// Check refuses what cannot be meant.
func (o EvalOptions) Check() error {
	switch {
	case o.Suite == "":
		return fault.New(fault.Usage, "such as --suite configs/suite.yaml", "no suite is given")
	case len(o.Runs) == 0:
		return fault.New(fault.Usage, "name the folder that clr pretrain --run wrote", "no run folder is given")
	case len(o.Runs) > 1 && o.Out == "":
		return fault.New(fault.Usage, "name a folder with --out", "%d runs are given, and no folder for the results of them all", len(o.Runs))
	case o.Cache == "":
		return fault.New(fault.Usage, "leave --cache out for "+SuiteCache, "no folder is given for embeddings")
	}
	for i, r := range o.Runs {
		if j := slices.IndexFunc(o.Runs[:i], func(other string) bool { return sameFolder(other, r) }); j >= 0 {
			return fault.New(fault.Usage, "name each run once", "%s and %s are the same run", o.Runs[j], r)
		}
	}
	return nil
}

// Eval asks runs' encoders all that a suite asks, and keeps each answer in the
// folder of results when it is there, so that the same command goes on where it was
// stopped, and asks anew only what has changed. A task that cannot be asked does not
// keep the others from it; what was wrong is told in the end.
func Eval(ctx context.Context, o EvalOptions, con Console) (*SuiteResult, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	suite, err := LoadSuite(o.Suite)
	if err != nil {
		return nil, err
	}
	if o.Out == "" {
		o.Out = filepath.Join(o.Runs[0], "eval")
	}
	var runs []*suiteRun
	for _, path := range o.Runs {
		r, err := openSuiteRun(path, o.Fold, con)
		if err != nil {
			return nil, err
		}
		for n, base := 2, r.name; slices.ContainsFunc(runs, func(other *suiteRun) bool { return other.name == r.name }); n++ {
			r.name = fmt.Sprintf("%s-%d", base, n)
		}
		if err := r.fits(suite); err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	if _, err := disk.MkdirAll(o.Out); err != nil {
		return nil, disk.Failed(o.Out, err)
	}
	lock, err := disk.TryLock(filepath.Join(o.Out, evalLock), o.Out)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	result := &SuiteResult{Rows: []SuiteRow{}}
	cache := newEmbedCache(o.Cache, con)
	var failed []error
	var left []string // tasks that are not done
	for i, r := range runs {
		for j, t := range suite.Tasks {
			rows, err := r.ask(ctx, suite, t, o, cache, con)
			result.Rows = append(result.Rows, rows...)
			if err == nil {
				continue
			}
			left = append(left, r.label(t, runs))
			if ctx.Err() == nil {
				err = fmt.Errorf("%s, task %s: %w", r.path, t.Name, err)
				if fault.KindOf(err) != fault.Resource {
					failed = append(failed, err)
					continue
				}
			}
			for at := i*len(suite.Tasks) + j + 1; at < len(runs)*len(suite.Tasks); at++ {
				left = append(left, runs[at/len(suite.Tasks)].label(suite.Tasks[at%len(suite.Tasks)], runs))
			}
			if ctx.Err() != nil {
				err = fault.New(fault.Interrupted, "run the same command again; it goes on from there", "interrupted in task %s", t.Name)
			}
			return nil, notDone(errors.Join(append(failed, err)...), fault.KindOf(err), fault.Remedy(err), left, o.Out)
		}
	}
	result.addMeans(suite)
	if err := result.write(o.Out); err != nil {
		return nil, err
	}
	if len(failed) > 0 {
		kind, remedy := fault.KindOf(failed[0]), fault.Remedy(failed[0])
		return result, notDone(fault.List(kind, remedy, failed), kind, remedy, left, o.Out)
	}
	return result, nil
}

// notDone says of what stopped or failed which tasks are not done, and how to go on.
func notDone(err error, kind fault.Kind, remedy string, left []string, out string) error {
	return fault.New(kind, remedy, "%w\nnot done: %s\nthe answers that are there are in %s; the same command asks only for those that are not", err, strings.Join(left, ", "), out)
}

// A suiteRun is a run whose encoders are asked.
type suiteRun struct {
	name, path string
	c          *Config
	corpus     string   // hash of what it was pretrained on
	folds      []string // that have a folder
	fold       string   // asked about other corpora
	known      bool     // that it is
	heard      map[string]bool
}

// label names a task for a person, with the run where there are several.
func (r *suiteRun) label(t Task, runs []*suiteRun) string {
	if len(runs) == 1 {
		return t.Name
	}
	return r.name + "/" + t.Name
}

func openSuiteRun(path, fold string, con Console) (*suiteRun, error) {
	r := &suiteRun{name: folderName(path), path: path, fold: fold}
	var err error
	if r.c, err = runConfig(path, Overrides{}); err != nil {
		return nil, err
	}
	made, _, err := rundir.Read(path)
	if err != nil {
		return nil, err
	}
	r.corpus = made.Corpus
	if r.folds, err = rundir.Folds(path); err != nil {
		return nil, err
	}
	if r.known = fold != "" || len(r.folds) == 1; fold == "" {
		r.fold = r.folds[0]
	} else if !slices.Contains(r.folds, fold) {
		return nil, fault.New(fault.Usage, "leave --fold out where there is one encoder", "%s has no encoder of a fold %q, but of %q", path, fold, r.folds)
	}
	if _, err := os.Stat(filepath.Join(path, ResultFile)); errors.Is(err, fs.ErrNotExist) {
		con.Warn("%s is not done: it has no %s; clr pretrain --resume goes on", path, ResultFile)
	}
	return r, nil
}

// fits refuses, before anything is asked, what a task's config cannot be.
func (r *suiteRun) fits(s *Suite) error {
	for _, t := range s.Tasks {
		for _, a := range s.askings(t) {
			if err := r.config(s, t, a, t.Corpus).Check(); err != nil {
				return fmt.Errorf("%s, task %s, %s: %w", r.path, t.Name, a.title(), err)
			}
		}
	}
	return nil
}

// config is the run's over a task's corpus, asked in one way.
func (r *suiteRun) config(s *Suite, t Task, a Asking, corpus string) *Config {
	c := r.c.over(corpus)
	c.Split, c.Windows, c.OnError = t.Split, t.Windows, t.OnError
	if c.CorpusPath() == r.c.CorpusPath() && c.Reading == r.c.Reading {
		c.Store = r.c.Store
	}
	c.Embed = t.Embed.over(r.c.Embed)
	a.into(c)
	if a.kind() == "linear" && c.LinearProbe.Protocol == "cola" { // windows that do not overlap, and the mean of their logits
		c.Embed.Pool, c.Embed.Hop = "mean", 1
	}
	return c
}

// ask asks all of a task, or reads what was answered before.
func (r *suiteRun) ask(ctx context.Context, s *Suite, t Task, o EvalOptions, cache *embedCache, con Console) (rows []SuiteRow, err error) {
	if root := s.resolve(t.Corpus); !isBuiltin(root) {
		if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) && t.Optional {
			con.Warn("task %s is left out: there is no %s", t.Name, root)
			return nil, nil
		}
	}
	corpus, err := s.manifest(ctx, t, o.Cache, con)
	if err != nil {
		return nil, err
	}
	ways := s.askings(t)
	c := r.config(s, t, ways[0], corpus)
	by, err := dividing(c)
	if err != nil {
		return nil, err
	}
	t.Split.By, c.Split.By = by, by
	d, err := openData(ctx, c, con, false)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	d.cache = cache
	a, err := r.answering(d, o, con)
	if err != nil {
		return nil, err
	}
	if a.heard != nil && *a.heard > 0 {
		con.Warn("task %s: %d of its test clips were heard in pretraining %s", t.Name, *a.heard, r.path)
	}
	for _, way := range ways {
		d.c = r.config(s, t, way, corpus)
		path := filepath.Join(o.Out, r.name, t.Name, fileTitle(way)+".json")
		answer, err := a.to(ctx, way, path, con)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", way.title(), err)
		}
		rows = append(rows, answer.rows(r.name, t.Name, way.title())...)
	}
	return rows, nil
}

// dividing is the column that divides a task's clips.
func dividing(c *Config) (string, error) {
	if c.Split.By != "" {
		return c.Split.By, nil
	}
	corpus, err := openCorpus(c)
	if err != nil {
		return "", err
	}
	for _, column := range []string{eval.SplitColumn, "fold"} {
		if corpus.Has(column) {
			return column, nil
		}
	}
	return "", fault.New(fault.Data, "say which column divides the clips, such as split: {by: speaker}", "%s has neither split nor fold: nothing says what to test on", corpus.Path)
}

// manifest is where a task's clips are listed. Of a layout it is made, in the cache,
// so that features of the same corpus are found again.
func (s *Suite) manifest(ctx context.Context, t Task, cache string, con Console) (string, error) {
	root := s.resolve(t.Corpus)
	if t.Layout == "" {
		return root, nil
	}
	options := layout.Options{Only: t.Import.Only, Label: t.Import.Label, Rate: t.Import.Rate, CSV: s.resolve(t.Import.CSV)}
	m, err := layout.Read(ctx, t.Layout, root, options)
	if err != nil {
		return "", err
	}
	for _, w := range m.Warnings {
		con.Warn("%s", w)
	}
	if m.Events {
		return "", fault.New(fault.Data, "take the task out; clr data import hear makes a clip of each event, whose labels can be asked for, but that is another task",
			"%s is a task of events: it is scored by when they begin and end, of which a probe of clips says nothing", root)
	}
	whole, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%+v", whole, t.Layout, options))
	path := filepath.Join(cache, "corpora", t.Name+"-"+hex.EncodeToString(sum[:6])+".csv")
	if _, err := disk.MkdirAll(filepath.Dir(path)); err != nil {
		return "", disk.Failed(path, err)
	}
	var text bytes.Buffer
	if err := m.Write(&text, filepath.Dir(path)); err != nil {
		return "", err
	}
	if was, err := os.ReadFile(path); err == nil && bytes.Equal(was, text.Bytes()) {
		return path, nil
	}
	return path, disk.WriteBytes(path, text.Bytes())
}
