package kernel

import (
	"fmt"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"slices"
	"testing"

	gofft "github.com/mjibson/go-dsp/fft"
)

// fourierCases reach every radix, windows of odd lengths, shorter than half the
// transform, just longer, and as long as all of it, and strides of any kind.
var fourierCases = []struct{ n, window, stride int }{
	{64, 64, 16}, {64, 1, 1}, {80, 80, 80}, {96, 33, 7}, {128, 100, 50}, {160, 81, 0}, {240, 120, 31}, {256, 129, 64}, {400, 400, 160}, {480, 241, 160},
	{512, 400, 160}, {512, 256, 100}, {640, 640, 1}, {768, 300, 11}, {800, 17, 3}, {1024, 400, 160}, {1024, 1024, 256}, {1024, 513, 1000},
	{1200, 1103, 441}, {2048, 2048, 512}, {2400, 1200, 480}, {4096, 1000, 160}, {8192, 8191, 10}, {32768, 32768, 16},
}

// Every path gives the same bytes, and what go-dsp's transform says in float64,
// to float32's rounding of the whole spectrum.
func TestFFT(t *testing.T) {
	for _, c := range fourierCases {
		f := NewFFT(hann(c.window), c.n)
		x := random(uint64(c.n), 15*c.stride+f.Width())
		wantPower, wantComplex := spectra(x, hann(c.window), c.n, c.stride)
		var power, numbers []float32
		onAll(t, func(t *testing.T) {
			name := fmt.Sprint(c)
			p, z := guard(f.Bins()*Lanes), guard(f.Bins()*2*Lanes)
			f.Power(p.data, x, c.stride)
			f.Complex(z.data, x, c.stride)
			p.check(t, name)
			z.check(t, name)
			if power == nil {
				power, numbers = slices.Clone(p.data), slices.Clone(z.data)
			}
			sameBytes(t, name+": power beside the twin", p.data, power)
			sameBytes(t, name+": numbers beside the twin", z.data, numbers)
			near(t, name+": power", p.data, wantPower, 2e-6)
			near(t, name+": numbers", z.data, wantComplex, 1e-6)
		})
	}
}

// spectra are those of sixteen frames, by go-dsp.
func spectra(x []float32, window []float64, n, stride int) (power, numbers []float64) {
	bins := n/2 + 1
	power, numbers = make([]float64, bins*Lanes), make([]float64, bins*2*Lanes)
	for l := range Lanes {
		frame := make([]float64, n)
		for i, w := range window {
			frame[i] = w * float64(x[l*stride+i])
		}
		for k, v := range gofft.FFTReal(frame)[:bins] {
			power[k*Lanes+l] = real(v)*real(v) + imag(v)*imag(v)
			numbers[2*k*Lanes+l], numbers[(2*k+1)*Lanes+l] = real(v), imag(v)
		}
	}
	return power, numbers
}

func hann(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/float64(n))
	}
	return w
}

func TestFFTSize(t *testing.T) {
	for n, want := range map[int]bool{0: false, 2: false, 32: false, 64: true, 72: false, 400: true, 441: false, 448: false, 1024: true, 1 << 17: true, 1 << 18: false, -64: false} {
		if FFTSize(n) != want {
			t.Errorf("%d: %v", n, !want)
		}
	}
	for n := range 5000 { // each that is allowed can be made
		if FFTSize(n) {
			NewFFT([]float64{1}, n)
		}
	}
}

// What is behind the window, and what other lanes hold, counts for nothing.
func TestFFTReadsOnlyTheWindow(t *testing.T) {
	nan := float32(math.NaN())
	onAll(t, func(t *testing.T) {
		f := NewFFT(hann(21), 64)
		x := random(1, 16*f.Width())
		want := make([]float32, f.Bins()*Lanes)
		f.Power(want, x, f.Width())
		for l := range Lanes {
			for i := 21; i < f.Width(); i++ {
				x[l*f.Width()+i] = nan
			}
		}
		x[3*f.Width()+5] = nan
		got := make([]float32, len(want))
		f.Power(got, x, f.Width())
		for i := range got {
			if i%Lanes == 3 != (got[i] != got[i]) || i%Lanes != 3 && got[i] != want[i] {
				t.Fatalf("value %d is %v, without the NaN %v", i, got[i], want[i])
			}
		}
	})
}

// A quiet tone beside a loud one keeps its level: the floor under a spectrum
// lies 150 dB and more below its loudest bin.
func TestFFTRange(t *testing.T) {
	const n, loud, quiet = 1024, 100, 300
	f := NewFFT(blackmanHarris(n), n)
	for _, level := range []struct{ dB, allowed float64 }{{-60, 3e-5}, {-80, 3e-4}, {-100, 3e-3}, {-120, 3e-2}} {
		x := make([]float32, n)
		double := make([]float64, n)
		for i := range x {
			v := math.Sin(2*math.Pi*loud*float64(i)/n) + math.Pow(10, level.dB/20)*math.Cos(2*math.Pi*quiet*float64(i)/n)
			x[i] = float32(v)
			double[i] = float64(x[i]) * blackmanHarris(n)[i]
		}
		got := make([]float32, f.Bins()*Lanes)
		f.Power(got, x, 0)
		want := math.Pow(cmplx.Abs(gofft.FFTReal(double)[quiet]), 2)
		off := math.Abs(float64(got[quiet*Lanes])/want - 1)
		t.Logf("%v dB: power off by %.1e", level.dB, off)
		if off > level.allowed {
			t.Errorf("%v dB beside 0 dB: power %v, want %v", level.dB, got[quiet*Lanes], want)
		}
	}
}

