package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"clr/internal/disk"
	"clr/internal/eval"
	"clr/internal/fault"
	"clr/internal/kernel"
	"clr/internal/method"
	"clr/internal/optim"
	"clr/internal/rundir"
)

// FinetuneOptions say how a whole network is trained on with labels. Each section
// is what the config's own of that name is to pretraining.
type FinetuneOptions struct {
	Fractions []float64           `yaml:"fractions" doc:"parts of the labels of each fold's training clips, a row of the report each, the largest first; 1 is all"`
	Augment   bool                `yaml:"augment" doc:"views are changed by the run's augmentations; off: only cut out of the clip"`
	Method    method.CrossEntropy `yaml:"method" doc:"cross-entropy over the embedding"`
	Batch     int                 `yaml:"batch" doc:"most clips of a step; fewer where a part has fewer"`
	Optimizer optim.Options       `yaml:"optimizer" doc:"how the weights are moved"`
	Schedule  optim.Schedule      `yaml:"schedule" doc:"the learning rate"`
	Update    optim.Update        `yaml:"update" doc:"which weights are moved how far"`
}

// DefaultFinetune is a short training at a small learning rate.
var DefaultFinetune = FinetuneOptions{
	Fractions: []float64{1},
	Augment:   true,
	Method:    method.Table["cross_entropy"].(method.CrossEntropy),
	Batch:     64,
	Optimizer: optim.Table["adamw"],
	Schedule: func() optim.Schedule {
		s := optim.DefaultSchedule
		s.Epochs, s.WarmupEpochs = 30, 2
		return s
	}(),
	Update: optim.DefaultUpdate,
}

// Check refuses what cannot be trained.
func (o FinetuneOptions) Check() error {
	if len(o.Fractions) == 0 {
		return fault.New(fault.Usage, "[0.01, 0.1, 1] are usual", "fractions names no part of the labels")
	}
	for i, f := range o.Fractions {
		if err := (LabelOptions{f}).Check(); err != nil {
			return fmt.Errorf("fractions.%d: %w", i, err)
		}
		if slices.Contains(o.Fractions[:i], f) {
			return fault.New(fault.Usage, "name each part once", "fractions names %g twice", f)
		}
	}
	if o.Batch < 2 {
		return fault.New(fault.Usage, "64 is usual", "batch is %d, it must be 2 or more", o.Batch)
	}
	if err := cmp.Or(o.Method.Check(), o.Optimizer.Check(), o.Schedule.Check(), o.Update.Check()); err != nil {
		return err
	}
	if o.Update.EMA > 0 {
		return fault.New(fault.Usage, "set update.ema to 0", "update.ema is %g, and averages the encoder alone: the classifier is not made for it", o.Update.EMA)
	}
	if lr := o.Update.Rate(o.Optimizer.LearningRate(), o.Batch); o.Schedule.MinLR > lr {
		return fault.New(fault.Usage, "lower schedule.min_lr or raise optimizer.lr", "schedule.min_lr is %g, above the optimizer's lr %g that it should be reached from", o.Schedule.MinLR, lr)
	}
	return nil
}

// FinetuneStarts are what finetuning can begin with.
var FinetuneStarts = map[string]string{
	"pretrained": "each fold's encoder of the run",
	"init":       "what the run's config names as init",
	"random":     "random weights, to compare with",
}

// FinetuneCommand is what the command line says of finetuning.
type FinetuneCommand struct {
	Run    string // the pretrained run
	Out    string // folder for a run of each part of the labels; empty: in the run folder
	From   string // one of FinetuneStarts
	Fold   string // only this fold; empty: all
	Resume bool
}

