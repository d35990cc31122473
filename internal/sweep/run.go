package sweep

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/pipeline"
)

// RunOptions are what the command line says of carrying trials out.
type RunOptions struct {
	Out  string // the sweep's folder
	Jobs int    // trials at a time
	From int    // first trial
	To   int    // last one; below 0: the sweep's last

	Retry bool // trials that failed for what may have passed are tried again
}

// one says whether a single trial is asked for.
func (o RunOptions) one() bool { return o.From == o.To }

// trials are those that are asked for.
func (f *File) trials(o RunOptions) (all []int, err error) {
	if o.Jobs < 1 {
		return nil, fault.New(fault.Usage, "1 trains one trial after the other", "--jobs is %d, it must be 1 or more", o.Jobs)
	}
	if last := max(o.From, o.To); o.From < 0 || last >= f.Trials {
		return nil, fault.New(fault.Usage, fmt.Sprintf("trials count from 0 to %d", f.Trials-1), "%s has %d trials, there is no trial %d", f.Name, f.Trials, last)
	}
	if o.To < 0 {
		o.To = f.Trials - 1
	}
	if o.To < o.From {
		return nil, fault.New(fault.Usage, "the last is not before the first", "there are no trials from %d to %d", o.From, o.To)
	}
	for i := o.From; i <= o.To; i++ {
		all = append(all, i)
	}
	return all, nil
}

// A worker carries trials out, beside others that it knows only by their folders.
type worker struct {
	*Sweep
	con     pipeline.Console
	want    []int
	threads int

	mu    sync.Mutex
	busy  map[int]string // what is done of trials here
	over  map[int]*Result
	given map[int]error       // trials that this worker has given up, and why
	rungs map[[2]int]*float64 // of a trial at an epoch, once it is known; nil: it has none
	wake  chan struct{}
	show  *pipeline.Progress
}

// pause is how long a worker waits for others before it looks again.
const pause = 300 * time.Millisecond

// Run carries out the trials that are asked for and not finished, each once,
// whoever else works in the folder. It returns when all of them are finished: what
// others work on it waits for, and takes over from who vanishes.
func Run(ctx context.Context, f *File, o RunOptions, con pipeline.Console) (*Summary, error) {
	want, err := f.trials(o)
	if err != nil {
		return nil, err
	}
	s, err := Begin(f, o.Out)
	if err != nil {
		return nil, err
	}
	if o.Retry {
		if err := s.retryPassing(want); err != nil {
			return nil, err
		}
	}
	w := &worker{Sweep: s, con: con, want: want, threads: threads(min(o.Jobs, len(want))), busy: map[int]string{}, over: map[int]*Result{}, given: map[int]error{}, rungs: map[[2]int]*float64{}, wake: make(chan struct{}, o.Jobs)}
	if err := w.fits(ctx, o.Jobs); err != nil {
		return nil, err
	}
	finished := w.finished()
	w.show = con.Progress("trials", finished, len(want))
	defer w.show.End()
	watch, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { w.watch(watch) })
	var all sync.WaitGroup
	errs := make([]error, o.Jobs)
	for slot := range o.Jobs {
		all.Go(func() { errs[slot] = fault.Guard(func() error { return w.work(ctx) }) })
	}
	all.Wait()
	stop()
	watching.Wait()
	sum, err := w.summary()
	if err != nil {
		return nil, err
	}
	return sum, w.verdict(ctx, o, sum, errors.Join(errs...))
}

