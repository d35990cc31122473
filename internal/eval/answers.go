package eval

import (
	"math"
	"slices"
)

// leastLogProba bounds what one clip can cost in LogLoss (scikit-learn clips
// probabilities likewise), so that the mean stays a finite number.
const leastLogProba = -36.04365338911715 // log of float64's epsilon, 2⁻⁵²

// answers are what a head said of test clips, with all that scores need of a clip
// by itself, so that they can be taken again of clips drawn several times.
type answers struct {
	truth   Set // labels only
	n, k    int
	said    [][]int   // (N): predicted classes
	right   []bool    // (N): all labels of the clip and no other were said
	top5    []bool    // (N); nil where it is not asked
	loss    []float64 // (N): -log p of what is true; of several labels the mean over classes
	ranked  []ranking // (K)
	certain []belief  // (N), or of several labels (N, K)
}

func newAnswers(logp []float64, truth Set) *answers { // logp (N, K)
	k := len(truth.Classes)
	a := &answers{truth: truth, n: truth.N, k: k, said: make([][]int, truth.N), right: make([]bool, truth.N), loss: make([]float64, truth.N)}
	if truth.Multi() {
		a.several(logp)
	} else {
		a.single(logp)
	}
	for i := range a.loss {
		a.loss[i] = clipLoss(logp[i*k:(i+1)*k], truth, i)
	}
	a.ranked = make([]ranking, k)
	share(k, len(logp)*8, func(c int) { a.ranked[c] = rankBy(logp, c, k) })
	return a
}

// single looks at clips of one class each.
func (a *answers) single(logp []float64) {
	predicted := Predict(logp, a.k)
	if a.k > 5 {
		a.top5 = make([]bool, a.n)
	}
	for i, y := range a.truth.Labels {
		row := logp[i*a.k : (i+1)*a.k]
		a.said[i] = predicted[i : i+1]
		a.right[i] = predicted[i] == y
		if a.top5 != nil {
			a.top5[i] = rank(row, y) < 5
		}
		a.certain = append(a.certain, newBelief(math.Exp(row[predicted[i]]), a.right[i]))
	}
}

// several looks at clips that may have several labels, each yes or no by itself.
func (a *answers) several(logp []float64) {
	for i := range a.n {
		a.right[i] = true
		for c, yes := range logp[i*a.k : (i+1)*a.k] {
			is := a.is(i, c)
			if yes > -math.Ln2 {
				a.said[i] = append(a.said[i], c)
			}
			if is != (yes > -math.Ln2) {
				a.right[i] = false
			}
			a.certain = append(a.certain, newBelief(math.Exp(yes), is))
		}
	}
}

// meanLoss is LogLoss alone.
func meanLoss(logp []float64, truth Set) float64 { // logp (N, K)
	k, sum := len(truth.Classes), 0.0
	for i := range truth.N {
		sum += clipLoss(logp[i*k:(i+1)*k], truth, i)
	}
	return sum / float64(truth.N)
}

// clipLoss is a clip's share in LogLoss, from its log-probabilities (K).
func clipLoss(logp []float64, truth Set, i int) float64 {
	if !truth.Multi() {
		return -max(logp[truth.Labels[i]], leastLogProba)
	}
	loss := 0.0
	for c, yes := range logp {
		if !slices.Contains(truth.Tags[i], c) {
			yes = math.Log(-math.Expm1(yes)) // log(1-p)
		}
		loss -= max(yes, leastLogProba) / float64(len(logp))
	}
	return loss
}

// is says whether clip i has class c.
func (a *answers) is(i, c int) bool {
	return slices.Contains(a.truth.Of(i), c)
}

// A tally is answers summed up over clips.
type tally struct {
	multi              bool
	n                  int // clips
	hit, said, support []int
	right, top5        int
	loss               float64
	precisions, areas  []Score // (K); nil where they were not asked for
	ece                float64
}

