package pipeline

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"clr/internal/audio"
	"clr/internal/fault"
	"clr/internal/health"
	"clr/internal/host"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/op"
	"clr/internal/optim"
)

// A Forecast is what a config will do, before any of it is done.
type Forecast struct {
	MemoryPlan
	Method    string      `json:"method"`
	Encoder   string      `json:"encoder"`
	Optimizer string      `json:"optimizer"`
	Parts     []Part      `json:"parts"`
	StepFLOPs int         `json:"step_flops"` // of the encoder, for a batch, nominal
	Folds     []FoldSteps `json:"folds"`      // empty where the manifest cannot be read: checks say why
	Steps     int         `json:"steps"`      // of all folds
	Speed     *Speed      `json:"speed"`      // null where it was not measured
	Checks    []Concern   `json:"checks"`
}

// A Part is some of what a method keeps: a network, a second tower, a queue.
type Part struct {
	Name   string `json:"name"`
	Values int    `json:"values"` // parameters, or what else it holds; running statistics are not counted
	Learns bool   `json:"learns"` // the optimiser moves it
}

// A FoldSteps is how long a fold is trained.
type FoldSteps struct {
	Fold   string `json:"fold"`
	Clips  int    `json:"clips"`           // that are heard
	Test   int    `json:"test_clips"`      // that are not
	Epoch  int    `json:"steps_per_epoch"` //
	Steps  int    `json:"steps"`           //
	Unused int    `json:"left_out"`        // of the clips, in each epoch others
}

// A Speed is what some steps on random numbers took.
type Speed struct {
	Measured int     `json:"measured_steps"`
	StepS    float64 `json:"step_s"`      // median
	TotalS   float64 `json:"estimated_s"` // of all steps of all folds; 0 where they are not known
	ClipsPS  float64 `json:"clips_per_s"`
}

// A Concern is something about a config that will not go, or not go well.
type Concern struct {
	Code    string `json:"code"`
	Refused bool   `json:"refused"` // clr pretrain will not begin
	Text    string `json:"text"`    // with the value
	Try     string `json:"try"`
}

