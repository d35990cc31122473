package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path/filepath"
	"strings"

	"clr/internal/checkpoint"
	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/rundir"
)

// ProbeOptions are what the command line says of a probe.
type ProbeOptions struct {
	Run  string // the run folder
	Kind string // linear or mlp
	Fold string // only this fold; empty: all
}

// Probe asks how much of the labels the run's embeddings give away, beside the
// same for random weights, feature statistics and the commonest class. The
// report and its predictions are kept in the run folder, those of one fold in the fold's; the caller
// shows it.
func Probe(ctx context.Context, o ProbeOptions, ov Overrides, con Console) (*eval.Report, error) {
	c, err := runConfig(o.Run, ov)
	if err != nil {
		return nil, err
	}
	d, err := openData(ctx, c, con, false)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	r, err := probe(ctx, d, o, con)
	if err != nil {
		return nil, err
	}
	dir := o.Run
	if o.Fold != "" && len(d.splits) > 1 {
		dir = rundir.FoldDir(o.Run, o.Fold)
	}
	h := sha256.New() // so that a report is never taken for another probe's, which was killed between the two
	if err := disk.WriteFile(filepath.Join(dir, predictionsFile(o.Kind)), func(w io.Writer) error { return d.writePredictions(io.MultiWriter(w, h), r) }); err != nil {
		return r, err
	}
	r.Predictions = hex.EncodeToString(h.Sum(nil))
	if err := disk.WriteFile(filepath.Join(dir, reportFile(o.Kind)), r.WriteJSON); err != nil {
		return r, err
	}
	return r, writeResult(o.Run)
}

func reportFile(kind string) string { return "report-" + kind + "-probe.json" }

func probe(ctx context.Context, d *data, o ProbeOptions, con Console) (*eval.Report, error) {
	splits, err := d.splitsOf(o.Fold)
	if err != nil {
		return nil, err
	}
	labelled, err := d.labels()
	if err != nil {
		return nil, err
	}
	pretrained := map[string]eval.Set{} // by split
	random := map[string]eval.Set{}
	frozen := map[string]string{}
	warned := false
	for _, s := range splits {
		cp, err := d.saved(o.Run, s, con)
		if err != nil {
			return nil, err
		}
		e, err := d.trained(cp)
		if err != nil {
			return nil, d.inFold(s, err)
		}
		if cp.Meta["corpus"] != d.hash && !warned {
			warned = true
			con.Warn("the corpus is not the one that was pretrained on: clips that were heard may be among the test clips")
		}
		step, err := stepOf(cp, o.Run)
		if err != nil {
			return nil, err
		}
		heard, _, err := d.learnsFrom(s)
		if err != nil {
			return nil, err
		}
		if total := d.c.Schedule.Steps(d.c.batches(len(heard)).steps); step < total {
			con.Warn("%s: the encoder is of step %d of %d; clr pretrain --resume finishes it", rundir.FoldDir(o.Run, d.foldName(s)), step, total)
		}
		frozen[s.Name] = e.hash()
		what := strings.TrimSpace("embed " + d.foldName(s))
		if pretrained[s.Name], err = d.embedded(ctx, e, labelled, con.Progress(what, 0, d.store.Len())); err != nil {
			return nil, err
		}
		r, err := d.fresh(e.norm)
		if err != nil {
			return nil, err
		}
		if random[s.Name], err = d.embedded(ctx, r, labelled, con.Progress(what+" with random weights", 0, d.store.Len())); err != nil {
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
	report := &eval.Report{Probe: o.Kind, By: d.by, Classes: labelled.Classes, Encoders: frozen}
	head := d.c.probeOf(o.Kind)
	for _, row := range []struct {
		name string
		p    eval.Probe
		set  func(s eval.Split) eval.Set
	}{
		{eval.RowPretrained, head, func(s eval.Split) eval.Set { return pretrained[s.Name] }},
		{eval.RowRandomInit, head, func(s eval.Split) eval.Set { return random[s.Name] }},
		{eval.RowStats, head, func(eval.Split) eval.Set { return stats }},
		{eval.RowMajority, eval.Majority{}, func(eval.Split) eval.Set { return stats }},
	} {
		con.Say("%s probe: %s", o.Kind, row.name)
		r, err := eval.EvaluateEach(ctx, row.name, row.p, row.set, splits)
		if err != nil {
			return nil, err
		}
		report.Rows = append(report.Rows, r)
	}
	return report, nil
}

// probeOf is the config's probe of a kind.
func (c *Config) probeOf(kind string) eval.Probe {
	switch kind {
	case "linear":
		return c.LinearProbe
	case "mlp":
		return c.MLPProbe
	}
	panic("pipeline: no probe " + kind)
}

// labels is the corpus's labels, without embeddings.
func (d *data) labels() (eval.Set, error) {
	s := eval.Set{N: len(d.corpus.Items)}
	labels := make([]string, s.N)
	for i, it := range d.corpus.Items {
		labels[i] = it.Label
		s.Names = append(s.Names, it.Path)
	}
	if !d.corpus.Has("label") {
		return s, fault.New(fault.Data, "add a column label to the manifest", "%s has no labels to probe for", d.corpus.Path)
	}
	var err error
	s.Classes, s.Labels, err = eval.Encode(labels, s.Names)
	return s, err
}

func (d *data) embedded(ctx context.Context, e encoderState, labelled eval.Set, show *Progress) (eval.Set, error) {
	var err error
	labelled.X, labelled.D, err = d.embed(ctx, e, show)
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
