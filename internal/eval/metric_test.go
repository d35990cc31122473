package eval

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"clr/internal/reftest"
)

func TestMetricsMatchScikitLearn(t *testing.T) {
	ref := reftest.Get[any](t, "metrics/multiclass")
	scores, labels := ref.Inputs["scores"].Values(t), ref.Inputs["labels"].Ints(t)
	m := Measure(scores, labels, 7)
	predicted := Predict(scores, 7)
	reftest.Match(t, ref.Outputs["predictions"], "predictions", floats(predicted)...)
	reftest.Match(t, ref.Outputs["accuracy"], "accuracy", m.Accuracy)
	reftest.Match(t, ref.Outputs["balanced_accuracy"], "balanced_accuracy", m.Balanced)
	reftest.Match(t, ref.Outputs["macro_f1"], "macro_f1", m.MacroF1)
	reftest.Match(t, ref.Outputs["weighted_f1"], "weighted_f1", m.Weighted)
	reftest.Match(t, ref.Outputs["top5"], "top5", m.Top5)
	var flat []int
	for _, row := range Confusion(labels, predicted, 7) {
		flat = append(flat, row...)
	}
	reftest.Match(t, ref.Outputs["confusion"], "confusion", floats(flat)...)
}

// TestMetricsByHand has a class that never occurs, one that is never
// predicted, and a tie.
func TestMetricsByHand(t *testing.T) {
	half := math.Log(0.5)
	inf := math.Inf(-1)
	logp := []float64{
		half, half, inf, inf, // class 0: a tie goes to the first
		inf, 0, inf, inf, // class 0, called 1
		inf, inf, inf, 0, // class 2, called 3
		0, inf, inf, inf, // class 0
	}
	m := Measure(logp, []int{0, 0, 2, 0}, 4)
	// class 0: precision 1, recall 2/3, F1 0.8; 1: never occurs, F1 0; 2: F1 0; 3: F1 0.
	near(t, "accuracy", m.Accuracy, 0.5)
	near(t, "balanced", m.Balanced, (2./3+0)/2)
	near(t, "macro F1", m.MacroF1, 0.8/4)
	near(t, "weighted F1", m.Weighted, 0.8*3/4)
	near(t, "log loss", m.LogLoss, (math.Ln2-2*leastLogProba)/4)
	if m.Top5 != 0 {
		t.Error("top 5 of four classes")
	}
	near(t, "micro F1", m.MicroF1, 0.5)
	c := newAnswers(logp, Set{N: 4, Labels: []int{0, 0, 2, 0}, Classes: classNames(4)}).tally(nil, true).classes(classNames(4))
	// Class 0's scores are 0, -ln 2 (hits) and -Inf of a hit and of another clip, a tie.
	near(t, "AP", float64(c[0].AP), 1./3+1./3+3./4/3)
	near(t, "area", float64(c[0].AUC), (1+1+0.5)/3)
	if !math.IsNaN(float64(c[1].AP)) || !math.IsNaN(float64(c[1].AUC)) {
		t.Errorf("of a class that never occurs: %+v", c[1])
	}
	c[0].AP, c[0].AUC, c[1].AP, c[1].AUC = 0, 0, 0, 0
	if c[0] != (ClassScore{Class: "c0", Precision: 1, Recall: 2. / 3, F1: 0.8, Support: 3}) || c[1] != (ClassScore{Class: "c1"}) || c[2].Support != 1 || c[3].Support != 0 {
		t.Errorf("%+v", c)
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) < 1e-12) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestMeanStd(t *testing.T) {
	for _, c := range []struct {
		v         []float64
		mean, std float64
	}{{[]float64{4}, 4, 0}, {[]float64{1, 3}, 2, math.Sqrt2}, {[]float64{2, 2, 2}, 2, 0}} {
		mean, std := meanStd(c.v)
		near(t, "mean", mean, c.mean)
		near(t, "std", std, c.std)
	}
}

func TestFeatureStats(t *testing.T) {
	got := make([]float64, 4)
	FeatureStats(got, []float32{1, 2, 3, 7, 7, 7}, 2, 3)
	for i, want := range []float64{2, 7, math.Sqrt(2. / 3), 0} {
		near(t, "feature", got[i], want)
	}
}

func TestMajority(t *testing.T) {
	s := Set{X: make([]float64, 6), N: 6, D: 1, Labels: []int{0, 1, 1, 2, 2, 1}, Classes: classNames(3)}
	h, err := Majority{}.Fit(context.Background(), Training{Train: s.Rows(seq(0, 5)), Valid: s.Rows([]int{5})})
	if err != nil {
		t.Fatal(err)
	}
	logp := h.LogProba(s)
	near(t, "log p", logp[4], math.Log(0.5))
	if m := Measure(logp, s.Labels, 3); m.Accuracy != 0.5 {
		t.Errorf("%+v", m)
	}
}

func TestBootstrap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	v := make([]float64, 400)
	sum := 0.0
	for i := range v {
		if r.Float64() < 0.8 {
			v[i] = 1
		}
		sum += v[i]
	}
	p := sum / 400
	half := 1.96 * math.Sqrt(p*(1-p)/400) // the normal interval
	got := bootstrap([][]float64{v}, 2000, 1)
	if math.Abs(got[0]-(p-half)) > 0.01 || math.Abs(got[1]-(p+half)) > 0.01 {
		t.Errorf("%v, normal %v %v", got, p-half, p+half)
	}
	if again := bootstrap([][]float64{v}, 2000, 1); again != got {
		t.Errorf("%v and %v", got, again)
	}
	if all := bootstrap([][]float64{{1, 1}, {1}}, 100, 1); all != [2]float64{1, 1} {
		t.Error(all)
	}
	// Splits count alike, whatever their size, as in the mean of folds.
	if two := bootstrap([][]float64{{1, 1, 1, 1, 1, 1}, {0}}, 100, 1); two != [2]float64{0.5, 0.5} {
		t.Error(two)
	}
}
