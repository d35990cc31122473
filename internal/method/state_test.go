package method

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"clr/internal/kernel"
	"clr/internal/model"
)

// The state is all there is: a method and optimiser restored from it go on with
// the same bytes.
func TestStateResumes(t *testing.T) {
	const n = 6
	for _, name := range names(options()) {
		straight := newMethod(t, options()[name], setup(n))
		opt := sgd(straight)
		train(t, straight, opt, n, 0, 4)
		saved, savedOpt := clone(straight.State()), clone(opt.State())
		want := train(t, straight, opt, n, 4, 8)

		s := setup(n)
		resumed := newMethod(t, options()[name], s)
		opt = sgd(resumed)
		for _, pair := range [][2]map[string]kernel.Array{{resumed.State(), saved}, {opt.State(), savedOpt}} {
			if len(pair[0]) != len(pair[1]) {
				t.Fatalf("%s: %d arrays of state, saved %d", name, len(pair[0]), len(pair[1]))
			}
			for key, a := range pair[0] {
				copy(a.Data, pair[1][key].Data)
			}
		}
		if got := train(t, resumed, opt, n, 4, 8); !slices.Equal(got, want) {
			t.Errorf("%s: losses %v, want %v", name, got, want)
		}
		same(t, name, resumed.State(), straight.State())
	}
}

// What Setup.Init names, every tower begins with; the rest is as without.
func TestInit(t *testing.T) {
	const n = 6
	for _, name := range names(options()) {
		plain, init := newMethod(t, options()[name], setup(n)).State(), map[string]kernel.Array{}
		for key, a := range clone(plain) {
			if strings.HasPrefix(key, "encoder.") {
				for i := range a.Data {
					a.Data[i] = a.Data[i]/2 + 1
				}
				init[key] = a
			}
		}
		s := setup(n)
		s.Init = init
		for key, a := range newMethod(t, options()[name], s).State() {
			want := plain[key]
			if at := strings.Index(key, "encoder."); at >= 0 {
				want = init[key[at:]]
			}
			if !slices.Equal(a.Data, want.Data) {
				t.Errorf("%s: %s begins otherwise", name, key)
			}
		}
	}
}

// The same bytes on any number of threads, and again.
func TestSameBytes(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	const n = 6
	for _, name := range names(options()) {
		var want map[string]kernel.Array
		for _, threads := range []int{1, 2, 3, 1} {
			runtime.GOMAXPROCS(threads)
			m := newMethod(t, options()[name], setup(n))
			train(t, m, sgd(m), n, 0, 3)
			if want == nil {
				want = m.State()
			}
			same(t, fmt.Sprintf("%s, %d threads", name, threads), m.State(), want)
		}
	}
}

// A step changes no state, done or cancelled: what was cancelled can be done
// again with the same result.
func TestStepLeavesStateAlone(t *testing.T) {
	const n = 6
	for _, name := range names(options()) {
		m := newMethod(t, options()[name], setup(n))
		train(t, m, sgd(m), n, 0, 2)
		before := clone(m.State())
		cancelled, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := m.Step(cancelled, toy(n, 2)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: a cancelled step gives %v", name, err)
		}
		first := step(t, m, toy(n, 2)).Loss
		same(t, name, m.State(), before)
		if again := step(t, m, toy(n, 2)).Loss; again != first {
			t.Errorf("%s: the step gives %g, then %g", name, first, again)
		}
	}
}

// A batch of another size has a graph of its own over the same weights.
func TestShortBatch(t *testing.T) {
	const n = 8
	for _, name := range names(options()) {
		m := newMethod(t, options()[name], setup(n))
		opt := sgd(m)
		arrays := len(m.State())
		for s, size := range []int{8, 3, 8, 2, 5} {
			r := step(t, m, toy(size, s))
			if len(r.Z.Shape) != 2 || r.Z.Shape[0] != 2*size || len(r.Z.Data) != 2*size*r.Z.Shape[1] {
				t.Errorf("%s: projections are %v, want %d rows", name, r.Z.Shape, 2*size)
			}
			if r.Loss == 0 || r.Loss-r.Loss != 0 {
				t.Errorf("%s: the loss of %d pairs is %g", name, size, r.Loss)
			}
			opt.Step(m.Params(), 0.05)
			m.Advance(0)
		}
		if len(m.State()) != arrays {
			t.Errorf("%s: the state grew from %d to %d arrays", name, arrays, len(m.State()))
		}
		passes := float32(5)
		if NeedsOf(options()[name]).Crops > 0 {
			passes = 10
		}
		if got := m.State()["encoder.bn1.num_batches_tracked"].Data[0]; got != passes {
			t.Errorf("%s: %g batches tracked, want %g", name, got, passes)
		}
	}
}

func TestBatchesThatDoNotFit(t *testing.T) {
	for _, name := range names(options()) {
		m := newMethod(t, options()[name], setup(4))
		short := toy(4, 0)
		short.X = short.X[1:]
		for _, b := range []Batch{toy(5, 0), {}, short, {N: 4, X: toy(4, 0).X, Input: model.Input{Channels: 1, Bins: frames, Frames: bins}}} {
			if _, err := m.Step(context.Background(), b); err == nil {
				t.Errorf("%s takes %d pairs of %v in %d values", name, b.N, b.Input, len(b.X))
			}
		}
	}
}
