package eval

import (
	"encoding/json"
	"math"
)

// Metrics are the scores of one test, as scikit-learn computes them unless it
// says otherwise. docs/evaluation.md has the formulas.
type Metrics struct {
	Accuracy float64 `json:"accuracy"`          // clips whose class is the most likely one; of several labels: that are right about each
	Balanced float64 `json:"balanced_accuracy"` // mean recall of the classes that occur; of several labels: mean over classes of that of yes and no
	MacroF1  float64 `json:"macro_f1"`          // mean F1 of the classes that occur or are predicted
	MicroF1  float64 `json:"micro_f1"`          // F1 of all classes' answers counted together; of single classes the accuracy
	Weighted float64 `json:"weighted_f1"`       // mean F1 weighted by how often the class occurs
	MAP      Score   `json:"map"`               // mean over classes of the average precision, each class against the rest
	AUC      Score   `json:"roc_auc"`           // mean over classes of the area under the ROC curve, each class against the rest
	DPrime   Score   `json:"d_prime"`           // √2·Φ⁻¹(AUC)
	LogLoss  float64 `json:"log_loss"`          // mean of -log p of what is true, in nats; of several labels: over clips and classes
	ECE      float64 `json:"ece"`               // expected calibration error, 15 bins
	Top5     float64 `json:"top5,omitempty"`    // true class among the five most likely; only with more than five classes, one a clip
}

// metricFields are the metrics by the names of their keys.
var metricFields = []struct {
	key string
	of  func(*Metrics) *float64
}{
	{"accuracy", func(m *Metrics) *float64 { return &m.Accuracy }},
	{"balanced_accuracy", func(m *Metrics) *float64 { return &m.Balanced }},
	{"macro_f1", func(m *Metrics) *float64 { return &m.MacroF1 }},
	{"micro_f1", func(m *Metrics) *float64 { return &m.MicroF1 }},
	{"weighted_f1", func(m *Metrics) *float64 { return &m.Weighted }},
	{"map", func(m *Metrics) *float64 { return (*float64)(&m.MAP) }},
	{"roc_auc", func(m *Metrics) *float64 { return (*float64)(&m.AUC) }},
	{"d_prime", func(m *Metrics) *float64 { return (*float64)(&m.DPrime) }},
	{"log_loss", func(m *Metrics) *float64 { return &m.LogLoss }},
	{"ece", func(m *Metrics) *float64 { return &m.ECE }},
	{"top5", func(m *Metrics) *float64 { return &m.Top5 }},
}

// A Score is NaN where test clips do not define it, as the area under the curve
// of a class that none has. In JSON it is null then.
type Score float64

// known says whether it is defined.
func (s Score) known() bool { return !math.IsNaN(float64(s)) }

// Percent writes the score for a person, a dash where it is not defined.
func (s Score) Percent() string { return defined(100*s, 1) }

// MarshalJSON writes null for NaN.
func (s Score) MarshalJSON() ([]byte, error) {
	if !s.known() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(s))
}

// UnmarshalJSON reads null as NaN.
func (s *Score) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*s = Score(math.NaN())
		return nil
	}
	return json.Unmarshal(text, (*float64)(s))
}

// A ClassScore is one class's share in the scores.
type ClassScore struct {
	Class     string  `json:"class"`
	Precision float64 `json:"precision"` // 0 where the class is never predicted
	Recall    float64 `json:"recall"`    // 0 where the class never occurs
	F1        float64 `json:"f1"`
	AP        Score   `json:"average_precision"` // against the rest; null where the class never occurs
	AUC       Score   `json:"roc_auc"`           // against the rest; null where all clips or none have it
	Support   int     `json:"support"`           // test clips of the class
}

// Measure scores log-probabilities of single classes, or scores of any scale if
// LogLoss and ECE are not wanted. Equal scores go to the class that comes first.
func Measure(logp []float64, labels []int, k int) Metrics { // logp (N, K)
	return MeasureSet(logp, Set{N: len(labels), Labels: labels, Classes: make([]string, k)})
}

// MeasureSet scores log-probabilities of a set's classes; its embeddings are not
// needed. Where clips may have several labels, those are predicted that are more
// likely than not.
func MeasureSet(logp []float64, truth Set) Metrics { // logp (N, K)
	return newAnswers(logp, truth).tally(nil, true).metrics()
}

// Predict is the most likely class of each row; the first of equals.
func Predict(logp []float64, k int) []int { // (N, K) → (N)
	out := make([]int, len(logp)/k)
	for i := range out {
		row := logp[i*k : (i+1)*k]
		for c, v := range row {
			if v > row[out[i]] {
				out[i] = c
			}
		}
	}
	return out
}

// rank counts the classes that come before y.
func rank(row []float64, y int) int {
	n := 0
	for c, v := range row {
		if v > row[y] || v == row[y] && c < y {
			n++
		}
	}
	return n
}

// Confusion counts clips by true class (rows) and predicted class (columns).
func Confusion(labels, predicted []int, k int) [][]int { // (K, K)
	m := make([][]int, k)
	for c := range m {
		m[c] = make([]int, k)
	}
	for i, y := range labels {
		m[y][predicted[i]]++
	}
	return m
}

// ratio is a/b, and 0 where there is nothing to divide by.
func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// meanStd is the mean and the sample deviation (n-1 in the divisor) of the values
// that are not NaN; the deviation of one is 0, and without any both are NaN.
func meanStd(v []float64) (mean, std float64) {
	n := 0.0
	for _, x := range v {
		if !math.IsNaN(x) {
			mean += x
			n++
		}
	}
	mean /= n
	if n == 1 {
		return mean, 0
	}
	for _, x := range v {
		if !math.IsNaN(x) {
			std += float64((x - mean) * (x - mean))
		}
	}
	return mean, math.Sqrt(std / (n - 1))
}
