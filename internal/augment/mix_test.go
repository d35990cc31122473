package augment

import (
	"errors"
	"math"
	"strings"
	"testing"

	"clr/internal/audio"
)

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
	for u, scale := range map[unit]float64{ln: 1, log10: math.Ln10, db: perDB} {
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
	d := draws(1, 1)
	for name, a := range map[string]Spec{"mix": Mix{P: 1}, "mixup": Mixup{P: 1, Ratio: 1, Beta: 1}, "mix_back": MixBack{P: 1, Ratio: 1}} {
		if err := a.Spec(s, Draw{Rand: Rand(1, 1, 1, 1)}); !errors.Is(err, errNoOther) || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s with nothing: %v", name, err)
		}
		d.OtherSpec = others(noisy(5, 5, 1))
		if err := a.Spec(s, d); err == nil || err.Error() != name+": the other clip has 5 bins, this one has 4" {
			t.Errorf("%s with another number of bins: %v", name, err)
		}
		lost := errors.New("lost")
		d.OtherSpec = func() (audio.Spectrogram, error) { return audio.Spectrogram{}, lost }
		if err := a.Spec(s, d); !errors.Is(err, lost) || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s of a clip that cannot be read: %v", name, err)
		}
	}
	d.OtherWave = func() (audio.Clip, error) { return audio.Clip{Rate: 1, Samples: []float32{1}}, nil }
	if err := (WaveMix{P: 1}).Wave(&audio.Clip{Rate: 2, Samples: []float32{1}}, d); err == nil {
		t.Error("mixed with another rate")
	}
	if err := (WaveMix{P: 1}).Wave(&audio.Clip{Rate: 2, Samples: []float32{1}}, Draw{Rand: Rand(1, 1, 1, 1)}); err == nil {
		t.Error("mixed with nothing")
	}
}

// λ is uniform to ratio, both clips keep their levels, and the sum is right cell
// by cell.
func TestMixup(t *testing.T) {
	own, other := noisy(20, 40, 1), noisy(20, 40, 2)
	clear := 0 // the cell that shows the other clip best
	for j := range own.Data {
		if other.Data[j]-own.Data[j] > other.Data[clear]-own.Data[clear] {
			clear = j
		}
	}
	for u, scale := range map[unit]float64{ln: 1, db: perDB} {
		var drawn []float64
		for i := range 1000 {
			d := draws(44, i)
			d.unit, d.OtherSpec = u, others(other)
			out := spec(t, Mixup{P: 1, Ratio: 0.4, Beta: 1}, own, d)
			x, y := math.Exp(scale*float64(own.Data[clear])), math.Exp(scale*float64(other.Data[clear]))
			lambda := (math.Exp(scale*float64(out.Data[clear])) - x) / (y - x)
			drawn = append(drawn, lambda)
			for j, v := range out.Data {
				want := math.Log((1-lambda)*math.Exp(scale*float64(own.Data[j]))+lambda*math.Exp(scale*float64(other.Data[j]))) / scale
				if !near(float64(v), want, 1e-4/scale) {
					t.Fatalf("λ %g: cell %d is %g, want %g", lambda, j, v, want)
				}
			}
		}
		spread(t, "λ", drawn, 0, 0.4)
	}
	// Where a short clip does not reach, this one has its share.
	d := draws(45, 1)
	d.OtherSpec = others(filled(1, 3, func(b, t int) float64 { return -50 }))
	out := spec(t, Mixup{P: 1, Ratio: 0.4, Beta: 1}, filled(1, 10, func(b, t int) float64 { return 0 }), d)
	for _, v := range out.Data {
		if !near(float64(v), float64(out.Data[0]), 1e-6) || v >= 0 {
			t.Errorf("short and silent other clip: %v", out.Data)
			break
		}
	}
}

// The background's energy is λ/(1-λ) of this clip's, whatever it was before.
func TestMixBack(t *testing.T) {
	own := noisy(20, 40, 1)
	for u, scale := range map[unit]float64{ln: 1, db: perDB} {
		for _, louder := range []float32{-20, 0, 20} {
			other := noisy(20, 100, 2)
			raise(other.Data, louder)
			var drawn []float64
			for i := range 1000 {
				d := draws(46, i)
				d.unit, d.OtherSpec = u, others(other)
				out := spec(t, MixBack{P: 1, Ratio: 0.2}, own, d)
				// Energies add to this clip's own; its share shows where the other is far below.
				if !near(power(out, scale)/power(own, scale), 1, 1e-3) {
					t.Fatalf("energy %g times as much", power(out, scale)/power(own, scale))
				}
				least := math.Inf(1)
				for j, v := range out.Data {
					least = min(least, math.Exp(scale*float64(v-own.Data[j])))
				}
				drawn = append(drawn, 1-least)
			}
			if u == ln { // 800 cells: at one of them the other clip is as good as silent
				within(t, "λ", drawn, 0, 0.2, 0.01)
			}
		}
	}
}

func TestBeta(t *testing.T) {
	for _, b := range []float64{0.01, 0.2, 0.5, 1, 2, 30, 100} {
		const n = 20000
		var sum, squares float64
		for i := range n {
			v := draws(47, i).beta(b)
			if !(v >= 0 && v <= 1) {
				t.Fatalf("Beta(%g, %g) gave %g", b, b, v)
			}
			sum += v - 0.5
			squares += (v - 0.5) * (v - 0.5)
		}
		variance := 1 / (4 * (2*b + 1))
		if !near(sum/n, 0, 4*math.Sqrt(variance/n)) || !near(squares/n, variance, 6*variance/math.Sqrt(n)) {
			t.Errorf("Beta(%g, %g): mean %g, variance %g; want 0.5 and %g", b, b, sum/n+0.5, squares/n, variance)
		}
	}
	// Of Beta(2, 2), the part below 1/4 is 3/16 - 2/64.
	low := 0.0
	for i := range 20000 {
		if draws(48, i).beta(2) < 0.25 {
			low++
		}
	}
	if p := 3.0/16 - 2.0/64; !near(low/20000, p, 4*math.Sqrt(p*(1-p)/20000)) {
		t.Errorf("%g of Beta(2, 2) lies below 1/4, want %g", low/20000, p)
	}
}

func TestLevel(t *testing.T) {
	for _, c := range [][3]int{{1, 0, 1}, {63, 0, 63}, {128, 0, 128}, {130, 0, 130}, {501, 0, 501}, {501, 7, 96}, {501, 200, 301}, {50, 49, 1}} {
		frames, from, n := c[0], c[1], c[2]
		s := noisy(7, frames, 3)
		step, sum, count := max(1, n/levelFrames), 0.0, 0.0
		for b := range s.Bins {
			for i := from; i < from+n; i += step {
				sum += math.Exp(float64(s.Row(b)[i]))
				count++
			}
		}
		if got, want := float64((&scratch{}).level(s, from, n, ln)), math.Log(sum/count); !near(got, want, 1e-5) {
			t.Errorf("frames %d to %d of %d: %g, want %g", from, from+n, frames, got, want)
		}
	}
}
