package augment

import (
	"testing"
)

// The rectangle keeps its values and its place; outside, bins that go whole take
// the window's mean, others their own.
func TestCrop(t *testing.T) {
	s := noisy(50, 80, 1)
	overall := meanOf(s.Data)
	var heights, lengths, tops, lefts []float64
	for i := range 1000 {
		out := spec(t, Crop{P: 1, Freq: [2]float64{0.4, 0.8}, Time: [2]float64{0.25, 0.75}, Fill: "mean"}, s, draws(40, i))
		top, bottom, left, right := 50, 0, 80, 0
		for b := range 50 {
			for j, v := range out.Row(b) {
				if v == s.Row(b)[j] {
					top, bottom, left, right = min(top, b), max(bottom, b+1), min(left, j), max(right, j+1)
				}
			}
		}
		for b := range 50 {
			for j, v := range out.Row(b) {
				want := s.Row(b)[j]
				if b < top || b >= bottom {
					want = overall
				} else if j < left || j >= right {
					want = meanOf(s.Row(b))
				}
				if !near(float64(v), float64(want), 1e-5) {
					t.Fatalf("(%d, %d) outside of bins %d to %d, frames %d to %d is %g, want %g", b, j, top, bottom, left, right, v, want)
				}
			}
		}
		heights, lengths = append(heights, float64(bottom-top)+0.5), append(lengths, float64(right-left)+0.5)
		tops, lefts = append(tops, (float64(top)+0.5)/float64(50-bottom+top+1)), append(lefts, (float64(left)+0.5)/float64(80-right+left+1))
	}
	within(t, "height", heights, 20, 40, 0.6) // whole cells are rounded down
	within(t, "length", lengths, 20, 60, 0.6)
	spread(t, "top", tops, 0, 1)
	spread(t, "left", lefts, 0, 1)
}

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
	var sizes, starts []float64
	for i := range 4000 {
		length, start := rectangle(1000, [2]float64{0.6, 1.5}, 1.5, draws(12, i))
		if start < -250 || start+length > 1250 {
			t.Fatalf("%d cells from %d leave the canvas", length, start)
		}
		sizes = append(sizes, float64(length))
		starts = append(starts, float64(start+250)/float64(1500-length+1))
	}
	spread(t, "size", sizes, 600, 1500)
	spread(t, "start", starts, 0, 1)
}
