package kernel

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

type taskFunc func(item int)

func (f taskFunc) Do(item int) { f(item) }

func procs(t *testing.T, n int) {
	old := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

func TestParallelDoesEachItemOnce(t *testing.T) {
	for _, p := range []int{1, 2, 3, 8} {
		procs(t, p)
		for _, n := range []int{0, 1, 2, 7, 1000} {
			counts := make([]atomic.Int32, n)
			Parallel(n, taskFunc(func(i int) { counts[i].Add(1) }))
			for i := range counts {
				if c := counts[i].Load(); c != 1 {
					t.Fatalf("%d workers: item %d of %d done %d times", p, i, n, c)
				}
			}
		}
	}
}

// Calls nest, and come from several goroutines at once.
func TestParallelNested(t *testing.T) {
	procs(t, 4)
	var sum atomic.Int64
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			for range 50 {
				Parallel(6, taskFunc(func(i int) {
					Parallel(5, taskFunc(func(j int) { sum.Add(int64(i * j)) }))
				}))
			}
		})
	}
	wg.Wait()
	if want := int64(5 * 50 * 15 * 10); sum.Load() != want {
		t.Errorf("sum %d, want %d", sum.Load(), want)
	}
}

// At most GOMAXPROCS items run at a time.
func TestParallelWorkers(t *testing.T) {
	procs(t, 8)
	Parallel(64, taskFunc(func(int) { runtime.Gosched() })) // so that eight exist
	procs(t, 2)
	var now, most atomic.Int32
	Parallel(200, taskFunc(func(int) {
		n := now.Add(1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		runtime.Gosched()
		now.Add(-1)
	}))
	if most.Load() > 2 {
		t.Errorf("%d items at a time on 2 workers", most.Load())
	}
}

func TestParallelPanic(t *testing.T) {
	for _, p := range []int{1, 2, 8} {
		procs(t, p)
		for _, bad := range []int{0, 1, 99} {
			var running atomic.Int32
			func() {
				defer func() {
					if v := recover(); v != fmt.Sprint("item ", bad) {
						t.Errorf("recovered %v", v)
					}
					if running.Load() != 0 {
						t.Error("the panic came while items still ran")
					}
				}()
				Parallel(100, taskFunc(func(i int) {
					running.Add(1)
					defer running.Add(-1)
					if i == bad {
						panic(fmt.Sprint("item ", bad))
					}
				}))
			}()
			Parallel(10, taskFunc(func(int) {})) // the crew still works
		}
	}
}

// One Conv used from several goroutines at once.
func TestConvConcurrent(t *testing.T) {
	procs(t, 3)
	s := ConvShape{N: 20, Ci: 5, Co: 20, H: 6, W: 7, Kernel: square(3), Stride: square(1), Pad: square(1)}
	x, w, dy := random(1, 20*5*42), random(2, 20*5*9), random(3, 20*20*42)
	want := runConv(t, s, x, w, dy)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				got := runConv(t, s, x, w, dy)
				if !slices.Equal(got.y, want.y) || !slices.Equal(got.dx, want.dx) || !slices.Equal(got.dw, want.dw) {
					t.Error("a concurrent call gave another result")
				}
			}
		})
	}
	wg.Wait()
}

func TestNoAllocations(t *testing.T) {
	s := ConvShape{N: 33, Ci: 17, Co: 20, H: 6, W: 7, Kernel: square(3), Stride: square(1), Pad: square(1)}
	big := ConvShape{N: 33, Ci: 128, Co: 144, H: 3, W: 3, Kernel: square(3), Stride: square(1), Pad: square(1)}
	for _, path := range paths() {
		use(t, path)
		for _, s := range []ConvShape{s, big} {
			c, err := NewConv(s)
			if err != nil {
				t.Fatal(err)
			}
			x, y := make([]float32, 48*s.Ci*s.H*s.W), make([]float32, 48*s.Co*s.H*s.W)
			w := make([]float32, s.Co*s.Ci*9)
			scratch := make([]float32, max(forwardScratch(c), dataScratch(c), c.ScratchWeights()))
			noAllocs(t, "Forward", func() { forward(c, y, x, w, scratch) })
			noAllocs(t, "BackwardData", func() { backwardData(c, x, y, w, scratch) })
			noAllocs(t, "BackwardWeights", func() { c.BackwardWeights(w, x, y, scratch) })
		}
		n := Norm{N: 33, C: 40, H: 5, W: 7, Groups: 2, Eps: 1e-5}
		size := 48 * 40 * 35
		x, y, dy := make([]float32, size), make([]float32, size), make([]float32, size)
		stats, sums, gamma := make([]float32, 240), make([]float32, 160), make([]float32, 40)
		noAllocs(t, "Norm.Stats", func() { n.Stats(stats, x) })
		noAllocs(t, "Norm.Apply", func() { n.Apply(y, x, stats, gamma, gamma, dy, true) })
		noAllocs(t, "Norm.Sums", func() { n.Sums(sums, x, stats, gamma, gamma, dy, true) })
		noAllocs(t, "Norm.Data", func() { n.Data(dy, x, stats, gamma, gamma, sums, dy, true) })
		noAllocs(t, "Norm.DataEval", func() { n.DataEval(dy, x, stats, gamma, gamma, dy, true) })
		p := Pool{N: 33, C: 40, H: 5, W: 7, Kernel: square(3), Stride: square(1), Pad: square(1)}
		noAllocs(t, "Pool", func() { p.MaxForward(y, x); p.MaxBackward(dy, x, y); p.AvgForward(y, x); p.AvgBackward(dy, y) })
		np := NormPool{Norm: n, Kernel: square(3), Stride: square(2), Pad: square(1), ReLU: true}
		noAllocs(t, "NormPool", func() {
			np.Choose(y, x, stats, gamma, gamma)
			np.Data(dy, x, stats, gamma, gamma, sums, y)
			np.DataEval(dy, x, stats, gamma, gamma, y)
		})
		noAllocs(t, "moves", func() {
			someMomentum.Move(x, y, dy)
			someMomentum.Move(x, nil, dy)
			someAdam.Move(x, y, y, dy)
			Softmax(x[:100], 0, 1, 1)
			ToLanes(y, x, 33, 40, 5, 7)
			FromLanes(x, y, 33, 40, 5, 7)
		})
		g := Global{N: 33, C: 40, H: 5, W: 7}
		noAllocs(t, "Global", func() { g.Mean(y, x); g.MeanGrad(dy, y); g.Max(y, x); g.MaxGrad(dy, x, y) })
		noAllocs(t, "vectors", func() {
			ReLU(y, x)
			ReLUGrad(dy, y, dy)
			Add(y, x, dy)
			ReLUGradSum(dy, y, dy, x)
			Lerp(y, x, 0.5)
			Dot(x, y)
			NormalizeRows(y, x, 48, 40*35, 1)
			AddBias(y, x, gamma, 33, 40, 35, true)
			BiasGrad(gamma, dy, 33, 40, 35)
		})
		scratch := make([]float32, MatMulScratch(33, 40, 50))
		noAllocs(t, "MatMul", func() { MatMul(y, x, dy, 33, 40, 50, true, false, true, scratch) })
	}
}

func noAllocs(t *testing.T, name string, f func()) {
	t.Helper()
	f()
	if n := testing.AllocsPerRun(5, f); n != 0 {
		t.Errorf("%s allocates %v times a call on %s", name, n, CPU())
	}
}
