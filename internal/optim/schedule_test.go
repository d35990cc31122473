package optim_test

import (
	"math"
	"strings"
	"testing"

	"clr/internal/fault"
	"clr/internal/optim"
)

// shaped is the default schedule, changed.
func shaped(shape string, change func(*optim.Schedule)) optim.Schedule {
	s := optim.DefaultSchedule
	s.Epochs, s.WarmupEpochs, s.Shape = 10, 0, shape
	if change != nil {
		change(&s)
	}
	return s
}

func TestShapes(t *testing.T) {
	stairs := func(s *optim.Schedule) { s.WarmupEpochs, s.Step.Milestones = 1, []float64{0.35, 6, 0.9} }
	cycle := func(s *optim.Schedule) { s.OneCycle = optim.OneCycle{Rise: 0.31, Div: 10, FinalDiv: 100} }
	for _, c := range []struct {
		what string
		s    optim.Schedule
		step int
		want float64
	}{
		{"constant", shaped("constant", nil), 0, 2}, {"constant", shaped("constant", nil), 1000, 2},
		{"warm-up", shaped("step", stairs), 0, 0.2}, {"warm-up", shaped("step", stairs), 9, 2},
		{"step", shaped("step", stairs), 34, 2}, {"step", shaped("step", stairs), 35, 0.2},
		{"step", shaped("step", stairs), 59, 0.2}, {"step", shaped("step", stairs), 60, 0.02},
		{"step", shaped("step", stairs), 90, 0.002}, {"step", shaped("step", stairs), 1000, 0.002},
		// From 0.2 to 2 by step 30, to 0.002 by step 99.
		{"one_cycle", shaped("one_cycle", cycle), 0, 0.2}, {"one_cycle", shaped("one_cycle", cycle), 15, 1.1},
		{"one_cycle", shaped("one_cycle", cycle), 10, 0.2 + 1.8*(1-math.Cos(math.Pi/3))/2},
		{"one_cycle", shaped("one_cycle", cycle), 30, 2}, {"one_cycle", shaped("one_cycle", cycle), 53, 0.002 + 1.998*(1+math.Cos(math.Pi/3))/2},
		{"one_cycle", shaped("one_cycle", cycle), 99, 0.002}, {"one_cycle", shaped("one_cycle", cycle), 1000, 0.002},
	} {
		if err := c.s.Check(); err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		if got := c.s.At(2, c.step, 10); math.Abs(got-c.want) > 1e-14 {
			t.Errorf("%s: step %d has %g, want %g", c.what, c.step, got, c.want)
		}
	}
}

// No length of run makes a rate that is none.
func TestShapesOfShortRuns(t *testing.T) {
	for _, shape := range []string{"cosine", "step", "constant", "one_cycle"} {
		for total := 1; total < 40; total++ {
			s := shaped(shape, func(s *optim.Schedule) {
				s.Epochs = total
				if shape == "step" {
					s.Step.Milestones = []float64{0.5}
				}
			})
			for i := range total + 2 {
				if lr := s.At(1, i, 1); !(lr >= 0 && lr <= 1) {
					t.Errorf("%s over %d steps: step %d has %g", shape, total, i, lr)
				}
			}
		}
	}
}

func TestScheduleCheck(t *testing.T) {
	for _, c := range []struct {
		s    optim.Schedule
		want string
	}{
		{shaped("cosine", func(s *optim.Schedule) { s.Epochs = 0 }), "epochs is 0, it must be 1 to 1000000"},
		{shaped("cosine", func(s *optim.Schedule) { s.Epochs = 1 << 62 }), "epochs is 4611686018427387904, it must be 1 to 1000000"}, // times four steps is 0
		{shaped("linear", nil), `shape is "linear"`},
		{shaped("constant", func(s *optim.Schedule) { s.MinLR = 0.1 }), "min_lr is 0.1, which the shape constant"},
		{shaped("one_cycle", func(s *optim.Schedule) { s.WarmupEpochs = 3 }), "warmup_epochs is 3, but one_cycle"},
		{shaped("step", nil), "shape is step, and step.milestones holds 0"},
		{shaped("cosine", func(s *optim.Schedule) { s.Step.Milestones = []float64{3} }), "shape is cosine, and step.milestones holds 1"},
		{shaped("step", func(s *optim.Schedule) { s.Step.Milestones = []float64{3, 0.2} }), "milestones[1] is 0.2, not after the 3"},
		{shaped("step", func(s *optim.Schedule) { s.Step.Milestones = []float64{10} }), "milestones[0] is 10"},
		{shaped("step", func(s *optim.Schedule) { s.Step.Milestones = []float64{math.NaN()} }), "milestones[0] is NaN"},
		{shaped("step", func(s *optim.Schedule) { s.Step = optim.Stairs{Milestones: []float64{3}, Gamma: 1.5} }), "step.gamma is 1.5"},
		{shaped("cosine", func(s *optim.Schedule) { s.OneCycle.Rise = 1 }), "one_cycle.rise is 1"},
		{shaped("cosine", func(s *optim.Schedule) { s.OneCycle.Div = 0.5 }), "one_cycle.div is 0.5"},
		{shaped("cosine", func(s *optim.Schedule) { s.OneCycle.FinalDiv = math.Inf(1) }), "one_cycle.final_div is +Inf"},
	} {
		err := c.s.Check()
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Usage || fault.Remedy(err) == "" {
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
}
