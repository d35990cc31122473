package sweep

import (
	"context"

	"clr/internal/fault"
	"clr/internal/pipeline"
)

// A Size is what a scheduler is asked for, for a trial as large as the largest.
type Size struct {
	Memory int64 // bytes, of all processes of a trial
	Disk   int64 // bytes, of all trials' folders
	CPUs   int
}

const (
	// perCPU is how many operations of a step make another CPU worth while: below it a
	// step is soon done, and trials beside one another use CPUs better than threads.
	perCPU   = 10e9
	mostCPUs = 16

	// kept is how many checkpoints a fold has room for: two, and the one being written.
	kept = 3

	// room is for what no plan counts: the process that waits for the one that trains,
	// Go's heap, recordings that are read.
	room = 256 << 20
)

// Size plans all points that are known before any is tried. Those that cannot be run
// are left out, for each will fail alone.
func (f *File) Size(ctx context.Context, out string) (*Size, error) {
	s := &Sweep{f, out}
	var want []int
	for i := 0; i < f.Trials; i += f.Seeds {
		want = append(want, i)
	}
	all, err := s.outlines(ctx, want)
	if err != nil {
		return nil, err
	}
	size, largest, why := &Size{CPUs: 1}, -1, ""
	for _, i := range want {
		o, known := all[i]
		if !known || o.why != "" {
			why = o.why
			continue
		}
		if o.bytes > size.Memory {
			size.Memory, largest = o.bytes, i
		}
		size.CPUs = max(size.CPUs, min(mostCPUs, int(float64(o.flops)/perCPU)))
	}
	if largest < 0 {
		return nil, fault.New(fault.Usage, "clr sweep run --dry-run shows what is wrong with each", "no trial of %s can be run: %s", f.Name, why)
	}
	p, _, err := s.point(largest / f.Seeds)
	if err != nil {
		return nil, err
	}
	c, err := s.config(s.trial(largest, p), p)
	if err != nil {
		return nil, err
	}
	plan, err := pipeline.Look(ctx, c, false)
	if err != nil {
		return nil, err
	}
	size.Memory += room + size.Memory/4
	size.Disk = 1<<30 + int64(f.Trials)*int64(max(1, len(plan.Folds)))*kept*int64(plan.Copy)
	return size, nil
}
