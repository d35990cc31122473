package eval

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"clr/internal/fault"
)

// A mistake in a worker is its caller's, on any number of threads.
func TestSharePanics(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, threads := range []int{1, 3} {
		runtime.GOMAXPROCS(threads)
		err := fault.Guard(func() error {
			share(7, 1<<20, func(i int) {
				if i == 4 {
					panic("odd row")
				}
			})
			return nil
		})
		var p *fault.Panic
		if fault.KindOf(err) != fault.Run || !errors.As(err, &p) || !strings.Contains(string(p.Stack), "share_test.go") || strings.Count(err.Error(), "internal error") != 1 {
			t.Errorf("%d threads: %v", threads, err)
		}
	}
}
