package pipeline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"clr/internal/audio"
	"clr/internal/augment"
	"clr/internal/fault"
	"clr/internal/method"
)

// loaderOptions say what a loader reads and when it stops.
type loaderOptions struct {
	clips       []int // items of the corpus
	labels      labelling
	norm        normalization
	start, stop int // steps
	batches     batches
}

// A views is one batch with the paths of its clips.
type views struct {
	method.Batch
	names []string
}

// A loader draws the views of each step ahead of the trainer. What it gives
// depends on the step alone: the order of an epoch comes from (seed, epoch),
// every view from (seed, epoch, clip, view).
type loader struct {
	d      *data
	o      loaderOptions
	ready  chan *views
	free   chan *views
	inUse  *views
	cancel context.CancelFunc
	done   chan struct{}
	err    error // why ready was closed early
	draw   []*drawer
}

// ahead is how many batches are drawn before they are asked for.
const ahead = 2

func startLoader(ctx context.Context, d *data, o loaderOptions) (*loader, error) {
	l := &loader{d: d, o: o, ready: make(chan *views, ahead), free: make(chan *views, ahead+1), done: make(chan struct{})}
	for range ahead + 1 {
		v := &views{Batch: method.Batch{X: make([]float32, 2*d.c.Batch*d.input.Values())}}
		if d.needs.Crops > 0 {
			v.Crops = make([]float32, d.needs.Crops*d.c.Batch*d.needs.Short(d.input).Values())
		}
		l.free <- v
	}
	for range d.c.Workers {
		w, err := newDrawer(d, o.clips, o.labels, o.norm)
		if err != nil {
			return nil, err
		}
		l.draw = append(l.draw, w)
	}
	ctx, l.cancel = context.WithCancel(ctx)
	go func() {
		defer close(l.done)
		defer close(l.ready)
		l.err = fault.Guard(func() error { return l.run(ctx) })
	}()
	return l, nil
}

