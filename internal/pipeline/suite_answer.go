package pipeline

import (
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
	"clr/internal/method"
	"clr/internal/rundir"
)

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
	Groups   string            `json:"groups_sha256"` // which training clips validate together
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
	groups := sha256.New()
	for _, s := range a.splits {
		q.Splits, q.Embedded[s.Name] = append(q.Splits, s.Name), a.d.address(a.encoders[s.Name])
		fmt.Fprintf(groups, "%q\n", s.Groups)
	}
	q.Groups = hex.EncodeToString(groups.Sum(nil))
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
