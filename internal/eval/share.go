package eval

import (
	"runtime"
	"sync"
	"sync/atomic"

	"clr/internal/fault"
)

// bounds divides n rows into at most 32 chunks of whole blocks of rows, the last as
// it comes.
func bounds(n int) [][2]int {
	rows := max(blockRows, (n+32*tileSide-1)/(32*tileSide)*tileSide)
	var out [][2]int
	for lo := 0; lo < n; lo += rows {
		out = append(out, [2]int{lo, min(n, lo+rows)})
	}
	return out
}

// share runs do(0), ..., do(n-1), which must not touch one another, on all
// processors, or here if the work (multiplications, say) is small. A panic
// becomes the caller's.
func share(n, work int, do func(i int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	if workers < 2 || work < 1<<15 {
		for i := range n {
			do(i)
		}
		return
	}
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, workers)
	for w := range errs {
		all.Go(func() {
			errs[w] = fault.Guard(func() error {
				for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
					do(i)
				}
				return nil
			})
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			panic(err)
		}
	}
}
