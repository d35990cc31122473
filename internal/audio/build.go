package audio

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"

	"clr/internal/fault"
)

// Stats tell what a build did.
type Stats struct {
	Clips  int     // in the corpus
	Made   int     // computed now
	Reused int     // taken from the store that was there, or from an interrupted build
	Shared int     // clips that equal an earlier one, and share its record
	Bytes  int64   // of the store
	Audio  float64 // seconds of sound that went into those made
}

// Build makes the store at path hold the features of a corpus, and opens it.
// What a store that is there already holds is copied, not computed; a store
// that needs no change is not written. The new one grows beside it, in
// path.partial, where the next build picks it up if this one is interrupted or
// the disk runs full, and takes its place when it is whole. The same corpus and
// settings give the same bytes, whatever was there before and for any number of
// workers (0 is GOMAXPROCS). progress, if not nil, is told of clips done.
//
// Recordings that make no feature are all looked for and named, up to 20, in
// one data error; then the store stays as it was.
func Build(ctx context.Context, path string, c *Corpus, feature FeatureOptions, rate, workers int, progress func(done, total int)) (*Store, Stats, error) {
	if err := feature.Check(rate); err != nil {
		return nil, Stats{}, err
	}
	settings, err := settingsOf(feature, rate)
	if err != nil {
		return nil, Stats{}, err
	}
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	b := &builder{path: path, corpus: c, feature: feature, rate: rate, workers: workers, settings: settings, progress: progress}
	b.stats.Clips = len(c.Items)
	if b.old, err = OpenStore(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, Stats{}, err
	}
	s, err := b.build(ctx)
	if b.old != nil && b.old != s {
		err = errors.Join(err, b.old.Close())
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = fault.New(fault.Interrupted, "run the same command again; it goes on from there", "features of %s: %w", c.Path, err)
	}
	return s, b.stats, err
}

type builder struct {
	path     string
	corpus   *Corpus
	feature  FeatureOptions
	rate     int
	workers  int
	settings string
	progress func(done, total int)
	old      *Store // nil if there is none
	stats    Stats

	keys   []key       // by item
	unique []int       // items whose key no earlier item has: one record each
	number map[key]int // of a key among unique
}

func (b *builder) build(ctx context.Context) (*Store, error) {
	if err := b.identify(ctx); err != nil {
		return nil, err
	}
	if b.unchanged() {
		b.stats.Reused = len(b.unique)
		b.stats.Bytes = b.old.size
		return b.old, nil
	}
	w, err := b.resume()
	if err != nil {
		return nil, err
	}
	defer w.file.Close()
	if err := b.fill(ctx, w); err != nil {
		return nil, err
	}
	if b.stats.Bytes, err = w.finish(b); err != nil {
		return nil, err
	}
	return OpenStore(b.path)
}

// unchanged says whether the old store is what a build would write.
func (b *builder) unchanged() bool {
	if b.old == nil || b.old.settings != b.settings || len(b.old.clips) != len(b.keys) || len(b.old.records) != len(b.unique) {
		return false
	}
	for i, have := range b.old.clips {
		it := b.corpus.Items[i]
		if have.path != it.Path || have.start != it.Start || have.end != it.End ||
			have.record != b.number[b.keys[i]] || b.old.records[have.record].key != b.keys[i] {
			return false
		}
	}
	for n := range b.old.records {
		if _, err := b.old.data(n); err != nil {
			return false // that record is made again
		}
	}
	return true
}

// A made is one record as bytes, or the reason why there is none.
type made struct {
	data   []byte // head, data, padding
	reused bool
	audio  float64 // seconds
	err    error
}

// fill appends the records that are missing, in order, as workers make them.
func (b *builder) fill(ctx context.Context, w *storeWriter) error {
	ctx, cancel := context.WithCancel(ctx)
	first := len(w.records)
	b.stats.Reused = first
	type job struct {
		item int
		out  chan made
	}
	jobs, queue := make(chan job), make(chan job, 4*b.workers)
	var wg sync.WaitGroup
	defer func() { cancel(); wg.Wait() }()
	wg.Go(func() {
		defer close(queue)
		defer close(jobs)
		for _, item := range b.unique[first:] {
			j := job{item, make(chan made, 1)}
			select {
			case <-ctx.Done():
				return
			case queue <- j:
			}
			select {
			case <-ctx.Done():
				j.out <- made{err: ctx.Err()}
				return
			case jobs <- j:
			}
		}
	})
	for range b.workers {
		wg.Go(func() {
			m := maker{builder: b}
			for j := range jobs {
				var r made
				if err := fault.Guard(func() error { r = m.make(j.item); return nil }); err != nil {
					r.err = fmt.Errorf("%s: %w", b.corpus.Items[j.item].Path, err)
				}
				j.out <- r
			}
		})
	}
	var faults []error
	done := first
	for j := range queue {
		r := <-j.out
		if err := ctx.Err(); err != nil {
			return err
		}
		done++
		var mistake *fault.Panic
		switch {
		case errors.As(r.err, &mistake): // no fault of the recordings
			return fmt.Errorf("%s:%d: %w", b.corpus.Path, b.corpus.Items[j.item].Line, r.err)
		case r.err != nil:
			faults = append(faults, fmt.Errorf("%s:%d: %w", b.corpus.Path, b.corpus.Items[j.item].Line, r.err))
		case r.reused:
			b.stats.Reused++
		default:
			b.stats.Made++
			b.stats.Audio += r.audio
		}
		if r.err == nil {
			if err := w.append(r.data); err != nil {
				return err
			}
		}
		if len(faults) == maxFaults {
			break // enough to begin with
		}
		if b.progress != nil {
			b.progress(b.stats.Shared+done, b.stats.Clips)
		}
	}
	if len(faults) > 0 {
		return listed(faults, fault.Remedy(faults[0]))
	}
	return ctx.Err()
}

// A maker is one worker.
type maker struct {
	builder *builder
	feature Feature
	spec    Spectrogram
}

func (m *maker) make(item int) made {
	b := m.builder
	it, k := b.corpus.Items[item], b.keys[item]
	if b.old != nil {
		if n, ok := b.old.byKey[k]; ok {
			if data, err := b.old.data(n); err == nil { // a damaged record is made again
				r := b.old.records[n]
				return made{data: encodeRecord(k, r.bins, r.frames, data), reused: true}
			}
		}
	}
	clip, err := b.corpus.Read(item, b.rate)
	if err != nil {
		return made{err: err}
	}
	if m.feature == nil {
		if m.feature, err = b.feature.New(b.rate); err != nil {
			return made{err: err}
		}
	}
	if err := m.feature.Extract(&m.spec, clip); err != nil {
		return made{err: fault.New(fault.Data, fault.Remedy(err), "%s: %w", it.Path, err)}
	}
	return made{data: encodeSpectrogram(k, &m.spec), audio: float64(len(clip.Samples)) / float64(clip.Rate)}
}

// partialPath is where a store grows.
func partialPath(path string) string { return path + ".partial" }
