package sweep

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

const bayesSweep = `method: bayes
run_cap: 44
metric: {name: loss, goal: minimize}
parameters:
  method.temperature: {distribution: log_uniform_values, min: 0.01, max: 1}
  view.frames: {min: 16, max: 64}
  view.normalize: {values: [none, band, corpus_band]}
`

// valley is a loss that is least, 0, at temperature 0.05, 24 frames and band.
func valley(p point) float64 {
	t, _ := strconv.ParseFloat(p.values[0].Text(), 64)
	n, _ := strconv.ParseFloat(p.values[1].Text(), 64)
	loss := math.Abs(math.Log(t/0.05))/math.Log(100) + math.Abs(n-24)/48
	if p.values[2].Text() != "band" {
		loss += 0.5
	}
	return loss
}

// worked carries a sweep out whose trials come to what loss says, those of a round in
// an order drawn by r, and gives the losses in the order of the trials.
func worked(t *testing.T, s *Sweep, r *rand.Rand, loss func(point) float64) (all []float64) {
	t.Helper()
	w := &worker{Sweep: s, over: map[int]*Result{}}
	all = make([]float64, s.Trials)
	for from := 0; from < s.Trials; {
		to := min(s.Trials, firstOf(round(from)+1))
		for _, k := range r.Perm(to - from) {
			i := from + k
			if needs, err := w.needs(i); err != nil || len(needs) > 0 {
				t.Fatalf("trial %d needs %v, %v", i, needs, err)
			}
			if to < s.Trials && k == 0 {
				if needs, err := w.needs(to); err != nil || len(needs) == 0 {
					t.Fatalf("trial %d needs nothing, and trial %d is not done: %v", to, i, err)
				}
			}
			p, _, err := s.point(i)
			if err != nil {
				t.Fatal(err)
			}
			all[i] = loss(p)
			s.came(t, i, Result{Status: Done}, map[string]float64{"loss": all[i]})
		}
		from = to
	}
	return all
}

// A round follows from what was before it alone, not from who was faster, and it
// finds what is better than chance.
func TestBayes(t *testing.T) {
	s := begun(t, bayesSweep)
	losses := worked(t, s, rand.New(rand.NewPCG(1, 1)), valley)
	again, err := Begin(s.File, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if other := worked(t, again, rand.New(rand.NewPCG(2, 2)), valley); fmt.Sprint(losses) != fmt.Sprint(other) {
		t.Errorf("in another order it comes to\n%v\nnot\n%v", other, losses)
	}
	mean := func(v []float64) float64 { return spread(v).Mean }
	if first, last := mean(losses[:firstRound]), mean(losses[len(losses)-12:]); last > 0.6*first {
		t.Errorf("the mean of the first round is %g, that of the last three %g", first, last)
	}

	// What happens later does not change a round that is drawn.
	before, _, err := s.point(20)
	if err != nil {
		t.Fatal(err)
	}
	s.came(t, 3, Result{Status: Failed, Exit: 4})
	if after, _, _ := s.point(20); fmt.Sprint(after.shares) != fmt.Sprint(before.shares) {
		t.Error("a drawn round has changed")
	}
}

// Points that cannot be run, or were stopped early, are among the worst.
func TestBayesLearnsFromFailure(t *testing.T) {
	s := begun(t, bayesSweep)
	w := &worker{Sweep: s, over: map[int]*Result{}}
	warm := 0
	for i := range s.Trials {
		if needs, err := w.needs(i); err != nil || len(needs) > 0 {
			t.Fatal(needs, err)
		}
		p, _, err := s.point(i)
		if err != nil {
			t.Fatal(err)
		}
		r := Result{Status: Done}
		temperature, _ := strconv.ParseFloat(p.values[0].Text(), 64)
		if temperature > 0.1 {
			r = Result{Status: []string{Failed, Pruned}[i%2], Exit: 4}
			if i >= 20 {
				warm++
			}
		}
		s.came(t, i, r, map[string]float64{"loss": 1})
	}
	if warm > 6 { // by chance half of the 24
		t.Errorf("%d of the last 24 points are where all others failed", warm)
	}
}

// A round that somebody has spoilt is refused.
func TestSpoiltRound(t *testing.T) {
	s := begun(t, bayesSweep)
	if _, known, err := s.point(firstRound); known || err != nil {
		t.Errorf("known %v, %v", known, err)
	}
	put(t, s.roundFile(1), `{"shares": [[0.1]]}`)
	if _, _, err := s.point(firstRound); err == nil {
		t.Error("a round of other parameters is taken")
	}
	if err := os.Remove(s.roundFile(1)); err != nil {
		t.Fatal(err)
	}
}

// A density has all its mass in [0, 1], and what is drawn lies where it says.
func TestParzen(t *testing.T) {
	for _, points := range [][]float64{nil, {0.5}, {0.1, 0.1, 0.9}, {0.02, 0.03, 0.04, 0.05}} {
		p := newParzen(points)
		mass, low := 0.0, 0.0
		const cells = 20000
		for i := range cells {
			u := (float64(i) + 0.5) / cells
			d := math.Exp(p.log(u)) / math.Sqrt(2*math.Pi) / float64(len(p.mean)) / cells
			mass += d
			if u < 0.25 {
				low += d
			}
		}
		if math.Abs(mass-1) > 1e-4 {
			t.Errorf("%v: the mass is %g", points, mass)
		}
		r, drawn := rand.New(rand.NewPCG(1, 2)), 0.0
		const draws = 20000
		for range draws {
			u := p.draw(r)
			if u < 0 || u >= 1 {
				t.Fatalf("%v: %g", points, u)
			}
			if u < 0.25 {
				drawn += 1.0 / draws
			}
		}
		if math.Abs(low-drawn) > 0.015 {
			t.Errorf("%v: %g of the mass and %g of the draws lie below a quarter", points, low, drawn)
		}
	}
}
