package eval

import (
	"math"

	"clr/internal/fault"
)

// over says what becomes of clips that are longer than a window. Nothing, or
// embeddings: the mean of a clip's windows is the clip. logits and vote: a head
// learns from each window, under its clip's labels, and answers for each; of a clip
// count the mean of the logits, or how many windows say what.
type over string

// each says whether heads meet windows rather than clips.
func (o over) each() bool { return o == "logits" || o == "vote" }

// check refuses words that are none of those known.
func (o over) check(known ...string) error {
	for _, k := range known {
		if string(o) == k {
			return nil
		}
	}
	list := known[0]
	for i, k := range known[1:] {
		list += map[bool]string{true: " or ", false: ", "}[i == len(known)-2] + k
	}
	return fault.New(fault.Usage, "use "+list, "windows is %q", string(o))
}

// learn is what a head learns from: the clips, or all windows of them. Clips are
// divided before, so that the windows of one are never on both sides.
func (o over) learn(s Set) Set {
	if !o.each() || s.Windows == nil {
		return s
	}
	var of []int // the clip of each window
	out := Set{D: s.D, Classes: s.Classes}
	for i, w := range s.Windows {
		out.X = append(out.X, w...)
		for range len(w) / s.D {
			of = append(of, i)
		}
	}
	out.N = len(of)
	out.Labels, out.Tags, out.Sources = pick(s.Labels, of), pick(s.Tags, of), pick(s.Sources, of)
	return out
}

// ask gives the log-probabilities of clips by a head's of what it meets.
func (o over) ask(s Set, logProba func(Set) []float64) []float64 { // (N, K)
	return o.gather(s, logProba(o.learn(s)))
}

// gather makes log-probabilities of clips from those of what learn gives of them.
func (o over) gather(s Set, windows []float64) []float64 { // (W, K) → (N, K)
	if !o.each() || s.Windows == nil {
		return windows
	}
	k, multi := len(s.Classes), s.Multi()
	out := make([]float64, 0, s.N*k)
	for _, w := range s.Windows {
		n := len(w) / s.D
		row := make([]float64, k)
		if o == "vote" {
			countVotes(row, windows[:n*k], multi)
		} else {
			meanLogits(row, windows[:n*k], multi)
		}
		out, windows = append(out, row...), windows[n*k:]
	}
	return out
}

// meanLogits is the mean of logits, as log-probabilities again. Of single classes
// log-probabilities serve as logits, for they differ by a constant of the window.
func meanLogits(row, windows []float64, multi bool) { // (K), (W, K)
	n := float64(len(windows) / len(row))
	for i, v := range windows {
		if multi {
			v -= math.Log(-math.Expm1(v))
		}
		row[i%len(row)] += v / n
	}
	if multi {
		logSigmoid(row)
	} else {
		logSoftmax(row)
	}
}

// countVotes tells which share of the windows says what. One vote more is shared out by the
// mean of the windows' probabilities: it decides ties, no majority, and leaves
// nothing without any probability.
func countVotes(row, windows []float64, multi bool) { // (K), (W, K)
	k := len(row)
	n := float64(len(windows) / k)
	for i, v := range windows {
		row[i%k] += math.Exp(v) / n
		if multi && v > -math.Ln2 {
			row[i%k]++
		}
	}
	if !multi {
		for _, said := range Predict(windows, k) {
			row[said]++
		}
	}
	for c, v := range row {
		row[c] = math.Log(v / (n + 1))
	}
}

// LearnsFromWindows says whether a probe is trained on windows of clips, where sets
// have them, rather than on clips.
func LearnsFromWindows(p Probe) bool {
	if l, ok := p.(LinearProbe); ok && l.Protocol != "lbfgs" {
		return l.protocol().recipes[0].windows
	}
	return AnswersByWindows(p)
}

// AnswersByWindows says whether a probe asks a head about each window of a clip.
func AnswersByWindows(p Probe) bool {
	switch p := p.(type) {
	case LinearProbe:
		return p.Protocol == "lbfgs" && over(p.Windows).each()
	case MLPProbe:
		return p.Protocol == "adamw" && over(p.Windows).each()
	case KNNProbe:
		return over(p.Windows).each()
	}
	return false
}
