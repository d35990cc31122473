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
	"clr/internal/model"
)

// loaderOptions say what a loader reads and when it stops.
type loaderOptions struct {
	clips       []int      // items of the corpus
	labels      *labelling // of them, where they are asked for
	norm        normalization
	start, stop int // steps
	batches     batches
}

// A views is one batch with the paths of its clips.
type views struct {
	method.Batch
	names []string
	crop  model.Input // size of a shorter view
}

// newViews is memory for a config's batch.
func newViews(d *data) *views {
	need, n := method.NeedsOf(d.c.Method), d.c.Batch
	v := &views{crop: d.c.crops(d.input)}
	v.Input, v.X, v.Crops = d.input, make([]float32, 2*n*d.input.Values()), make([]float32, need.Crops*n*v.crop.Values())
	if need.Labels {
		v.Labels = make([]float32, n)
	}
	return v
}

// rowOf is a row of a batch and its size: the 2N of pairs come first, then those
// of shorter views. Row r is view r/N of clip r%N.
func rowOf(b method.Batch, crop model.Input, r int) ([]float32, model.Input) {
	x, in := b.X, b.Input // (C, F, T)
	if r >= 2*b.N {
		x, in, r = b.Crops, crop, r-2*b.N // (C, F, T')
	}
	size := in.Values()
	return x[r*size : (r+1)*size], in
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
		l.free <- newViews(d)
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

// fill draws two views of each clip, and the shorter ones that the method needs;
// rows are shared among the workers.
func (l *loader) fill(ctx context.Context, v *views, clips []int, step, epoch int) error {
	n, need := len(clips), method.NeedsOf(l.d.c.Method)
	v.N, v.Step = n, step
	v.X = v.X[:2*n*v.Input.Values()]                 // (2N, C, F, T)
	v.Crops = v.Crops[:need.Crops*n*v.crop.Values()] // (V·N, C, F, T')
	v.Labels, v.names = v.Labels[:0], v.names[:0]
	for _, c := range clips {
		v.names = append(v.names, l.d.corpus.Items[c].Path)
		if need.Labels {
			v.Labels = append(v.Labels, float32(l.o.labels.of[c]))
		}
	}
	errs := make([]error, viewsOf(l.d.c)*n)
	var next atomic.Int64
	var wg sync.WaitGroup
	for _, w := range l.draw {
		wg.Go(func() {
			for {
				r := int(next.Add(1)) - 1
				if r >= len(errs) || ctx.Err() != nil {
					return
				}
				dst, _ := rowOf(v.Batch, v.crop, r)
				errs[r] = fault.Guard(func() error { return w.view(dst, clips[r%n], epoch, r/n) })
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
	labels  *labelling     // for pairs of one label
	views   *augment.Views // with the chain
	plain   *augment.Views // without
	crops   *augment.Views // with the chain, shorter
	waves   augment.Waves
	feature audio.Feature
	spec    audio.Spectrogram // of a changed waveform
	source  rand.PCG          // of draw.Rand
	draw    augment.Draw
}

func newDrawer(d *data, clips []int, labels *labelling, norm normalization) (*drawer, error) {
	w := &drawer{d: d, clips: clips, labels: labels, views: d.views(norm), plain: d.views(norm), crops: d.views(norm), waves: augment.Waves{Chain: d.c.waves()}}
	w.plain.Chain, w.crops.Options.Frames = nil, method.NeedsOf(d.c.Method).CropFrames
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

// view draws one view of a clip into dst, under the view's address. Views 0 and 1
// are its pair, (C, F, T), the others are shorter, (C, F, T').
func (w *drawer) view(dst []float32, clip, epoch, view int) error {
	of := w.begin(clip, epoch, view)
	if !w.changesWave(view) {
		s, err := w.d.store.Spectrogram(of)
		if err != nil {
			return err
		}
		return w.ofSpectrogram(dst, &s, view)
	}
	c, err := w.d.readClip(of)
	if err != nil {
		return err
	}
	return w.ofWaveform(dst, &c, view)
}

// begin has the next draws come from a view's generator, and says of which clip
// the view is to be.
func (w *drawer) begin(clip, epoch, view int) (of int) {
	w.address(clip, epoch, view)
	if w.d.c.View.Pair == "label" && view == 1 {
		return w.labels.another(clip, w.draw.Rand)
	}
	return clip
}

// original says whether a view is the clip as it is.
func (w *drawer) original(view int) bool { return w.d.c.View.Pair == "original" && view == 0 }

// changesWave says whether a view is made of a changed waveform, and not of what
// the store has.
func (w *drawer) changesWave(view int) bool { return len(w.waves.Chain) > 0 && !w.original(view) }

// ofSpectrogram draws a view of the spectrogram s.
func (w *drawer) ofSpectrogram(dst []float32, s *audio.Spectrogram, view int) error {
	switch {
	case w.original(view):
		return w.plain.Draw(dst, s, w.draw)
	case view < 2:
		return w.views.Draw(dst, s, w.draw)
	}
	return w.crops.Draw(dst, s, w.draw)
}

// ofWaveform draws a view of the samples c, and leaves in c what the augmentations
// of the waveform made of them.
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
