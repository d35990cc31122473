package health

import (
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"clr/internal/fault"
)

// well is a sample that nothing is wrong with.
func well(step int) Sample {
	return Sample{
		Step: step, Loss: 2, Chance: 4.8,
		Z:      Report{Pairs: 64, Dimensions: 128, Std: 0.08, StdSpread: 1 / math.Sqrt(128), RankMe: 40},
		Layers: []Norms{{"encoder.conv1", 10, 1, 0.1, 0}, {"projector.0", 10, 0.1, 0.1, 0}},
		Drift:  &Distance{Relative: 0.1, Worst: "encoder.conv1.weight", WorstBy: 0.2},
		Queue:  &Queue{Age: 16, Epochs: 0.5, Turned: 0.15},
	}
}

// ill are samples that each look like one code, and what the sentence has to say.
var ill = map[string]struct {
	change func(*Sample)
	words  []string
}{
	"projection.not_finite": {func(s *Sample) { s.Z.NotFinite = 3 }, []string{"3 projections"}},
	"collapse.complete":     {func(s *Sample) { s.Z.Std, s.Z.RankMe, s.Loss = 0.001, 1.2, 4.8 }, []string{"0.001", "0.0884", "0.2, std"}},
	"collapse.dimensions":   {func(s *Sample) { s.Z.RankMe, s.Loss = 3.25, 4.8 }, []string{"RankMe is 3.25", "at least 5.41", "64 clips", "128 dimensions"}},
	"loss.at_chance":        {func(s *Sample) { s.Loss = 4.75 }, []string{"4.75", "4.8", "4.704", "chance: 0.98"}},
	"gradient.not_finite":   {func(s *Sample) { s.Layers[1].NotFinite = 7 }, []string{"projector.0", "7 values"}},
	"gradient.collapse":     {func(s *Sample) { s.Layers[0].Gradient, s.Layers[1].Gradient = 1e-6, 1e-6 }, []string{"gradient has collapsed", "1.41e-06", "14.1", "1e-06"}},
	"gradient.vanishing":    {func(s *Sample) { s.Layers[0].Gradient = 1e-7 }, []string{"1 of 2 layers", "encoder.conv1", "1e-07", "projector.0 it is 0.1", "1e-05"}},
	"gradient.exploding":    {func(s *Sample) { s.Layers[0].Gradient = 1000 }, []string{"1e+03", "1 is usual", "at most 100"}},
	"update.large":          {func(s *Sample) { s.Layers[1].Update = 6 }, []string{"projector.0", "by 6", "0.6", "at most 0.5"}},
	"queue.stale":           {func(s *Sample) { s.Queue.Epochs = 128 }, []string{"16 steps", "128 epochs", "at most 50,"}},
	"tower.drift":           {func(s *Sample) { s.Drift.WorstBy = 0.8 }, []string{"encoder.conv1.weight", "0.8", "at most 0.6"}},
	"tower.same":            {func(s *Sample) { *s.Drift = Distance{} }, []string{"distance is 0"}},
}