// Finetune trains the run's whole network on with labels: for each part of the
// labels a run of its own, whose folds are tested once each, on the fold's test
// clips. Each is a run like any other, which can be resumed, verified and
// exported. The report and the predictions are kept beside them.
func Finetune(ctx context.Context, o FinetuneCommand, ov Overrides, con Console) (*eval.Report, error) {
	c, err := runConfig(o.Run, ov)
	if err != nil {
		return nil, err
	}
	if _, ok := FinetuneStarts[o.From]; !ok {
		return nil, fault.New(fault.Usage, "use pretrained, init or random", "there is no start %q", o.From)
	}
	if o.From == "init" && c.Init == "" {
		return nil, fault.New(fault.Usage, "use --from random, which is what it began with", "%s began with random weights, its config names no init", o.Run)
	}
	if o.Out == "" {
		if o.Out = filepath.Join(o.Run, "finetune"); o.From != "pretrained" {
			o.Out += "-" + o.From
		}
	}
	d, err := openData(ctx, c, con, false)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	known, err := d.labels()
	if err != nil {
		return nil, err
	}
	splits, err := d.splitsOf(o.Fold)
	if err != nil {
		return nil, err
	}
	fractions := slices.Sorted(slices.Values(c.Finetune.Fractions))
	slices.Reverse(fractions)              // the report's first row is the one asked about
	parts := make([]tuned, len(fractions)) // all of which can be refused before one is begun
	for i, f := range fractions {
		if parts[i], err = d.part(o, f, known); err != nil {
			return nil, err
		}
		if err := rundir.Unused(parts[i].dir); err != nil && !o.Resume {
			return nil, fault.New(fault.Usage, "continue it with --resume, or name another folder with --out", "%w", err)
		}
	}
	report := &eval.Report{Probe: eval.Finetuning, By: d.by, Classes: known.Classes}
	for _, p := range parts {
		con.Say("%s: finetuning on %s of the labels, in %s", o.From, percent(p.c.Labels.Fraction), p.dir)
		if err := Pretrain(ctx, p.c, PretrainOptions{Run: p.dir, Resume: o.Resume, Fold: o.Fold}, con); err != nil {
			return nil, err
		}
		row, err := p.test(ctx, o, known, splits, con)
		if err != nil {
			return nil, err
		}
		report.Rows = append(report.Rows, row)
	}
	deaf := known
	deaf.X, deaf.D = make([]float64, deaf.N), 1
	majority, err := eval.Evaluate(ctx, eval.RowMajority, eval.Majority{}, deaf, splits)
	if err != nil {
		return nil, err
	}
	report.Rows = append(report.Rows, majority)
	return report, d.keepFinetuned(o, report)
}

func percent(fraction float64) string { return strconv.FormatFloat(100*fraction, 'g', 6, 64) + " %" }

// A tuned is the run of one part of the labels.
type tuned struct {
	c   *Config
	dir string
}

// part is the run that learns from a part of the labels.
func (d *data) part(o FinetuneCommand, fraction float64, known eval.Set) (tuned, error) {
	t := tuned{dir: filepath.Join(o.Out, "labels-"+strconv.FormatFloat(fraction, 'g', -1, 64))}
	c, f := *d.c, d.c.Finetune
	c.Method, c.Optimizer, c.Schedule, c.Update, c.Batch = f.Method, f.Optimizer, f.Schedule, f.Update, f.Batch
	c.Labels.Fraction = fraction
	c.Embed.Pool = "mean" // the classifier is linear: over the mean embedding it gives the windows' mean logits
	if !f.Augment {
		c.Augment = nil
	}
	switch o.From {
	case "pretrained":
		c.Init = "." // where the config lies
	case "random":
		c.Init = ""
	}
	of := *d
	of.c, of.needs = &c, method.NeedsOf(c.Method)
	for _, s := range d.splits {
		clips, _, err := of.learnsFrom(s)
		if err != nil {
			return t, err
		}
		s.Train, s.Groups = clips, nil
		if err := s.Check(known); err != nil {
			return t, err
		}
		c.Batch = min(c.Batch, len(clips))
	}
	if c.Batch < c.Method.Unit() || c.Batch < 2 {
		return t, fault.New(fault.Usage, "raise finetune.fractions", "%s of the labels are %d training clips in a fold, a batch takes %d or more", percent(fraction), c.Batch, max(2, c.Method.Unit()))
	}
	for _, w := range c.checkNames() {
		return t, fault.New(fault.Usage, fault.Remedy(w.err), "finetune.%s: %w", w.path, w.err)
	}
	t.c = &c
	return t, nil
}

