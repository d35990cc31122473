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
		out := spec(t, TimeMask{P: 1, Frames: 6, Most: 0.5, Count: 1, Fill: "mean"}, s, draws(13, i))
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

		out = spec(t, FreqMask{P: 1, Bins: 6, Most: 0.5, Count: 1, Fill: "mean"}, s, draws(14, i))
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
	for _, c := range []struct {
		n, width int
		most     float64
		want     int
	}{{4, 100, 0.5, 2}, {100, 100, 0.2, 20}, {100, 7, 0.2, 7}, {9, 100, 1, 9}, {9, 100, 0, 0}} {
		widest := 0
		for i := range 500 {
			from, to := spanIn(c.n, c.width, c.most, draws(15, i))
			if from < 0 || to > c.n {
				t.Fatalf("%d to %d of %d", from, to, c.n)
			}
			widest = max(widest, to-from)
		}
		if widest != c.want {
			t.Errorf("%+v: at most %d, want %d", c, widest, c.want)
		}
	}
}

// Several masks come as often as each of them is hit.
func TestMaskCount(t *testing.T) {
	s := noisy(4, 400, 1)
	hits := 0.0
	const n, count, p = 300, 5, 0.4
	for i := range n {
		out := spec(t, TimeMask{P: p, Frames: 3, Most: 1, Count: count, Fill: "min"}, s, draws(17, i))
		for j := range 400 {
			if out.Data[j] != s.Data[j] {
				hits++
			}
		}
	}
	// 0 to 3 frames each: 1.5 on average, with a deviation of about 1.3; masks
	// meet in less than 1 % of the frames.
	if want := n * count * p * 1.5; math.Abs(hits-want) > 4*1.3*math.Sqrt(n*count)*math.Sqrt(p)+0.01*want {
		t.Errorf("%g frames were masked, want %g", hits, want)
	}
}

func TestFills(t *testing.T) {
	s := noisy(40, 50, 3)
	mean, lowest := meanOf(s.Data), float32(0)
	for _, v := range s.Data {
		lowest = min(lowest, v)
	}
	deviation := 0.0
	for _, v := range s.Data {
		deviation += math.Pow(float64(v-mean), 2)
	}
	deviation = math.Sqrt(deviation / 2000)
	for name, of := range map[string]func(fill string) Spec{
		"time_mask": func(fill string) Spec { return TimeMask{P: 1, Frames: 20, Most: 1, Count: 2, Fill: fill} },
		"freq_mask": func(fill string) Spec { return FreqMask{P: 1, Bins: 20, Most: 1, Count: 2, Fill: fill} },
		"erase": func(fill string) Spec {
			return Erase{P: 1, Area: [2]float64{0.1, 0.4}, Aspect: [2]float64{0.3, 3}, Count: 2, Fill: fill}
		},
		"crop": func(fill string) Spec {
			return Crop{P: 1, Freq: [2]float64{0.5, 1}, Time: [2]float64{0.5, 1}, Fill: fill}
		},
	} {
		var noise, squares, n float64
		for i := range 100 {
			lower := spec(t, of("min"), s, draws(18, i))
			random := spec(t, of("noise"), s, draws(19, i))
			for j := range s.Data {
				if v := lower.Data[j]; v != s.Data[j] && v != lowest {
					t.Fatalf("%s: filled with %g, the least is %g", name, v, lowest)
				}
				if v := random.Data[j]; v != s.Data[j] {
					noise, squares, n = noise+float64(v), squares+float64(v)*float64(v), n+1
				}
			}
		}
		got, spread := noise/n, math.Sqrt(squares/n-noise/n*noise/n)
		if !near(got, float64(mean), 5*deviation/math.Sqrt(n)) || !near(spread, deviation, 5*deviation/math.Sqrt(n)) {
			t.Errorf("%s: noise of mean %g and deviation %g, want %g and %g", name, got, spread, mean, deviation)
		}
	}
}

func TestErase(t *testing.T) {
	s := noisy(100, 200, 1)
	a := Erase{P: 1, Area: [2]float64{0.1, 0.3}, Aspect: [2]float64{0.5, 2}, Count: 1, Fill: "min"}
	lowest := least(s.Data)
	var areas, aspects, tops, lefts []float64
	for i := range 1500 {
		out := spec(t, a, s, draws(41, i))
		top, bottom, left, right, n := 100, 0, 200, 0, 0
		for b := range 100 {
			for j, v := range out.Row(b) {
				if v != s.Row(b)[j] {
					top, bottom, left, right, n = min(top, b), max(bottom, b+1), min(left, j), max(right, j+1), n+1
					if v != lowest {
						t.Fatalf("filled with %g, want %g", v, lowest)
					}
				}
			}
		}
		height, length := bottom-top, right-left
		if d := height*length - n; d < 0 || d > 1 { // the least cell may have been in it
			t.Fatalf("%d cells of %d × %d were erased: no rectangle", n, height, length)
		}
		areas = append(areas, float64(height*length)/20000)
		aspects = append(aspects, math.Log2(float64(height)/100/(float64(length)/200)))
		tops, lefts = append(tops, (float64(top)+0.5)/float64(101-height)), append(lefts, (float64(left)+0.5)/float64(201-length))
	}
	within(t, "area", areas, 0.1, 0.3, 0.01) // sides are rounded
	within(t, "log2 of the aspect", aspects, -1, 1, 0.05)
	spread(t, "top", tops, 0, 1)
	spread(t, "left", lefts, 0, 1)
	// What would not fit is never drawn, and the area is kept.
	wild := Erase{Area: [2]float64{0.5, 1}, Aspect: [2]float64{0.01, 100}}
	for i := range 2000 {
		height, length := wild.sides(draws(42, i))
		if height > 1+1e-9 || length > 1+1e-9 || height*length < 0.5-1e-9 {
			t.Fatalf("%g × %g of the window", height, length)
		}
	}
}
