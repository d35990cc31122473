package audio

import (
	"math"
	"testing"
)

// Each logarithm of powers and of magnitudes, with and without a limit.
func TestCompressAgainstDefinition(t *testing.T) {
	x := []float32{0, 1e-12, 3e-8, 1e-3, 0.7, 1, 42, 9e4}
	for _, power := range []float64{1, 2} {
		for _, topDB := range []float64{0, 60} {
			for log, value := range map[string]func(v float64) float64{
				"none":  func(v float64) float64 { return v },
				"ln":    func(v float64) float64 { return math.Log(v + 1e-4) },
				"log10": func(v float64) float64 { return math.Log10(v + 1e-4) },
				"db": func(v float64) float64 {
					db := func(v float64) float64 { return 20 / power * math.Log10(max(v, 1e-10)) }
					if topDB > 0 {
						return max(db(v), db(9e4)-topDB)
					}
					return db(v)
				},
			} {
				got := append([]float32(nil), x...)
				compress(got, log, power, 1e-4, topDB)
				for i, v := range x {
					if want := value(float64(v)); math.Abs(float64(got[i])-want) > 1e-6*(math.Abs(want)+0.1) {
						t.Errorf("%s of %v, power %v, top_db %v, is %v, want %v", log, v, power, topDB, got[i], want)
					}
				}
			}
		}
	}
}
