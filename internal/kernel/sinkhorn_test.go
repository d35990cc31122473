package kernel

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// It does not matter how many threads there are.
func TestSinkhornOnThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, size := range [][2]int{{1, 2}, {15, 17}, {16, 16}, {50, 33}} {
		m, k := size[0], size[1]
		var want []float32
		for _, threads := range []int{1, 2, 5} {
			runtime.GOMAXPROCS(threads)
			r, q := rand.New(rand.NewPCG(9, 10)), make([]float32, m*k)
			for i := range q {
				q[i] = float32(r.NormFloat64())
			}
			Sinkhorn(q, m, k, 0.05, 3, make([]float32, SinkhornScratch(m, k)))
			if want == nil {
				want = q
			} else if !slices.Equal(q, want) {
				t.Errorf("%d × %d: %d threads make a difference", m, k, threads)
			}
		}
	}
}