// retryPassing lets those of these trials be tried again that failed for what may
// have passed.
func (s *Sweep) retryPassing(trials []int) error {
	for _, i := range trials {
		r, err := s.Result(i)
		if err == nil && r != nil && r.mayPass() {
			_, err = s.Retry([]int{i})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// work takes trials until none is left.
func (w *worker) work(ctx context.Context) error {
	for told := false; ctx.Err() == nil; {
		i, lock, wait, err := w.next()
		switch {
		case err != nil:
			w.done(i, err)
		case lock != nil:
			err := w.trial(ctx, i)
			lock.Release()
			w.done(i, err)
		case !wait:
			return nil
		default:
			if who := w.others(); who != "" && !told {
				told = true
				w.con.Say("waiting for %s", who)
			}
			select {
			case <-ctx.Done():
			case <-w.wake:
			case <-time.After(pause):
			}
		}
	}
	return nil
}

// others says who works on trials that this worker waits for, where nothing else is
// done here.
func (w *worker) others() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.busy) > 0 {
		return ""
	}
	for i := range w.want {
		if h, held := disk.HolderOf(filepath.Join(w.TrialDir(w.want[i]), lockFile)); held {
			return fmt.Sprintf("trial %d, on which %v works", w.want[i], h)
		}
	}
	return ""
}

// done notes that a trial is no longer worked on here; err: it is given up.
func (w *worker) done(i int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, i)
	if err != nil {
		w.given[i] = err
		if fault.KindOf(err) != fault.Interrupted {
			w.con.Warn("trial %d: %v", i, err)
		}
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// next is the first trial that something can be done for, and its lock. Where there
// is none, wait says that there may be one later.
func (w *worker) next() (i int, lock *disk.Lock, wait bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	looked := map[int]bool{}
	for _, i := range w.want {
		got, lock, later, err := w.take(i, looked)
		if err != nil {
			return i, nil, false, err // it is given up, the others are not
		}
		if lock != nil {
			return got, lock, false, nil
		}
		wait = wait || later
	}
	return 0, nil, wait, nil
}

// take claims a trial or, where it has to wait for others, one of these: that they
// are not asked for here does not matter, for somebody may have vanished who was.
func (w *worker) take(i int, looked map[int]bool) (got int, lock *disk.Lock, wait bool, err error) {
	if looked[i] || w.given[i] != nil {
		return 0, nil, false, nil
	}
	looked[i] = true
	if r, err := w.result(i); r != nil || err != nil {
		return 0, nil, false, err
	}
	if _, here := w.busy[i]; here {
		return 0, nil, true, nil
	}
	needs, err := w.needs(i)
	if err != nil {
		return 0, nil, false, err
	}
	for _, n := range needs {
		got, lock, later, err := w.take(n, looked)
		if err != nil || lock != nil {
			return got, lock, false, err
		}
		wait = wait || later
	}
	if len(needs) > 0 {
		return 0, nil, wait, nil
	}
	dir := w.TrialDir(i)
	if _, err := disk.MkdirAll(dir); err != nil {
		return 0, nil, false, disk.Failed(dir, err)
	}
	lock, err = disk.TryLock(filepath.Join(dir, lockFile), dir)
	if errors.Is(err, disk.ErrLocked) {
		return 0, nil, true, nil
	}
	if err != nil {
		return 0, nil, false, err
	}
	if r, err := w.result(i); r != nil || err != nil { // who had the lock has just finished it
		lock.Release()
		return 0, nil, true, err
	}
	w.busy[i] = "begins"
	return i, lock, false, nil
}

// result is Result, which does not change once there is one.
func (w *worker) result(i int) (*Result, error) {
	if r := w.over[i]; r != nil {
		return r, nil
	}
	r, err := w.Result(i)
	if r != nil {
		w.over[i] = r
	}
	return r, err
}

// needs are the trials that have to come further before a trial can go on.
func (w *worker) needs(i int) (all []int, err error) {
	if p := i / w.Seeds; w.Method == bayes {
		if _, known, err := w.point(p); err != nil || !known {
			if err != nil {
				return nil, err
			}
			for j := range firstOf(round(p)) * w.Seeds {
				if r, err := w.result(j); err != nil {
					return nil, err
				} else if r == nil {
					all = append(all, j)
				}
			}
			if len(all) > 0 {
				return all, nil
			}
			if err := w.draw(p); err != nil {
				return nil, err
			}
		}
	}
	if w.Stop == nil {
		return nil, nil
	}
	p, err := w.progress(i)
	if err != nil || len(p.Rungs) == 0 {
		return nil, err
	}
	_, all, err = w.before(i, p.Rungs[len(p.Rungs)-1].Epoch)
	return all, err
}
