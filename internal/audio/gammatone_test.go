package audio

import (
	"math"
	"math/cmplx"
	"testing"
)

// slaneyFilter runs x through Slaney's filter: four biquads in turn, with the
// coefficients of his MakeERBFilters.
func slaneyFilter(x []float64, hz, width float64, rate int) {
	T := 1 / float64(rate)
	B := 1.019 * 2 * math.Pi * width * (hz/9.26449 + 24.7)
	theta := 2 * hz * math.Pi * T
	for _, c := range []float64{math.Sqrt(3 + math.Pow(2, 1.5)), -math.Sqrt(3 + math.Pow(2, 1.5)), math.Sqrt(3 - math.Pow(2, 1.5)), -math.Sqrt(3 - math.Pow(2, 1.5))} {
		a1 := -(2*T*math.Cos(theta)/math.Exp(B*T) + 2*c*T*math.Sin(theta)/math.Exp(B*T)) / 2
		b1, b2 := -2*math.Cos(theta)/math.Exp(B*T), math.Exp(-2*B*T)
		var x1, y1, y2 float64
		for n, v := range x {
			y := T*v + a1*x1 - b1*y1 - b2*y2
			x1, y2, y1 = v, y1, y
			x[n] = y
		}
	}
}

// slaneyResponse is the filter's |H|, of its answer to an impulse by the sum of the
// definition, 1 at the centre.
func slaneyResponse(hz, width float64, rate int) func(w float64) float64 {
	x := make([]float64, rate/2)
	x[0] = 1
	slaneyFilter(x, hz, width, rate)
	response := func(w float64) float64 {
		var z complex128
		step, turn := cmplx.Exp(complex(0, -w)), complex(1, 0)
		for _, v := range x {
			z += complex(v, 0) * turn
			turn *= step
		}
		return cmplx.Abs(z)
	}
	top := response(2 * math.Pi * hz / float64(rate))
	return func(w float64) float64 { return response(w) / top }
}

func TestGammatoneAgainstDefinition(t *testing.T) {
	c := noise(16000, 900)
	base := Features["gammatone"].(Gammatone)
	base.NFFT, base.NFilters, base.Log = 512, 12, "none"
	with := func(change func(*Gammatone)) Gammatone { o := base; change(&o); return o }
	for name, o := range map[string]Gammatone{
		"energy":    base,
		"magnitude": with(func(o *Gammatone) { o.Power, o.FMax, o.PadMode = 1, 5000, "constant" }),
		"wide":      with(func(o *Gammatone) { o.Width, o.FMin, o.Center = 2, 200, false }),
	} {
		high := o.FMax
		if high == 0 {
			high = 8000
		}
		frames := newSTFT(o.stft()).frames(len(c.Samples))
		spectra := make([][]float64, frames)
		for i := range spectra {
			for k := range 257 {
				spectra[i] = append(spectra[i], cmplx.Abs(definedSTFT(o.stft(), c.Samples, i, k)))
			}
		}
		want := make([][]float64, o.NFilters)
		// Equal steps in ERBs, 9.26449·ln(1 + f/(24.7·9.26449)), the last below f_max.
		const q = 24.7 * 9.26449
		low, step := math.Log(1+o.FMin/q), (math.Log(1+high/q)-math.Log(1+o.FMin/q))/float64(o.NFilters)
		for m := range want {
			response := slaneyResponse(q*(math.Exp(low+step*float64(m))-1), o.Width, 16000)
			want[m] = make([]float64, frames)
			for k := range 257 {
				h := response(2 * math.Pi * float64(k) / 512)
				for i := range want[m] {
					want[m][i] += math.Pow(h*spectra[i][k], o.Power)
				}
			}
		}
		near(t, name, extract(t, o, c), want, 1e-5)
	}
}

// With power 2 a value is the energy of the filtered frame.
func TestGammatoneIsEnergy(t *testing.T) {
	o := Features["gammatone"].(Gammatone)
	o.Log, o.Center = "none", false
	o.NFFT, o.WinLength = 16384, 400 // long enough for the filter to ring out
	c := noise(16000, 16384)
	s := extract(t, o, c)
	for _, m := range []int{0, 20, 60} {
		hz := o.centre(m, 16000)
		x := make([]float64, o.NFFT)
		for i := range o.WinLength {
			at := (o.NFFT-o.WinLength)/2 + i
			x[i] = float64(c.Samples[at]) * periodicWindow("hann", i, o.WinLength)
		}
		impulse, gain, energy := make([]float64, o.NFFT), complex(0, 0), 0.0
		impulse[0] = 1
		slaneyFilter(impulse, hz, 1, 16000)
		slaneyFilter(x, hz, 1, 16000)
		for n, v := range x {
			gain += cmplx.Rect(impulse[n], -2*math.Pi*hz*float64(n)/16000)
			energy += v * v
		}
		energy /= math.Pow(cmplx.Abs(gain), 2)
		// Both halves of the spectrum, by Parseval.
		if got := float64(s.Row(m)[0]) * 2 / float64(o.NFFT); math.Abs(got-energy) > 1e-3*energy {
			t.Errorf("filter %d at %.0f Hz: energy %v, want %v", m, hz, got, energy)
		}
	}
}
