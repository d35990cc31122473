package eval

import (
	"math"
	"strconv"
	"strings"

	"clr/internal/fault"
)

// A Set is embeddings with their classes. An empty Set has N = 0.
type Set struct {
	X       []float64 // (N, D)
	N, D    int
	Labels  []int    // (N), each an index into Classes
	Classes []string // (K)
	Names   []string // (N) for messages, e.g. the clips' paths; may be nil
}

// Row is the embedding of clip i.
func (s Set) Row(i int) []float64 { return s.X[i*s.D : (i+1)*s.D] } // (D)

// Rows copies the clips at the given indices into a Set of their own.
func (s Set) Rows(index []int) Set {
	out := Set{X: make([]float64, len(index)*s.D), N: len(index), D: s.D, Labels: make([]int, len(index)), Classes: s.Classes}
	if s.Names != nil {
		out.Names = make([]string, len(index))
	}
	for to, from := range index {
		copy(out.Row(to), s.Row(from))
		out.Labels[to] = s.Labels[from]
		if s.Names != nil {
			out.Names[to] = s.Names[from]
		}
	}
	return out
}

// Check refuses sets that no probe can use: sizes that disagree (Usage), an
// embedding that is not finite (Diverged, naming the clip), fewer than two
// classes (Data).
func (s Set) Check() error {
	switch {
	case s.N < 1 || s.D < 1:
		return fault.New(fault.Data, "give a corpus with labelled clips", "there are %d embeddings of %d features, a probe needs at least one of each", s.N, s.D)
	case len(s.X) != s.N*s.D || len(s.Labels) != s.N || s.Names != nil && len(s.Names) != s.N:
		return fault.New(fault.Usage, "", "eval: %d clips of %d features come with %d values, %d labels and %d names", s.N, s.D, len(s.X), len(s.Labels), len(s.Names))
	case len(s.Classes) < 2:
		return fault.New(fault.Data, "a probe needs clips of at least two classes", "all %d clips have the label %s", s.N, strings.Join(s.Classes, ", "))
	}
	for i := range s.N {
		if y := s.Labels[i]; y < 0 || y >= len(s.Classes) {
			return fault.New(fault.Usage, "", "eval: %s has class %d of %d", s.name(i), y, len(s.Classes))
		}
		for j, v := range s.Row(i) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fault.New(fault.Diverged, "the encoder may have diverged: probe an earlier checkpoint, or check this clip's recording",
					"the embedding of %s is not finite: feature %d is %v", s.name(i), j, v)
			}
		}
	}
	return nil
}

func (s Set) name(i int) string {
	if i < len(s.Names) {
		return s.Names[i]
	}
	return "row " + strconv.Itoa(i)
}

// join puts b's clips after a's.
func join(a, b Set) Set {
	if b.N == 0 {
		return a
	}
	out := Set{N: a.N + b.N, D: a.D, Classes: a.Classes}
	out.X = append(append(make([]float64, 0, out.N*a.D), a.X...), b.X...)
	out.Labels = append(append(make([]int, 0, out.N), a.Labels...), b.Labels...)
	return out
}

// Encode turns a manifest's label column into classes in natural order and
// each clip's index into them. An empty label, or several joined by ";", is an
// error that names the clip; names may be nil.
func Encode(labels, names []string) (classes []string, index []int, err error) {
	for i, l := range labels {
		s := Set{Names: names}
		switch {
		case strings.TrimSpace(l) == "":
			return nil, nil, fault.New(fault.Data, "give every clip a label, or probe a manifest without these clips", "%s has no label", s.name(i))
		case strings.Contains(l, ";"):
			return nil, nil, fault.New(fault.Data, "give each clip one class", "%s has several labels: %s", s.name(i), l)
		}
	}
	classes = distinct(labels)
	at := make(map[string]int, len(classes))
	for k, c := range classes {
		at[c] = k
	}
	index = make([]int, len(labels))
	for i, l := range labels {
		index[i] = at[l]
	}
	return classes, index, nil
}
