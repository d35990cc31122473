package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/fault"
)

// A drawn is a batch that was copied.
type drawn struct {
	step, n int
	names   []string
	x       []float32 // (2N, 1, F, T)
}

// draw takes all batches of steps start..stop over the training clips.
func draw(t *testing.T, d *data, start, stop int) (all []drawn) {
	t.Helper()
	l := startFor(t, t.Context(), d, start, stop)
	for range stop - start {
		v, err := l.next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if v.Input != d.input || len(v.X) != 2*v.N*v.Input.Values() || len(v.names) != v.N {
			t.Fatalf("step %d: N %d, of %v, %d values, %d names", v.Step, v.N, v.Input, len(v.X), len(v.names))
		}
		all = append(all, drawn{v.Step, v.N, slices.Clone(v.names), slices.Clone(v.X)})
	}
	return all
}

func startFor(t *testing.T, ctx context.Context, d *data, start, stop int) *loader {
	t.Helper()
	clips, labels, err := d.learnsFrom(d.splits[0])
	if err != nil {
		t.Fatal(err)
	}
	l, err := startLoader(ctx, d, loaderOptions{clips: clips, labels: labels, norm: normalization{mean: []float32{0}, std: []float32{1}}, start: start, stop: stop,
		batches: d.c.batches(len(clips))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.stop)
	return l
}

// Batches lie side by side, are nearly equal, and never too large nor too small.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		clips, batch, unit int
		want               []int // sizes
	}{
		{16, 16, 1, []int{16}}, {16, 6, 1, []int{5, 5, 6}}, {17, 16, 1, []int{8, 9}}, {17, 8, 1, []int{5, 6, 6}},
		{2, 2, 1, []int{2}}, {3, 2, 1, []int{2}}, {7, 2, 1, []int{2, 2, 2}}, {4, 3, 1, []int{2, 2}}, {5, 3, 1, []int{2, 3}},
		{40, 16, 4, []int{12, 12, 16}}, {43, 16, 4, []int{12, 12, 16}}, {12, 8, 4, []int{8}}, {130, 64, 4, []int{64, 64}}, {134, 64, 4, []int{44, 44, 44}},
	} {
		b := cut(c.clips, c.batch, c.unit)
		var got []int
		for step := range b.steps {
			from, to := b.of(step + 3*b.steps)
			got = append(got, to-from)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: sizes %v", c, got)
		}
	}
	for _, unit := range []int{1, 2, 3, 4} {
		for batch := 2 * unit; batch <= 12*unit; batch += unit {
			for clips := batch; clips < 200; clips++ {
				b, end := cut(clips, batch, unit), 0
				low, high := clips, 0
				for step := range b.steps {
					from, to := b.of(step)
					if from != end {
						t.Fatalf("%d clips, batch %d, unit %d: step %d begins at %d, the one before ends at %d", clips, batch, unit, step, from, end)
					}
					low, high, end = min(low, to-from), max(high, to-from), to
				}
				if low < 2*unit || low%unit != 0 || high%unit != 0 || high > batch || high-low > unit ||
					clips-end >= 2*unit || batch > 2*unit && (clips-end >= unit || b.steps != (end+batch-1)/batch) {
					t.Fatalf("%d clips, batch %d, unit %d: sizes %d to %d, %d steps, %d clips left out", clips, batch, unit, low, high, b.steps, clips-end)
				}
			}
		}
	}
}

