package optim

import (
	"math"

	"clr/internal/fault"
)

// A Schedule is the learning rate over a run: a linear warm-up, then half a
// cosine down to MinLR (Loshchilov & Hutter 2017, without restarts).
type Schedule struct {
	WarmupEpochs int     `yaml:"warmup_epochs" doc:"epochs in which the learning rate rises in a line from 0 to its base"`
	Epochs       int     `yaml:"epochs" doc:"epochs in all, the warm-up included"`
	MinLR        float64 `yaml:"min_lr" doc:"learning rate at the end of the cosine; equal to the optimizer's lr keeps it constant"`
}

// Check tells which setting is out of its range. That MinLR is not above the
// base is for whoever knows both.
func (s Schedule) Check() error {
	if s.Epochs < 1 {
		return fault.New(fault.Usage, "set epochs to 1 or more", "schedule: epochs is %d, it must be 1 or more", s.Epochs)
	}
	if s.WarmupEpochs < 0 || s.WarmupEpochs > s.Epochs {
		return fault.New(fault.Usage, "lower warmup_epochs or raise epochs",
			"schedule: warmup_epochs is %d, it must be 0 to epochs, which is %d", s.WarmupEpochs, s.Epochs)
	}
	return within("schedule", "min_lr", s.MinLR, 0, inf, true)
}

// Steps is the length of the run in steps.
func (s Schedule) Steps(stepsPerEpoch int) int { return s.Epochs * stepsPerEpoch }

// At is the learning rate of a step, counted from 0. The first step of a
// warm-up of W steps takes base/W, the last takes base, and so does the step
// after it. Past the end the rate stays at MinLR.
func (s Schedule) At(base float64, step, stepsPerEpoch int) float64 {
	warm, total := s.WarmupEpochs*stepsPerEpoch, s.Steps(stepsPerEpoch)
	if step < warm {
		return base * float64(step+1) / float64(warm)
	}
	if step >= total {
		return s.MinLR
	}
	progress := float64(step-warm) / float64(total-warm)
	return s.MinLR + (base-s.MinLR)*(1+math.Cos(math.Pi*progress))/2
}
