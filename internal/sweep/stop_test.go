package sweep

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

func TestRungs(t *testing.T) {
	for _, c := range []struct {
		h      *Hyperband
		epochs int
		want   string
	}{
		{nil, 9, "[]"},
		{&Hyperband{Min: 1, Eta: 3}, 27, "[1 3 9]"},
		{&Hyperband{Min: 2, Eta: 2}, 9, "[2 4 8]"},
		{&Hyperband{Min: 9, Eta: 3}, 9, "[]"},
		{&Hyperband{Max: 27, S: 2, Eta: 3}, 27, "[3 9]"},
		{&Hyperband{Max: 27, S: 5, Eta: 3}, 27, "[1 3 9]"},
		{&Hyperband{Max: 27, S: 2, Eta: 3}, 5, "[3]"},
	} {
		if got := fmt.Sprint(c.h.Rungs(c.epochs)); got != c.want {
			t.Errorf("%+v of %d epochs: %s, want %s", c.h, c.epochs, got, c.want)
		}
	}
}

const stopSweep = `method: random
run_cap: 14
metric: {name: linear.valid_accuracy, goal: maximize}
then: [linear-probe]
early_terminate: {type: hyperband, min_iter: 1, eta: 3}
parameters: {method.temperature: {min: 0.1, max: 1.0}}
`

// stoppedBy carries a sweep out in an order drawn by r, as any number of workers
// might, and tells how each trial ends. A trial's value at an epoch is its own.
func stoppedBy(t *testing.T, s *Sweep, r *rand.Rand) (ends []string) {
	t.Helper()
	w := &worker{Sweep: s, over: map[int]*Result{}, rungs: map[[2]int]*float64{}}
	rungs := s.Stop.Rungs(9)
	ends = make([]string, s.Trials)
	left := s.Trials
	for tries := 0; left > 0; tries++ {
		if tries > 1000*s.Trials {
			t.Fatal("nothing more can be done, and trials are left")
		}
		i := r.IntN(s.Trials)
		if ends[i] != "" {
			continue
		}
		p, err := s.progress(i)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(p.Rungs); n > 0 {
			reason, wait, err := w.compare(i, p.Rungs[n-1].Epoch)
			if err != nil {
				t.Fatal(err)
			}
			if wait {
				continue
			}
			if reason != "" || n == len(rungs) {
				ends[i] = Done
				if reason != "" {
					ends[i] = fmt.Sprint(Pruned, p.Rungs[n-1].Epoch)
				}
				s.came(t, i, Result{Status: status(ends[i]), Rungs: p.Rungs})
				left--
				continue
			}
		}
		if i == 5 { // one that fails at its first epoch
			ends[i] = Failed
			s.came(t, i, Result{Status: Failed})
			left--
			continue
		}
		epoch := rungs[len(p.Rungs)]
		p.Rungs = append(p.Rungs, Rung{epoch, rand.New(rand.NewPCG(uint64(i), uint64(epoch))).Float64()})
		put(t, filepath.Join(s.TrialDir(i), "x"), "")
		if err := w.keep(i, p); err != nil {
			t.Fatal(err)
		}
	}
	return ends
}

// The same file stops the same trials, in whatever order they are worked on.
func TestStopsTheSame(t *testing.T) {
	f := good(t, stopSweep)
	var first []string
	for seed := range uint64(6) {
		s, err := Begin(f, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		got := stoppedBy(t, s, rand.New(rand.NewPCG(seed, 0)))
		if first == nil {
			first = got
		}
		if fmt.Sprint(got) != fmt.Sprint(first) {
			t.Errorf("in another order trials end as %v, not as %v", got, first)
		}
	}
	pruned := 0
	for i, end := range first {
		if end != Done && end != Failed {
			pruned++
		}
		if i == 0 && end != Done {
			t.Errorf("the first trial, which is compared with none, ends as %s", end)
		}
	}
	if pruned < 4 || pruned > 12 {
		t.Errorf("%d of 14 trials are stopped: %v", pruned, first)
	}
}

// A trial goes on where it is among the best third of those before it and itself.
func TestCompare(t *testing.T) {
	s := begun(t, stopSweep)
	w := &worker{Sweep: s, over: map[int]*Result{}, rungs: map[[2]int]*float64{}}
	values := []float64{0.5, 0.5, 0.6, 0.55, 0.7}
	for i, v := range values {
		put(t, filepath.Join(s.TrialDir(i), "x"), "")
		if err := w.keep(i, progress{Rungs: []Rung{{1, v}}}); err != nil {
			t.Fatal(err)
		}
	}
	for i, goes := range []bool{true, false, true, true, true} { // one of 2, one of 3, two of 4, two of 5
		reason, wait, err := w.compare(i, 1)
		if wait || err != nil || (reason == "") != goes {
			t.Errorf("trial %d: %q, %v, %v", i, reason, wait, err)
		}
	}
	if _, wait, err := w.compare(6, 1); !wait || err != nil {
		t.Errorf("a trial goes on before those before it: %v", err)
	}
}

func status(end string) string {
	if end == Done {
		return Done
	}
	return Pruned
}