// Every epoch draws each training clip once.
func TestEpochs(t *testing.T) {
	dir := tones(t, 20)
	for batch, sizes := range map[int][]int{4: {4, 4, 4, 4}, 6: {5, 5, 6}, 5: {4, 4, 4, 4}, 15: {8, 8}, 16: {16}, 7: {5, 5, 6}} {
		d := open(t, load(t, dir, fmt.Sprint("batch=", batch)))
		const epochs = 3
		all := draw(t, d, 0, epochs*len(sizes))
		var orders []string
		for e := range epochs {
			var names []string
			for i, size := range sizes {
				b := all[e*len(sizes)+i]
				if b.step != e*len(sizes)+i || b.n != size {
					t.Errorf("batch %d, epoch %d: step %d of %d clips, want %d of %d", batch, e, b.step, b.n, e*len(sizes)+i, size)
				}
				names = append(names, b.names...)
			}
			orders = append(orders, strings.Join(names, " "))
			slices.Sort(names)
			if n := len(slices.Compact(names)); n != len(names) || n != 16 {
				t.Errorf("batch %d, epoch %d: %d different clips in %d places", batch, e, n, len(names))
			}
		}
		if orders[0] == orders[1] || orders[1] == orders[2] {
			t.Errorf("batch %d: two epochs have the order %s", batch, orders[1])
		}
	}
}

// The order comes from seed and epoch, and from nothing else.
func TestOrder(t *testing.T) {
	clips := []int{3, 1, 4, 15, 9, 2, 6, 5, 35, 8}
	before := slices.Clone(clips)
	first := shuffled(clips, 1, 7)
	if !slices.Equal(clips, before) {
		t.Error("shuffling changes its argument")
	}
	shuffled(clips, 2, 3)
	if !slices.Equal(first, shuffled(clips, 1, 7)) {
		t.Error("two orders for one seed and epoch")
	}
	if slices.Equal(first, shuffled(clips, 1, 8)) || slices.Equal(first, shuffled(clips, 2, 7)) {
		t.Error("one order for two epochs or seeds")
	}
}

func sameBatches(t *testing.T, what string, got, want []drawn) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d batches, want %d", what, len(got), len(want))
	}
	for i, b := range got {
		if b.step != want[i].step || !slices.Equal(b.names, want[i].names) || !slices.Equal(b.x, want[i].x) {
			t.Errorf("%s: step %d differs", what, b.step)
		}
	}
}

// chains are augmentations of the spectrogram alone, and of the waveform first.
var chains = map[string]string{
	"spectrogram": "augment=[{name: stretch},{name: mix, p: 1},{name: gain}]",
	"waveform":    "augment=[{name: wave_shift},{name: noise, p: 1},{name: wave_mix, p: 1},{name: mix, p: 1}]",
}

// A batch depends on its step alone: not on how many workers there are, nor on
// where the run began, nor on who was there before.
func TestBatchesDependOnTheStep(t *testing.T) {
	dir := tones(t, 20)
	for name, chain := range chains {
		d := open(t, load(t, dir, chain, "workers=1"))
		want := draw(t, d, 0, 7)
		for i, a := range want {
			size := len(a.x) / 2 / a.n
			if slices.Equal(a.x[:size], a.x[a.n*size:(a.n+1)*size]) {
				t.Errorf("%s: step %d: the two views of a clip are the same", name, i)
			}
			for _, b := range want[:i] {
				if slices.Equal(a.x, b.x) {
					t.Errorf("%s: steps %d and %d are the same", name, a.step, b.step)
				}
			}
		}
		for _, workers := range []int{2, 8} {
			d := open(t, load(t, dir, chain, fmt.Sprint("workers=", workers)))
			sameBatches(t, fmt.Sprint(name, " with workers ", workers), draw(t, d, 0, 7), want)
		}
		for _, start := range []int{1, 3, 5} {
			sameBatches(t, fmt.Sprint(name, " from step ", start), draw(t, d, start, 7), want[start:])
		}
		other := open(t, load(t, dir, chain, "seed=2"))
		if slices.Equal(draw(t, other, 0, 1)[0].x, want[0].x) {
			t.Errorf("%s: two seeds give the same views", name)
		}
	}
}

// Without random changes, augmenting the waveform gives the features that the
// store holds: the two paths differ in nothing else.
func TestWaveformPathWithoutChanges(t *testing.T) {
	dir := tones(t, 20)
	stored := open(t, load(t, dir, "augment=[]", "view.crop=center"))
	read := open(t, load(t, dir, "augment=[{name: wave_gain, p: 0}]", "view.crop=center"))
	if len(read.c.waves()) != 1 || len(stored.c.waves()) != 0 {
		t.Fatal("not the two paths")
	}
	sameBatches(t, "waveform", draw(t, read, 0, 3), draw(t, stored, 0, 3))
}

