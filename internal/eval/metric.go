package eval

import "math"

// Metrics are the scores of one test, as scikit-learn computes them.
type Metrics struct {
	Accuracy float64 `json:"accuracy"`
	Balanced float64 `json:"balanced_accuracy"` // mean recall of the classes that occur
	MacroF1  float64 `json:"macro_f1"`          // mean F1 of the classes that occur or are predicted
	Weighted float64 `json:"weighted_f1"`       // the same, weighted by how often they occur
	LogLoss  float64 `json:"log_loss"`          // mean of -log p of the true class, in nats
	Top5     float64 `json:"top5,omitempty"`    // true class among the five most likely; only with more than five classes
}

// A ClassScore is one class's share in the scores.
type ClassScore struct {
	Class     string  `json:"class"`
	Precision float64 `json:"precision"` // 0 where the class is never predicted
	Recall    float64 `json:"recall"`    // 0 where the class never occurs
	F1        float64 `json:"f1"`
	Support   int     `json:"support"` // test clips of the class
}

// leastLogProba bounds what one clip can cost in LogLoss (scikit-learn clips
// probabilities likewise), so that the mean stays a finite number.
const leastLogProba = -36.04365338911715 // log of float64's epsilon, 2⁻⁵²

// Measure scores log-probabilities, or scores of any scale if LogLoss is not
// wanted. Equal scores go to the class that comes first.
func Measure(logp []float64, labels []int, k int) Metrics { // logp (N, K)
	var m Metrics
	confusion := Confusion(labels, Predict(logp, k), k)
	for i, y := range labels {
		row := logp[i*k : (i+1)*k]
		m.LogLoss -= max(row[y], leastLogProba)
		if k > 5 && rank(row, y) < 5 {
			m.Top5++
		}
	}
	n := float64(len(labels))
	m.LogLoss /= n
	m.Top5 /= n
	occur, either := 0, 0
	for c, s := range PerClass(confusion, make([]string, k)) {
		m.Accuracy += float64(confusion[c][c]) / n
		m.Weighted += s.F1 * float64(s.Support) / n
		predicted := 0
		for r := range confusion {
			predicted += confusion[r][c]
		}
		if s.Support > 0 {
			m.Balanced += s.Recall
			occur++
		}
		if s.Support+predicted > 0 {
			m.MacroF1 += s.F1
			either++
		}
	}
	m.Balanced /= float64(occur)
	m.MacroF1 /= float64(either)
	return m
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

// PerClass reads each class's scores off a confusion matrix.
func PerClass(confusion [][]int, classes []string) []ClassScore {
	out := make([]ClassScore, len(confusion))
	for c := range confusion {
		s := ClassScore{Class: classes[c]}
		predicted := 0
		for r := range confusion {
			predicted += confusion[r][c]
			s.Support += confusion[c][r]
		}
		hit := confusion[c][c]
		s.Precision = ratio(hit, predicted)
		s.Recall = ratio(hit, s.Support)
		s.F1 = ratio(2*hit, predicted+s.Support)
		out[c] = s
	}
	return out
}

// ratio is a/b, and 0 where there is nothing to divide by.
func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// meanStd is the mean and the sample deviation (n-1 in the divisor); the
// deviation of one value is 0.
func meanStd(v []float64) (mean, std float64) {
	for _, x := range v {
		mean += x
	}
	mean /= float64(len(v))
	if len(v) < 2 {
		return mean, 0
	}
	for _, x := range v {
		std += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(std / float64(len(v)-1))
}
