package kernel

import (
	"testing"
	"time"
)

// The peak is no less than half of what one worker reaches alone, whatever
// else runs here, and no more than all workers can.
func TestPeak(t *testing.T) {
	peak := Peak()
	p := peakTask{tiles: []tile{{a: random(1, peakDepth*Lanes), b: random(2, peakDepth*Lanes), c: make([]float32, 16*Lanes),
		segs: []seg{{n: peakDepth}}, outer: peakTiles, rows: 16}}, rounds: 1}
	p.Do(0)
	began := time.Now()
	p.Do(0)
	alone := 2 * 16 * Lanes * peakDepth * peakTiles / time.Since(began).Seconds()
	if !(peak > alone/2) || peak > 1e15 {
		t.Errorf("peak of %g FLOP/s, one worker alone has %g", peak, alone)
	}
}

func TestWhyCPU(t *testing.T) {
	for _, c := range []struct {
		wanted string
		best   isa
		want   string
	}{
		{"", avx2, "the best of this processor"},
		{"", generic, noAssembly},
		{"avx2", avx512, "CLR_CPU asks for it; the best here is avx512"},
		{"avx512", generic, noAssembly},
	} {
		if got := choose(c.wanted, c.best).why; got != c.want {
			t.Errorf("%q on %s: %q, want %q", c.wanted, isaNames[c.best], got, c.want)
		}
	}
}