// settle waits until there are as many goroutines as before.
func settle(t *testing.T, before int) {
	t.Helper()
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	b := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, b[:runtime.Stack(b, true)])
}

// However a loader ends, nothing of it is left, and nobody waits for ever.
func TestLoaderEnds(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	before := runtime.NumGoroutine()
	for taken := range 5 { // 3 of 5 steps fit into the loader's buffers: it waits
		l := startFor(t, t.Context(), d, 0, 5)
		for range taken {
			if _, err := l.next(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		l.stop()
		l.stop() // twice is once
		settle(t, before)

		ctx, cancel := context.WithCancel(t.Context())
		l = startFor(t, ctx, d, 0, 5)
		for range taken {
			if _, err := l.next(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if taken%2 == 0 {
			time.Sleep(2 * time.Millisecond) // let it fill its buffers
		}
		cancel()
		if _, err := l.next(ctx); err != context.Canceled {
			t.Errorf("after %d batches: %v", taken, err)
		}
		settle(t, before) // without stop
		l.stop()
	}
}

// Who waits for a batch does not wait for a loader that was cancelled.
func TestCancelWhileWaiting(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	ctx, cancel := context.WithCancel(t.Context())
	l := &loader{d: d, ready: make(chan *views), free: make(chan *views, 1)} // nobody fills ready
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := l.next(ctx); err != context.Canceled {
		t.Error(err)
	}
}

// A clip that cannot be read stops the run at its step, and always the same
// clip is named: the first of the batch.
func TestLoaderNamesTheClip(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir, "augment=[{name: wave_gain}]"))
	want := draw(t, d, 0, 3)
	for _, i := range []int{1, 3} { // two of the third batch; no other clip is mixed in
		put(t, filepath.Join(dir, want[2].names[i]), []byte("RIFF, it says"))
	}
	before := runtime.NumGoroutine()
	for _, workers := range []int{1, 2, 8} {
		d.c.Workers = workers
		for range 5 {
			l := startFor(t, t.Context(), d, 0, 9)
			for step := range 2 { // what was drawn before is still given
				if _, err := l.next(t.Context()); err != nil {
					t.Fatalf("step %d: %v", step, err)
				}
			}
			_, err := l.next(t.Context())
			says(t, err, want[2].names[1])
			if fault.KindOf(err) != fault.Data || strings.Contains(err.Error(), want[2].names[3]) {
				t.Errorf("%v", err)
			}
			settle(t, before)
		}
	}
}

// A mistake in a worker is an error of the clip, not the end of the process.
func TestLoaderCatchesPanics(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir, "workers=3"))
	first := draw(t, d, 0, 1)[0].names[0]
	d.c.Augment = []augment.Augmentation{mistaken{}}
	_, err := startFor(t, t.Context(), d, 0, 1).next(t.Context())
	says(t, err, first+": internal error", "odd wave")
	var p *fault.Panic
	if fault.KindOf(err) != fault.Run || !errors.As(err, &p) || !strings.Contains(string(p.Stack), "mistaken") {
		t.Errorf("%v", err)
	}
}

type mistaken struct{ augment.Augmentation }

func (mistaken) Wave(*audio.Clip, augment.Draw) error { panic("odd wave") }

// The last batch is followed by nothing: asking for it is a mistake.
func TestBatchAfterTheLast(t *testing.T) {
	dir := tones(t, 20)
	d := open(t, load(t, dir))
	l := startFor(t, t.Context(), d, 0, 1)
	if _, err := l.next(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if r := recover(); r == nil || !strings.HasPrefix(fmt.Sprint(r), "pipeline: ") {
			t.Errorf("it says %v", r)
		}
	}()
	l.next(t.Context())
}
