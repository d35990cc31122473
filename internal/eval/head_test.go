package eval

import (
	"math"
	"testing"
)

// TestLinearOf: a head without hidden layers is what it says that it computes.
func TestLinearOf(t *testing.T) {
	const n, d = 40, 3
	s := Set{N: n, D: d, Classes: []string{"a", "b", "c"}}
	for i := range n {
		s.Labels = append(s.Labels, i%3)
		for j := range d {
			s.X = append(s.X, 5+float64((i*7+j*3)%11)+2*float64(i%3*j))
		}
	}
	bare, one, evar := coarse, coarse, coarse
	bare.Standardize, one.Multi, evar.Protocol = false, "one_vs_rest", "evar"
	for name, p := range map[string]Probe{"standardized": coarse, "bare": bare, "one vs rest": one, "evar": evar} {
		h, err := p.Fit(t.Context(), Training{Train: s, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		l, ok := LinearOf(h)
		if !ok {
			t.Fatalf("%s: no linear head", name)
		}
		if link, ok := LinkOf(l.Link.String()); !ok || link != l.Link {
			t.Errorf("%s: the link %v has no name", name, l.Link)
		}
		scaled := s
		scaled.X = nil
		for i := range n {
			for j, v := range s.Row(i) {
				scaled.X = append(scaled.X, (v-l.Mean[j])*l.Factor[j])
			}
		}
		want := h.LogProba(s)
		for i, v := range l.LogProba(scaled) {
			if math.Abs(v-want[i]) > 1e-5*(1+math.Abs(want[i])) {
				t.Fatalf("%s: value %d is %v, want %v", name, i, v, want[i])
			}
		}
	}
	for name, p := range map[string]Probe{"hidden layers": quick, "deaf": Majority{}} {
		h, err := p.Fit(t.Context(), Training{Train: s, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := LinearOf(h); ok {
			t.Errorf("%s: a linear head", name)
		}
	}
	if _, ok := LinkOf("relu"); ok {
		t.Error("relu makes no probabilities")
	}
}