// next gives the next step's batch; it is valid until next is called again.
// After an error, and after the last step, it may not be called.
func (l *loader) next(ctx context.Context) (*views, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.inUse != nil {
		l.free <- l.inUse
		l.inUse = nil
	}
	select {
	case v, ok := <-l.ready:
		if !ok && l.err == nil {
			panic("pipeline: a batch after the last step")
		}
		if !ok {
			return nil, l.err
		}
		l.inUse = v
		return v, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stop ends the loader and waits until it reads nothing any more.
func (l *loader) stop() {
	l.cancel()
	<-l.done
}

func (l *loader) run(ctx context.Context) error {
	epoch, order := -1, []int(nil)
	for step := l.o.start; step < l.o.stop; step++ {
		if e := l.o.batches.epoch(step); e != epoch {
			epoch, order = e, shuffled(l.o.clips, l.d.c.Seed, e)
		}
		var v *views
		select {
		case v = <-l.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		from, to := l.o.batches.of(step)
		if err := l.fill(ctx, v, order[from:to], step, epoch); err != nil {
			return err
		}
		select {
		case l.ready <- v:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// fill draws the views of each clip; rows are shared among the workers.
func (l *loader) fill(ctx context.Context, v *views, clips []int, step, epoch int) error {
	n, size, short := len(clips), l.d.input.Values(), l.d.needs.Short(l.d.input).Values()
	rows := (2 + l.d.needs.Crops) * n
	v.N, v.Input, v.Step = n, l.d.input, step
	v.X, v.Crops = v.X[:2*n*size], v.Crops[:(rows-2*n)*short] // (2N, C, F, T), (V·N, C, F, T')
	v.names, v.Labels = v.names[:0], v.Labels[:0]
	for _, c := range clips {
		v.names = append(v.names, l.d.corpus.Items[c].Path)
		if l.d.needs.Labels {
			v.Labels = append(v.Labels, float32(l.o.labels.of[c]))
		}
	}
	row := func(r int) []float32 {
		if r < 2*n {
			return v.X[r*size:][:size]
		}
		return v.Crops[(r-2*n)*short:][:short]
	}
	errs := make([]error, rows)
	var next atomic.Int64
	var wg sync.WaitGroup
	for _, w := range l.draw {
		wg.Go(func() {
			for {
				r := int(next.Add(1)) - 1
				if r >= rows || ctx.Err() != nil {
					return
				}
				errs[r] = fault.Guard(func() error { return w.view(row(r), clips[r%n], epoch, r/n) })
			}
		})
	}
	wg.Wait()
	for r, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", l.d.corpus.Items[clips[r%n]].Path, err)
		}
	}
	if err := l.d.store.Unchanged(); err != nil {
		return err
	}
	return ctx.Err()
}

// shuffled is the order of an epoch.
func shuffled(clips []int, seed uint64, epoch int) []int {
	order := append([]int(nil), clips...)
	r := augment.Rand(seed, epoch, -1, -1)
	r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// A drawer draws single views. Each worker has its own, for its buffers.
type drawer struct {
	d       *data
	clips   []int
	labels  labelling
	views   *augment.Views // augmented
	plain   *augment.Views // as they are
	crops   *augment.Views // shorter ones
	waves   augment.Waves
	feature audio.Feature
	spec    audio.Spectrogram // of a changed waveform
	source  rand.PCG          // of draw.Rand
	draw    augment.Draw
}

func newDrawer(d *data, clips []int, labels labelling, norm normalization) (*drawer, error) {
	w := &drawer{d: d, clips: clips, labels: labels, views: d.views(norm), plain: d.views(norm), crops: d.views(norm), waves: augment.Waves{Chain: d.c.waves()}}
	w.plain.Chain, w.crops.Options.Frames = nil, d.needs.CropFrames
	if !d.c.View.Augmented(1) {
		w.crops.Chain = nil
	}
	w.draw = augment.Draw{Rand: rand.New(&w.source), Source: &w.source,
		OtherSpec: func() (audio.Spectrogram, error) { return d.store.Spectrogram(w.other()) },
		OtherWave: func() (audio.Clip, error) { return d.readClip(w.other()) }}
	if d.background != nil {
		w.draw.Background = func(manifest string) (audio.Clip, error) { return d.background.clip(manifest, w.draw.Rand) }
	}
	var err error
	if len(w.waves.Chain) > 0 {
		w.feature, err = d.c.Feature.New(d.c.SampleRate)
	}
	return w, err
}

// view draws one view of a clip into dst (C, F, T): 0 and 1 are the pair, those
// from 2 on are shorter.
func (w *drawer) view(dst []float32, clip, epoch, view int) error {
	clip = w.begin(clip, epoch, view)
	if !w.waved(view) {
		s, err := w.d.store.Spectrogram(clip)
		if err != nil {
			return err
		}
		return w.ofSpectrogram(dst, &s, view)
	}
	c, err := w.d.readClip(clip)
	if err != nil {
		return err
	}
	return w.ofWaveform(dst, &c, view)
}

// begin has what follows drawn from the generator of a clip's view, and tells
// which clip the view is of.
func (w *drawer) begin(clip, epoch, view int) int {
	w.address(clip, epoch, view)
	if w.d.c.View.Pair == "label" && view == 1 {
		return w.labels.another(clip, w.draw.Rand)
	}
	return clip
}

// waved tells whether augmentations of the waveform are to change a view.
func (w *drawer) waved(view int) bool {
	return len(w.waves.Chain) > 0 && w.d.c.View.Augmented(view)
}

// ofSpectrogram draws the view that was begun, of the spectrogram s.
func (w *drawer) ofSpectrogram(dst []float32, s *audio.Spectrogram, view int) error {
	v := w.views
	if view > 1 {
		v = w.crops
	} else if !w.d.c.View.Augmented(view) {
		v = w.plain
	}
	return v.Draw(dst, s, w.draw)
}

// ofWaveform draws the view that was begun, of the samples c, and leaves in c what
// the augmentations of the waveform made of them.
func (w *drawer) ofWaveform(dst []float32, c *audio.Clip, view int) error {
	n := len(c.Samples)
	if err := w.waves.Apply(c, w.draw); err != nil {
		return err
	}
	if err := extractChanged(w.feature, &w.spec, c, n); err != nil {
		return err
	}
	return w.ofSpectrogram(dst, &w.spec, view)
}

// extractChanged is the feature of a clip that had so many samples before it was
// changed. Where it was played faster and is shorter than a window of the feature,
// which it was not before, silence follows.
func extractChanged(f audio.Feature, dst *audio.Spectrogram, c *audio.Clip, before int) error {
	err := f.Extract(dst, *c)
	if short := before - len(c.Samples); err != nil && short > 0 {
		c.Samples = append(c.Samples, make([]float32, short)...)
		err = f.Extract(dst, *c)
	}
	return err
}

// address has the next draws come from a view's generator.
func (w *drawer) address(clip, epoch, view int) {
	augment.Reseed(&w.source, w.d.c.Seed, epoch, clip, view)
}

// other chooses a clip of the training part to mix in.
func (w *drawer) other() int { return w.clips[w.draw.Rand.IntN(len(w.clips))] }
