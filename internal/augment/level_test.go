package augment

import (
	"math"
	"testing"
)

func TestGain(t *testing.T) {
	s := noisy(4, 5, 1)
	for u, scale := range map[unit]float64{ln: perDB, log10: 0.1, db: 1} {
		var drawn []float64
		for i := range 2000 {
			d := draws(1, i)
			d.unit = u
			out := spec(t, Gain{P: 1, DB: 6}, s, d)
			g := float64(out.Data[0] - s.Data[0])
			for j := range out.Data {
				if !near(float64(out.Data[j]-s.Data[j]), g, 1e-5) {
					t.Fatalf("gain differs between cells: %g and %g", out.Data[j]-s.Data[j], g)
				}
			}
			drawn = append(drawn, g/scale)
		}
		spread(t, "dB", drawn, -6, 6)
	}
}

func TestEQ(t *testing.T) {
	s := filled(64, 3, func(b, t int) float64 { return 0 })
	var squares, steepest float64
	const n = 2000
	for i := range n {
		out := spec(t, EQ{P: 1, DB: 4, Points: 5}, s, draws(2, i))
		squares += math.Pow(float64(out.Row(0)[0])/perDB, 2)
		for b := range 64 {
			if row := out.Row(b); row[0] != row[1] || row[1] != row[2] {
				t.Fatal("the curve changes over time")
			}
			if b > 0 {
				steepest = max(steepest, math.Abs(float64(out.Row(b)[0]-out.Row(b - 1)[0]))/perDB)
			}
		}
	}
	if std := math.Sqrt(squares / n); !near(std, 4, 0.3) {
		t.Errorf("standard deviation %g dB, want 4", std)
	}
	// Points are 16 bins apart; half a cosine between two of them 8σ apart
	// climbs at most π/2·32/16 dB a bin.
	if steepest > 3.2 {
		t.Errorf("neighbouring bins differ by %g dB", steepest)
	}
}

func TestFader(t *testing.T) {
	s := filled(2, 9, func(b, t int) float64 { return float64(b) })
	var heads, tails []float64
	for i := range 2000 {
		out := spec(t, Fader{P: 1, DB: 5}, s, draws(3, i))
		row := out.Row(1)
		heads, tails = append(heads, float64(row[0]-1)/perDB), append(tails, float64(row[8]-1)/perDB)
		for j := 1; j < 8; j++ {
			if !near(float64(row[j+1]-row[j]), float64(row[j]-row[j-1]), 1e-5) {
				t.Fatalf("not a line: %v", row)
			}
		}
	}
	spread(t, "head", heads, -5, 5)
	spread(t, "tail", tails, -5, 5)
}
