package eval

import (
	"math"
	"testing"
)

// TestPlainOf: a head is what it says that it computes.
func TestPlainOf(t *testing.T) {
	const n, d = 40, 3
	s := Set{N: n, D: d, Classes: []string{"a", "b", "c"}}
	for i := range n {
		s.Labels = append(s.Labels, i%3)
		for j := range d {
			s.X = append(s.X, 5+float64((i*7+j*3)%11)+2*float64(i%3*j))
		}
	}
	tags := s
	for i, y := range s.Labels {
		tags.Tags = append(tags.Tags, []int{y, (y + 1 + i%2) % 3})
	}
	tags.Labels = nil
	bare, one, evar, dropped, deep := coarse, coarse, coarse, quick, quick
	bare.Standardize, one.Multi, evar.Protocol, dropped.Protocol = false, "one_vs_rest", "evar", "evar"
	deep.Hidden, deep.Standardize = []int{5, 4}, false
	hear := protocolOf("mlp", "hear", 0)
	hear.recipes, hear.once = hear.recipes[:2], false // of one hidden layer and of two
	for i := range hear.recipes {
		hear.recipes[i].epochs = 6
	}
	first, second := hear, hear
	first.recipes, second.recipes = hear.recipes[:1], hear.recipes[1:]
	for _, set := range []Set{s, tags} {
		for name, p := range map[string]Probe{"standardized": coarse, "bare": bare, "one vs rest": one, "evar": evar,
			"hidden": quick, "dropout": dropped, "two hidden": deep, "norm": first, "norms": second} {
			h, err := p.Fit(t.Context(), Training{Train: set, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			l, ok := PlainOf(h)
			if !ok {
				t.Fatalf("%s: no layers", name)
			}
			if link, ok := LinkOf(l.Link.String()); !ok || link != l.Link {
				t.Errorf("%s: the link %v has no name", name, l.Link)
			}
			want := h.LogProba(set)
			for i := range n {
				x := make([]float64, d)
				for j, v := range set.Row(i) {
					x[j] = (v - l.Mean[j]) * l.Factor[j]
				}
				for at, layer := range l.Layers {
					z := make([]float64, layer.Out)
					for k := range z {
						z[k] = layer.B[k]
						for j, v := range x {
							z[k] += layer.W[k*layer.In+j] * v
						}
						if at < len(l.Layers)-1 {
							z[k] = max(0, z[k])
						}
					}
					x = z
				}
				switch l.Link {
				case Softmax:
					logSoftmax(x)
				case Sigmoid:
					logSigmoid(x)
				case Normalized:
					logSigmoid(x)
					logSoftmax(x)
				}
				for k, v := range x {
					if w := want[i*3+k]; math.Abs(v-w) > 1e-5*(1+math.Abs(w)) {
						t.Fatalf("%s: clip %d, class %d is %v, want %v", name, i, k, v, w)
					}
				}
			}
		}
	}
	h, err := Majority{}.Fit(t.Context(), Training{Train: s, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := PlainOf(h); ok {
		t.Error("a deaf head has layers")
	}
	if _, ok := LinkOf("relu"); ok {
		t.Error("relu makes no probabilities")
	}
}