func see(t *testing.T, d *Doctor, s Sample) []Warning {
	t.Helper()
	w, err := d.See(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// settle shows a doctor that the run goes well, until it knows what is usual.
func settle(t *testing.T, d *Doctor, from int) int {
	t.Helper()
	for range 2 * settled {
		if w := see(t, d, well(from)); len(w) > 0 {
			t.Errorf("step %d, all is well: %+v", from, w)
		}
		from += 10
	}
	return from
}

// Every code is told for what looks like it, once, and again when it comes back;
// nothing else is said.
func TestDoctorTells(t *testing.T) {
	if got, want := slices.Sorted(maps.Keys(ill)), slices.Sorted(maps.Keys(codes)); !slices.Equal(got, want) {
		t.Fatalf("there are samples for %q, codes are %q", got, want)
	}
	for code, c := range ill {
		d := NewDoctor(Defaults)
		step := settle(t, d, 0)
		for range 2 {
			var told []Warning
			patience := d.patience(code)
			for i := range patience + 3 {
				s := well(step)
				c.change(&s)
				w := see(t, d, s)
				if len(w) > 0 && i != patience-1 {
					t.Errorf("%s is told by sample %d", code, i)
				}
				told, step = append(told, w...), step+10
			}
			if len(told) != 1 || told[0].Code != code || told[0].Severity != codes[code].severity || told[0].Try == "" {
				t.Errorf("%s: told %+v", code, told)
				break
			}
			for _, word := range c.words {
				if !strings.Contains(told[0].Text, word) {
					t.Errorf("%s: no %q in %q", code, word, told[0].Text)
				}
			}
			step = settle(t, d, step)
		}
	}
}

// Projections that share a large mean are not the same to COLA's bilinear product,
// whose loss says so; where it does not, or there is none to guess, they are.
func TestDoctorHearsTheLoss(t *testing.T) {
	for _, c := range []struct {
		loss, chance float64
		want         int
	}{{3.1, 4.16, 0}, {4.1, 4.16, 1}, {4.16, 4.16, 1}, {0.01, 0, 1}} {
		d, told := NewDoctor(Defaults), 0
		step := settle(t, d, 0)
		for i := range 10 {
			s := well(step + i)
			s.Z.Std, s.Loss, s.Chance = 0.16*s.Z.StdSpread, c.loss, c.chance
			for _, w := range see(t, d, s) {
				if w.Code == "collapse.complete" {
					told++
				}
			}
		}
		if told != c.want {
			t.Errorf("a loss of %g where guessing costs %g: told %d times, want %d", c.loss, c.chance, told, c.want)
		}
	}
}

// What comes and goes is told once.
func TestDoctorDoesNotRepeat(t *testing.T) {
	d := NewDoctor(Defaults)
	step, told := settle(t, d, 0), 0
	for i := range 40 {
		s := well(step + i)
		if i%5 < Defaults.Patience { // three that are ill, two that are well
			ill["collapse.complete"].change(&s)
		}
		told += len(see(t, d, s))
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

// Before the grace is over only what is not finite is told, and what passes
// before the patience is over never is.
func TestDoctorWaits(t *testing.T) {
	for code, c := range ill {
		bad := func(step int) Sample {
			s := well(step)
			c.change(&s)
			return s
		}
		now := strings.HasSuffix(code, "not_finite")
		d := NewDoctor(Defaults)
		for step := range Defaults.Grace {
			if w := see(t, d, bad(step)); len(w) > 0 != (now && step == 0) {
				t.Errorf("%s at step %d: %+v", code, step, w)
			}
		}
		if now {
			continue
		}
		d = NewDoctor(Defaults)
		step := settle(t, d, Defaults.Grace)
		for range 5 {
			for range Defaults.Patience - 1 {
				if w := see(t, d, bad(step)); len(w) > 0 {
					t.Errorf("%s is told without patience", code)
				}
			}
			see(t, d, well(step))
		}
	}
}

// Small batches are averaged: what they are in the mean is judged, and not before
// as many clips were seen.
func TestDoctorAndSmallBatches(t *testing.T) {
	for _, c := range []struct {
		std  [2]float64 // by turns
		told int
	}{{[2]float64{0.005, 0.04}, 0}, {[2]float64{0.005, 0.02}, 1}} {
		d, told := NewDoctor(Defaults), 0
		for step := range 1000 {
			s := well(step)
			s.Z.Pairs, s.Z.RankMe, s.Z.Std, s.Loss = 4, 3.9, c.std[step%2], 4.6
			w := see(t, d, s)
			told += len(w)
			// grace is over at step 800, then the patience takes three times eight steps
			if len(w) > 0 && (step < 800+16 || step > 800+24 || !strings.Contains(w[0].Text, "is 0.0125, 0.14 of")) {
				t.Errorf("step %d: %+v", step, w)
			}
		}
		if told != c.told {
			t.Errorf("deviations of %v: told %d times, want %d", c.std, told, c.told)
		}
	}
}

// on_collapse: stop ends the run with exit code 4, for collapses only.
func TestDoctorStops(t *testing.T) {
	o := Defaults
	o.OnCollapse, o.Patience = "stop", 1
	for code, c := range ill {
		d := NewDoctor(o)
		s := well(settle(t, d, 0))
		c.change(&s)
		w, err := d.See(s)
		stops := codes[code].severity == Collapse
		if len(w) != 1 || (err != nil) != stops {
			t.Errorf("%s: %+v, %v", code, w, err)
		}
		if stops && (fault.KindOf(err) != fault.Diverged || fault.Remedy(err) != codes[code].try || !strings.Contains(err.Error(), w[0].Text)) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// What was not measured is not judged, and thresholds of nothing never divide by it.
func TestDoctorWithLittle(t *testing.T) {
	o := Defaults
	o.Patience, o.Still = 1, 0
	d := NewDoctor(o)
	for i, s := range []Sample{
		{},
		{Z: Report{Pairs: 1, Dimensions: 128, StdSpread: 0.1}},
		{Z: Report{Pairs: 64, Dimensions: 1, Std: 1, StdSpread: 1, RankMe: 1}}, // one dimension cannot collapse to fewer
		{Layers: []Norms{{Name: "a"}}},
		{Layers: []Norms{{Name: "a", Weight: 1}}}, // still: 0 allows a gradient of 0
		{Layers: []Norms{{Name: "frozen", Weight: 1}, {Name: "b", Weight: 1, Gradient: 1, Update: 0.1}}},
	} {
		s.Step = 1000
		if w := see(t, d, s); len(w) > 0 {
			t.Errorf("sample %d: %+v", i, w)
		}
	}
	step := settle(t, NewDoctor(o), 1000)
	if w := see(t, d, well(step)); len(w) > 0 {
		t.Errorf("after a gradient of 0: %+v", w)
	}
}

func TestOptionsCheck(t *testing.T) {
	if err := Defaults.Check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Options){
		`on_collapse is "halt"`:                               func(o *Options) { o.OnCollapse = "halt" },
		"grace is -1, must be 0 or more":                      func(o *Options) { o.Grace = -1 },
		"patience is 0, must be 1 or more":                    func(o *Options) { o.Patience = 0 },
		"std is 2, must be 0 to 1":                            func(o *Options) { o.Std = 2 },
		"rank is NaN, must be 0 to 1":                         func(o *Options) { o.Rank = math.NaN() },
		"vanishing is -1, must be 0 to 1":                     func(o *Options) { o.Vanishing = -1 },
		"exploding is +Inf, must be a number of 0 or more":    func(o *Options) { o.Exploding = math.Inf(1) },
		"queue_epochs is -0.5, must be a number of 0 or more": func(o *Options) { o.Epochs = -0.5 },
	} {
		o := Defaults
		change(&o)
		if err := o.Check(); err == nil || err.Error() != want || fault.KindOf(err) != fault.Usage {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// docs/health.md has a row for every code, and for no other.
func TestDocsNameEveryCode(t *testing.T) {
	text, err := os.ReadFile("../../docs/health.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+\\.[a-z_]+)` \\|.*\\| (?:collapse|caution) \\|$").FindAllStringSubmatch(string(text), -1) {
		rows = append(rows, m[1])
	}
	slices.Sort(rows)
	if want := slices.Sorted(maps.Keys(codes)); !slices.Equal(rows, want) {
		t.Errorf("docs/health.md has %q, the codes are %q", rows, want)
	}
}
