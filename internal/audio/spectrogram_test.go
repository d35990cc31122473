package audio

import (
	"math"
	"math/cmplx"
	"testing"
)

// tone is a sine with noise of known values under it.
func tone(hz float64, n int) Clip {
	c := Clip{Rate: 16000, Samples: make([]float32, n)}
	for i := range c.Samples {
		c.Samples[i] = float32(0.5*math.Sin(2*math.Pi*hz*float64(i)/16000+0.3) + 0.1*math.Sin(float64(i*i%977)))
	}
	return c
}

// periodicWindow is the definition of each window.
func periodicWindow(name string, p, n int) float64 {
	x := 2 * math.Pi * float64(p) / float64(n)
	switch name {
	case "hann":
		return 0.5 - 0.5*math.Cos(x)
	case "hamming":
		return 0.54 - 0.46*math.Cos(x)
	case "blackman":
		return 0.42 - 0.5*math.Cos(x) + 0.08*math.Cos(2*x)
	case "povey":
		return math.Pow(0.5-0.5*math.Cos(x), 0.85)
	}
	return 1
}

// definedRoots keeps what definedSTFT turns by: exp(-2πi·k/n).
var definedRoots = map[int][]complex128{}

// definedSTFT is value k of frame t of torch.stft, in float64.
func definedSTFT(o STFT, x []float32, t, k int) complex128 {
	roots := definedRoots[o.NFFT]
	for k := len(roots); k < o.NFFT; k++ {
		roots = append(roots, cmplx.Exp(complex(0, -2*math.Pi*float64(k)/float64(o.NFFT))))
	}
	definedRoots[o.NFFT] = roots
	var sum complex128
	for j := range o.WinLength {
		p := (o.NFFT-o.WinLength)/2 + j // in the transform
		at := t*o.HopLength + p
		if o.Center {
			at -= o.NFFT / 2
		}
		v := 0.0
		switch {
		case at >= 0 && at < len(x):
			v = float64(x[at])
		case o.PadMode == "reflect" && at < 0:
			v = float64(x[-at])
		case o.PadMode == "reflect":
			v = float64(x[2*(len(x)-1)-at])
		}
		sum += complex(v*periodicWindow(o.Window, j, o.WinLength), 0) * roots[p*k%o.NFFT]
	}
	return sum
}

func TestPhaseMatchesTorch(t *testing.T) {
	c := referenceCases(t)["audio/stft_complex_256"]
	re, im := loadNPY(t, c.Outputs["real"].File), loadNPY(t, c.Outputs["imag"].File)
	o := STFT{NFFT: 256, WinLength: 256, HopLength: 128, Window: "hann", Center: true, PadMode: "reflect", Value: "phase"}
	phase := extract(t, o, c.wave(t, 16000))
	o.Value = "magnitude"
	magnitude := extract(t, o, c.wave(t, 16000))
	if phase.Bins != re.shape[0] || phase.Frames != re.shape[1] {
		t.Fatalf("shape (%d, %d), want %v", phase.Bins, phase.Frames, re.shape)
	}
	real, imag := make([]float64, len(re.data)), make([]float64, len(im.data))
	for i, p := range phase.Data {
		sin, cos := math.Sincos(float64(p))
		real[i], imag[i] = float64(magnitude.Data[i])*cos, float64(magnitude.Data[i])*sin
	}
	c.matches(t, "real", phase.Bins, phase.Frames, real)
	c.matches(t, "imag", phase.Bins, phase.Frames, imag)
}