func blackmanHarris(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		t := 2 * math.Pi * float64(i) / float64(n)
		w[i] = 0.35875 - 0.48829*math.Cos(t) + 0.14128*math.Cos(2*t) - 0.01168*math.Cos(3*t)
	}
	return w
}

func TestFFTAllocatesNothing(t *testing.T) {
	f := NewFFT(hann(400), 1024)
	x, dst := make([]float32, 15*160+f.Width()), make([]float32, f.Bins()*2*Lanes)
	if a := testing.AllocsPerRun(5, func() { f.Power(dst, x, 160); f.Complex(dst, x, 160) }); a != 0 {
		t.Errorf("%v allocations", a)
	}
}

// Filters are weighted sums, in any layout.
func TestBank(t *testing.T) {
	first, weights := []int{0, 3, 9, 2}, [][]float64{{1, 2, 0.3}, {0.7}, {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}, nil}
	b := NewBank(first, weights)
	if b.Rows() != 15 {
		t.Fatalf("%d rows, want 15", b.Rows())
	}
	for _, c := range [][2]int{{16, 16}, {33, 16}, {16, 101}, {20, 17}} {
		x := random(9, 14*c[1]+Lanes)
		var twin []float32
		onAll(t, func(t *testing.T) {
			got := guard(3*c[0] + Lanes)
			b.Apply(got.data, c[0], x, c[1])
			got.check(t, "bank")
			for i, row := range weights {
				for l := range Lanes {
					want := 0.0
					for k, w := range row {
						want += w * float64(x[(first[i]+k)*c[1]+l])
					}
					if g := float64(got.data[i*c[0]+l]); math.Abs(g-want) > 1e-6 {
						t.Fatalf("filter %d lane %d is %v, want %v", i, l, g, want)
					}
				}
			}
			if twin == nil {
				twin = slices.Clone(got.data)
			}
			for i := range twin {
				if got.data[i] != twin[i] && i%c[0] < Lanes {
					t.Fatalf("value %d: %v, the twin's %v", i, got.data[i], twin[i])
				}
			}
		})
	}
}

// Log is right to a unit in the last place, over all normal numbers, and the
// same on all paths.
func TestLog(t *testing.T) {
	const step = 10007
	var x []float32
	for bits := uint32(0x00800000); bits < 0x7f800000; bits += step {
		x = append(x, math.Float32frombits(bits))
	}
	for i := range uint32(2000) { // around 1
		x = append(x, math.Float32frombits(0x3f800000-1000+i))
	}
	var twin []float32
	onAll(t, func(t *testing.T) {
		got := slices.Clone(x)
		Log(got, 0, 0, 1)
		worst := 0.0
		for i, v := range x {
			want := math.Log(float64(v))
			unit := float64(math.Nextafter32(float32(math.Abs(want)), math.MaxFloat32)) - float64(float32(math.Abs(want)))
			if off := math.Abs(float64(got[i])-want) / unit; off > worst {
				worst = off
			}
		}
		t.Logf("off by %.3f units in the last place", worst)
		if worst > 1 {
			t.Errorf("off by %v units in the last place", worst)
		}
		if twin == nil {
			twin = got
		}
		sameBytes(t, "log beside the twin", got, twin)
	})
}

func TestLogEdges(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	var twin []float32
	onAll(t, func(t *testing.T) {
		for _, n := range lengths {
			g := guard(n)
			x := random(3, n)
			copy(g.data, x)
			Log(g.data, 0.25, 0.5, 10)
			g.check(t, "log")
			for i, v := range g.data {
				if want := 10 * math.Log(float64(max(x[i], 0.25)+0.5)); math.Abs(float64(v)-want) > 2e-6 {
					t.Fatalf("value %d of %d is %v, want %v", i, n, v, want)
				}
			}
		}
		x := []float32{0, -1, 1e-45, 1, inf, nan, -inf}
		Log(x, 0, 0, 1)
		least := float32(math.Log(leastNormal))
		for i, want := range []float32{least, least, least, 0, nan, nan, least} {
			if x[i] != want && want == want || want != want && x[i] == x[i] {
				t.Errorf("value %d is %v, want %v", i, x[i], want)
			}
		}
		y := random(4, 100)
		for i := range y {
			y[i] *= y[i]
		}
		y[20], y[99] = nan, nan
		Sqrt(y)
		Clamp(y, 0.5)
		if y[20] == y[20] || y[99] == y[99] {
			t.Error("NaN is lost")
		}
		y[20], y[99] = 0, 0
		if twin == nil {
			twin = y
		}
		sameBytes(t, "roots beside the twin", y, twin)
		for i, r := range random(4, 100) {
			if want := max(float32(math.Abs(float64(r))), 0.5); i != 20 && i != 99 && math.Abs(float64(y[i]-want)) > 1e-6 {
				t.Errorf("root %d is %v, want %v", i, y[i], want)
			}
		}
	})
}

// The rate of the steps of log-mel at 16 kHz, for sixteen frames.
func BenchmarkFFT(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, i := range paths() {
		for _, c := range [][2]int{{1024, 400}, {512, 400}, {400, 400}, {2048, 2048}} {
			b.Run(fmt.Sprintf("%s/%d_of_%d", isaNames[i], c[1], c[0]), func(b *testing.B) {
				use(b, i)
				f := NewFFT(hann(c[1]), c[0])
				x, dst := make([]float32, 15*160+f.Width()), make([]float32, f.Bins()*Lanes)
				for i := range x {
					x[i] = r.Float32()
				}
				for b.Loop() {
					f.Power(dst, x, 160)
				}
				b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/Lanes, "ns/frame")
			})
		}
	}
}
