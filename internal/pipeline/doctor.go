package pipeline

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"clr/internal/fault"
	"clr/internal/health"
	"clr/internal/method"
	"clr/internal/rundir"
)

// HealthOptions say how often training is looked at, and what is normal.
type HealthOptions struct {
	Every          int `yaml:"every" doc:"steps from one look to the next; 0: none but those of knn"`
	health.Options `yaml:",inline"`
	KNN            KNNOptions `yaml:"knn" doc:"what the nearest neighbours' labels say of clips that are held out, by the encoder as it is"`
}

// KNNOptions are those of eval.KNNAccuracy, and how often it is asked.
type KNNOptions struct {
	Every       int     `yaml:"every" doc:"epochs from one time to the next; 0: never. It takes an embedding of all labelled training clips"`
	K           int     `yaml:"k" doc:"neighbours that vote"`
	Temperature float64 `yaml:"temperature" doc:"a vote counts exp(cosine / temperature)"`
}

// Check refuses what means nothing.
func (o HealthOptions) Check() error {
	if o.Every < 0 {
		return fault.New(fault.Usage, "50 is usual, 0 is never", "every is %d, must be 0 or more", o.Every)
	}
	if most := 1_000_000; o.KNN.Every < 0 || o.KNN.Every > most { // so that epochs can be counted in steps
		return fault.New(fault.Usage, "0 is never", "knn: every is %d, must be 0 to %d", o.KNN.Every, most)
	}
	if o.KNN.K < 1 {
		return fault.New(fault.Usage, "20 is usual", "knn: k is %d, must be 1 or more", o.KNN.K)
	}
	if t := o.KNN.Temperature; !(t > 0 && t <= math.MaxFloat64) {
		return fault.New(fault.Usage, "0.07 is usual", "knn: temperature is %g, must be positive", t)
	}
	return o.Options.Check()
}

// A checkup looks at some steps of a fold's training: it measures them, keeps
// what it found in the log, and says what a doctor thinks of it. One that is nil
// looks at none.
type checkup struct {
	t      *trainer
	o      HealthOptions
	log    *rundir.Log
	con    Console
	doctor *health.Doctor
	meter  health.Meter
	ask    *neighbors     // nil: nobody
	now    *health.Sample // of the step that is looked at; nil: it is not
	was    [][]float32    // its weights before they moved
}

// newCheckup looks at the rest of a run. Its doctor has seen what was logged
// before, so that it says what that of a run without a stop would.
func newCheckup(t *trainer, log *rundir.Log, con Console) (*checkup, error) {
	c := &checkup{t: t, o: t.d.c.Health, log: log, con: con, doctor: health.NewDoctor(t.d.c.Health.Options)}
	for _, h := range log.Seen {
		c.doctor.See(h.Sample) // it was told then
	}
	var err error
	if c.o.KNN.Every > 0 {
		c.ask, err = newNeighbors(t, con)
	}
	return c, err
}

// asks says whether a step ends epochs after which the neighbours are asked.
func (c *checkup) asks(step int) bool {
	return c.ask != nil && (step+1)%(c.t.batches.steps*c.o.KNN.Every) == 0
}

// before looks at a step whose gradients are there, and whose weights have not
// moved yet.
func (c *checkup) before(l rundir.Line, r method.Result) {
	if c == nil || !(c.o.Every > 0 && (l.Step+1)%c.o.Every == 0 || c.asks(l.Step)) {
		return
	}
	c.now = &health.Sample{Step: l.Step, Epoch: l.Epoch, Loss: l.Loss, Chance: r.Chance, Temperature: r.Temperature, Z: c.meter.Measure(r.Z)}
	if q, ok := c.t.method.(method.Queuer); ok {
		rows, momentum := q.Queue(c.t.progress(l.Step))
		if age, err := health.QueueAge(rows, r.Z.Shape[0]/2, len(c.t.clips), l.Step, momentum); err == nil {
			c.now.Queue = &age
		}
	}
	params := c.t.method.Params()
	if c.was == nil {
		c.was = make([][]float32, len(params))
	}
	for i, p := range params {
		c.was[i] = append(c.was[i][:0], p.Value.Data...)
	}
}

// after looks at the same step when its weights have moved, logs what was found,
// and warns. The error, of kind Diverged, is of a collapse that ends the run.
func (c *checkup) after(ctx context.Context) error {
	if c.now == nil {
		return nil
	}
	s := c.now
	c.now = nil
	s.Layers = c.layers()
	if f, ok := c.t.method.(method.Follower); ok {
		far, err := health.Drift(f.Towers())
		if err != nil {
			return err
		}
		s.Drift = &far
	}
	if c.asks(s.Step) {
		var err error
		if s.KNN, err = c.ask.measure(context.WithoutCancel(ctx)); err != nil { // a step that has begun is finished
			return err
		}
	}
	warnings, stop := c.doctor.See(*s)
	if err := c.log.WriteHealth(rundir.Health{Sample: *s, Warnings: warnings}); err != nil {
		return err
	}
	for _, w := range warnings {
		c.con.Warn("%sstep %d: %s: %s; what to try: %s", c.fold(), w.Step, w.Code, w.Text, w.Try)
	}
	return stop
}

// fold begins a sentence about one of several folds.
func (c *checkup) fold() string {
	if name := c.t.d.foldName(c.t.split); name != "" {
		return "fold " + name + ", "
	}
	return ""
}

// waits says that what is saved now may be worth nothing, see health.Doctor.Waits.
func (c *checkup) waits() bool { return c.doctor.Waits() }

// layers measures the weights that moved, a convolution or norm a layer.
func (c *checkup) layers() []health.Norms {
	var parts []health.Layer
	for i, p := range c.t.method.Params() {
		name := p.Name
		if dot := strings.LastIndexByte(name, '.'); dot > 0 {
			name = name[:dot]
		}
		update := c.was[i]
		for k, v := range p.Value.Data {
			update[k] = v - update[k]
		}
		parts = append(parts, health.Layer{Name: name, Weight: p.Value.Data, Gradient: p.Grad.Data, Update: update})
	}
	return health.Layers(parts)
}

// collapsed is the end of a run whose doctor found a collapse. What was saved
// before stays the newest, and is named.
func (t *trainer) collapsed(dir string, err error, s *rundir.Saver) error {
	if fault.KindOf(err) != fault.Diverged {
		return err
	}
	if err := s.Wait(); err != nil {
		return err
	}
	if s.Newest() < 0 {
		return fmt.Errorf("%w; nothing was saved before", err)
	}
	return fmt.Errorf("%w; %s holds step %d", err, filepath.Join(dir, rundir.LastFile), s.Newest())
}
