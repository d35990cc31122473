package audio

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"clr/internal/fault"
)

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
	if data := b.reuse(k); data != nil {
		return made{data: data, reused: true}
	}
	clip, err := b.originals.Clip(item, b.rate)
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

// reuse copies a record of the old store; one that is damaged is made again.
func (b *builder) reuse(k key) (raw []byte) {
	if b.old == nil {
		return nil
	}
	n, ok := b.old.byKey[k]
	if !ok {
		return nil
	}
	err := fault.Guard(func() error {
		data, err := b.old.data(n)
		if err != nil {
			return err
		}
		r := b.old.records[n]
		if raw = encodeRecord(k, r.bins, r.frames, data); crc(raw[align:align+r.size()]) != r.crc {
			raw = nil // the file was cut off meanwhile
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return raw
}
