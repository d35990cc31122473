package eval

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"clr/internal/reftest"
)

// tagsOf reads targets (N, K) of 0 and 1.
func tagsOf(targets []int, k int) Set {
	s := Set{N: len(targets) / k, Classes: classNames(k)}
	for i := range s.N {
		tags := []int{}
		for c, is := range targets[i*k : (i+1)*k] {
			if is == 1 {
				tags = append(tags, c)
			}
		}
		s.Tags = append(s.Tags, tags)
	}
	return s
}

func TestSeveralLabelsMatchScikitLearn(t *testing.T) {
	for _, name := range []string{"metrics/multilabel", "metrics/multilabel_ties"} {
		ref := reftest.Get[any](t, name)
		tally := newAnswers(ref.Inputs["scores"].Values(t), tagsOf(ref.Inputs["targets"].Ints(t), 5)).tally(nil, true)
		m := tally.metrics()
		reftest.Match(t, ref.Outputs["average_precision"], "average_precision", asFloats(tally.precisions)...)
		reftest.Match(t, ref.Outputs["map_macro"], "map_macro", float64(m.MAP))
		reftest.Match(t, ref.Outputs["roc_auc"], "roc_auc", asFloats(tally.areas)...)
		reftest.Match(t, ref.Outputs["roc_auc_macro"], "roc_auc_macro", float64(m.AUC))
		reftest.Match(t, ref.Outputs["d_prime"], "d_prime", float64(m.DPrime))
	}
}

func asFloats(v []Score) (out []float64) {
	for _, s := range v {
		out = append(out, float64(s))
	}
	return out
}

// TestSeveralLabelsByHand has a class that every clip has, and one that none has.
func TestSeveralLabelsByHand(t *testing.T) {
	s := Set{N: 3, Classes: classNames(4), Tags: [][]int{{0, 1}, {1}, {0, 1, 2}}}
	lg := math.Log
	logp := []float64{
		lg(0.9), lg(0.8), lg(0.4), lg(0.2), // right
		lg(0.6), lg(0.7), lg(0.1), lg(0.3), // 0 is wrong
		lg(0.8), lg(0.3), lg(0.9), math.Inf(-1), // 1 is missed
	}
	tally := newAnswers(logp, s).tally(nil, true)
	m := tally.metrics()
	near(t, "accuracy", m.Accuracy, 1./3)
	// hits 2, 2, 1, 0; said 3, 2, 1, 0; occur 2, 3, 1, 0
	near(t, "macro F1", m.MacroF1, (4./5+4./5+1)/3)
	near(t, "micro F1", m.MicroF1, 2*5./(6+6))
	near(t, "weighted F1", m.Weighted, (4./5*2+4./5*3+1)/6)
	near(t, "balanced", m.Balanced, ((1+0.)/2+2./3+1+1)/4)
	near(t, "mAP", float64(m.MAP), 1) // class 3 has none
	near(t, "area", float64(m.AUC), 1)
	loss := -(lg(0.9) + lg(0.8) + lg(0.6) + lg(0.8) + lg(0.4) + lg(0.7) + lg(0.9) + lg(0.7) + lg(0.8) + lg(0.3) + lg(0.9) + 0)
	near(t, "log loss", m.LogLoss, loss/12)
	if tally.areas[1].known() || tally.areas[3].known() || tally.precisions[3].known() || tally.precisions[1] != 1 {
		t.Errorf("areas %v, precisions %v", tally.areas, tally.precisions)
	}
}

// TestCalibration: of ten clips that are called 75 % sure, seven come true, and
// five of which none does are 20 % sure.
func TestCalibration(t *testing.T) {
	var all []belief
	for i := range 10 {
		all = append(all, newBelief(0.75, i < 7))
	}
	for range 5 {
		all = append(all, newBelief(0.2, false))
	}
	near(t, "error", calibrationError(all, 15, nil), (10*0.05+5*0.2)/15)
	for p, bin := range map[float64]uint8{0: 0, 1. / 15: 0, 0.0667: 1, 0.5: 7, 1: 14} {
		if b := newBelief(p, true); b.bin != bin {
			t.Errorf("%v is in bin %d, want %d", p, b.bin, bin)
		}
	}
}

func TestDPrime(t *testing.T) {
	// Two normal distributions d apart have the area Φ(d/√2).
	for _, d := range []float64{-2, 0, 0.5, 1, 3} {
		area := 0.5 * math.Erfc(-d/2)
		if got := float64(dPrime(Score(area))); math.Abs(got-d) > 1e-9 {
			t.Errorf("area %v: d' %v, want %v", area, got, d)
		}
	}
	if high, low := dPrime(1), dPrime(0); math.IsInf(float64(high), 0) || high < 11 || math.Abs(float64(high+low)) > 1e-3 {
		t.Errorf("d' of areas 1 and 0: %v, %v", high, low)
	}
}

