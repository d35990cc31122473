package method

import (
	"math"
	"testing"
)

// A watched step is the same step, and a value that is not finite is first seen
// in its own row of the batch, in whichever graph and order that is computed.
func TestWatch(t *testing.T) {
	const n = 9 // clips; lanes are left over
	for _, name := range names(options()) {
		if name != "simclr" && name != "moco" {
			continue // their groups do not split 9
		}
		plain := newMethod(t, options()[name], setup(n))
		want := step(t, plain, toy(n, 3)).Loss

		s := setup(n)
		first, graphs := -1, map[string]bool{}
		s.Watch = func(seen Seen) {
			graphs[seen.Graph] = true
			if e := seen.Extent(); e.NotFinite > 0 && first < 0 {
				first = seen.Row(e.First)
			}
		}
		m := newMethod(t, options()[name], s)
		if got := step(t, m, toy(n, 3)).Loss; got != want {
			t.Errorf("%s: watched, the loss is %v and not %v", name, got, want)
		}
		if first >= 0 || len(graphs) == 0 {
			t.Errorf("%s: graphs %v, and row %d is not finite", name, graphs, first)
		}
		for row := range 2 * n {
			b := toy(n, 3)
			b.X[row*bins*frames+5] = float32(math.NaN())
			first = -1
			if loss := step(t, m, b).Loss; loss == loss {
				t.Errorf("%s: row %d: the loss is %v", name, row, loss)
			}
			if first != row {
				t.Errorf("%s: row %d is not finite, row %d is shown", name, row, first)
			}
		}
	}
}
