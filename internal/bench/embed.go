package bench

import (
	"context"
	"fmt"
	"io"
	"slices"

	"clr/internal/model"
)

// An Embedding is what Embed found.
type Embedding struct {
	Bench string `json:"bench"` // embed
	workload
	ClipsPerS float64  `json:"clips_per_s"` // spectrograms, by the median step
	StepS     float64  `json:"step_s"`      // median, of a batch
	StepMinS  float64  `json:"step_min_s"`  //
	GFLOPS    float64  `json:"gflops"`      // nominal GFLOP/s of the median step
	PlanMB    float64  `json:"plan_mb"`     // of the graph, in MiB
	PeakRSSMB *float64 `json:"peak_rss_mb"` // of the process, in MiB; null where nobody tells
	Machine
}

// Embed times the frozen encoder on batches of random spectrograms.
func Embed(ctx context.Context, w Workload, watch func() Machine) (*Embedding, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	layers, err := model.Layers(w.Encoder, w.Input)
	if err != nil {
		return nil, err
	}
	draft := model.DraftParams()
	planned, err := model.NewEmbedder(w.Encoder, draft, "encoder", w.Batch, w.Input, false)
	if err != nil {
		return nil, err
	}
	plan := planned.Plan()
	x := random(w.Batch * w.Input.Values())
	if err := fits(int64(plan.Bytes+4*(draft.Values()+2*len(x))), "embedding"); err != nil {
		return nil, err
	}
	on := watch()
	e, err := model.NewEmbedder(w.Encoder, model.NewParams(1), "encoder", w.Batch, w.Input, false)
	if err != nil {
		return nil, err
	}
	h := make([]float32, w.Batch*e.Dim())
	took, err := repeat(ctx, warmSteps, w.Steps, func() error { return e.Embed(ctx, h, x) })
	if err != nil {
		return nil, err
	}
	flops := 0
	for _, l := range layers {
		flops += l.FLOPs()
	}
	step := median(took)
	return &Embedding{Bench: "embed", workload: w.report(layers), ClipsPerS: float64(w.Batch) / step, StepS: step, StepMinS: slices.Min(took),
		GFLOPS: float64(w.Batch) * float64(flops) / step / 1e9, PlanMB: float64(plan.Bytes) / mib, PeakRSSMB: peakRSS(), Machine: on}, nil
}

// Write shows a report for a person.
func (r *Embedding) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, `embed %s: batch %d of %d × %d
%.1f clips/s   step %.4g s (least %.4g s), median of %d
%.0f GFLOP/s nominal   peak RSS %s (plan %.0f MiB)
%s
`, r.Encoder, r.Batch, r.Mels, r.Frames, r.ClipsPerS, r.StepS, r.StepMinS, r.Steps, r.GFLOPS, orUnknown(r.PeakRSSMB), r.PlanMB, r.Machine)
	return err
}
