package layout

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"

	"clr/internal/fault"
)

// A part is a side of a split.
type part struct {
	name  string
	share float64 // of the clips
	clips map[string]int
	total int
}

// partsOf names the shares of a split.
func partsOf(shares []float64) ([]part, error) {
	names := [][]string{0: {}, 2: {"train", "test"}, 3: {"train", "valid", "test"}}
	const remedy = "such as --split 0.8,0.2 for train and test, or --split 0.8,0.1,0.1 for train, valid and test"
	if len(shares) >= len(names) || names[len(shares)] == nil {
		return nil, fault.New(fault.Usage, remedy, "--split has %d shares", len(shares))
	}
	var parts []part
	sum := 0.0
	for i, s := range shares {
		if !(s > 0) || s > 1 {
			return nil, fault.New(fault.Usage, remedy, "--split has the share %v, it must be above 0", s)
		}
		sum += s
		parts = append(parts, part{name: names[len(shares)][i], share: s, clips: map[string]int{}})
	}
	if len(parts) > 0 && math.Abs(sum-1) > 1e-6 {
		return nil, fault.New(fault.Usage, remedy, "the shares of --split sum up to %v, not to 1", sum)
	}
	return parts, nil
}

// A unit is what stays together: the clips of a group, or one clip.
type unit struct {
	name   string
	clips  []int
	labels []string // with one entry per clip and label
	order  [sha256.Size]byte
}

// divide draws a split that keeps each group whole and each label's share in
// every part as near to the part's as that allows: large groups first, each to
// where its labels are wanted most (as StratifiedGroupKFold of scikit-learn
// does), and of equal ones in the order of SHA-256 over seed and name. So a
// clip's place does not depend on how others are named.
func (m *Manifest) divide(parts []part, seed uint64) {
	units := m.units(seed)
	total := map[string]float64{} // of each label
	for _, u := range units {
		for _, l := range u.labels {
			total[l]++
		}
	}
	for _, u := range units {
		best, most := 0, math.Inf(-1)
		for i, p := range parts {
			want := 0.0
			for _, l := range u.labels {
				want += (float64(p.share*total[l]) - float64(p.clips[l])) / total[l]
			}
			if want > most {
				best, most = i, want
			}
		}
		for _, l := range u.labels {
			parts[best].clips[l]++
		}
		parts[best].total += len(u.clips)
		for _, i := range u.clips {
			m.Clips[i].Split = parts[best].name
		}
	}
	for _, p := range parts {
		if p.total == 0 {
			m.warn("no clip came into %s: there are too few clips or groups", p.name)
		}
	}
}

func (m *Manifest) units(seed uint64) []unit {
	at := map[string]int{}
	var units []unit
	for i, c := range m.Clips {
		name := "clip " + c.File
		if c.Group != "" {
			name = "group " + c.Group
		}
		n, ok := at[name]
		if !ok {
			n = len(units)
			at[name] = n
			units = append(units, unit{name: name, order: sha256.Sum256(fmt.Appendf(nil, "%d %s", seed, name))})
		}
		units[n].clips = append(units[n].clips, i)
		units[n].labels = append(units[n].labels, strings.Split(c.Label, ";")...)
	}
	slices.SortFunc(units, func(a, b unit) int {
		return cmp.Or(len(b.clips)-len(a.clips), bytes.Compare(a.order[:], b.order[:]))
	})
	return units
}
