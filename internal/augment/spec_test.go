package augment

import (
	"math"
	"slices"
	"testing"

	"clr/internal/audio"
)

// filled makes a spectrogram whose value at (b, t) is f(b, t).
func filled(bins, frames int, f func(b, t int) float64) *audio.Spectrogram {
	s := &audio.Spectrogram{}
	s.Resize(bins, frames)
	for b := range bins {
		for t := range frames {
			s.Data[b*frames+t] = float32(f(b, t))
		}
	}
	return s
}

// spec is a applied to a copy of s.
func spec(t testing.TB, a Spec, s *audio.Spectrogram, d Draw) *audio.Spectrogram {
	t.Helper()
	c := &audio.Spectrogram{Bins: s.Bins, Frames: s.Frames, Data: slices.Clone(s.Data)}
	if err := a.Spec(c, d); err != nil {
		t.Fatal(err)
	}
	return c
}

// spread requires that values drawn uniformly from lo..hi stay in it, fill it,
// and lie in its middle on average.
func spread(t *testing.T, what string, v []float64, lo, hi float64) {
	t.Helper()
	sum, width := 0.0, hi-lo
	for _, x := range v {
		sum += x
	}
	mean, low, high := sum/float64(len(v)), slices.Min(v), slices.Max(v)
	if low < lo-1e-4*width || high > hi+1e-4*width || low > lo+0.02*width || high < hi-0.02*width ||
		math.Abs(mean-(lo+hi)/2) > 4*width/math.Sqrt(12*float64(len(v))) {
		t.Errorf("%s: %g to %g, mean %g; want %g to %g", what, low, high, mean, lo, hi)
	}
}

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance }

const perDB = math.Ln10 / 10

func TestGain(t *testing.T) {
	s := noisy(4, 5, 1)
	for u, scale := range map[unit]float64{ln: perDB, db: 1} {
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

// power is the mean of the linear power.
func power(s *audio.Spectrogram, scale float64) float64 {
	sum := 0.0
	for _, v := range s.Data {
		sum += math.Exp(float64(v) * scale)
	}
	return sum / float64(len(s.Data))
}

func TestMixSNR(t *testing.T) {
	own, other := noisy(20, 40, 1), noisy(20, 40, 2)
	for u, scale := range map[unit]float64{ln: 1, db: perDB} {
		var drawn []float64
		for i := range 1000 {
			d := draws(4, i)
			d.unit, d.OtherSpec = u, others(other)
			out := spec(t, Mix{P: 1, SNR: [2]float64{5, 15}}, own, d)
			drawn = append(drawn, -10*math.Log10(power(out, scale)/power(own, scale)-1))
		}
		spread(t, "dB", drawn, 5, 15)
	}
}

// Another clip, longer or shorter, lands in all places it can.
func TestMixPlaces(t *testing.T) {
	own := filled(1, 10, func(b, t int) float64 { return 0 })
	for _, frames := range []int{4, 10, 25} {
		places := map[int]bool{}
		for i := range 300 {
			d := draws(5, i)
			d.OtherSpec = others(filled(1, frames, func(b, t int) float64 { return float64(t % 5) }))
			out := spec(t, Mix{P: 1, SNR: [2]float64{0, 0}}, own, d)
			changed := 0
			first := -1
			for j, v := range out.Data {
				if v != 0 {
					changed++
					if first < 0 {
						first = j
					}
				}
			}
			if changed != min(frames, 10) {
				t.Fatalf("%d frames of %d changed", changed, frames)
			}
			places[first] = true
		}
		if want := max(10-frames, 0) + 1; len(places) != want {
			t.Errorf("another clip of %d frames landed in %d places, want %d", frames, len(places), want)
		}
	}
}

func TestMixErrors(t *testing.T) {
	s := noisy(4, 5, 1)
	if err := (Mix{P: 1}).Spec(s, Draw{Rand: Rand(1, 1, 1, 1)}); err == nil {
		t.Error("mixed with nothing")
	}
	d := draws(1, 1)
	d.OtherSpec = others(noisy(5, 5, 1))
	if err := (Mix{P: 1}).Spec(s, d); err == nil {
		t.Error("mixed with another number of bins")
	}
	d.OtherWave = func(c *audio.Clip) error { *c = audio.Clip{Rate: 1, Samples: []float32{1}}; return nil }
	if err := (WaveMix{P: 1}).Wave(&audio.Clip{Rate: 2, Samples: []float32{1}}, d); err == nil {
		t.Error("mixed with another rate")
	}
	if err := (WaveMix{P: 1}).Wave(&audio.Clip{Rate: 2, Samples: []float32{1}}, Draw{Rand: Rand(1, 1, 1, 1)}); err == nil {
		t.Error("mixed with nothing")
	}
}

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

func TestLogAdd(t *testing.T) {
	worst := 0.0
	for i := range 40000 {
		x, y, k := float32(i%200)*0.17-17, float32(i/200)*0.173-17, float32(1+i%2)/2
		got := []float32{x}
		logAdd(got, []float32{y}, 0.5, k)
		a, b := float64(x*k), float64((y+0.5)*k)
		want := (max(a, b) + math.Log1p(math.Exp(-math.Abs(a-b)))) / float64(k)
		worst = max(worst, math.Abs(float64(got[0])-want))
	}
	if worst > 2e-5 {
		t.Errorf("off by %g", worst)
	}
	x := []float32{-1e30, 1e30, 0}
	logAdd(x, []float32{0, 0, -1e30}, 0, 1)
	if x[0] != 0 || x[1] != 1e30 || x[2] != 0 {
		t.Errorf("far apart: %v", x)
	}
}

func TestExpNegative(t *testing.T) {
	for x := float32(0); x > -100; x -= 0.0137 {
		got, want := float64(expNegative(x)), math.Exp(float64(x))
		if x >= -80 && math.Abs(got-want) > 4e-6*want+1e-5*want*float64(-x)/80 || x < -80 && got != 0 {
			t.Fatalf("e^%g is %g, want %g", x, got, want)
		}
	}
}

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
