package augment

import (
	"testing"
)

func TestResizedCrop(t *testing.T) {
	// Inside the window, interpolation reproduces a plane; bicubic with
	// PyTorch's constant only to a twentieth of a cell.
	for interpolation, tolerance := range map[string]float64{"bilinear": 1e-2, "bicubic": 0.05 * 101} {
		s := filled(40, 60, func(b, t int) float64 { return float64(b) + 100*float64(t) })
		for i := range 200 {
			a := ResizedCrop{P: 1, Freq: [2]float64{0.5, 0.5}, Time: [2]float64{0.3, 0.3}, Canvas: [2]float64{1, 1}, Interpolation: interpolation}
			out := spec(t, a, s, draws(11, i))
			for b := range 40 {
				for j, v := range out.Row(b) {
					want := float64(out.Data[0]) + 19.0/39*float64(b) + 100*17.0/59*float64(j)
					if b > 2 && b < 37 && j > 3 && j < 56 && !near(float64(v), want, tolerance) {
						t.Fatalf("%s: (%d, %d) is %g, want %g", interpolation, b, j, v, want)
					}
				}
			}
		}
	}
	// A canvas larger than the window shows the mean around it.
	s := filled(8, 20, func(b, t int) float64 { return float64(t % 2) })
	a := ResizedCrop{P: 1, Freq: [2]float64{1, 1}, Time: [2]float64{2, 2}, Canvas: [2]float64{1, 2}, Interpolation: "bicubic"}
	out := spec(t, a, s, draws(11, 1))
	for _, j := range []int{0, 1, 18, 19} {
		if !near(float64(out.Row(3)[j]), 0.5, 1e-6) {
			t.Errorf("outside the window, frame %d is %g, want the mean", j, out.Row(3)[j])
		}
	}
	// The weights are those of PyTorch's bicubic.
	k := a.kernels(&scratch{}, 3, 2, 0)[1] // at 0.5
	if k.from != -1 || k.weight != [4]float32{-0.09375, 0.59375, 0.59375, -0.09375} {
		t.Errorf("kernel half-way is %+v", k)
	}
}

func TestRectangle(t *testing.T) {
	a := ResizedCrop{}
	var sizes, starts []float64
	for i := range 4000 {
		length, start := a.rectangle(1000, [2]float64{0.6, 1.5}, 1.5, draws(12, i))
		if start < -250 || start+length > 1250 {
			t.Fatalf("%d cells from %d leave the canvas", length, start)
		}
		sizes = append(sizes, float64(length))
		starts = append(starts, float64(start+250)/float64(1500-length+1))
	}
	spread(t, "size", sizes, 600, 1500)
	spread(t, "start", starts, 0, 1)
}
