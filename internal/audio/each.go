package audio

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"

	"clr/internal/fault"
)

// Each is how recordings are gone through: it calls f for the numbers below n on
// several goroutines (0: one per core) and keeps the errors in their places. done
// is told, on the caller's goroutine, how many are finished; it may be nil. Each
// ends early when the context does, with its error, and it ends with a mistake of
// ours in f.
func Each(ctx context.Context, workers, n int, done func(n int), f func(i int) error) ([]error, error) {
	errs := make([]error, n)
	var next atomic.Int64
	finished := make(chan bool)
	var wg sync.WaitGroup
	for range min(n, cmp.Or(max(0, workers), runtime.GOMAXPROCS(0))) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				errs[i] = fault.Guard(func() error { return f(i) })
				finished <- true
			}
		})
	}
	go func() {
		wg.Wait()
		close(finished)
	}()
	for k := 1; <-finished; k++ {
		if done != nil && ctx.Err() == nil { // else the last may have ended unfinished
			done(k)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, err := range errs {
		if mistake := (*fault.Panic)(nil); errors.As(err, &mistake) {
			return nil, err
		}
	}
	return errs, nil
}
