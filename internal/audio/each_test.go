package audio

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// All are called once, errors stand in their places, and whoever waits is told
// of each that is finished.
func TestEach(t *testing.T) {
	for _, workers := range []int{0, 1, 3, 50} {
		calls, told := make([]atomic.Int32, 20), 0
		errs, err := Each(context.Background(), workers, len(calls), func(n int) {
			if told++; n != told {
				t.Errorf("%d workers: told of %d after %d", workers, n, told-1)
			}
		}, func(i int) error {
			if calls[i].Add(1); i%3 == 0 {
				return fmt.Errorf("%d is bad", i)
			}
			return nil
		})
		if err != nil || told != len(calls) {
			t.Errorf("%d workers: told of %d, %v", workers, told, err)
		}
		for i := range calls {
			if n := calls[i].Load(); n != 1 || (errs[i] != nil) != (i%3 == 0) || errs[i] != nil && errs[i].Error() != fmt.Sprintf("%d is bad", i) {
				t.Errorf("%d workers: %d was called %d times: %v", workers, i, n, errs[i])
			}
		}
	}
	if errs, err := Each(context.Background(), 4, 0, nil, nil); len(errs) != 0 || err != nil {
		t.Errorf("of none: %v, %v", errs, err)
	}
}

// What is stopped calls no more, and says of nothing that it is finished; a
// mistake is no error of a recording.
func TestEachEnds(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	var calls atomic.Int32
	_, err := Each(ctx, 2, 1000, func(n int) { t.Errorf("told of %d", n) }, func(int) error {
		calls.Add(1)
		stop()
		return nil
	})
	if n := calls.Load(); !errors.Is(err, context.Canceled) || n > 2 {
		t.Errorf("stopped after %d: %v", n, err)
	}
	if _, err := Each(context.Background(), 2, 5, nil, func(i int) error { panic("no. " + fmt.Sprint(i)) }); err == nil || !strings.Contains(err.Error(), "no. 0") {
		t.Errorf("a mistake: %v", err)
	}
}
