package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/model"
	"clr/internal/rundir"
)

// ProbeOptions are what the command line says of a probe.
type ProbeOptions struct {
	Asked
	Kind      string    // of eval.Table
	Fractions []float64 // parts of the labels, each with rows of its own beside those of all labels
}

// Asked says which embeddings are asked about.
type Asked struct {
	Run        string // the run folder
	Embeddings string // or, a file of embeddings
	Manifest   string // of these; empty: what stands in the file is enough
	Fold       string // only this fold; empty: all
}

// Check refuses what cannot be meant.
func (o Asked) Check() error {
	switch {
	case o.Run == "" && o.Embeddings == "":
		return fault.New(fault.Usage, "name the folder that clr pretrain --run wrote, or a file with --embeddings", "no run folder is given")
	case o.Run != "" && o.Embeddings != "":
		return fault.New(fault.Usage, "leave one of them out", "--run %s and --embeddings %s are both given", o.Run, o.Embeddings)
	case o.Run != "" && o.Manifest != "":
		return fault.New(fault.Usage, "leave it out: the run knows its manifest", "--manifest %s belongs to --embeddings", o.Manifest)
	}
	return nil
}

// Check refuses what cannot be meant.
func (o ProbeOptions) Check() error {
	for _, f := range o.Fractions {
		if err := (LabelOptions{f}).Check(); err != nil {
			return fmt.Errorf("--fractions: %w", err)
		}
	}
	return o.Asked.Check()
}

// Probe asks how much of the labels the run's embeddings give away, beside the
// same for random weights, feature statistics and the commonest class. The
// report and its predictions are kept in the run folder, those of one fold in the
// fold's; the caller shows it. Heads that have layers are kept beside the
// checkpoints. Of a file of embeddings only the commonest class stands beside, and
// nothing is kept.
func Probe(ctx context.Context, o ProbeOptions, ov Overrides, con Console) (*eval.Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Embeddings != "" {
		return probeTable(ctx, o, ov, con)
	}
	d, err := openRunData(ctx, o.Run, ov, con)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	r, err := probe(ctx, d, o, con)
	if err != nil {
		return nil, err
	}
	if err := d.keepHeads(o.Run, r); err != nil {
		return r, err
	}
	dir, kind := d.reportDir(o.Asked), kindOf(o.Kind)
	h := sha256.New() // so that a report is never taken for another probe's, which was killed between the two
	if err := disk.WriteFile(filepath.Join(dir, kind.predictions()), func(w io.Writer) error { return d.writePredictions(io.MultiWriter(w, h), r) }); err != nil {
		return r, err
	}
	r.Predictions = hex.EncodeToString(h.Sum(nil))
	if err := disk.WriteFile(filepath.Join(dir, kind.report()), r.WriteJSON); err != nil {
		return r, err
	}
	return r, writeResult(o.Run)
}

// reportDir is where a report on all folds, or on one, is kept.
func (d *data) reportDir(o Asked) string {
	if o.Fold != "" && len(d.splits) > 1 {
		return rundir.FoldDir(o.Run, o.Fold)
	}
	return o.Run
}

func probe(ctx context.Context, d *data, o ProbeOptions, con Console) (*eval.Report, error) {
	a, err := d.asked(ctx, o.Asked, eval.LearnsFromWindows(kindOf(o.Kind).of(d.c)), con)
	if err != nil {
		return nil, err
	}
	report := &eval.Report{Encoders: a.encoders, By: d.by}
	return report, ask(ctx, report, d.c, o, a, con)
}

// An asked is what can be asked of clips: their embeddings, the first of which
// are those asked about, and what stands beside them to compare with.
type asked struct {
	labelled eval.Set
	splits   []eval.Split
	sets     []embeddings
	encoders map[string]string // see eval.Report
}

// Embeddings of all clips, by whatever was made on a split.
type embeddings struct {
	name string
	set  func(eval.Split) eval.Set
}

