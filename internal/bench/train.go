package bench

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"clr/internal/fault"
	"clr/internal/host"
	"clr/internal/method"
	"clr/internal/model"
	"clr/internal/optim"
)

// A Training is what Train found.
type Training struct {
	Bench string `json:"bench"` // train
	workload
	Method    string   `json:"method"`
	Optimizer string   `json:"optimizer"`
	ClipsPerS float64  `json:"clips_per_s"` // of the median step
	StepS     float64  `json:"step_s"`      // median
	StepMinS  float64  `json:"step_min_s"`  //
	GFLOPS    float64  `json:"gflops"`      // nominal GFLOP/s of the median step
	PlanMB    float64  `json:"plan_mb"`     // of the graphs, in MiB
	PeakRSSMB *float64 `json:"peak_rss_mb"` // of the process, in MiB; null where nobody tells
	Machine
}

const warmSteps = 2

// Train times whole training steps on random spectrograms: forward, loss,
// backward, optimiser, and what the method does after.
func Train(ctx context.Context, w Workload, methodName, optimizer string, watch func() Machine) (*Training, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	o, ok := method.Table[methodName]
	if !ok {
		return nil, unknown("method", methodName, method.Table)
	}
	opt, ok := optim.Table[optimizer]
	if !ok {
		return nil, unknown("optimizer", optimizer, optim.Table)
	}
	layers, err := model.Layers(w.Encoder, w.Input)
	if err != nil {
		return nil, err
	}
	const classes = 10 // where a method learns from labels
	s := method.Setup{Encoder: w.Encoder, Batch: w.Batch, Input: w.Input, Classes: classes, Seed: 1}
	p, err := method.Draft(o, s)
	if err != nil {
		return nil, err
	}
	needs := method.NeedsOf(o)
	crops := needs.Crops * w.Batch * needs.Short(w.Input).Values()
	views := 2*w.Batch*w.Input.Values() + crops
	need := int64(p.GraphBytes() + 4*(p.Weights+p.Arrays+optim.StateSize(opt, p.Params)+views))
	if err := fits(need, "training"); err != nil {
		return nil, err
	}
	on := watch()
	m, err := o.New(s)
	if err != nil {
		return nil, err
	}
	mover := opt.New(m.Params())
	batch := s.Random(needs)
	const lr = 1e-3 // small enough that the weights stay where they are sensible
	took, err := repeat(ctx, warmSteps, w.Steps, func() error {
		if _, err := m.Step(ctx, batch); err != nil {
			return err
		}
		mover.Step(m.Params(), lr)
		m.Advance(0)
		batch.Step++
		return nil
	})
	if err != nil {
		return nil, err
	}
	step := median(took)
	return &Training{Bench: "train", workload: w.report(layers), Method: methodName, Optimizer: optimizer,
		ClipsPerS: float64(w.Batch) / step, StepS: step, StepMinS: slices.Min(took),
		GFLOPS: float64(p.FLOPs) / step / 1e9,
		PlanMB: float64(p.GraphBytes()) / mib, PeakRSSMB: peakRSS(), Machine: on}, nil
}

// fits refuses what would end in the system's own words about memory.
func fits(need int64, what string) error {
	return host.MemoryLimit().Fits(need, what, "the graph's plan, weights and input", "lower --batch, --frames or --width")
}

func unknown[T any](kind, name string, table map[string]T) error {
	return fault.New(fault.Usage, "one of "+strings.Join(slices.Sorted(maps.Keys(table)), ", "), "there is no %s %q", kind, name)
}

// Write shows a report for a person.
func (r *Training) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, `train %s, %s, %s: batch %d (%d views) of %d × %d
%.1f clips/s   step %.4g s (least %.4g s), median of %d
%.0f GFLOP/s nominal   peak RSS %s (plan %.0f MiB)
%s
`, r.Encoder, r.Method, r.Optimizer, r.Batch, 2*r.Batch, r.Mels, r.Frames, r.ClipsPerS, r.StepS, r.StepMinS, r.Steps,
		r.GFLOPS, orUnknown(r.PeakRSSMB), r.PlanMB, r.Machine)
	return err
}
