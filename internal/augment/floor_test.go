package augment

import (
	"math"
	"testing"
)

func TestNoiseFloorLevel(t *testing.T) {
	s := filled(64, 64, func(b, t int) float64 {
		if b+t == 0 {
			return 3
		}
		return -500
	})
	for u, scale := range map[unit]float64{ln: 1, db: perDB} {
		var drawn []float64
		for i := range 400 {
			d := draws(6, i)
			d.unit = u
			out := spec(t, NoiseFloor{P: 1, DB: [2]float64{30, 60}}, s, d)
			noise := filled(1, 64*64-1, func(_, t int) float64 { return float64(out.Data[t+1]) })
			drawn = append(drawn, (3*scale-math.Log(power(noise, scale)))/perDB)
		}
		spread(t, "dB", drawn, 30, 60)
	}
}