// Look works out what a config will do. Where measure is true it also asks the
// machine how much memory there is and how long a step takes; else a forecast
// follows from config, manifest and store alone.
func Look(ctx context.Context, c *Config, measure bool) (*Forecast, error) {
	read := sync.OnceValues(func() (*audio.Corpus, error) { return openCorpus(c) })
	p, err := plan(c, read)
	if err != nil {
		return nil, err
	}
	if !measure {
		p.LimitBytes, p.Limit = 0, ""
	}
	f := &Forecast{MemoryPlan: *p, Method: nameIn(method.Table, c.Method), Encoder: nameIn(model.Encoders, c.Encoder), Optimizer: nameIn(optim.Table, c.Optimizer),
		Parts: partsOf(p.draft), StepFLOPs: p.draft.FLOPs, Folds: []FoldSteps{}, Checks: []Concern{}}
	f.refuse("memory", p.fits(host.Limit{Bytes: p.LimitBytes, Name: p.Limit}))
	fits := len(f.Checks) == 0
	f.addCorpus(c, read)
	if measure && fits {
		if f.Speed, err = f.speed(ctx, c); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// refuse notes an error that clr pretrain would end with.
func (f *Forecast) refuse(code string, err error) {
	if err != nil {
		f.Checks = append(f.Checks, Concern{code, true, err.Error(), fault.Remedy(err)})
	}
}

// doubt notes what is allowed.
func (f *Forecast) doubt(is bool, code, try, format string, args ...any) {
	if is {
		f.Checks = append(f.Checks, Concern{code, false, fmt.Sprintf(format, args...), try})
	}
}

// partsOf lists what a method keeps, what learns first.
func partsOf(p method.Plan) (parts []Part) {
	add := func(name string, learns bool, values int) {
		i := slices.IndexFunc(parts, func(p Part) bool { return p.Name == name })
		if i < 0 {
			i, parts = len(parts), append(parts, Part{Name: name, Learns: learns})
		}
		parts[i].Values += values
	}
	learns := map[string]bool{}
	for _, w := range p.Params {
		learns[w.Name] = true
		first, _, _ := strings.Cut(w.Name, ".")
		add(first, true, op.Size(w.Value.Shape))
	}
	for _, name := range slices.Sorted(maps.Keys(p.State)) {
		first, rest, _ := strings.Cut(name, ".")
		if len(p.State[name].Shape) == 0 { // where a queue's head is
			continue
		}
		if !learns[name] && (rest == "" || learns[rest]) { // a tower that follows has the weights of one that learns
			add(first, false, op.Size(p.State[name].Shape))
		}
	}
	return parts
}

// addCorpus works out the folds, and what there is to say of them.
func (f *Forecast) addCorpus(c *Config, read func() (*audio.Corpus, error)) {
	d, err := peek(c, read)
	if err != nil {
		f.refuse("corpus", err)
		return
	}
	if d.store != nil {
		defer d.Close()
	}
	labelled := false
	for _, s := range d.splits {
		clips, _, err := d.learnsFrom(s)
		if err != nil {
			f.refuse("labels", d.inFold(s, err))
			continue
		}
		f.refuse("batch", d.inFold(s, c.batchable(len(clips))))
		if c.Batch > len(clips) {
			continue
		}
		b := c.batches(len(clips))
		f.Folds = append(f.Folds, FoldSteps{Fold: s.Name, Clips: len(clips), Test: len(s.Test), Epoch: b.steps,
			Steps: c.Schedule.Steps(b.steps), Unused: len(clips) - b.units*b.unit})
		for _, i := range s.Train {
			labelled = labelled || d.corpus.Items[i].Label != ""
		}
	}
	for _, s := range f.Folds {
		f.Steps += s.Steps
	}
	if len(f.Folds) == 0 {
		return
	}
	f.doubt(c.Health.KNN.Every > 0 && !labelled, "knn.labels", "add a column label to the manifest, or set health.knn.every to 0",
		"health.knn.every is %d, and no training clip has a label: nobody is asked", c.Health.KNN.Every)
	f.ofSteps(c, f.Folds[0])
	f.doubt(f.Folds[0].Test == 0, "split.no_test", "set split.by to a column, or give the manifest a column split, where a probe is to follow",
		"no clip is kept from training: there is nothing to test on")
	f.doubt(len(c.Augment) == 0 && c.View.Crop == "center" && c.View.Pair != "label" && !d.needs.Labels, "view.same",
		"list augmentations, or set view.crop to random", "augment is empty and view.crop is center: the two views of a clip are the same")
	f.ofLengths(c, d)
}

// ofSteps looks at how long the first fold is trained.
func (f *Forecast) ofSteps(c *Config, s FoldSteps) {
	warm := c.Schedule.WarmupEpochs
	f.doubt(2*warm > c.Schedule.Epochs, "schedule.warmup", "lower schedule.warmup_epochs or raise schedule.epochs",
		"schedule.warmup_epochs is %d of %d epochs: most of the run is spent below the full learning rate", warm, c.Schedule.Epochs)
	f.doubt(s.Steps <= c.Health.Grace && c.Health.Every > 0, "health.grace", "raise schedule.epochs, or lower health.grace",
		"the run has %d steps and health.grace is %d: a collapse is not looked for", s.Steps, c.Health.Grace)
	f.doubt(s.Epoch == 1, "batch.epoch", "lower batch, or train for more epochs than with a larger corpus",
		"batch is %d and there are %d clips: an epoch is one step", c.Batch, s.Clips)
	f.doubt(20*s.Unused > s.Clips, "batch.left_out", "choose a batch and method.bn_groups that split the clips more evenly",
		"%d of %d clips are left out of each epoch, in each others: batches are multiples of %d clips", s.Unused, s.Clips, c.Method.Unit())
	f.Checks = append(f.Checks, c.accumulating(s.Steps)...)
	if q := f.draft.Queue; q != nil {
		f.ofQueue(c, s, q)
	}
}

// ofQueue looks at rows of earlier batches, as the doctor would at the end of the run if
// a tower that follows did so as fast as at the start.
func (f *Forecast) ofQueue(c *Config, s FoldSteps, q method.Queuer) {
	rows, momentum := q.Queue(0)
	made := s.Steps * (s.Clips - s.Unused) / s.Epoch
	f.doubt(made < rows, "queue.unfilled", fmt.Sprintf("lower method.queue to %d or less, or raise schedule.epochs", made),
		"method.queue is %d, and the run makes %d rows for it: random ones stay in it", rows, made)
	age, err := health.QueueAge(rows, c.Batch, s.Clips, s.Steps, momentum)
	f.doubt(made >= rows && err == nil && c.Health.Stale(age), "queue.stale", "make method.queue shorter or batch larger, or raise method.momentum, where a tower follows",
		"method.queue is %d: at the end of the run its %s", rows, c.Health.Ages(age))
}

// ofLengths looks at how long the clips are, where there is a store to tell.
func (f *Forecast) ofLengths(c *Config, d *data) {
	if d.store == nil {
		return
	}
	short := 0
	for i := range d.store.Len() {
		if _, frames := d.store.Entry(i); 2*frames < c.View.Frames {
			short++
		}
	}
	f.doubt(2*short > d.store.Len(), "view.long", "lower view.frames",
		"view.frames is %d, and %d of %d clips are less than half as long: more than half of their views is padding", c.View.Frames, short, d.store.Len())
}

// peek is a corpus, which read reads, and its splits, with its store if that is made.
// Nothing is written.
func peek(c *Config, read func() (*audio.Corpus, error)) (*data, error) {
	corpus, err := read()
	if err != nil {
		return nil, err
	}
	d := &data{c: c, corpus: corpus, needs: method.NeedsOf(c.Method)}
	if s, err := audio.OpenStore(c.StorePath()); err == nil {
		if kept, err := s.Corpus(corpus, c.Feature, c.SampleRate); err == nil {
			d.store, d.corpus = s, kept
		} else {
			s.Close()
		}
	}
	if d.store == nil && c.Windows != (audio.Windows{}) {
		return nil, fault.New(fault.Data, "run clr features, which cuts the recordings", "how many clips there will be is not known before the features are made")
	}
	if err := d.divide(); err != nil {
		if d.store != nil {
			d.Close()
		}
		return nil, err
	}
	return d, nil
}

// measured is how many steps are timed, after one that is not.
const measured = 3

// speed times steps on random numbers.
func (f *Forecast) speed(ctx context.Context, c *Config) (*Speed, error) {
	s := f.setup
	s.Seed = c.Seed
	m, err := c.Method.New(s)
	if err != nil {
		return nil, err
	}
	mover := c.Optimizer.New(m.Params())
	b := s.Random(method.NeedsOf(c.Method))
	took := make([]float64, 0, measured)
	for i := range 1 + measured {
		began := time.Now()
		if b.Step = i; ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if _, err := m.Step(ctx, b); err != nil {
			return nil, err
		}
		mover.Step(m.Params(), 0) // so that they stay where they are sensible
		m.Advance(0)
		if i > 0 {
			took = append(took, time.Since(began).Seconds())
		}
	}
	slices.Sort(took)
	step := took[measured/2]
	return &Speed{Measured: measured, StepS: step, TotalS: step * float64(f.Steps), ClipsPS: float64(c.Batch) / step}, nil
}

// Write shows a forecast, as tables or as JSON.
func (f *Forecast) Write(con Console) error {
	if con.JSON {
		return con.Show(f)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %s: batch %d, %s, %.3g GFLOPs of the encoder a step\n\n", f.Method, f.Encoder, f.Optimizer,
		f.Batch, f.views(), float64(f.StepFLOPs)/1e9)
	for _, p := range f.Parts {
		what := "parameters"
		if !p.Learns {
			what = "values, kept beside"
		}
		fmt.Fprintf(&b, "%-18s %10d  %s\n", p.Name, p.Values, what)
	}
	b.WriteByte('\n')
	f.write(&b)
	f.writeSteps(&b)
	for _, c := range f.Checks {
		word := "look at"
		if c.Refused {
			word = "refused"
		}
		fmt.Fprintf(&b, "\n%s: %s: %s\n", word, c.Code, c.Text)
		if c.Try != "" {
			fmt.Fprintf(&b, "  try: %s\n", c.Try)
		}
	}
	_, err := io.WriteString(con.Out, b.String())
	return err
}

func (f *Forecast) writeSteps(b *strings.Builder) {
	if len(f.Folds) > 0 {
		fmt.Fprintf(b, "\n%-18s %10s %10s %12s %10s\n", "fold", "clips", "to test on", "steps/epoch", "steps")
	}
	for _, s := range f.Folds {
		fmt.Fprintf(b, "%-18s %10d %10d %12d %10d\n", s.Fold, s.Clips, s.Test, s.Epoch, s.Steps)
	}
	if s := f.Speed; s != nil {
		fmt.Fprintf(b, "\na step takes %.3g s (median of %d on random numbers), %.0f clips/s", s.StepS, s.Measured, s.ClipsPS)
		if s.TotalS > 0 {
			fmt.Fprintf(b, ": all %d take %s, if making views does not hold them up", f.Steps, About(s.TotalS))
		}
		b.WriteByte('\n')
	}
}

// About is a time in whole seconds or, where these would say little, in two digits.
func About(seconds float64) string {
	if seconds < 9.95 {
		return fmt.Sprintf("%.2g s", seconds)
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}
