package sweep

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"clr/internal/disk"
	"clr/internal/fault"
	"clr/internal/pipeline"
	"clr/internal/rundir"
)

// RunOptions are what the command line says of carrying trials out.
type RunOptions struct {
	Out  string // the sweep's folder
	Jobs int    // trials at a time
	From int    // first trial
	To   int    // last one; less than From: the sweep's last
}

// one says whether a single trial is asked for.
func (o RunOptions) one() bool { return o.From == o.To }

// trials are those that are asked for.
func (f *File) trials(o RunOptions) (all []int, err error) {
	if o.To < o.From {
		o.To = f.Trials - 1
	}
	if o.From < 0 || o.To >= f.Trials {
		return nil, fault.New(fault.Usage, fmt.Sprintf("trials count from 0 to %d", f.Trials-1), "%s has %d trials, there is no trial %d", f.Name, f.Trials, max(o.To, o.From))
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
	if o.Jobs < 1 {
		return nil, fault.New(fault.Usage, "1 trains one trial after the other", "--jobs is %d, it must be 1 or more", o.Jobs)
	}
	want, err := f.trials(o)
	if err != nil {
		return nil, err
	}
	s, err := Begin(f, o.Out)
	if err != nil {
		return nil, err
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

// trial does what there is left to do of a trial. An error is that of this
// worker; what goes wrong in the trial itself is its result.
func (w *worker) trial(ctx context.Context, i int) error {
	p, _, err := w.point(i / w.Seeds)
	if err != nil {
		return err
	}
	t := w.File.trial(i, p)
	c, err := w.config(t, p)
	if fault.KindOf(err) == fault.Usage {
		return w.finish(t, Result{Status: Failed, Reason: firstLine(err.Error()), Exit: int(fault.Usage)})
	}
	if err != nil {
		return err
	}
	done, err := w.progress(i)
	if err != nil {
		return err
	}
	if err := w.orphan(ctx, i); err != nil {
		return err
	}
	if err := disk.WriteBytes(w.ConfigPath(i), c.At(w.TrialDir(i)).Resolved()); err != nil {
		return err
	}
	done.begin()
	for stages := w.stages(c, i); ; {
		if k := done.Stages; k > 0 && stages[k-1].rung > 0 {
			reason, wait, err := w.compare(i, stages[k-1].rung)
			if err != nil || wait { // it is gone on with when those before it are as far
				return err
			}
			if reason != "" {
				return w.finish(t, Result{Status: Pruned, Reason: reason, Rungs: done.Rungs})
			}
		}
		if done.Stages == len(stages) {
			return w.finish(t, Result{Status: Done, Rungs: done.Rungs})
		}
		if err := w.keep(i, done); err != nil {
			return err
		}
		st := stages[done.Stages]
		w.tell(i, st.name)
		code, reason, err := w.command(ctx, i, st.args)
		switch {
		case err != nil:
			return err
		case code == int(fault.Interrupted), code == 130, code == 143:
			return stopped
		case code != 0:
			return w.finish(t, Result{Status: Failed, Reason: st.name + ": " + reason, Exit: code, Rungs: done.Rungs})
		}
		if st.rung > 0 {
			v, err := w.measure(i)
			if err != nil {
				return w.finish(t, Result{Status: Failed, Reason: firstLine(err.Error()), Exit: int(fault.KindOf(err)), Rungs: done.Rungs})
			}
			done.Rungs = append(done.Rungs, Rung{st.rung, v})
		}
		done.Stages++
		done.end()
		if err := w.keep(i, done); err != nil {
			return err
		}
	}
}

// stopped is what ends a worker's time with a trial before the trial's end.
var stopped = fault.New(fault.Interrupted, "", "stopped")

// orphan waits until no process of a worker that has vanished writes the run.
func (w *worker) orphan(ctx context.Context, i int) error {
	if !rundir.Holds(w.RunDir(i)) {
		return nil
	}
	for told := false; ; told = true {
		lock, err := disk.TryLock(filepath.Join(w.RunDir(i), rundir.LockFile), w.RunDir(i))
		if lock.Release(); !errors.Is(err, disk.ErrLocked) {
			return err
		}
		if !told {
			w.con.Say("trial %d: %v; waiting for it", i, err)
		}
		select {
		case <-ctx.Done():
			return stopped
		case <-time.After(pause):
		}
	}
}

func (w *worker) keep(i int, p progress) error {
	return writeJSON(filepath.Join(w.TrialDir(i), progressFile), p)
}

// finish writes what a trial came to.
func (w *worker) finish(t Trial, r Result) error {
	if err := r.read(w.RunDir(t.Index)); err != nil {
		if r.Status != Failed { // what failed may have left anything
			r.Status, r.Reason, r.Exit = Failed, firstLine(err.Error()), int(fault.KindOf(err))
		}
		r.Scores, r.Folds = map[string]float64{}, []pipeline.FoldScores{}
	}
	r.Reason = strings.ReplaceAll(r.Reason, w.Dir+string(filepath.Separator), "")
	err := writeJSON(filepath.Join(w.TrialDir(t.Index), resultFile), struct {
		Trial
		Result
	}{t, r})
	if err != nil {
		return err
	}
	said := r.Status
	if v, ok := r.Scores[w.Metric.Name]; ok {
		said += fmt.Sprintf(", %s %.4g", w.Metric.Name, v)
	}
	if r.Reason != "" {
		said += ": " + r.Reason
	}
	w.con.Say("trial %d (%s): %s", t.Index, t.Params, said)
	return nil
}

// String is the values of a point, for a line.
func (p Params) String() string {
	var parts []string
	for _, v := range p {
		parts = append(parts, v.Path+"="+v.Text)
	}
	return strings.Join(parts, " ")
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (p *progress) begin() {
	p.Sessions = append(p.Sessions, newSession())
}

func (p *progress) end() {
	p.Sessions[len(p.Sessions)-1].End = time.Now().UTC().Truncate(time.Millisecond)
}

// finished counts those that are asked for.
func (w *worker) finished() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.want {
		if r, err := w.result(i); err == nil && r != nil {
			n++
		}
	}
	return n
}

// tell notes what is done of a trial, for the display.
func (w *worker) tell(i int, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy[i] = what
}

// watch shows how far all trials have come, until it is told to stop.
func (w *worker) watch(ctx context.Context) {
	logs := map[string]*following{}
	for {
		w.show.At(w.finished(), w.doing(logs))
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// A following is a log that is read as it grows.
type following struct {
	*rundir.Tail[rundir.Line]
	epoch int // of its last line, from 1; 0: there is none
}

// doing says what is done of which trial.
func (w *worker) doing(logs map[string]*following) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var parts []string
	for i, what := range w.busy {
		if what == pretrain {
			dir := w.lastFold(i)
			if logs[dir] == nil {
				logs[dir] = &following{Tail: rundir.TailLog(dir)}
			}
			f := logs[dir]
			if lines, _, err := f.More(); err == nil && len(lines) > 0 { // a log that cannot be read is shown by what reads it in earnest
				f.epoch = lines[len(lines)-1].Epoch + 1
			}
			if f.epoch > 0 {
				what += fmt.Sprintf(" epoch %d", f.epoch)
			}
		}
		parts = append(parts, fmt.Sprintf("%04d %s", i, what))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// lastFold is the folder of the fold that was begun last, as far as names tell.
func (w *worker) lastFold(i int) string {
	folds, err := rundir.Folds(w.RunDir(i))
	if err != nil {
		return w.RunDir(i)
	}
	return rundir.FoldDir(w.RunDir(i), folds[len(folds)-1])
}

// A Summary is what became of the trials that were asked for.
type Summary struct {
	Out    string         `json:"out"`
	Trials int            `json:"trials"` // asked for
	Counts map[string]int `json:"counts"` // by status
	Failed []FailedTrial  `json:"failed"`
}

// A FailedTrial says why.
type FailedTrial struct {
	Trial  int    `json:"trial"`
	Reason string `json:"reason"`
	Exit   int    `json:"exit_code"`
}

func (w *worker) summary() (*Summary, error) {
	sum := &Summary{Out: w.Dir, Trials: len(w.want), Counts: map[string]int{}, Failed: []FailedTrial{}}
	for _, i := range w.want {
		st, err := w.State(i)
		if err != nil {
			return nil, err
		}
		sum.Counts[st.Status]++
		if st.Status == Failed {
			sum.Failed = append(sum.Failed, FailedTrial{i, st.Result.Reason, st.Result.Exit})
		}
	}
	return sum, nil
}

// verdict is how the command ends: an error of this worker first, then a signal,
// then trials that failed. The one trial that is asked for gives its own exit code,
// on which schedulers act.
func (w *worker) verdict(ctx context.Context, o RunOptions, sum *Summary, err error) error {
	if err != nil {
		return err
	}
	var own error
	signalled := ctx.Err() != nil
	for _, i := range w.want {
		if err := w.given[i]; fault.KindOf(err) == fault.Interrupted {
			signalled = true
		} else if err != nil && own == nil {
			own = fmt.Errorf("trial %d: %w", i, err)
		}
	}
	left := sum.Trials - sum.Counts[Done] - sum.Counts[Pruned] - sum.Counts[Failed]
	switch {
	case own != nil:
		return own
	case left > 0 && signalled:
		return fault.New(fault.Interrupted, "run the same command again; it goes on from there", "stopped; %d of %d trials are left", left, sum.Trials)
	case left > 0:
		return fault.New(fault.Run, "clr sweep status "+w.Dir+" tells which", "%d of %d trials are left", left, sum.Trials)
	case len(sum.Failed) == 0:
		return nil
	}
	kind := fault.Run
	if first := fault.Kind(sum.Failed[0].Exit); o.one() && first >= fault.Usage && first <= fault.Resource {
		kind = first
	}
	return fault.New(kind, "clr sweep status "+w.Dir+" lists reasons; clr sweep retry "+w.Dir+" --failed lets them be tried again", "%d of %d trials failed; trial %d: %s", len(sum.Failed), sum.Trials, sum.Failed[0].Trial, sum.Failed[0].Reason)
}
