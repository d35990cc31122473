package eval

import (
	"math"
	"slices"
	"testing"

	"clr/internal/fault"
)

// windowed are clips of one to three windows that tell the class; their X tells nothing.
func windowed(n int, seed uint64) Set {
	s := blobs(n, 3, 2, 0, 0, seed)
	for i := range s.N {
		var w []float64
		for j := range 1 + i%3 {
			w = append(w, 3*float64(2*s.Labels[i]-1), 1+0.1*float64(j), s.Row(i)[2])
		}
		s.Windows = append(s.Windows, w)
	}
	return s
}

// What windows say makes a clip's answer, by hand.
func TestWindowsAreGathered(t *testing.T) {
	logs := func(p ...float64) []float64 {
		for i, v := range p {
			p[i] = math.Log(v)
		}
		return p
	}
	s := Set{N: 2, D: 1, Labels: []int{0, 1}, Classes: []string{"a", "b"}, Windows: [][]float64{{1, 2, 3}, {4, 5}}}
	said := logs(0.6, 0.4, 0.6, 0.4, 0.01, 0.99, 0.9, 0.1, 0.2, 0.8)
	if got := over("embeddings").gather(s, said); !slices.Equal(got, said) {
		t.Errorf("embeddings: %v", got)
	}
	sum := func(p ...float64) (out float64) {
		for _, v := range p {
			out += math.Log(v) / float64(len(p))
		}
		return out
	}
	geometric := func(a, b float64) []float64 {
		return logs(math.Exp(a)/(math.Exp(a)+math.Exp(b)), math.Exp(b)/(math.Exp(a)+math.Exp(b)))
	}
	want := slices.Concat(geometric(sum(0.6, 0.6, 0.01), sum(0.4, 0.4, 0.99)), geometric(sum(0.9, 0.2), sum(0.1, 0.8)))
	for i, v := range over("logits").gather(s, said) {
		near(t, "mean of logits", v, want[i])
	}
	// Two of three say a, whatever the third is sure of; one against one is decided by the mean.
	want = logs((2+1.21/3)/4, (1+1.79/3)/4, (1+0.55)/3, (1+0.45)/3)
	for i, v := range over("vote").gather(s, said) {
		near(t, "vote", v, want[i])
	}
	s.Labels, s.Tags = nil, [][]int{{0}, {0, 1}}
	said = logs(0.6, 0.4, 0.6, 0.4, 0.01, 0.99, 0.9, 0.1, 0.2, 0.6)
	want = logs((2+1.21/3)/4, (1+1.79/3)/4, (1+0.55)/3, (1+0.35)/3)
	for i, v := range over("vote").gather(s, said) {
		near(t, "vote for each label", v, want[i])
	}
	logit := func(p float64) float64 { return math.Log(p / (1 - p)) }
	mean := (logit(0.6) + logit(0.6) + logit(0.01)) / 3
	near(t, "mean of logits for each label", over("logits").gather(s, said)[0], -math.Log1p(math.Exp(-mean)))
	sure := logs(1, 0, 1, 0, 1, 0, 1, 0, 1, 0)
	for i, v := range over("logits").gather(s, sure) {
		if p := math.Exp(v); p != []float64{1, 0}[i%2] {
			t.Errorf("of certain windows %v", p)
		}
	}
}

// Probes learn from windows, and answer by them, where they are told to.
func TestProbesOverWindows(t *testing.T) {
	s := windowed(240, 1)
	splits := []Split{{Name: "one", Train: seq(0, 160), Test: seq(160, 240)}}
	probe := func(kind string, how string) Probe {
		switch p := Table[kind].(type) {
		case LinearProbe:
			p.Windows, p.CSteps = how, 3
			return p
		case MLPProbe:
			p.Windows, p.Seeds, p.Epochs, p.Hidden = how, []uint64{1}, 20, []int{8}
			return p
		case KNNProbe:
			p.Windows = how
			return p
		}
		panic(kind)
	}
	for kind := range Table {
		for _, how := range []string{"embeddings", "logits", "vote"} {
			p := probe(kind, how)
			if kind == "knn" && how == "logits" {
				expect(t, p.Check(), fault.Usage, `windows is "logits"`, "embeddings or vote")
				continue
			}
			row, err := Evaluate(t.Context(), "here", p, s, splits)
			if err != nil {
				t.Fatal(err)
			}
			if good := row.Mean.Accuracy == 1; good != (how != "embeddings") {
				t.Errorf("%s by %s: accuracy %g", kind, how, row.Mean.Accuracy)
			}
			if AnswersByWindows(p) != (how != "embeddings") || LearnsFromWindows(p) != AnswersByWindows(p) {
				t.Errorf("%s by %s: %v, %v", kind, how, AnswersByWindows(p), LearnsFromWindows(p))
			}
			// Of clips of one window each the answer is that of the window.
			single := blobs(120, 3, 2, 1, 0, 2)
			for i := range single.N {
				single.Windows = append(single.Windows, slices.Clone(single.Row(i)))
			}
			plain := single
			plain.Windows = nil
			cut := []Split{{Name: "one", Train: seq(0, 80), Test: seq(80, 120)}}
			a, err1 := Evaluate(t.Context(), "windows", p, single, cut)
			b, err2 := Evaluate(t.Context(), "plain", probe(kind, "embeddings"), plain, cut)
			if err1 != nil || err2 != nil || a.Mean.Accuracy != b.Mean.Accuracy || a.Folds[0].Choice.C != b.Folds[0].Choice.C {
				t.Errorf("%s by %s: %+v, of whole clips %+v; %v, %v", kind, how, a.Mean, b.Mean, err1, err2)
			}
		}
	}
	p := linearDefaults
	p.Windows = "sum"
	expect(t, p.Check(), fault.Usage, `windows is "sum"`, "embeddings, logits or vote")
	p.Windows = "vote"
	if _, settings := ProtocolOf(p); settings != "multinomial, class weights none, 13 C from 1e-05 to 10, gradient 0.0001, standardized, windows by vote" {
		t.Error(settings)
	}
}

// A linear head's mean logits over windows are its logits of their mean.
func TestMeanLogitsAreThoseOfTheMean(t *testing.T) {
	s := windowed(60, 3)
	for i, w := range s.Windows {
		row := s.Row(i)
		clear(row)
		for j, v := range w {
			row[j%3] += v / float64(len(w)/3)
		}
	}
	for _, multi := range []bool{false, true} {
		if multi {
			s.Tags = make([][]int, s.N)
			for i, y := range s.Labels {
				s.Tags[i] = []int{y}
			}
			s.Labels = nil
		}
		m, _, err := FitLogistic(t.Context(), s, 0.01, Solver{1e-6, 1000}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := m.LogProba(s)
		for i, v := range over("logits").ask(s, m.LogProba) {
			near(t, "log-probability", v, want[i])
		}
	}
}
