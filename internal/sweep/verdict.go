package sweep

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"clr/internal/fault"
	"clr/internal/rundir"
)

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
