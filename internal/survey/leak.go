package survey

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// division finds what a way to divide the clips gets wrong: labels that are not
// on both sides, and sounds, recordings and groups that are.
func (k *checker) division(d Division, sounds [][]int) {
	if d.Err != nil {
		k.find("split.value", -1, d.By, "%v", d.Err)
		return
	}
	for _, s := range d.Splits {
		k.coverage(d, s)
	}
	sides := d.sides(len(k.heard))
	for _, clips := range sounds {
		on := within(clips, sides)
		if len(on) < 2 {
			continue
		}
		i := clips[slices.IndexFunc(clips, func(i int) bool { return sides[i] != "" })]
		j := clips[slices.IndexFunc(clips, func(j int) bool { return sides[j] != "" && sides[j] != sides[i] })]
		k.find(leak("leak.audio", on), j, hex.EncodeToString(k.heard[j].Sound[:6]), "%s as line %d, %s: by %s, %s",
			k.alike(j, i), k.corpus.Items[i].Line, k.corpus.Items[i].Path, d.By, both(on))
	}
	k.recordings(d, sides)
	k.groups(d, sides)
}

// within counts the clips by their sides.
func within(clips []int, sides []string) map[string]int {
	on := map[string]int{}
	for _, i := range clips {
		if sides[i] != "" {
			on[sides[i]]++
		}
	}
	return on
}

// leak is the code of a leak: training clips are not in it where validation and
// test share something.
func leak(name string, on map[string]int) string {
	if len(on) == 2 && on["valid"] > 0 && on["test"] > 0 {
		return "leak.selection"
	}
	return name
}

// both lists the sides that something is on.
func both(on map[string]int) string {
	var parts []string
	for _, side := range slices.Sorted(maps.Keys(on)) {
		parts = append(parts, fmt.Sprintf("%d in %s", on[side], side))
	}
	return few(parts)
}

// few lists the first of many names.
func few(names []string) string {
	const most = 12
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// coverage holds the labels of a split's parts against each other.
func (k *checker) coverage(d Division, s Split) {
	labels := func(parts ...[]int) map[string]int { // to the first clip
		first := map[string]int{}
		for _, clips := range parts {
			for _, i := range clips {
				for _, l := range k.corpus.Items[i].Labels() {
					if _, ok := first[l]; !ok {
						first[l] = i
					}
				}
			}
		}
		return first
	}
	miss := func(name string, there, here map[string]int, format string) {
		var names []string
		at := -1
		for _, l := range slices.Sorted(maps.Keys(there)) {
			if _, ok := here[l]; !ok {
				if names = append(names, l); at < 0 || there[l] < at {
					at = there[l]
				}
			}
		}
		if len(names) > 0 {
			k.find(name, at, strings.Join(names, ";"), format, len(names), len(there), d.By, s.Name, few(names))
		}
	}
	train, test := labels(s.Train), labels(s.Test)
	if len(train) == 0 && len(test) == 0 {
		return // no labels at all
	}
	miss("label.untrained", labels(s.Valid, s.Test), train, "%d of %d labels are not in the training part (by %s, testing on %s): %s")
	miss("label.untested", train, test, "%d of %d labels are not in the test part (by %s, testing on %s): %s")
}

// recordings finds those whose clips are on several sides.
func (k *checker) recordings(d Division, sides []string) {
	files, clips := recordings(k.corpus)
	for _, file := range files {
		in := clips[file]
		on := within(in, sides)
		if len(on) < 2 {
			continue
		}
		slices.SortStableFunc(in, func(a, b int) int { return cmp.Compare(k.corpus.Items[a].Start, k.corpus.Items[b].Start) })
		if i, j, ok := k.overlap(in, sides); ok {
			other := k.corpus.Items[j]
			k.find(leak("leak.overlap", map[string]int{sides[i]: 1, sides[j]: 1}), i, k.stretch(i), "it overlaps line %d, %s: by %s, one is in %s, one in %s",
				other.Line, k.stretch(j), d.By, sides[i], sides[j])
			continue
		}
		name := leak("leak.recording", on)
		k.find(name, slices.Min(in), "", "by %s, clips of this recording: %s", d.By, both(on))
	}
}

// overlap finds two clips of one recording that overlap and are on two sides;
// clips are by their start. Those that are equal are the same sound, and found as such.
func (k *checker) overlap(clips []int, sides []string) (i, j int, ok bool) {
	end := func(i int) float64 {
		it := k.corpus.Items[i]
		if it.End == 0 {
			return it.Start + k.heard[i].Seconds
		}
		return it.End
	}
	last := map[string]int{} // of each side, the clip that ends last
	for _, i := range clips {
		if sides[i] == "" {
			continue
		}
		it := k.corpus.Items[i]
		for _, side := range slices.Sorted(maps.Keys(last)) {
			j := last[side]
			equal := it.Start == k.corpus.Items[j].Start && end(i) == end(j)
			if side != sides[i] && end(j) > it.Start && !equal {
				return max(i, j), min(i, j), true
			}
		}
		if j, ok := last[sides[i]]; !ok || end(i) > end(j) {
			last[sides[i]] = i
		}
	}
	return 0, 0, false
}

// stretch is a clip's place in its recording.
func (k *checker) stretch(i int) string {
	it := k.corpus.Items[i]
	return fmt.Sprintf("%v s to %.6g s", it.Start, it.Start+k.heard[i].Seconds)
}

// groups finds those that are on several sides.
func (k *checker) groups(d Division, sides []string) {
	if d.By == "group" {
		return
	}
	clips := map[string][]int{}
	for i, it := range k.corpus.Items {
		if g := it.Value("group"); g != "" {
			clips[g] = append(clips[g], i)
		}
	}
	for g, in := range clips {
		if on := within(in, sides); len(on) > 1 {
			k.find(leak("leak.group", on), in[0], g, "by %s, clips of group %s: %s", d.By, g, both(on))
		}
	}
}
