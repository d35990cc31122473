package pipeline

import (
	"context"
	"runtime"
	"slices"
	"time"

	"clr/internal/augment"
	"clr/internal/fault"
	"clr/internal/host"
)

// A Timing is what a config's training steps spend their time on, with the real
// loader in front of the real step.
type Timing struct {
	Steps          int           `json:"steps"`           // timed
	Batch          int           `json:"batch"`           //
	Workers        int           `json:"workers"`         // of the loader
	StepS          float64       `json:"step_s"`          // mean, waiting included; seconds
	ClipsPerS      float64       `json:"clips_per_s"`     // over all steps
	WaitS          float64       `json:"wait_s"`          // for the loader, mean of a step
	WaitPercent    float64       `json:"wait_percent"`    // of the step
	ViewsS         float64       `json:"views_s"`         // of one core, to make the views of a full batch
	ViewsPercent   float64       `json:"views_percent"`   // of the step's time on all threads
	AugmentS       float64       `json:"augment_s"`       // the part of views_s that the augmentations take
	AugmentPercent float64       `json:"augment_percent"` // of the step's time on all threads
	Augmentations  []AugmentCost `json:"augmentations"`
}

// An AugmentCost is what one augmentation adds to a view: the time of the chain
// up to and with it, less that of the chain before it.
type AugmentCost struct {
	Name   string  `json:"name"`
	ViewUS float64 `json:"view_us"` // microseconds of one core
}

// warmSteps are not timed: in them memory is made, and the loader has a lead
// that it does not keep.
const warmSteps = 4

// Time trains for some steps on the config's first fold, which are thrown away,
// and says where the time went.
func Time(ctx context.Context, c *Config, steps int, con Console) (*Timing, error) {
	if steps < 1 {
		return nil, fault.New(fault.Usage, "20 are enough on a quiet machine", "%d steps to time, it must be 1 or more", steps)
	}
	if err := fits(c, host.MemoryLimit()); err != nil {
		return nil, err
	}
	d, err := openData(ctx, c, con, len(c.waves()) > 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	t, err := newTrainer(d, d.splits[0])
	if err != nil {
		return nil, err
	}
	r := &Timing{Steps: steps, Batch: c.Batch, Workers: c.Workers}
	if err := r.train(ctx, t); err != nil {
		return nil, err
	}
	if err := r.draw(ctx, t); err != nil {
		return nil, err
	}
	used := float64(c.Batch) / r.ClipsPerS * float64(runtime.GOMAXPROCS(0)) // of a full batch
	r.ViewsPercent, r.AugmentPercent = 100*r.ViewsS/used, 100*r.AugmentS/used
	return r, nil
}

// train times the steps.
func (r *Timing) train(ctx context.Context, t *trainer) error {
	stop := warmSteps + r.Steps
	load, err := startLoader(ctx, t.d, t.loaderOptions(0, stop))
	if err != nil {
		return err
	}
	defer load.stop()
	var all, wait time.Duration
	clips := 0
	for step := range stop {
		began := time.Now()
		batch, err := load.next(ctx)
		if err != nil {
			return err
		}
		waited := time.Since(began)
		if _, err := t.step(ctx, batch, step); err != nil {
			return err
		}
		if step >= warmSteps {
			all += time.Since(began)
			wait += waited
			clips += batch.N
		}
	}
	n := float64(r.Steps)
	r.StepS, r.WaitS = all.Seconds()/n, wait.Seconds()/n
	r.WaitPercent = 100 * wait.Seconds() / all.Seconds()
	r.ClipsPerS = float64(clips) / all.Seconds()
	return nil
}

// draw times a batch's views on one goroutine, with nothing beside it: without
// augmentations, then with the first, the first two and so on. Each is the
// median of some rounds over the same views.
func (r *Timing) draw(ctx context.Context, t *trainer) error {
	chain := t.d.c.Augment
	var before float64
	for n := range len(chain) + 1 {
		c := *t.d.c
		c.Augment = chain[:n]
		d := *t.d
		d.c = &c
		w, err := newDrawer(&d, t.clips, t.labels, t.norm)
		if err != nil {
			return err
		}
		took := 0.0
		if err := d.reading(func() (err error) { took, err = r.drawBatch(ctx, w); return err }); err != nil {
			return err
		}
		if n > 0 {
			r.Augmentations = append(r.Augmentations, AugmentCost{nameIn(augment.Table, chain[n-1]), 1e6 * (took - before) / float64(2*r.Batch)})
			r.AugmentS += took - before
		}
		before = took
	}
	r.ViewsS = before
	return nil
}

func (r *Timing) drawBatch(ctx context.Context, w *drawer) (float64, error) {
	const rounds = 5
	dst := make([]float32, w.d.input.Values())
	var took []float64
	for range rounds {
		began := time.Now()
		for i := range r.Batch {
			for view := range 2 {
				if err := ctx.Err(); err != nil {
					return 0, err
				}
				if err := w.view(dst, w.clips[i], 0, view); err != nil {
					return 0, err
				}
			}
		}
		took = append(took, time.Since(began).Seconds())
	}
	slices.Sort(took)
	return took[rounds/2], nil
}