// asked embeds the clips by a run's encoders and by random weights, their windows
// too where they are asked for, and by plain statistics of the features.
func (d *data) asked(ctx context.Context, o Asked, windows bool, con Console) (*asked, error) {
	splits, err := d.splitsOf(o.Fold)
	if err != nil {
		return nil, err
	}
	warned := false
	return d.beside(ctx, splits, windows, con, func(s eval.Split) (e encoderState, err error) {
		cp, err := d.saved(o.Run, s, con)
		if err != nil {
			return e, err
		}
		if e, err = d.trained(cp); err != nil {
			return e, d.inFold(s, err)
		}
		if cp.Meta["corpus"] != d.hash && !warned {
			warned = true
			con.Warn("the corpus is not the one that was pretrained on: clips that were heard may be among the test clips")
		}
		step, err := stepOf(cp, o.Run)
		if err != nil {
			return e, err
		}
		heard, _, err := d.learnsFrom(s)
		if err != nil {
			return e, err
		}
		if total := d.c.Schedule.Steps(d.c.batches(len(heard)).steps); step == 0 && cp.Meta["init"] != "" {
			con.Say("%s: the encoder is as the file that init names has it", rundir.FoldDir(o.Run, d.foldName(s)))
		} else if step < total {
			con.Warn("%s: the encoder is of step %d of %d; clr pretrain --resume finishes it", rundir.FoldDir(o.Run, d.foldName(s)), step, total)
		}
		return e, nil
	})
}

// beside embeds the clips by the encoder that each split has, once where several
// have the same, and by random weights and statistics of the features.
func (d *data) beside(ctx context.Context, splits []eval.Split, windows bool, con Console, encoder func(eval.Split) (encoderState, error)) (*asked, error) {
	labelled, err := d.labels()
	if err != nil {
		return nil, err
	}
	embedded := d.embedded
	if windows {
		embedded = d.embeddedWindows
	}
	pretrained := map[string]eval.Set{} // by split
	random := map[string]eval.Set{}
	frozen := map[string]string{}
	var last eval.Split
	var was *model.Params
	for _, s := range splits {
		e, err := encoder(s)
		if err != nil {
			return nil, err
		}
		if e.params == was {
			pretrained[s.Name], random[s.Name], frozen[s.Name] = pretrained[last.Name], random[last.Name], frozen[last.Name]
			continue
		}
		last, was = s, e.params
		frozen[s.Name] = e.hash()
		what := strings.TrimSpace("embed " + d.foldName(s))
		if pretrained[s.Name], err = embedded(ctx, e, labelled, con.Progress(what, 0, d.store.Len())); err != nil {
			return nil, err
		}
		r, err := d.fresh(e.norm)
		if err != nil {
			return nil, err
		}
		if random[s.Name], err = embedded(ctx, r, labelled, con.Progress(what+" with random weights", 0, d.store.Len())); err != nil {
			return nil, err
		}
		if now := e.hash(); now != frozen[s.Name] {
			panic("pipeline: probing moved the encoder's weights")
		}
	}
	stats, err := d.featureStats(labelled)
	if err != nil {
		return nil, err
	}
	return &asked{labelled, splits, []embeddings{
		{eval.RowPretrained, func(s eval.Split) eval.Set { return pretrained[s.Name] }},
		{eval.RowRandomInit, func(s eval.Split) eval.Set { return random[s.Name] }},
		{eval.RowStats, func(eval.Split) eval.Set { return stats }},
	}, frozen}, nil
}

// ask fills a report: a row for each of the embeddings, on all labels and on parts
// of them, and the commonest class. Where a probe tries several numbers of neighbours,
// each has a row too.
func ask(ctx context.Context, report *eval.Report, c *Config, o ProbeOptions, a *asked, con Console) error {
	report.Probe, report.Multi, report.Classes = o.Kind, a.labelled.Multi(), a.labelled.Classes
	head := kindOf(o.Kind).of(c)
	report.Protocol, report.Settings = eval.ProtocolOf(head)
	add := func(name string, p eval.Probe, set func(eval.Split) eval.Set, splits []eval.Split) error {
		con.Say("%s probe: %s", o.Kind, name)
		row, err := eval.EvaluateEach(ctx, name, p, set, splits)
		if name != eval.RowPretrained {
			row.Heads = nil // which nobody keeps
		}
		report.Rows = append(report.Rows, row)
		return err
	}
	for i, e := range a.sets {
		if err := add(e.name, head, e.set, a.splits); err != nil {
			return err
		}
		knn, ok := head.(eval.KNNProbe)
		if !ok || len(knn.K) == 1 || i > 0 {
			continue
		}
		for _, k := range knn.K {
			one := knn
			one.K = []int{k}
			if err := add(fmt.Sprintf("%s k=%d", e.name, k), one, e.set, a.splits); err != nil {
				return err
			}
		}
	}
	fractions := slices.Sorted(slices.Values(o.Fractions))
	slices.Reverse(fractions)
	for _, f := range slices.Compact(fractions) {
		if f == 1 {
			continue
		}
		fewer := make([]eval.Split, len(a.splits))
		for i, s := range a.splits {
			fewer[i] = fewerLabels(s, a.labelled, f, c.Seed)
		}
		for _, e := range a.sets {
			if err := add(percent(f)+" "+e.name, head, e.set, fewer); err != nil {
				return err
			}
		}
	}
	return add(eval.RowMajority, eval.Majority{}, a.sets[len(a.sets)-1].set, a.splits)
}

