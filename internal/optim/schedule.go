package optim

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A Schedule is the learning rate over a run: a warm-up in a line, then one of
// several shapes.
type Schedule struct {
	WarmupEpochs int      `yaml:"warmup_epochs" doc:"epochs in which the learning rate rises in a line from 0 to its base"`
	Epochs       int      `yaml:"epochs" doc:"epochs in all, the warm-up included"`
	Shape        string   `yaml:"shape" doc:"after the warm-up: cosine, step or constant; one_cycle rises and falls, and has no warm-up"`
	MinLR        float64  `yaml:"min_lr" doc:"learning rate at the end of the cosine; equal to the optimizer's lr keeps it constant"`
	Step         Stairs   `yaml:"step" doc:"how the shape step goes down"`
	OneCycle     OneCycle `yaml:"one_cycle" doc:"how the shape one_cycle rises and falls"`
}

// Stairs are the shape step.
type Stairs struct {
	Milestones []float64 `yaml:"milestones" doc:"when it goes down: after so many epochs or, below 1, after that part of the run; [0.6, 0.8]"`
	Gamma      float64   `yaml:"gamma" doc:"what the learning rate is multiplied by each time"`
}

// OneCycle is half a cosine up and half a cosine down (Smith & Topin 2018, "Super-
// convergence"), as torch.optim.lr_scheduler.OneCycleLR anneals. The optimiser's
// momentum stays as it is.
type OneCycle struct {
	Rise     float64 `yaml:"rise" doc:"part of the run in which the learning rate rises"`
	Div      float64 `yaml:"div" doc:"by how much it starts below its top"`
	FinalDiv float64 `yaml:"final_div" doc:"by how much it ends below its start"`
}

// DefaultSchedule is a warm-up and a cosine.
var DefaultSchedule = Schedule{Epochs: 100, WarmupEpochs: 10, Shape: "cosine", Step: Stairs{Gamma: 0.1}, OneCycle: OneCycle{Rise: 0.3, Div: 25, FinalDiv: 1e4}}

// maxEpochs is more than anyone means, and few enough to count steps by.
const maxEpochs = 1_000_000

// Check tells which setting is out of its range, or would not be heeded. That
// MinLR is not above the base is for whoever knows both.
func (s Schedule) Check() error {
	if s.Epochs < 1 || s.Epochs > maxEpochs {
		return usage("100 is usual", "schedule: epochs is %d, it must be 1 to %d", s.Epochs, maxEpochs)
	}
	if s.WarmupEpochs < 0 || s.WarmupEpochs > s.Epochs {
		return usage("lower warmup_epochs or raise epochs",
			"schedule: warmup_epochs is %d, it must be 0 to epochs, which is %d", s.WarmupEpochs, s.Epochs)
	}
	if err := within("schedule", "min_lr", s.MinLR, 0, inf, true); err != nil {
		return err
	}
	if !slices.Contains([]string{"cosine", "step", "constant", "one_cycle"}, s.Shape) {
		return usage("set shape to cosine, step, constant or one_cycle", "schedule: shape is %q, it must be cosine, step, constant or one_cycle", s.Shape)
	}
	if s.MinLR > 0 && s.Shape != "cosine" {
		return usage("set min_lr to 0, or shape to cosine", "schedule: min_lr is %g, which the shape %s does not come to", s.MinLR, s.Shape)
	}
	if s.WarmupEpochs > 0 && s.Shape == "one_cycle" {
		return usage("set warmup_epochs to 0; one_cycle.rise is its rise", "schedule: warmup_epochs is %d, but one_cycle rises by itself", s.WarmupEpochs)
	}
	if err := s.Step.check(s); err != nil {
		return err
	}
	return s.OneCycle.check()
}

// String tells when it goes down, and by how much.
func (o Stairs) String() string {
	var when []string
	for _, m := range o.Milestones {
		if m < 1 {
			when = append(when, fmt.Sprintf("%g of the run", m))
		} else {
			when = append(when, fmt.Sprintf("epoch %g", m))
		}
	}
	return fmt.Sprintf("times %g at %s", o.Gamma, strings.Join(when, " and "))
}

func (o Stairs) check(s Schedule) error {
	if n := len(o.Milestones); s.Shape == "step" != (n > 0) {
		return usage("[0.6, 0.8] are usual ones, of shape step", "schedule: the shape is %s, and step.milestones holds %d", s.Shape, n)
	}
	for i, m := range o.Milestones {
		if !(m > 0 && m < float64(s.Epochs)) {
			return usage("give epochs, or parts of the run below 1", "schedule: step.milestones[%d] is %g, it must be above 0 and below epochs, which is %d", i, m, s.Epochs)
		}
		if i > 0 && s.epoch(m) <= s.epoch(o.Milestones[i-1]) {
			return usage("put them in the order of the run", "schedule: step.milestones[%d] is %g, not after the %g before it", i, m, o.Milestones[i-1])
		}
	}
	if !(o.Gamma > 0 && o.Gamma <= 1) {
		return usage("0.1 is usual", "schedule: step.gamma is %g, it must be above 0 and at most 1", o.Gamma)
	}
	return nil
}

func (o OneCycle) check() error {
	if !(o.Rise > 0 && o.Rise < 1) {
		return usage("0.3 is usual", "schedule: one_cycle.rise is %g, it must be above 0 and below 1", o.Rise)
	}
	if err := within("schedule", "one_cycle.div", o.Div, 1, inf, true); err != nil {
		return err
	}
	return within("schedule", "one_cycle.final_div", o.FinalDiv, 1, inf, true)
}

// Steps is the length of the run in steps.
func (s Schedule) Steps(stepsPerEpoch int) int { return s.Epochs * stepsPerEpoch }

// At is the learning rate of a step, counted from 0. The first step of a
// warm-up of W steps takes base/W, the last takes base, and so does the step
// after it. Past the end the rate stays at its last.
func (s Schedule) At(base float64, step, stepsPerEpoch int) float64 {
	warm, total := s.WarmupEpochs*stepsPerEpoch, s.Steps(stepsPerEpoch)
	if step < warm {
		return base * float64(step+1) / float64(warm)
	}
	switch s.Shape {
	case "constant":
		return base
	case "step":
		return s.stairs(base, step, stepsPerEpoch)
	case "one_cycle":
		return s.OneCycle.at(base, min(step, total-1), total)
	}
	if step >= total {
		return s.MinLR
	}
	return anneal(base, s.MinLR, float64(step-warm)/float64(total-warm))
}

// anneal is half a cosine from one rate to another (Loshchilov & Hutter 2017,
// without restarts).
func anneal(from, to, progress float64) float64 {
	return to + (from-to)*(1+math.Cos(math.Pi*progress))/2
}

// epoch is when a milestone comes.
func (s Schedule) epoch(milestone float64) float64 {
	if milestone < 1 {
		return milestone * float64(s.Epochs)
	}
	return milestone
}

func (s Schedule) stairs(base float64, step, stepsPerEpoch int) float64 {
	for _, m := range s.Step.Milestones {
		if float64(step) >= math.Round(s.epoch(m)*float64(stepsPerEpoch)) {
			base *= s.Step.Gamma
		}
	}
	return base
}

// at is the rate of a step below total. The top is taken at step rise·total - 1,
// which need not be a whole number.
func (o OneCycle) at(base float64, step, total int) float64 {
	x, top, end := float64(step), o.Rise*float64(total)-1, float64(total-1)
	start := base / o.Div
	if x < top {
		return anneal(start, base, x/top)
	}
	return anneal(base, start/o.FinalDiv, (x-top)/(end-top))
}
