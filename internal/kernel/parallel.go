package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Task is work cut into items. An item owns what it writes, and the cut
// depends on the shape of the work alone: so it does not matter to the result
// which worker does what, or how many workers there are.
type Task interface{ Do(item int) }

// Parallel does items 0 … n-1 of a task on at most GOMAXPROCS workers, the
// caller among them, and returns when all are done. It does not allocate.
// Calls may nest and may come from several goroutines. The first panic of an
// item stops the handing out of further items and becomes the caller's panic.
func Parallel(n int, t Task) {
	helpers := min(runtime.GOMAXPROCS(0), n) - 1
	if helpers <= 0 {
		for i := range n {
			t.Do(i)
		}
		return
	}
	team.do(n, helpers, t)
}

// A worker looks for the next job many times before it goes to sleep, for some
// hundred microseconds: as long as another may need for its last item, and no
// longer than it takes to be woken. Where that is in vain, for the processor
// has other work, it comes down to few times, some ten microseconds.
const (
	fewSpins, manySpins = 20_000, 400_000
	nap                 = 300 * time.Microsecond // a sleep that more spins would have saved
)

// team is the one crew of the process. It holds no settings, only sleeping
// goroutines: starting new ones for each call costs more than the work of a
// small layer.
var team = newCrew()

// A crew is a set of persistent workers and the jobs that are open to them.
type crew struct {
	news  atomic.Int64 // counts opened jobs; what a spinning worker watches
	mu    sync.Mutex   // guards the rest
	wake  sync.Cond    // a job was opened and somebody sleeps
	left  sync.Cond    // the last helper left a job whose owner sleeps
	open  []*job
	free  []*job
	size  int // workers started
	sleep int // workers asleep
}

// A job is one call of Parallel.
type job struct {
	task    Task
	n       int64
	next    atomic.Int64 // item to hand out
	room    int          // how many more helpers may join; guarded by crew.mu
	helpers atomic.Int64 // workers inside; raised under crew.mu while the job is open
	waiting bool         // the owner sleeps until helpers is 0; guarded by crew.mu
	failed  atomic.Pointer[failure]
}

type failure struct{ value any }

func newCrew() *crew {
	c := new(crew)
	c.wake.L, c.left.L = &c.mu, &c.mu
	return c
}

func (c *crew) do(n, helpers int, t Task) {
	c.mu.Lock()
	for c.size < helpers {
		c.size++
		go c.work()
	}
	var j *job
	if k := len(c.free); k > 0 {
		j, c.free = c.free[k-1], c.free[:k-1]
	} else {
		j = new(job)
	}
	j.task, j.n, j.room, j.waiting = t, int64(n), helpers, false
	j.next.Store(0)
	c.open = append(c.open, j)
	c.news.Add(1)
	for range min(c.sleep, helpers) {
		c.wake.Signal()
	}
	c.mu.Unlock()

	j.run()

	c.mu.Lock() // nobody joins from here on
	for i, o := range c.open {
		if o == j {
			c.open = append(c.open[:i], c.open[i+1:]...)
			break
		}
	}
	c.mu.Unlock()
	for i := 0; j.helpers.Load() != 0 && i < manySpins; i++ {
	}
	c.mu.Lock()
	for j.helpers.Load() != 0 {
		j.waiting = true
		c.left.Wait()
	}
	failed := j.failed.Swap(nil)
	j.task = nil
	c.free = append(c.free, j)
	c.mu.Unlock()
	if failed != nil {
		panic(failed.value)
	}
}

// run does items until none is left.
func (j *job) run() {
	defer func() {
		if v := recover(); v != nil {
			j.failed.CompareAndSwap(nil, &failure{v})
			j.next.Store(j.n)
		}
	}()
	for {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return
		}
		j.task.Do(int(i))
	}
}

// work is the life of a worker.
func (c *crew) work() {
	spins := fewSpins
	c.mu.Lock()
	for {
		seen := c.news.Load()
		if j := c.join(); j != nil {
			c.mu.Unlock()
			j.run()
			c.mu.Lock()
			if j.helpers.Add(-1) == 0 && j.waiting {
				c.left.Broadcast()
			}
			continue
		}
		c.mu.Unlock()
		for i := 0; c.news.Load() == seen && i < spins; i++ {
		}
		c.mu.Lock()
		if c.news.Load() == seen {
			asleep := time.Now()
			c.sleep++
			c.wake.Wait()
			c.sleep--
			if spins = fewSpins; time.Since(asleep) < nap {
				spins = manySpins
			}
		}
	}
}

// join finds an open job with items and room. c.mu is held.
func (c *crew) join() *job {
	for _, j := range c.open {
		if j.room > 0 && j.next.Load() < j.n {
			j.room--
			j.helpers.Add(1)
			return j
		}
	}
	return nil
}

// A stash keeps used structs of one type for the next call, so that sharing
// out work allocates nothing once warm. It never gives out one struct twice.
type stash[T any] struct {
	mu   sync.Mutex
	free []*T
}

func (s *stash[T]) get() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := len(s.free); k > 0 {
		t := s.free[k-1]
		s.free = s.free[:k-1]
		return t
	}
	return new(T)
}

func (s *stash[T]) put(t *T) {
	s.mu.Lock()
	s.free = append(s.free, t)
	s.mu.Unlock()
}

// share runs a task of n items in a struct from its stash.
func share[T any, P interface {
	*T
	Task
}](s *stash[T], n int, t T) {
	p := s.get()
	*p = t
	Parallel(n, P(p))
	var zero T
	*p = zero // keep no caller's memory alive
	s.put(p)
}

// A buffer is working memory of one item, kept for the next.
type buffer struct{ data []float32 }

var buffers stash[buffer]

func (b *buffer) grow(n int) {
	if len(b.data) < n {
		b.data = make([]float32, n)
	}
}
