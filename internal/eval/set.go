package eval

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"clr/internal/fault"
)

// A Set is embeddings with their classes. An empty Set has N = 0.
type Set struct {
	X       []float64 // (N, D)
	N, D    int
	Labels  []int    // (N), each an index into Classes; nil where clips may have several
	Tags    [][]int  // (N), each ascending indices into Classes, where clips may have several; else nil
	Classes []string // (K)
	Names   []string // (N) for messages, e.g. the clips' paths; may be nil
	Sources []string // (N): the recording that each is of; nil: no two are of one

	// Windows are the embeddings of parts of each clip, (W, D) of clip i, for a
	// probe that LearnsFromWindows; nil where X is all there is.
	Windows [][]float64 // (N)
}

// Multi says whether a clip may have several labels.
func (s Set) Multi() bool { return s.Tags != nil }

// Of is the classes of clip i, ascending: one, unless the set is Multi.
func (s Set) Of(i int) []int {
	if s.Multi() {
		return s.Tags[i]
	}
	return s.Labels[i : i+1]
}

// Row is the embedding of clip i.
func (s Set) Row(i int) []float64 { return s.X[i*s.D : (i+1)*s.D] } // (D)

// Rows copies the clips at the given indices into a Set of their own.
func (s Set) Rows(index []int) Set {
	return Set{X: pickRows(s.X, s.D, index), N: len(index), D: s.D, Labels: pick(s.Labels, index), Tags: pick(s.Tags, index),
		Classes: s.Classes, Names: pick(s.Names, index), Sources: pick(s.Sources, index), Windows: pick(s.Windows, index)}
}

// pick copies the values at the given indices; of nil it makes nil.
func pick[T any](values []T, index []int) []T {
	if values == nil {
		return nil
	}
	out := make([]T, len(index))
	for to, from := range index {
		out[to] = values[from]
	}
	return out
}

// pickRows is pick for rows of d values.
func pickRows(x []float64, d int, index []int) []float64 { // (N, D) → (len(index), D)
	out := make([]float64, len(index)*d)
	for to, from := range index {
		copy(out[to*d:(to+1)*d], x[from*d:])
	}
	return out
}

// mostFeature is below the root of float64's largest number by more than a sum of
// squares takes: above it lengths and deviations would be infinite.
const mostFeature = 1e140

// Check refuses sets that no probe can use: sizes that disagree (Usage), an
// embedding that is not finite (Diverged, naming the clip) or above 1e140, fewer
// than two classes (Data).
func (s Set) Check() error {
	switch {
	case s.N < 1 || s.D < 1:
		return fault.New(fault.Data, "give a corpus with labelled clips", "there are %d embeddings of %d features, a probe needs at least one of each", s.N, s.D)
	case len(s.X) != s.N*s.D || len(s.Labels)+len(s.Tags) != s.N || s.Names != nil && len(s.Names) != s.N:
		return fault.New(fault.Usage, "", "eval: %d clips of %d features come with %d values, %d labels and %d names", s.N, s.D, len(s.X), len(s.Labels)+len(s.Tags), len(s.Names))
	case s.Sources != nil && len(s.Sources) != s.N:
		return fault.New(fault.Usage, "", "eval: %d clips come with %d sources", s.N, len(s.Sources))
	case s.Windows != nil && (len(s.Windows) != s.N || slices.ContainsFunc(s.Windows, func(w []float64) bool { return len(w) == 0 || len(w)%s.D != 0 })):
		return fault.New(fault.Usage, "", "eval: not each of %d clips has windows of %d features", s.N, s.D)
	case len(s.Classes) < 2:
		return fault.New(fault.Data, "a probe needs clips of at least two classes", "all %d clips have the label %s", s.N, strings.Join(s.Classes, ", "))
	}
	for i := range s.N {
		for _, y := range s.Of(i) {
			if y < 0 || y >= len(s.Classes) {
				return fault.New(fault.Usage, "", "eval: %s has class %d of %d", s.name(i), y, len(s.Classes))
			}
		}
		for j, v := range s.Row(i) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return fault.New(fault.Diverged, "the encoder may have diverged: probe an earlier checkpoint, or check this clip's recording",
					"the embedding of %s is not finite: feature %d is %v", s.name(i), j, v)
			}
			if math.Abs(v) > mostFeature {
				return fault.New(fault.Data, "divide all embeddings by one number", "the embedding of %s is too large to be squared: feature %d is %v", s.name(i), j, v)
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
	out.Labels, out.Tags, out.Sources = slices.Concat(a.Labels, b.Labels), slices.Concat(a.Tags, b.Tags), slices.Concat(a.Sources, b.Sources)
	out.Windows = slices.Concat(a.Windows, b.Windows)
	return out
}

// Encode turns a manifest's label column into classes in natural order and
// each clip's index into them. An empty label, or several joined by ";", is an
// error that names the clip; names may be nil.
func Encode(labels, names []string) (classes []string, index []int, err error) {
	s, err := Labelled(labels, names)
	if err != nil {
		return nil, nil, err
	}
	for i, l := range labels {
		if strings.Contains(l, several) {
			return nil, nil, fault.New(fault.Data, "give each clip one class", "%s has several labels: %s", s.name(i), l)
		}
	}
	return s.Classes, s.Labels, nil
}

// several joins the labels of a clip that has more than one.
const several = ";"

// Join writes a clip's classes as a manifest does.
func Join(classes []string, of []int) string {
	var names []string
	for _, y := range of {
		names = append(names, classes[y])
	}
	return strings.Join(names, several)
}

// Labelled is a set without embeddings, of a manifest's label column: classes are
// in natural order. If any clip has several labels, joined by ";", the set is
// Multi. A label without letters is an error that names the clip; names may be nil.
func Labelled(labels, names []string) (Set, error) {
	s := Set{N: len(labels), Names: names}
	multi := slices.ContainsFunc(labels, func(l string) bool { return strings.Contains(l, several) })
	split := make([][]string, len(labels))
	var all []string
	for i, l := range labels {
		if strings.TrimSpace(l) == "" {
			return Set{}, fault.New(fault.Data, "give every clip a label, or probe a manifest without these clips", "%s has no label", s.name(i))
		}
		split[i] = []string{l}
		if multi {
			split[i] = strings.Split(l, several)
		}
		for k, one := range split[i] {
			if multi {
				one = strings.TrimSpace(one)
				split[i][k] = one
			}
			if one == "" {
				return Set{}, fault.New(fault.Data, "write several labels as one;another", "%s has an empty label among several: %q", s.name(i), l)
			}
		}
		all = append(all, split[i]...)
	}
	s.Classes = distinct(all)
	at := make(map[string]int, len(s.Classes))
	for k, c := range s.Classes {
		at[c] = k
	}
	for _, names := range split {
		if !multi {
			s.Labels = append(s.Labels, at[names[0]])
			continue
		}
		var tags []int
		for _, n := range names {
			tags = append(tags, at[n])
		}
		slices.Sort(tags)
		s.Tags = append(s.Tags, slices.Compact(tags))
	}
	return s, nil
}
