package augment

import (
	"math"
	"math/cmplx"
	"testing"

	"clr/internal/audio"
)

// response is a filter's power at each bin of n samples.
func response(t *testing.T, a Wave, rate, n, seed int) []float64 {
	t.Helper()
	x := make([]float32, n)
	x[0] = 1
	c := &audio.Clip{Rate: rate, Samples: x}
	if err := a.Wave(c, draws(37, seed)); err != nil {
		t.Fatal(err)
	}
	return powers(c.Samples)
}

// warped is the analogue frequency that the bilinear transform puts at f parts
// of the rate.
func warped(f float64) float64 { return math.Tan(math.Pi * f) }

// The powers are those of Butterworth's analogue filters, warped:
// 1/(1+(f/cut-off)^(2·order)), and 1 minus it.
func TestPassFilters(t *testing.T) {
	const rate, n = 16000, 1 << 14
	for _, order := range []int{2, 4, 6, 8} {
		for _, hz := range []float64{100, 1000, 5000} {
			low := response(t, LowPass{P: 1, Cutoff: [2]float64{hz, hz}, Order: order}, rate, n, 0)
			high := response(t, HighPass{P: 1, Cutoff: [2]float64{hz, hz}, Order: order}, rate, n, 0)
			for k := 1; k < n/2; k += 7 {
				r := math.Pow(warped(float64(k)/n)/warped(hz/rate), float64(2*order))
				if want := 1 / (1 + r); !near(low[k], want, 1e-4) {
					t.Fatalf("low-pass of order %d at %g Hz: bin %d has %g, want %g", order, hz, k, low[k], want)
				}
				if want := r / (1 + r); r < math.Inf(1) && !near(high[k], want, 1e-4) {
					t.Fatalf("high-pass of order %d at %g Hz: bin %d has %g, want %g", order, hz, k, high[k], want)
				}
			}
		}
	}
}

// Band-pass and notch: all or nothing in the middle, half the power at edges
// that are the octaves apart, and together all of it.
func TestBandFilters(t *testing.T) {
	const rate, n = 16000, 1 << 15
	for _, hz := range []float64{250, 1000} {
		for _, octaves := range []float64{0.5, 1, 2} {
			at := [2]float64{hz, hz}
			pass := response(t, BandPass{P: 1, Center: at, Octaves: [2]float64{octaves, octaves}}, rate, n, 0)
			notch := response(t, Notch{P: 1, Center: at, Octaves: [2]float64{octaves, octaves}}, rate, n, 0)
			middle := int(hz * n / rate)
			if !near(pass[middle], 1, 1e-4) || notch[middle] > 1e-6 {
				t.Errorf("%g Hz: the middle has %g and %g", hz, pass[middle], notch[middle])
			}
			low, high := middle, middle
			for ; pass[low] > 0.5; low-- {
			}
			for ; pass[high] > 0.5; high++ {
			}
			if got := math.Log2(float64(high) / float64(low)); !near(got, octaves, 0.07*octaves) { // the warping at 2 kHz
				t.Errorf("%g Hz: %g octaves wide, want %g", hz, got, octaves)
			}
			for k := range pass {
				if !near(pass[k]+notch[k], 1, 1e-3) {
					t.Fatalf("%g Hz: bin %d has %g and %g", hz, k, pass[k], notch[k])
				}
			}
		}
	}
}

// Cut-offs are spread evenly over octaves, and those beyond half the rate are
// taken there.
func TestCutoffs(t *testing.T) {
	const rate, n = 16000, 1 << 12
	var cuts []float64
	for i := range 500 {
		p := response(t, LowPass{P: 1, Cutoff: [2]float64{200, 3200}, Order: 4}, rate, n, i)
		k := 1
		for ; p[k] > 0.5; k++ {
		}
		r := (p[k-1] - 0.5) / (p[k-1] - p[k])
		cuts = append(cuts, math.Log2((float64(k-1)+r)*rate/n/200))
	}
	spread(t, "octaves", cuts, 0, 4)
	for _, a := range []Wave{LowPass{P: 1, Cutoff: [2]float64{1e5, 1e5}, Order: 8}, HighPass{P: 1, Cutoff: [2]float64{1e5, 1e5}, Order: 8},
		BandPass{P: 1, Center: [2]float64{1e5, 1e5}, Octaves: [2]float64{10, 10}}, Notch{P: 1, Center: [2]float64{1e5, 1e5}, Octaves: [2]float64{10, 10}}} {
		for k, v := range response(t, a, rate, n, 1) {
			if math.IsNaN(v) || v > 1.001 {
				t.Fatalf("%+v: bin %d has %g", a, k, v)
			}
		}
	}
}

// A biquad against its difference equation's transfer function.
func TestBiquad(t *testing.T) {
	f := biquad{0.2, -0.3, 0.4, -0.5, 0.6}
	x := make([]float32, 256)
	x[0] = 1
	f.run(x)
	for k, v := range powers(x) {
		z := cmplx.Exp(complex(0, -2*math.Pi*float64(k)/256))
		h := (complex(f.b0, 0) + complex(f.b1, 0)*z + complex(f.b2, 0)*z*z) / (1 + complex(f.a1, 0)*z + complex(f.a2, 0)*z*z)
		if want := real(h)*real(h) + imag(h)*imag(h); !near(v, want, 1e-6) {
			t.Fatalf("bin %d has %g, want %g", k, v, want)
		}
	}
}
