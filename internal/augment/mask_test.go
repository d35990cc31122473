package augment

import (
	"math"
	"testing"
)

func TestMasks(t *testing.T) {
	s := noisy(30, 40, 1)
	overall := meanOf(s.Data)
	widths := map[string]map[int]int{"time": {}, "freq": {}}
	for i := range 2000 {
		out := spec(t, TimeMask{P: 1, Frames: 6, Count: 1}, s, draws(13, i))
		first, n := -1, 0
		for j := range 40 {
			if out.Row(0)[j] != s.Row(0)[j] {
				if first < 0 {
					first = j
				}
				n++
			}
		}
		for b := range 30 {
			mean := meanOf(s.Row(b))
			for j := range 40 {
				want := s.Row(b)[j]
				if first >= 0 && j >= first && j < first+n {
					want = mean
				}
				if out.Row(b)[j] != want {
					t.Fatalf("(%d, %d) is %g, want %g", b, j, out.Row(b)[j], want)
				}
			}
		}
		widths["time"][n]++

		out = spec(t, FreqMask{P: 1, Bins: 6, Count: 1}, s, draws(14, i))
		n = 0
		for b := range 30 {
			if out.Row(b)[0] == s.Row(b)[0] {
				continue
			}
			n++
			for _, v := range out.Row(b) {
				if v != overall {
					t.Fatalf("masked value %g, want %g", v, overall)
				}
			}
		}
		widths["freq"][n]++
	}
	for which, seen := range widths {
		for w := 0; w <= 6; w++ {
			if seen[w] < 200 || len(seen) != 7 {
				t.Errorf("%s: widths %v, want 0 to 6, equally often", which, seen)
				break
			}
		}
	}
	short := noisy(2, 4, 1)
	for i := range 100 {
		if from, to := spanIn(short.Frames, 100, draws(15, i)); to-from > 2 {
			t.Fatalf("%d of 4 frames were wiped out", to-from)
		}
	}
}

func TestBlur(t *testing.T) {
	s := filled(41, 51, func(b, t int) float64 {
		if b == 20 && t == 25 {
			return 1
		}
		return 0
	})
	out := spec(t, Blur{P: 1, Sigma: [2]float64{2, 2}}, s, draws(16, 1))
	var sum, bins, frames float64
	for b := range 41 {
		for j, v := range out.Row(b) {
			sum += float64(v)
			bins += float64(v) * float64((b-20)*(b-20))
			frames += float64(v) * float64((j-25)*(j-25))
		}
	}
	if !near(sum, 1, 1e-5) || !near(math.Sqrt(bins), 2, 0.1) || !near(math.Sqrt(frames), 2, 0.1) {
		t.Errorf("sum %g, deviations %g and %g; want 1, 2 and 2", sum, math.Sqrt(bins), math.Sqrt(frames))
	}
	flat := filled(5, 6, func(b, t int) float64 { return 3 })
	for _, v := range spec(t, Blur{P: 1, Sigma: [2]float64{3, 3}}, flat, draws(16, 2)).Data {
		if !near(float64(v), 3, 1e-5) {
			t.Errorf("a flat spectrogram became %g", v)
		}
	}
}