// TestCountsAreRepetitions: a clip that counts three times is three clips.
func TestCountsAreRepetitions(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const n, k = 40, 6
	for _, multi := range []bool{false, true} {
		truth := Set{N: n, Classes: classNames(k)}
		var logp []float64
		for i := range n {
			if multi {
				truth.Tags = append(truth.Tags, []int{i % 3, 3 + r.IntN(3)})
			} else {
				truth.Labels = append(truth.Labels, r.IntN(k))
			}
			row := make([]float64, k)
			for c := range row {
				row[c] = math.Round(4*r.NormFloat64()) / 4 // ties
			}
			logSoftmax(row)
			logp = append(logp, row...)
		}
		var times []int32
		var index []int
		for i := range n {
			times = append(times, int32(r.IntN(4)))
			for range times[i] {
				index = append(index, i)
			}
		}
		got := newAnswers(logp, truth).tally(times, true).metrics()
		want := MeasureSet(pickRows(logp, k, index), truth.Rows(index))
		for _, f := range metricFields {
			if a, b := *f.of(&got), *f.of(&want); math.Abs(a-b) > 1e-12 {
				t.Errorf("several labels %v: %s is %v, of repeated clips %v", multi, f.key, a, b)
			}
		}
	}
}

// TestRankingsAreTheFormulas compares with sums over all pairs, and over all
// thresholds.
func TestRankingsAreTheFormulas(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		n := 2 + r.IntN(30)
		scores, is := make([]float64, n), make([]bool, n)
		for i := range n {
			scores[i], is[i] = float64(r.IntN(8)), r.IntN(3) == 0
		}
		precision, area := rankBy(scores, 0, 1).curves(func(i int) bool { return is[i] }, nil)
		pairs, ordered, hits, sum := 0.0, 0.0, 0.0, 0.0
		for i := range n {
			if !is[i] {
				continue
			}
			hits++
			above, right := 0.0, 0.0
			for j := range n {
				if scores[j] >= scores[i] {
					above++
					if is[j] {
						right++
					}
				}
				if !is[j] {
					pairs++
					switch {
					case scores[i] > scores[j]:
						ordered++
					case scores[i] == scores[j]:
						ordered += 0.5
					}
				}
			}
			sum += right / above
		}
		if got := float64(precision); hits > 0 && math.Abs(got-sum/hits) > 1e-12 || hits == 0 && !math.IsNaN(got) {
			t.Errorf("average precision %v, want %v", got, sum/hits)
		}
		if got := float64(area); pairs > 0 && math.Abs(got-ordered/pairs) > 1e-12 || pairs == 0 && !math.IsNaN(got) {
			t.Errorf("area %v, want %v", got, ordered/pairs)
		}
	}
}

// TestIntervals: that of the accuracy is the bootstrap of the shares of heads that
// are right, and all hold their means.
func TestIntervals(t *testing.T) {
	s := blobs(96, 6, 3, 0.4, 0.5, 1)
	splits, err := Splits(folds(96), SplitOptions{By: "fold"})
	if err != nil {
		t.Fatal(err)
	}
	row, err := Evaluate(t.Context(), "x", quick, s, splits)
	if err != nil {
		t.Fatal(err)
	}
	shares := make([][]float64, 4)
	at := 0
	for f, fold := range row.Folds {
		of := make([]float64, fold.Test)
		for i := range of {
			if slices.Equal(row.Tested[at+i].Label, row.Tested[at+i].Predicted) {
				of[i] = 0.5
			}
		}
		at += fold.Test
		if f%2 == 0 {
			shares[f/2] = of
			continue
		}
		for i := range of {
			shares[f/2][i] += of[i]
		}
	}
	if want := bootstrap(shares, bootstrapDraws, 1); math.Abs(row.Interval[0]-want[0])+math.Abs(row.Interval[1]-want[1]) > 1e-12 {
		t.Errorf("interval %v, want %v", row.Interval, want)
	}
	for _, f := range metricFields {
		i, ok := row.Intervals[f.key]
		if ok != (f.key != "top5") {
			t.Errorf("%s has an interval: %v", f.key, ok)
			continue
		}
		// A calibration error of few clips is larger than that of many.
		if mean := *f.of(&row.Mean); ok && !(i[0] < i[1] && i[0] <= mean && (mean <= i[1] || f.key == "ece")) {
			t.Errorf("%s: %v is not about %v", f.key, i, mean)
		}
	}
	again, err := Evaluate(t.Context(), "x", quick, s, splits)
	if err != nil || fmt.Sprint(again.Intervals) != fmt.Sprint(row.Intervals) {
		t.Errorf("%v, then %v, %v", row.Intervals, again.Intervals, err)
	}
}

func TestUndefinedScoresAreNull(t *testing.T) {
	text, err := Score(math.NaN()).MarshalJSON()
	var back Score
	if err != nil || string(text) != "null" || back.UnmarshalJSON(text) != nil || back.known() {
		t.Errorf("%s %v %v", text, back, err)
	}
	// One class among the test clips.
	m := Measure([]float64{-0.1, -2, -3, -0.2}, []int{0, 0}, 2)
	if m.MAP != 1 || m.AUC.known() || m.DPrime.known() {
		t.Errorf("%+v", m)
	}
}