// fewerLabels is a split of which a part of each class's training clips, and of
// its validation clips, is known: of clips with several labels, of all.
func fewerLabels(s eval.Split, labelled eval.Set, fraction float64, seed uint64) eval.Split {
	part := func(clips []int) (kept []int) {
		classes := make([][]int, len(labelled.Classes))
		for _, i := range clips {
			k := 0
			if !labelled.Multi() {
				k = labelled.Labels[i]
			}
			classes[k] = append(classes[k], i)
		}
		for k, clips := range classes {
			kept = append(kept, partOf(clips, fraction, seed, k)...)
		}
		slices.Sort(kept)
		return kept
	}
	less := eval.Split{Name: s.Name, Train: part(s.Train), Valid: part(s.Valid), Test: s.Test}
	if s.Groups != nil {
		group := map[int]string{}
		for j, i := range s.Train {
			group[i] = s.Groups[j]
		}
		for _, i := range less.Train {
			less.Groups = append(less.Groups, group[i])
		}
	}
	return less
}

// labels is the corpus's labels, without embeddings.
func (d *data) labels() (eval.Set, error) {
	if !d.corpus.Has("label") {
		return eval.Set{}, fault.New(fault.Data, "add a column label to the manifest", "%s has no labels to probe for", d.corpus.Path)
	}
	var labels, names, sources []string
	for _, it := range d.corpus.Items {
		labels, names, sources = append(labels, it.Label), append(names, it.Path), append(sources, it.File)
	}
	s, err := eval.Labelled(labels, names)
	s.Sources = sources
	return s, err
}

func (d *data) embedded(ctx context.Context, e encoderState, labelled eval.Set, show *Progress) (eval.Set, error) {
	var err error
	labelled.X, labelled.D, err = d.embed(ctx, e, show)
	return labelled, err
}

// embeddedWindows is embedded, with the embeddings of each clip's windows.
func (d *data) embeddedWindows(ctx context.Context, e encoderState, labelled eval.Set, show *Progress) (eval.Set, error) {
	var err error
	labelled.Windows = make([][]float64, labelled.N)
	labelled.X, labelled.D, err = d.embedEach(ctx, e, show, func(clip int, h []float32) {
		for _, v := range h {
			labelled.Windows[clip] = append(labelled.Windows[clip], float64(v))
		}
	})
	return labelled, err
}

// featureStats is the embedding without learning.
func (d *data) featureStats(labelled eval.Set) (eval.Set, error) {
	labelled.D = 2 * d.input.Rows()
	labelled.X = make([]float64, labelled.N*labelled.D)
	err := d.reading(func() error {
		for i := range labelled.N {
			s, err := d.store.Spectrogram(i)
			if err != nil {
				return err
			}
			eval.FeatureStats(labelled.Row(i), s.Data, s.Bins, s.Frames)
		}
		return nil
	})
	return labelled, err
}

// hash is the digest of an encoder: equal before and after probing.
func (e encoderState) hash() string {
	arrays := map[string]kernel.Array{}
	e.params.State("", arrays)
	return encoderHash(arrays, "")
}

// encoderHash is the digest of the encoder behind a prefix, among a checkpoint's arrays.
func encoderHash(arrays map[string]kernel.Array, prefix string) string {
	encoder := map[string]kernel.Array{}
	for name, a := range arrays {
		if bare, ok := strings.CutPrefix(name, prefix); ok && strings.HasPrefix(bare, "encoder.") {
			encoder[bare] = a
		}
	}
	return checkpoint.Digest(encoder)
}
