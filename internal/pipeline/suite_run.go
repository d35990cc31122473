package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"clr/internal/audio"
	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/layout"
	"clr/internal/method"
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
	var failed []error
	for _, r := range runs {
		for _, t := range suite.Tasks {
			rows, err := r.ask(ctx, suite, t, o, con)
			if ctx.Err() != nil {
				return nil, fault.New(fault.Interrupted, "run the same command again; it goes on from there", "interrupted in task %s; what was asked is in %s", t.Name, o.Out)
			}
			result.Rows = append(result.Rows, rows...)
			if err != nil {
				err = fmt.Errorf("%s, task %s: %w", r.path, t.Name, err)
				if fault.KindOf(err) == fault.Resource {
					return nil, err
				}
				failed = append(failed, err)
			}
		}
	}
	result.addMeans()
	if err := result.write(o.Out); err != nil {
		return nil, err
	}
	if len(failed) > 0 {
		return result, fault.List(fault.KindOf(failed[0]), fault.Remedy(failed[0]), failed)
	}
	return result, nil
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
func (r *suiteRun) ask(ctx context.Context, s *Suite, t Task, o EvalOptions, con Console) (rows []SuiteRow, err error) {
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
	d.cache = &embedCache{o.Cache, con}
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

// An answering is a task's clips and whose embeddings of them are asked.
type answering struct {
	d        *data
	splits   []eval.Split
	encoders map[string]encoderState // by split
	run      string                  // digest of what the run learnt by
	heard    *int                    // test clips that were heard in pretraining; nil: nobody can tell
	made     map[embeddedBy]*asked
}

// An embeddedBy is how clips became what is asked.
type embeddedBy struct {
	EmbedOptions
	windows bool
}

// answering finds the encoders that are asked about a corpus: of the one that the run
// was pretrained on, each split's own, which never heard its test clips, and of
// others the only one, or that of the fold that was named.
func (r *suiteRun) answering(d *data, o EvalOptions, con Console) (*answering, error) {
	config := sha256.Sum256(r.c.identity())
	a := &answering{d: d, splits: d.splits, encoders: map[string]encoderState{}, run: hex.EncodeToString(config[:]), made: map[embeddedBy]*asked{}}
	if d.hash == r.corpus && slices.ContainsFunc(d.splits, func(s eval.Split) bool { return slices.Contains(r.folds, d.foldName(s)) }) {
		if home, err := r.home(a, o.Fold, con); home || err != nil {
			return a, err
		}
	}
	if !r.known {
		return nil, fault.New(fault.Usage, "choose one with --fold", "%s has %d encoders, of the folds %q, and the corpus is not the one they were pretrained on", r.path, len(r.folds), r.folds)
	}
	dir := rundir.FoldDir(r.path, r.fold)
	cp, _, err := newestIn(dir, con)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Usage, "let clr pretrain --resume go on until it has saved", "%s holds no checkpoint yet", dir)
	}
	if err == nil {
		err = r.c.trained(cp, dir)
	}
	if err != nil {
		return nil, err
	}
	e, err := d.trained(cp)
	if err != nil {
		return nil, err
	}
	for _, s := range d.splits {
		a.encoders[s.Name] = e
	}
	if heard, ok := r.hears(cp.Meta["fold"]); ok {
		tested := map[int]bool{}
		for _, s := range d.splits {
			for _, i := range s.Test {
				if heard[d.store.Key(i)] {
					tested[i] = true
				}
			}
		}
		n := len(tested)
		a.heard = &n
	}
	return a, nil
}

// home takes each split's own encoder; false where splits are others than the run's.
func (r *suiteRun) home(a *answering, fold string, con Console) (bool, error) {
	splits, err := a.d.splitsOf(fold)
	if err != nil {
		return false, nil
	}
	for _, s := range splits {
		dir := rundir.FoldDir(r.path, a.d.foldName(s))
		cp, _, err := newestIn(dir, con)
		if errors.Is(err, fs.ErrNotExist) || err == nil && cp.Meta["fold"] != s.Name {
			return false, nil
		}
		if err == nil {
			err = r.c.trained(cp, dir)
		}
		if err == nil {
			a.encoders[s.Name], err = a.d.trained(cp)
		}
		if err != nil {
			return false, a.d.inFold(s, err)
		}
	}
	a.splits, a.heard = splits, new(int)
	return true, nil
}

