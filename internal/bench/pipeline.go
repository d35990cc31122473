package bench

import (
	"context"
	"fmt"
	"io"

	"clr/internal/pipeline"
)

// A Pipelined is what Pipeline found.
type Pipelined struct {
	Bench  string `json:"bench"` // pipeline
	Config string `json:"config"`
	pipeline.Timing
	PeakRSSMB *float64 `json:"peak_rss_mb"` // of the process, in MiB; null where nobody tells
	Machine
}

// Pipeline times a config's training steps with its loader in front. name is
// the config's, for the report.
func Pipeline(ctx context.Context, name string, c *pipeline.Config, steps int, con pipeline.Console, watch func() Machine) (*Pipelined, error) {
	on := watch()
	t, err := pipeline.Time(ctx, c, steps, con)
	if err != nil {
		return nil, err
	}
	return &Pipelined{"pipeline", name, *t, peakRSS(), on}, nil
}

// Write shows a report for a person.
func (r *Pipelined) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, `pipeline %s: batch %d, %d workers, %d steps
%.1f clips/s   step %.4g s, of which waiting for the loader %.2f %%
views %.2f %% of the step on all threads, augmentations %.2f %%
`, r.Config, r.Batch, r.Workers, r.Steps, r.ClipsPerS, r.StepS, r.WaitPercent, r.ViewsPercent, r.AugmentPercent)
	for _, a := range r.Augmentations {
		if err == nil {
			_, err = fmt.Fprintf(w, "  %-14s%9.1f µs a view\n", a.Name, a.ViewUS)
		}
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "peak RSS %s\n%s\n", orUnknown(r.PeakRSSMB), r.Machine)
	}
	return err
}
