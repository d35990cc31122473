package augment

import (
	"math"
	"testing"
)

func TestStretch(t *testing.T) {
	s := filled(2, 100, func(b, t int) float64 { return float64(t + 1000*b) })
	var drawn []float64
	for i := range 1000 {
		out := spec(t, Stretch{P: 1, By: 0.4}, s, draws(7, i))
		drawn = append(drawn, float64(out.Frames))
		for b := range 2 {
			row := out.Row(b)
			step := 99 / float64(out.Frames-1)
			for j, v := range row {
				if !near(float64(v), float64(1000*b)+step*float64(j), 1e-3) {
					t.Fatalf("a ramp of 100 frames on %d: %v", out.Frames, row)
				}
			}
		}
	}
	spread(t, "frames", drawn, 60, 140)
}

// The value is the frame, so the result says where each frame came from: two
// lines that meet at a random moment, which moved by up to 10 frames.
func TestTimeWarp(t *testing.T) {
	s := filled(3, 101, func(b, t int) float64 { return float64(t + 1000*b) })
	var sources, moves []float64
	for i := range 1000 {
		out := spec(t, TimeWarp{P: 1, Frames: 10}, s, draws(24, i))
		row := out.Row(0)
		if out.Frames != 101 || row[0] != 0 || row[100] != 100 {
			t.Fatalf("%d frames, from %g to %g", out.Frames, row[0], row[100])
		}
		before, after := float64(row[1]), float64(100-row[99]) // slopes
		target := 100 * (1 - after) / (before - after)         // where the lines meet
		source := before * target
		if math.Abs(before-after) > 1e-3 { // else nothing moved, and they meet anywhere
			sources, moves = append(sources, source), append(moves, target-source)
		}
		for j, v := range row {
			want := before * float64(j)
			if float64(j) > target {
				want = 100 - after*float64(100-j)
			}
			if !near(float64(v), want, 1e-2) || !near(float64(out.Row(2)[j]), 2000+want, 1e-2) {
				t.Fatalf("draw %d: frame %d came from %g, want %g", i, j, v, want)
			}
		}
	}
	within(t, "moment", sources, 10, 90, 1)
	within(t, "move", moves, -10, 10, 0.3)
}

func TestFlip(t *testing.T) {
	s := noisy(5, 30, 1)
	out := spec(t, Flip{P: 1}, s, draws(25, 1))
	for b := range 5 {
		for j, v := range out.Row(b) {
			if v != s.Row(b)[29-j] {
				t.Fatalf("(%d, %d) is %g, want %g", b, j, v, s.Row(b)[29-j])
			}
		}
	}
}

func TestMelWarp(t *testing.T) {
	// The value is the bin, so the result says where each bin came from.
	s := filled(101, 2, func(b, t int) float64 { return float64(b) })
	var scales, shifts []float64
	for i := range 1000 {
		out := spec(t, MelWarp{P: 1, Scale: 0.1, Shift: 0.05}, s, draws(8, i))
		step := float64(out.Row(60)[0]-out.Row(40)[0]) / 20
		scales = append(scales, 1/step)
		shifts = append(shifts, (50-float64(out.Row(50)[0])/step)/101)
		for b := range 101 {
			if v := out.Row(b)[1]; v < 0 || v > 100 || !near(float64(v), min(max(float64(out.Row(50)[1])+step*float64(b-50), 0), 100), 1e-3) {
				t.Fatalf("bin %d came from %g", b, v)
			}
		}
	}
	spread(t, "scale", scales, 0.9, 1.1)
	spread(t, "shift", shifts, -0.05, 0.05)
}

func TestShift(t *testing.T) {
	s := filled(20, 2, func(b, t int) float64 { return float64(b) })
	seen := map[int]int{}
	for i := range 1000 {
		out := spec(t, Shift{P: 1, Bins: 3}, s, draws(9, i))
		by := 10 - int(out.Row(10)[0])
		seen[by]++
		for b := range 20 {
			if want := float32(min(max(b-by, 0), 19)); out.Row(b)[0] != want || out.Row(b)[1] != want {
				t.Fatalf("shift by %d: bin %d is %v, want %g", by, b, out.Row(b), want)
			}
		}
	}
	for by := -3; by <= 3; by++ {
		if seen[by] < 100 {
			t.Errorf("shift by %d came %d times of 1000", by, seen[by])
		}
	}
}

func TestTimeShift(t *testing.T) {
	s := filled(2, 50, func(b, t int) float64 { return float64(t) })
	var drawn []float64
	for i := range 2000 {
		out := spec(t, TimeShift{P: 1, By: 0.2}, s, draws(10, i))
		by := 25 - int(out.Row(1)[25])
		for j, v := range out.Row(0) {
			if int(v) != (j-by+50)%50 {
				t.Fatalf("not rolled by %d: %v", by, out.Row(0))
			}
		}
		drawn = append(drawn, float64(by))
	}
	spread(t, "frames", drawn, -10, 10)
}
