package kernel

import (
	"runtime"
	"time"
)

// Peak measures the most floating-point operations a second that the routines
// in use reach here, all workers together: tiles whose factors stay in the
// first-level cache. It is what a layer's speed can be held to; it takes some
// tens of milliseconds.
func Peak() float64 {
	workers := runtime.GOMAXPROCS(0)
	t := peakTask{tiles: make([]tile, workers), rounds: 1}
	for i := range t.tiles {
		a := make([]float32, 2*peakDepth*Lanes)
		t.tiles[i] = tile{a: a[:peakDepth*Lanes], b: a[peakDepth*Lanes:], c: make([]float32, 16*Lanes), segs: []seg{{n: peakDepth}}, outer: peakTiles, rows: 16}
	}
	best := 0.0
	for began := time.Now(); ; {
		start := time.Now()
		Parallel(workers, &t)
		took := time.Since(start)
		best = max(best, 2*16*Lanes*peakDepth*peakTiles*float64(workers*t.rounds)/took.Seconds())
		if took < 4*time.Millisecond { // too short for all workers to have been awake in it
			t.rounds *= 2
		} else if time.Since(began) > 80*time.Millisecond {
			return best
		}
	}
}

const peakDepth, peakTiles = 192, 100

// A peakTask makes the same tiles again and again, an item on each worker.
type peakTask struct {
	tiles  []tile
	rounds int
}

func (t *peakTask) Do(item int) {
	for range t.rounds {
		runTile(&t.tiles[item])
	}
}