// classifierOf is the linear layer of a checkpoint, over embeddings of d values.
func classifierOf(arrays map[string]kernel.Array, k, d int) (*eval.Logistic, error) {
	w, b := arrays["classifier.0.weight"], arrays["classifier.0.bias"]
	if !slices.Equal(w.Shape, []int{k, d}) || !slices.Equal(b.Shape, []int{k}) {
		return nil, fault.New(fault.Data, "finetune again, into another folder", "the checkpoint's classifier is %v and %v, the corpus has %d classes and the embedding %d values", w.Shape, b.Shape, k, d)
	}
	m := &eval.Logistic{K: k, D: d}
	for _, v := range w.Data {
		m.W = append(m.W, float64(v))
	}
	for _, v := range b.Data {
		m.B = append(m.B, float64(v))
	}
	return m, nil
}

// test asks each fold's network for the labels of its test clips.
func (t tuned) test(ctx context.Context, o FinetuneCommand, known eval.Set, splits []eval.Split, con Console) (eval.Row, error) {
	name := o.From + " " + percent(t.c.Labels.Fraction)
	d, err := openData(ctx, t.c, con, false)
	if err != nil {
		return eval.Row{}, err
	}
	defer d.Close()
	sets, heads := map[string]eval.Set{}, eval.Given{}
	var parts []eval.Split
	for _, s := range splits {
		cp, err := d.saved(t.dir, s, con)
		if err != nil {
			return eval.Row{}, err
		}
		e, err := d.trained(cp)
		if err != nil {
			return eval.Row{}, d.inFold(s, err)
		}
		if sets[s.Name], err = d.embedded(ctx, e, known, con.Progress(strings.TrimSpace("test "+d.foldName(s)), 0, d.store.Len())); err != nil {
			return eval.Row{}, err
		}
		head, err := classifierOf(cp.Arrays, len(known.Classes), sets[s.Name].D)
		if err != nil {
			return eval.Row{}, d.inFold(s, err)
		}
		heads[s.Name] = head
		if s.Train, _, err = d.learnsFrom(s); err != nil {
			return eval.Row{}, err
		}
		s.Valid, s.Groups = nil, nil
		parts = append(parts, s)
	}
	return eval.EvaluateEach(ctx, name, heads, func(s eval.Split) eval.Set { return sets[s.Name] }, parts)
}

const (
	finetuneReport      = "report-finetune.json"
	finetunePredictions = "predictions-finetune.csv"
)

// keepFinetuned writes the report, and what each row but the last, the majority's,
// says of each test clip.
func (d *data) keepFinetuned(o FinetuneCommand, r *eval.Report) error {
	dir := o.Out
	if o.Fold != "" && len(d.splits) > 1 {
		dir = rundir.FoldDir(o.Out, o.Fold)
	}
	if err := rundir.MakeDir(dir); err != nil {
		return err
	}
	h := sha256.New()
	if err := disk.WriteFile(filepath.Join(dir, finetunePredictions), func(w io.Writer) error {
		out := csv.NewWriter(io.MultiWriter(w, h))
		out.Write(append([]string{"row"}, predictionColumns...))
		for _, row := range r.Rows[:len(r.Rows)-1] {
			for _, line := range d.predictionLines(r.Classes, row) {
				out.Write(append([]string{row.Name}, line...))
			}
		}
		out.Flush()
		return out.Error()
	}); err != nil {
		return err
	}
	r.Predictions = hex.EncodeToString(h.Sum(nil))
	return disk.WriteFile(filepath.Join(dir, finetuneReport), r.WriteJSON)
}
