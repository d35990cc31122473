package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"clr/internal/health"
)

// The last look at a run in text: how similar views are, and the norms of layers.

// writeCosines draws both histograms, a character a bin.
func writeCosines(b *strings.Builder, z health.Report) {
	if z.Pairs < 2 {
		return
	}
	side := strings.Repeat(" ", health.Bins/2-2)
	fmt.Fprintf(b, "\n%-32s -1%s0%s1  of %d clips, each line by its own largest bin\n", "cosines at the last step", side, side, z.Pairs)
	fmt.Fprintf(b, "%-32s %s\n", "two views of one clip", bars(z.Positives[:]))
	fmt.Fprintf(b, "%-32s %s\n", "views of two clips", bars(z.Negatives[:]))
}

// bars are counts as eighths of the largest; one that is not 0 shows.
func bars(counts []int) string {
	const blocks = " ▁▂▃▄▅▆▇█"
	heights, most := []rune(blocks), max(1, slices.Max(counts))
	var s strings.Builder
	for _, n := range counts {
		s.WriteRune(heights[(n*(len(heights)-1)+most-1)/most])
	}
	return s.String()
}

// shownLayers are enough to see how a gradient changes from one end of a network to the
// other; JSON has all.
const shownLayers = 12

// writeLayers shows layers at even distances, the first and the last too, and those that
// stand out.
func writeLayers(b *strings.Builder, layers []health.Norms) {
	if len(layers) == 0 {
		return
	}
	flow := health.FlowOf(layers)
	notes := map[string][]string{}
	for _, n := range []struct{ layer, note string }{
		{flow.Largest.Name, "largest gradient"}, {flow.Least.Name, "least gradient"}, {flow.Moved.Name, "moved farthest"},
	} {
		notes[n.layer] = append(notes[n.layer], n.note)
	}
	fmt.Fprintf(b, "\n%-32s %10s %10s %10s %16s\n", "norms at the last step", "weight", "gradient", "update", "update / weight")
	left := 0
	for i, l := range layers {
		rows := min(len(layers), shownLayers) - 1
		even := i == 0 || i*rows/(len(layers)-1) != (i-1)*rows/(len(layers)-1) // begins another of so many equal parts
		if !even && notes[l.Name] == nil {
			left++
			continue
		}
		line := fmt.Sprintf("%-32s %10.3g %10.3g %10.3g %16.3g  %s", l.Name, l.Weight, l.Gradient, l.Update, l.Share(), strings.Join(notes[l.Name], ", "))
		fmt.Fprintln(b, strings.TrimRight(line, " "))
	}
	if left > 0 {
		fmt.Fprintf(b, "%d more layers: --json\n", left)
	}
}
