package augment

import (
	"testing"

	"clr/internal/audio"
)

// Each tone moves by the same number of hertz, to either side, and leaves
// nothing on the other side.
func TestFreqShift(t *testing.T) {
	const rate, n = 16000, 1 << 15
	var moves []float64
	for i := range 150 {
		hz := []float64{250, 1000, 5000}[i%3]
		c := &audio.Clip{Rate: rate, Samples: tone(n, hz/rate)}
		if err := (FreqShift{P: 1, Hz: 150}).Wave(c, draws(36, i)); err != nil {
			t.Fatal(err)
		}
		f, share := pitchOf(c.Samples)
		if share < 0.9999 {
			t.Fatalf("%g of %g Hz is at %g Hz", share, hz, f*rate)
		}
		moves = append(moves, f*rate-hz)
	}
	spread(t, "Hz", moves, -150, 150)
}