// tally counts clip i times[i] times; nil counts each once. deep takes the
// rankings and calibration too, which are most of the work.
func (a *answers) tally(times []int32, deep bool) tally {
	t := tally{multi: a.truth.Multi(), hit: make([]int, a.k), said: make([]int, a.k), support: make([]int, a.k)}
	for i := range a.n {
		n := 1
		if times != nil {
			n = int(times[i])
		}
		if n == 0 {
			continue
		}
		t.n += n
		t.loss += float64(float64(n) * a.loss[i])
		if a.right[i] {
			t.right += n
		}
		if a.top5 != nil && a.top5[i] {
			t.top5 += n
		}
		for _, c := range a.truth.Of(i) {
			t.support[c] += n
		}
		for _, c := range a.said[i] {
			t.said[c] += n
			if a.is(i, c) {
				t.hit[c] += n
			}
		}
	}
	t.ece = math.NaN()
	if deep {
		t.precisions, t.areas = make([]Score, a.k), make([]Score, a.k)
		for c, r := range a.ranked {
			t.precisions[c], t.areas[c] = r.curves(func(i int) bool { return a.is(i, c) }, times)
		}
		t.ece = calibrationError(a.certain, a.n, times)
	}
	return t
}

// metrics are the scores of a tally.
func (t tally) metrics() Metrics {
	n := float64(t.n)
	m := Metrics{Accuracy: float64(t.right) / n, LogLoss: t.loss / n, Top5: float64(t.top5) / n, ECE: t.ece, MAP: meanScore(t.precisions), AUC: meanScore(t.areas)}
	m.DPrime = dPrime(m.AUC)
	hits, said, support, either, occur := 0, 0, 0, 0, 0
	for c := range t.hit {
		hits, said, support = hits+t.hit[c], said+t.said[c], support+t.support[c]
		f1 := ratio(2*t.hit[c], t.said[c]+t.support[c])
		m.Weighted += float64(f1 * float64(t.support[c]))
		if t.said[c]+t.support[c] > 0 {
			m.MacroF1 += f1
			either++
		}
		if b, ok := t.balanced(c); ok {
			m.Balanced += b
			occur++
		}
	}
	m.MicroF1 = ratio(2*hits, said+support)
	m.Weighted /= float64(max(1, support))
	m.MacroF1 /= float64(max(1, either))
	m.Balanced /= float64(max(1, occur))
	return m
}

// balanced is the recall of a class that occurs; of several labels the mean of
// that and of the recall of not being of the class, where both occur.
func (t tally) balanced(c int) (recall float64, ok bool) {
	yes, no := t.support[c], t.n-t.support[c]
	if !t.multi {
		return ratio(t.hit[c], yes), yes > 0
	}
	rejected := ratio(no-(t.said[c]-t.hit[c]), no)
	switch {
	case yes == 0:
		return rejected, true
	case no == 0:
		return ratio(t.hit[c], yes), true
	}
	return (ratio(t.hit[c], yes) + rejected) / 2, true
}

// classes are each class's scores.
func (t tally) classes(names []string) []ClassScore {
	out := make([]ClassScore, len(names))
	for c, name := range names {
		out[c] = ClassScore{Class: name, Precision: ratio(t.hit[c], t.said[c]), Recall: ratio(t.hit[c], t.support[c]),
			F1: ratio(2*t.hit[c], t.said[c]+t.support[c]), AP: Score(math.NaN()), AUC: Score(math.NaN()), Support: t.support[c]}
		if t.precisions != nil {
			out[c].AP, out[c].AUC = t.precisions[c], t.areas[c]
		}
	}
	return out
}

// meanScore is the mean of the scores that are defined; NaN without any.
func meanScore(v []Score) Score {
	sum, n := 0.0, 0.0
	for _, s := range v {
		if s.known() {
			sum += float64(s)
			n++
		}
	}
	return Score(sum / n)
}
