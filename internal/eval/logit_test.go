package eval

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"clr/internal/fault"
)

// severalTags are blobs whose clips have the class of their blob and, some, another.
func severalTags(n, d, k int, seed uint64) Set {
	s := blobs(n, d, k, 0.6, 0.5, seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for _, y := range s.Labels {
		tags := []int{y}
		if r.IntN(3) == 0 {
			tags = append(tags, (y+1+r.IntN(k-1))%k)
			slices.Sort(tags)
		}
		s.Tags = append(s.Tags, tags)
	}
	s.Labels = nil
	return s
}

// uneven are blobs of which class 0 has half.
func uneven(n int) Set {
	s := blobs(n, 4, 3, 0.7, 0.5, 9)
	for i := range n / 2 {
		s.Labels[i] = 0
	}
	return s
}

var kinds = map[string]Logit{"together": {}, "balanced": {Balanced: true}, "one against the rest": {OneVsRest: true}, "both": {true, true}}

// TestGradientsAreSlopes compares gradients with differences of the loss, and the
// loss with its formula.
func TestGradientsAreSlopes(t *testing.T) {
	for name, l := range kinds {
		for _, s := range []Set{uneven(70), severalTags(70, 4, 3, 2)} {
			f := newObjective(s, l)
			f.penalize(0.3)
			r := rand.New(rand.NewPCG(1, 2))
			x := make([]float64, len(f.gradient))
			for i := range x {
				x[i] = r.NormFloat64()
			}
			f.at(x)
			gradient := slices.Clone(f.gradient)
			if want := lossByFormula(s, l, 0.3, x); math.Abs(f.loss-want) > 1e-12*want {
				t.Errorf("%s: loss %v, want %v", name, f.loss, want)
			}
			const h = 1e-5
			for i := range x {
				at := func(step float64) float64 {
					y := slices.Clone(x)
					y[i] += step
					f.at(y)
					return f.loss
				}
				if slope := (at(h) - at(-h)) / (2 * h); math.Abs(slope-gradient[i]) > 1e-8 {
					t.Errorf("%s: gradient %d is %v, the slope %v", name, i, gradient[i], slope)
				}
			}
		}
	}
}

// lossByFormula is Σ w·loss/N + ‖W‖²/(2CN), for a set whose classes all occur.
func lossByFormula(s Set, l Logit, c float64, x []float64) float64 {
	k, n := len(s.Classes), float64(s.N)
	w, b := apart(x, s.D)
	count := make([]float64, k)
	for i := range s.N {
		for _, y := range s.Of(i) {
			count[y]++
		}
	}
	loss := 0.0
	for i := range s.N {
		z, sum := make([]float64, k), 0.0
		for a := range k {
			z[a] = b[a]
			for j := range s.D {
				z[a] += w[a*s.D+j] * s.X[i*s.D+j]
			}
			sum += math.Exp(z[a])
		}
		for a := range k {
			has := slices.Contains(s.Of(i), a)
			weight, one := 1.0, -math.Log(math.Exp(z[a])/sum)
			switch {
			case l.OneVsRest || s.Multi():
				p := 1 / (1 + math.Exp(-z[a]))
				one = -math.Log(1 - p)
				others := n - count[a]
				if has {
					one, others = -math.Log(p), count[a]
				}
				if l.Balanced {
					weight = n / (2 * others)
				}
			case !has:
				one = 0
			case l.Balanced:
				weight = n / (float64(k) * count[a])
			}
			loss += weight * one / n
		}
	}
	for _, v := range w {
		loss += v * v / (2 * c * n)
	}
	return loss
}

// TestEachAgainstTheRest: a class by itself, at C, is a regression of two classes
// together, at C/2, whose weights are ±w/2; so is a label among several. That one
// of classes together is scikit-learn's, TestLogisticMatchesScikitLearn shows.
func TestEachAgainstTheRest(t *testing.T) {
	ctx, solver := context.Background(), Solver{1e-7, 2000}
	for _, balanced := range []bool{false, true} {
		for _, s := range []Set{uneven(90), severalTags(90, 5, 3, 4)} {
			all, end, err := Logit{true, balanced}.Fit(ctx, s, 0.7, solver, nil)
			if err != nil || !end.Converged {
				t.Fatal(err, end)
			}
			logp := all.LogProba(s)
			for c := range s.Classes {
				two := s
				two.Tags, two.Labels, two.Classes = nil, make([]int, s.N), classNames(2)
				for i := range s.N {
					if slices.Contains(s.Of(i), c) {
						two.Labels[i] = 1
					}
				}
				m, end, err := Logit{Balanced: balanced}.Fit(ctx, two, 0.35, solver, nil)
				if err != nil || !end.Converged {
					t.Fatal(err, end)
				}
				for j := range s.D {
					if got, want := all.W[c*s.D+j], m.W[s.D+j]-m.W[j]; math.Abs(got-want) > 1e-5 {
						t.Errorf("balanced %v, class %d: weight %v, want %v", balanced, c, got, want)
					}
				}
				if got, want := all.B[c], m.B[1]-m.B[0]; math.Abs(got-want) > 1e-5 {
					t.Errorf("balanced %v, class %d: intercept %v, want %v", balanced, c, got, want)
				}
				for i, p := range m.LogProba(s) {
					if s.Multi() && i%2 == 1 && math.Abs(logp[i/2*3+c]-p) > 1e-5 {
						t.Errorf("clip %d: log p %v, want %v", i/2, logp[i/2*3+c], p)
					}
				}
			}
			sum := math.Exp(logp[0]) + math.Exp(logp[1]) + math.Exp(logp[2])
			if !s.Multi() && math.Abs(sum-1) > 1e-12 {
				t.Errorf("probabilities of single classes sum to %v", sum)
			}
		}
	}
}

// TestBalancedIsRepetition: with 20 clips of one class and 40 of another, weights
// are those of the 20 twice.
func TestBalancedIsRepetition(t *testing.T) {
	s := blobs(60, 3, 2, 0.5, 0.5, 5)
	var index []int
	for i := range s.N {
		s.Labels[i] = min(1, i/20)
		index = append(index, i)
		if i < 20 {
			index = append(index, i)
		}
	}
	for _, l := range []Logit{{}, {OneVsRest: true}} {
		l.Balanced = true
		got, _, err1 := l.Fit(context.Background(), s, 2, Solver{1e-10, 2000}, nil)
		l.Balanced = false
		want, _, err2 := l.Fit(context.Background(), s.Rows(index), 2*60./80, Solver{1e-10, 2000}, nil)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		for i, w := range append(want.W, want.B...) {
			if v := append(got.W, got.B...)[i]; math.Abs(v-w) > 1e-6 {
				t.Errorf("%+v: %v, want %v", l, v, w)
			}
		}
	}
}

// TestLogitDegenerate: classes that none or all of the training clips have.
func TestLogitDegenerate(t *testing.T) {
	s := severalTags(30, 3, 3, 6)
	s.Classes = classNames(5)
	for i := range s.Tags {
		s.Tags[i] = append(s.Tags[i], 4) // class 3 none, class 4 all
	}
	wide := severalTags(12, 40, 3, 7)
	constant := severalTags(12, 2, 3, 8)
	clear(constant.X)
	one := Set{X: []float64{1, 2, 3}, N: 3, D: 1, Labels: []int{1, 1, 1}, Classes: classNames(2)}
	for name, s := range map[string]Set{"all and none": s, "more features": wide, "constant": constant, "one class": one} {
		for kind, multi := range map[string]string{"multinomial": "multinomial", "one_vs_rest": "one_vs_rest"} {
			p := linearDefaults
			p.Multi, p.ClassWeight = multi, "balanced"
			h, err := p.Fit(context.Background(), Training{Train: s, Seed: 1})
			if err != nil {
				t.Errorf("%s, %s: %v", name, kind, err)
				continue
			}
			for i, v := range h.LogProba(s) {
				if math.IsNaN(v) || v > 1e-12 {
					t.Fatalf("%s, %s: log p %d is %v", name, kind, i, v)
				}
			}
			if logp := h.LogProba(s); name == "all and none" && (!math.IsInf(logp[3], -1) || logp[4] != 0) {
				t.Errorf("%s: %v", name, logp[:5])
			}
		}
	}
}

// TestSeveralLabelsAreLearnt: C is chosen by mAP, and threads change no bit.
func TestSeveralLabelsAreLearnt(t *testing.T) {
	s := severalTags(300, 60, 4, 3)
	train, test := s.Rows(seq(0, 200)), s.Rows(seq(200, 300))
	best, most := 0.0, -1.0
	for _, c := range coarse.grid() {
		sum := 0.0
		for _, p := range (Training{Train: train, Seed: 1}).parts(coarse.InnerFolds) {
			scale := newScaler(p.train)
			m, _, err := FitLogistic(context.Background(), scale.apply(p.train), c, Solver{1e-6, 1000}, nil)
			if err != nil {
				t.Fatal(err)
			}
			sum += float64(MeasureSet(m.LogProba(scale.apply(p.valid)), p.valid).MAP) * float64(p.valid.N) / 200
		}
		if sum > most {
			best, most = c, sum
		}
	}
	h, err := coarse.Fit(context.Background(), Training{Train: train, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if c := h.Choice(); c.C != best || math.Abs(c.ValidMAP-most) > 1e-3 || c.ValidAccuracy != 0 {
		t.Errorf("%+v, want C %v of mAP %v", c, best, most)
	}
	blind, err := Majority{}.Fit(context.Background(), Training{Train: train})
	if err != nil {
		t.Fatal(err)
	}
	got, floor := MeasureSet(h.LogProba(test), test), MeasureSet(blind.LogProba(test), test)
	if got.MAP < floor.MAP+0.2 || got.LogLoss > floor.LogLoss || math.Abs(float64(floor.AUC)-0.5) > 1e-12 {
		t.Errorf("%+v, without listening %+v", got, floor)
	}
	threads(t, severalTags(700, 150, 5, 3))
}

func TestLabelled(t *testing.T) {
	s, err := Labelled([]string{"rain", "dog; rain", "bird;dog;bird"}, nil)
	if err != nil || fmt.Sprint(s.Classes, s.Tags, s.Labels, s.N) != "[bird dog rain] [[2] [1 2] [0 1]] [] 3" {
		t.Errorf("%+v %v", s, err)
	}
	if one, err := Labelled([]string{"rain", "dog"}, nil); err != nil || one.Multi() || fmt.Sprint(one.Labels) != "[1 0]" {
		t.Errorf("%+v %v", one, err)
	}
	if got := Join(s.Classes, s.Tags[2]); got != "bird;dog" {
		t.Error(got)
	}
	for label, says := range map[string]string{"dog;": "an empty label among several", "": "has no label", ";": "an empty label"} {
		_, err := Labelled([]string{"dog", label}, []string{"a", "b.wav"})
		expect(t, err, fault.Data, "b.wav", "")
		expect(t, err, fault.Data, says, "")
	}
}