// Each value under each window against the definition, windows shorter than the
// transform, odd and even, with and without padding.
func TestSTFTAgainstDefinition(t *testing.T) {
	c := tone(1234, 900)
	for _, o := range []STFT{
		{NFFT: 64, WinLength: 64, HopLength: 16, Window: "hann", Center: true, PadMode: "reflect"},
		{NFFT: 64, WinLength: 50, HopLength: 24, Window: "hamming", Center: true, PadMode: "constant"},
		{NFFT: 60, WinLength: 41, HopLength: 20, Window: "blackman", PadMode: "reflect"},
		{NFFT: 45, WinLength: 45, HopLength: 13, Window: "povey", Center: true, PadMode: "reflect"},
		{NFFT: 128, WinLength: 100, HopLength: 50, Window: "rectangular", PadMode: "constant"},
	} {
		o.Floor, o.TopDB = 1e-6, 30
		values := map[string]*Spectrogram{}
		for _, v := range []string{"magnitude", "power", "ln", "log10", "db", "phase", "if", "if_hz"} {
			o.Value = v
			s := extract(t, o, c)
			values[v] = &s
		}
		top := math.Inf(-1)
		for _, v := range values["power"].Data {
			top = max(top, 10*math.Log10(float64(v)))
		}
		for k := range o.NFFT/2 + 1 {
			before := complex(0, 0)
			for i := range values["phase"].Frames {
				z := definedSTFT(o, c.Samples, i, k)
				power := real(z)*real(z) + imag(z)*imag(z)
				want := map[string]float64{"magnitude": cmplx.Abs(z), "power": power, "ln": math.Log(power + 1e-6), "log10": math.Log10(power + 1e-6),
					"db": max(10*math.Log10(max(power, 1e-10)), top-30)}
				// Rounding turns what is nearly 0 to anywhere.
				if cmplx.Abs(z) > 1e-2 && (i == 0 || cmplx.Abs(before) > 1e-2) {
					want["phase"] = cmplx.Phase(z)
					want["if"] = 0
					if i > 0 {
						want["if"] = cmplx.Phase(z / before * cmplx.Conj(root(-k*o.HopLength%o.NFFT, o.NFFT)))
					}
					want["if_hz"] = 16000 * (float64(k)/float64(o.NFFT) + want["if"]/(2*math.Pi*float64(o.HopLength)))
				}
				before = z
				for name, w := range want {
					got := float64(values[name].Row(k)[i])
					off, allowed := math.Abs(got-w), 3e-4*(1+math.Abs(w))
					switch name {
					case "phase", "if": // a step of 2π is no difference
						off = math.Abs(math.Remainder(got-w, 2*math.Pi))
						if math.Abs(got) > math.Pi+1e-6 {
							t.Fatalf("%+v: %s is %v, beyond π", o, name, got)
						}
					case "if_hz":
						turn := 16000 / float64(o.HopLength)
						off, allowed = math.Abs(math.Remainder(got-w, turn)), 0.5
					}
					if off > allowed {
						t.Fatalf("%+v: %s of bin %d, frame %d is %v, want %v", o, name, k, i, got, w)
					}
				}
			}
		}
	}
}

// A sine's instantaneous frequency is its own in every bin of its peak, though
// the bins lie at other frequencies.
func TestInstantaneousFrequencyOfTone(t *testing.T) {
	c := Clip{Rate: 16000, Samples: make([]float32, 8000)}
	for i := range c.Samples {
		c.Samples[i] = float32(math.Sin(2 * math.Pi * 1003.7 * float64(i) / 16000))
	}
	o := Features["stft"].(STFT)
	o.Value, o.WinLength = "if_hz", 1024
	s := extract(t, o, c)
	for k := 63; k <= 65; k++ { // 984 to 1016 Hz
		for i := 5; i < s.Frames-5; i++ {
			if got := float64(s.Row(k)[i]); math.Abs(got-1003.7) > 0.05 {
				t.Fatalf("bin %d, frame %d: %v Hz, want 1003.7", k, i, got)
			}
		}
	}
}

// Silence has the phase 0, whatever the sign of its zeros, and the transform's
// real ends have 0 or π.
func TestPhaseOfReal(t *testing.T) {
	o := Features["stft"].(STFT)
	o.Value = "phase"
	for i, v := range extract(t, o, Clip{Rate: 16000, Samples: make([]float32, 4000)}).Data {
		if v != 0 || math.Signbit(float64(v)) {
			t.Fatalf("silence: value %d is %v", i, v)
		}
	}
	s := extract(t, o, tone(700, 4000))
	for _, k := range []int{0, 512} {
		for i, v := range s.Row(k) {
			if v != 0 && v != float32(math.Pi) {
				t.Errorf("bin %d, frame %d has the phase %v", k, i, v)
			}
		}
	}
}
