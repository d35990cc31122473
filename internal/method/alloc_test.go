package method

import (
	"maps"
	"runtime"
	"slices"
	"testing"

	"clr/internal/optim"
)

// A whole training step (forward, loss, gradients, optimiser, what the method
// does then) allocates nothing once every size of batch has been met, whatever
// the order they come in, on networks with direct and filtered convolutions.
func TestStepAllocatesNothing(t *testing.T) {
	optimizers := slices.Sorted(maps.Keys(optim.Table))
	for i, name := range names(options()) {
		tried := optimizers
		if testing.Short() { // each of them all the same, over all methods
			tried = optimizers[i%len(optimizers):][:1]
		}
		for _, what := range tried {
			one := steps(t, options()[name], optim.Table[what], 4)
			if n := testing.AllocsPerRun(4, one); n != 0 {
				t.Errorf("%s, %s: %v allocations a step", name, what, n)
			}
		}
	}
}

// Nor on several threads, where AllocsPerRun does not look. Now and then more
// of them meet in one place than ever before, and what they need is made.
func TestStepAllocatesNothingOnThreads(t *testing.T) {
	if testing.Short() {
		t.Skip("plain Go is shared out as assembly is, and takes minutes for it")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	const n = 30
	for _, name := range names(options()) {
		one := steps(t, options()[name], optim.Table["adamw"], 16)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range n {
			one()
		}
		runtime.ReadMemStats(&after)
		if made := after.Mallocs - before.Mallocs; made > n {
			t.Errorf("%s: %d allocations in %d steps", name, made, n)
		}
	}
}

// steps makes a function that takes a step, each of another batch, the first
// of each size taken.
func steps(t *testing.T, o Options, opt optim.Options, width int) func() {
	s := setup(10)
	e := encoder
	e.Width = width
	s.Encoder = e
	m := newMethod(t, o, s)
	mover := opt.New(m.Params())
	batches := []Batch{toy(10, 0), toy(8, 1), toy(10, 2)}
	i, ctx := 0, t.Context()
	one := func() {
		if _, err := m.Step(ctx, batches[i%len(batches)]); err != nil {
			t.Fatal(err)
		}
		mover.Step(m.Params(), 1e-4)
		m.Advance(0.5)
		i++
	}
	for range 2 * len(batches) {
		one()
	}
	return one
}