// hears are the sounds that an encoder was pretrained on; false where its features
// are not at hand.
func (r *suiteRun) hears(fold string) (map[string]bool, bool) {
	if r.heard != nil {
		return r.heard, true
	}
	corpus, err := openCorpus(r.c)
	if err != nil {
		return nil, false
	}
	store, err := audio.OpenStore(r.c.StorePath())
	if err != nil {
		return nil, false
	}
	defer store.Close()
	d := &data{c: r.c, store: store, needs: method.NeedsOf(r.c.Method)}
	if d.corpus, err = store.Corpus(corpus, r.c.Feature, r.c.SampleRate); err != nil || d.divide() != nil {
		return nil, false
	}
	splits, err := d.splitsOf(fold)
	if err != nil {
		return nil, false
	}
	clips, _, err := d.learnsFrom(splits[0])
	if err != nil {
		return nil, false
	}
	r.heard = map[string]bool{}
	for _, i := range clips {
		r.heard[store.Key(i)] = true
	}
	return r.heard, true
}

// A question is all that an answer depends on.
type question struct {
	Version  string            `json:"clr"`
	Run      string            `json:"config_sha256"` // of what the run learnt by
	Corpus   string            `json:"corpus_sha256"`
	By       string            `json:"by"`
	Splits   []string          `json:"splits"`
	Probe    string            `json:"probe"`
	Settings string            `json:"settings"`
	Pool     string            `json:"pool"`
	Embedded map[string]string `json:"embeddings"` // of each split, as the cache has them
}

// An answer is what one way to ask found of a task, as its file holds it.
type answer struct {
	Asked     question        `json:"asked"`
	Heard     *int            `json:"heard"` // test clips that were heard in pretraining; null: nobody can tell
	Report    *eval.Report    `json:"report,omitempty"`
	Judgement *eval.Judgement `json:"judgement,omitempty"`
}

// to answers in one way, or reads the answer that is there.
func (a *answering) to(ctx context.Context, way Asking, path string, con Console) (*answer, error) {
	q := question{Version: rundir.Version(), Run: a.run, Corpus: a.d.hash, By: a.d.by, Probe: way.kind(), Settings: way.settings(), Pool: a.d.c.Embed.Pool, Embedded: map[string]string{}}
	for _, s := range a.splits {
		q.Splits, q.Embedded[s.Name] = append(q.Splits, s.Name), a.d.address(a.encoders[s.Name])
	}
	var was answer
	if b, err := os.ReadFile(path); err == nil && json.Unmarshal(b, &was) == nil && reflect.DeepEqual(was.Asked, q) && was.scored() {
		was.Heard = a.heard
		return &was, nil
	}
	got := &answer{Asked: q, Heard: a.heard}
	windows := way.kind() != "" && eval.LearnsFromWindows(kindOf(way.kind()).of(a.d.c))
	clips, err := a.embedded(ctx, windows, con)
	if err != nil {
		return nil, err
	}
	if way.kind() == "" {
		got.Judgement, err = clips.judge(ctx, a.d.c.Judge, a.d.by, con)
	} else {
		got.Report = &eval.Report{Encoders: clips.encoders, By: a.d.by}
		err = ask(ctx, got.Report, a.d.c, ProbeOptions{Kind: way.kind()}, clips, con)
	}
	if err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		return nil, err
	}
	if _, err := disk.MkdirAll(filepath.Dir(path)); err != nil {
		return nil, disk.Failed(path, err)
	}
	return got, disk.WriteBytes(path, append(b, '\n'))
}

// scored says whether an answer that was read has what its question asks for.
func (a *answer) scored() bool {
	if a.Asked.Probe == "" {
		return a.Judgement != nil && len(a.Judgement.Rows) > 0
	}
	return a.Report != nil && len(a.Report.Rows) > 0 && len(a.Report.Rows[0].Folds) > 0
}

// embedded is the clips as one way to ask wants them, kept for the next.
func (a *answering) embedded(ctx context.Context, windows bool, con Console) (*asked, error) {
	by := embeddedBy{a.d.c.Embed, windows}
	if a.made[by] == nil {
		made, err := a.d.beside(ctx, a.splits, windows, con, func(s eval.Split) (encoderState, error) { return a.encoders[s.Name], nil })
		if err != nil {
			return nil, err
		}
		a.made[by] = made
	}
	return a.made[by], nil
}
