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

// A job is some clips of one recording, in the order of their starts.
type job struct {
	items []int
	out   chan made // in that order; has room for all
	// A long recording is several jobs. Where a seek reads all that lies
	// before, the open recording goes from hand to hand; elsewhere nil does.
	take <-chan *reel // nil for the first
	give chan<- *reel // nil for the last
}

// jobSeconds is about how much sound a job reads: what a worker may hold.
const jobSeconds = 60

// jobs divides what is to be made.
func (b *builder) jobs(todo []int) (jobs []job, handed []chan *reel) {
	seconds := 0.0
	for n, i := range todo {
		it := b.items[i]
		length := it.End - it.Start
		same := n > 0 && b.items[todo[n-1]].File == it.File
		if last := len(jobs) - 1; same && it.End > 0 && seconds+length <= jobSeconds {
			jobs[last].items = append(jobs[last].items, i)
			seconds += length
			continue
		}
		j := job{items: []int{i}}
		if seconds = length; it.End == 0 {
			seconds = jobSeconds // for all one knows
		}
		if same {
			hand := make(chan *reel, 1)
			jobs[len(jobs)-1].give, j.take = hand, hand
			handed = append(handed, hand)
		}
		jobs = append(jobs, j)
	}
	return jobs, handed
}

// errAgain says that the records made so far are not the first of those that
// are to be made now.
var errAgain = errors.New("other records come first")

// fill appends the records that are missing, in order, as workers make them.
// Lines that cannot be used are marked.
func (b *builder) fill(ctx context.Context, w *storeWriter) error {
	b.stats.Made, b.stats.Reused = 0, 0
	for _, made := range w.made {
		b.count(made)
	}
	have := make([]bool, len(b.unique))
	for _, r := range w.records {
		have[b.number[r.key]] = true
	}
	var todo []int
	for n, i := range b.unique {
		if !have[n] {
			todo = append(todo, i)
		}
	}
	done := len(w.records)
	return b.produce(ctx, todo, func(item int, r made) error {
		done++
		if err := b.took(w, item, r); err != nil {
			return err
		}
		if b.progress != nil {
			b.progress(b.stats.Shared+done, b.stats.Clips)
		}
		return nil
	})
}

// produce has workers make some items, and hands what comes of them out in their
// order, on the caller's goroutine.
func (b *builder) produce(ctx context.Context, todo []int, took func(item int, r made) error) error {
	ctx, cancel := context.WithCancel(ctx)
	jobs, handed := b.jobs(todo)
	work, queue := make(chan job), make(chan job, 4*b.workers)
	var wg sync.WaitGroup
	defer func() {
		cancel()
		wg.Wait()
		for _, hand := range handed { // what nobody took
			select {
			case l := <-hand:
				if l != nil {
					l.Close()
				}
			default:
			}
		}
	}()
	wg.Go(func() {
		defer close(queue)
		defer close(work)
		for _, j := range jobs {
			j.out = make(chan made, len(j.items))
			select {
			case <-ctx.Done():
				return
			case queue <- j:
			}
			select {
			case <-ctx.Done():
				return
			case work <- j:
			}
		}
	})
	for range b.workers {
		wg.Go(func() {
			m := maker{builder: b}
			for j := range work {
				m.work(ctx, j)
			}
		})
	}
	for j := range queue {
		for _, item := range j.items {
			var r made
			select {
			case r = <-j.out:
			case <-ctx.Done():
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := took(item, r); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// took appends what was made of an item, or marks the lines it is of.
func (b *builder) took(w *storeWriter, item int, r made) error {
	line := b.of[item]
	var mistake *fault.Panic
	switch {
	case errors.As(r.err, &mistake): // no fault of the recordings
		return fmt.Errorf("%s:%d: %s: %w", b.corpus.Path, b.items[item].Line, b.items[item].Path, r.err)
	case r.err != nil && !b.corpus.reading.OnError.skips():
		b.leave(line, r.err)
		if b.left == maxFaults {
			return b.refuse() // enough to begin with
		}
		return nil
	case r.err != nil:
		return b.skip(item, r.err)
	}
	if n := b.number[b.keys[item]]; n < b.last(w) { // it could not be made when those behind it were
		if err := w.keep(b, n); err != nil {
			return err
		}
		return errAgain
	}
	if err := w.append(r.data); err != nil {
		return err
	}
	w.made = append(w.made, !r.reused)
	b.count(!r.reused)
	b.stats.Audio += r.audio
	return nil
}

func (b *builder) count(made bool) {
	if made {
		b.stats.Made++
	} else {
		b.stats.Reused++
	}
}

// last is the place of the last record that is written.
func (b *builder) last(w *storeWriter) int {
	if len(w.records) == 0 {
		return -1
	}
	return b.number[w.records[len(w.records)-1].key]
}

// skip leaves out every line with a clip that cannot be made. Where such a line
// has other clips, their records may be written already, or be another line's too.
func (b *builder) skip(item int, err error) error {
	again := false
	for _, i := range append([]int{item}, b.twins[b.number[b.keys[item]]]...) {
		b.leave(b.of[i], err)
		again = again || b.lines[b.of[i]].clips > 1
	}
	if again {
		return errAgain
	}
	return nil
}
