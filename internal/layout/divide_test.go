package layout

import (
	"fmt"
	"math"
	"testing"
)

// count is how many clips of a label have a split.
func (m *Manifest) count(label, split string) int {
	n := 0
	for _, c := range m.Clips {
		if (label == "" || c.Label == label) && c.Split == split {
			n++
		}
	}
	return n
}

func TestDivide(t *testing.T) {
	shares := []float64{0.8, 0.1, 0.1}
	draw := func(seed uint64, extra ...Clip) *Manifest {
		m := &Manifest{}
		for label, n := range map[int]int{0: 100, 1: 37, 2: 20} { // the map's order must not matter
			for i := range n {
				m.Clips = append(m.Clips, Clip{File: fmt.Sprintf("%d/%d.wav", label, i), Label: fmt.Sprint(label)})
			}
		}
		m.Clips = append(m.Clips, extra...)
		parts, err := partsOf(shares)
		if err != nil {
			t.Fatal(err)
		}
		m.divide(parts, seed)
		return m
	}
	of := func(m *Manifest) map[string]string {
		all := map[string]string{}
		for _, c := range m.Clips {
			all[c.File] = c.Split
		}
		return all
	}
	m := draw(1)
	for label, n := range map[string]int{"0": 100, "1": 37, "2": 20} {
		for i, part := range []string{"train", "valid", "test"} {
			if got := m.count(label, part); math.Abs(float64(got)-shares[i]*float64(n)) >= 1 {
				t.Errorf("label %s: %d of %d clips are in %s, want the share %v", label, got, n, part, shares[i])
			}
		}
	}
	first, again, other, moved := of(m), of(draw(1)), of(draw(2)), 0
	for f, split := range first {
		if again[f] != split {
			t.Fatalf("%s is in %s and, drawn again, in %s", f, split, again[f])
		}
		if other[f] != split {
			moved++
		}
	}
	if moved < 10 {
		t.Errorf("another seed moves %d clips", moved)
	}
}

func TestDivideKeepsGroups(t *testing.T) {
	m := &Manifest{}
	for g := range 60 { // groups of 1 to 6 clips, of one label or two
		for i := range 1 + g%6 {
			m.Clips = append(m.Clips, Clip{File: fmt.Sprintf("%d-%d.wav", g, i), Label: fmt.Sprint((g + i%2*(g/30)) % 3), Group: fmt.Sprint(g)})
		}
	}
	parts, err := partsOf([]float64{0.7, 0.3})
	if err != nil {
		t.Fatal(err)
	}
	m.divide(parts, 7)
	in := map[string]string{}
	for _, c := range m.Clips {
		if was, ok := in[c.Group]; ok && was != c.Split {
			t.Fatalf("group %s is in %s and in %s", c.Group, was, c.Split)
		}
		in[c.Group] = c.Split
	}
	for l := range 3 {
		label := fmt.Sprint(l)
		train, test := float64(m.count(label, "train")), float64(m.count(label, "test"))
		if share := test / (train + test); math.Abs(share-0.3) > 0.03 {
			t.Errorf("label %s: %.3f of its clips are in test, want 0.3", label, share)
		}
	}
	if len(m.Warnings) > 0 {
		t.Error(m.Warnings)
	}

	one := &Manifest{Clips: []Clip{{File: "a", Group: "g"}, {File: "b", Group: "g"}}}
	parts, _ = partsOf([]float64{0.7, 0.3})
	one.divide(parts, 1)
	if len(one.Warnings) != 1 || one.Clips[0].Split != one.Clips[1].Split {
		t.Errorf("one group: %+v, warnings %q", one.Clips, one.Warnings)
	}
}
