package augment

import (
	"math"
	"testing"
)

func TestColor(t *testing.T) {
	s := noisy(33, 40, 4)
	mean := float64(meanOf(s.Data))
	for u, scale := range map[unit]float64{ln: perDB, db: 1} {
		var brightness, contrast, tilt []float64
		for i := range 2000 {
			d := draws(50, i)
			d.unit = u
			out := spec(t, Color{P: 1, Brightness: 5}, s, d)
			g := float64(out.Data[0] - s.Data[0])
			brightness = append(brightness, g/scale)
			for j, v := range out.Data {
				if !near(float64(v-s.Data[j]), g, 1e-5) {
					t.Fatalf("brightness differs between cells: %g and %g", v-s.Data[j], g)
				}
			}

			out = spec(t, Color{P: 1, Contrast: 0.4}, s, d)
			c := (float64(out.Data[7]) - mean) / (float64(s.Data[7]) - mean)
			contrast = append(contrast, c)
			for j, v := range out.Data {
				if want := mean + c*(float64(s.Data[j])-mean); !near(float64(v), want, 1e-4) {
					t.Fatalf("contrast %g: %g became %g, want %g", c, s.Data[j], v, want)
				}
			}

			out = spec(t, Color{P: 1, Tilt: 6}, s, d)
			rise := float64(out.Row(32)[0]-s.Row(32)[0]) - float64(out.Row(0)[0]-s.Row(0)[0])
			tilt = append(tilt, rise/scale)
			for b := range 33 {
				for j, v := range out.Row(b) {
					if want := float64(s.Row(b)[j]) + rise*(float64(b)/32-0.5); !near(float64(v), want, 1e-5) {
						t.Fatalf("tilt %g: (%d, %d) is %g, want %g", rise, b, j, v, want)
					}
				}
			}
		}
		spread(t, "brightness", brightness, -5, 5)
		spread(t, "contrast", contrast, 0.6, 1.4)
		spread(t, "tilt", tilt, -6, 6)
	}
}

// Gamma keeps the range and its ends, and raises what lies between to a power
// that is as often above 1 as below.
func TestGamma(t *testing.T) {
	s := filled(1, 1001, func(b, t int) float64 { return -9 + 12*float64(t)/1000 })
	var powers []float64
	for i := range 2000 {
		out := spec(t, Color{P: 1, Gamma: 0.5}, s, draws(51, i))
		power := math.Log((float64(out.Data[500])+9)/12) / math.Log(0.5)
		powers = append(powers, math.Log(power)/math.Log(1.5))
		for j, v := range out.Data {
			if want := -9 + 12*math.Pow(float64(j)/1000, power); !near(float64(v), want, 12*3e-4) {
				t.Fatalf("power %g: %g of the range became %g, want %g", power, float64(j)/1000, v, want)
			}
		}
	}
	spread(t, "log of the power", powers, -1, 1)
	for _, power := range []float64{0.5, 0.8, 1, 1.7, 2} {
		x := append([]float32(nil), s.Data...)
		(&scratch{}).gamma(x, power)
		for j, v := range x {
			if want := -9 + 12*math.Pow(float64(j)/1000, power); !near(float64(v), want, 12*1e-4) {
				t.Errorf("power %g: %g of the range became %g, want %g", power, float64(j)/1000, v, want)
			}
		}
	}
}

// All parts at once are contrast, gamma, then level and tilt, with draws of
// their own.
func TestColorParts(t *testing.T) {
	s := noisy(9, 20, 5)
	whole := Color{P: 1, Brightness: 5, Contrast: 0.4, Gamma: 0.5, Tilt: 6}
	for i := range 50 {
		want := spec(t, Color{P: 1, Contrast: 0.4}, s, draws(52, i))
		want = spec(t, Color{P: 1, Gamma: 0.5}, want, draws(52, i))
		want = spec(t, Color{P: 1, Brightness: 5}, want, draws(52, i))
		want = spec(t, Color{P: 1, Tilt: 6}, want, draws(52, i))
		for j, v := range spec(t, whole, s, draws(52, i)).Data {
			if !near(float64(v), float64(want.Data[j]), 1e-4) {
				t.Fatalf("draw %d: %g together, %g one after the other", i, v, want.Data[j])
			}
		}
	}
}
