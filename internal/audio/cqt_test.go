package audio

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"
)

// noise is white noise with tones in it that lie between the bins.
func noise(rate, n int) Clip {
	r := rand.New(rand.NewPCG(uint64(rate), uint64(n)))
	c := Clip{Rate: rate, Samples: make([]float32, n)}
	for i := range c.Samples {
		c.Samples[i] = float32(0.1*r.NormFloat64() + 0.2*math.Sin(float64(i)*0.051+1) + 0.1*math.Sin(float64(i)*0.7))
	}
	return c
}

// definedCQT is the definition as loops over the clip: |X| by bin and frame.
// gamma is γ in Hz.
func definedCQT(o CQT, gamma float64, c Clip) [][]float64 {
	r := math.Pow(2, 1/float64(o.BinsPerOctave))
	alpha := (r*r - 1) / (r*r + 1)
	all := make([][]float64, o.NBins)
	for k := range all {
		f := o.FMin * math.Pow(2, float64(k)/float64(o.BinsPerOctave)) * math.Pow(2, o.Tuning/float64(o.BinsPerOctave))
		length := o.FilterScale / alpha * float64(c.Rate) / (f + gamma/alpha)
		from, to := int(math.Floor(-length/2)), int(math.Floor(length/2))
		filter, sum := make([]complex128, to-from), 0.0
		for i := range filter {
			w := periodicWindow(o.Window, i, to-from)
			filter[i], sum = cmplx.Rect(w, -2*math.Pi*f*float64(from+i)/float64(c.Rate)), sum+w
		}
		gain := length / sum
		if o.Scale {
			gain = math.Sqrt(length) / sum
		}
		for at := 0; at <= len(c.Samples); at += o.HopLength {
			var x complex128
			for i, w := range filter {
				j := at + from + i
				if o.PadMode == "reflect" {
					for j < 0 || j >= len(c.Samples) {
						if j < 0 {
							j = -j
						} else {
							j = 2*(len(c.Samples)-1) - j
						}
					}
				}
				if j >= 0 && j < len(c.Samples) {
					x += w * complex(float64(c.Samples[j]), 0)
				}
			}
			all[k] = append(all[k], gain*cmplx.Abs(x))
		}
	}
	return all
}

// near holds a spectrogram against the definition: no value is further away
// than tolerance times the largest, no bin further than that in root mean square.
func near(t *testing.T, name string, got Spectrogram, want [][]float64, tolerance float64) {
	t.Helper()
	if got.Bins != len(want) || got.Frames != len(want[0]) {
		t.Fatalf("%s: shape (%d, %d), want (%d, %d)", name, got.Bins, got.Frames, len(want), len(want[0]))
	}
	top, worst := 0.0, 0.0
	for _, row := range want {
		for _, v := range row {
			top = max(top, math.Abs(v))
		}
	}
	for b, row := range want {
		num, den := 0.0, 0.0
		for i, v := range row {
			d := float64(got.Row(b)[i]) - v
			if !(math.Abs(d) <= tolerance*top) {
				t.Fatalf("%s: bin %d, frame %d is %v, want %v; the largest is %v", name, b, i, got.Row(b)[i], v, top)
			}
			num, den = num+d*d, den+v*v
		}
		if den > 0 {
			worst = max(worst, math.Sqrt(num/den))
		}
	}
	t.Logf("%s: relative %.2g (allowed %g)", name, worst, tolerance)
	if worst > tolerance {
		t.Errorf("%s: relative %g, allowed %g", name, worst, tolerance)
	}
}

// The transform against the definition: octaves and their parts, windows, clips
// shorter than the longest windows, rates that make odd lengths, sizes that the
// lanes do not know.
func TestCQTAgainstDefinition(t *testing.T) {
	with := func(change func(*CQT)) CQT { o := cqtDefaults; change(&o); return o }
	for _, c := range []struct {
		name  string
		o     CQT
		gamma float64
		clip  Clip
	}{
		{"default", cqtDefaults, 0, noise(16000, 9000)},
		{"44.1 kHz", cqtDefaults, 0, noise(44100, 12000)},
		{"8 kHz", with(func(o *CQT) { o.NBins, o.PadMode, o.Window = 72, "reflect", "hamming" }), 0, noise(8000, 3000)},
		{"fine", with(func(o *CQT) { o.BinsPerOctave, o.NBins, o.FMin, o.Scale, o.Tuning = 36, 50, 500, false, 0.3 }), 0, noise(16000, 5000)},
		{"coarse", with(func(o *CQT) {
			o.BinsPerOctave, o.NBins, o.FilterScale, o.HopLength, o.Window = 3, 18, 0.7, 100, "blackman"
		}), 0, noise(22050, 4000)},
		{"few samples", with(func(o *CQT) {
			o.BinsPerOctave, o.NBins, o.FilterScale, o.FMin, o.HopLength, o.Window = 1, 3, 0.5, 300, 90, "rectangular"
		}), 0, noise(16000, 1000)},
		{"one bin", with(func(o *CQT) { o.NBins, o.FMin, o.PadMode = 1, 440, "reflect" }), 0, noise(16000, 3000)},
		{"mirrored often", with(func(o *CQT) { o.PadMode = "reflect" }), 0, noise(16000, 700)},
		{"long", with(func(o *CQT) { o.NBins, o.FMin, o.HopLength = 2, 10, 40000 }), 0, noise(48000, 90000)},
		{"wider", cqtDefaults, 13.2, noise(16000, 9000)},
		{"much wider", with(func(o *CQT) { o.PadMode = "reflect" }), 200, noise(16000, 2000)},
	} {
		c.o.Value = "magnitude"
		var options FeatureOptions = c.o
		if c.gamma > 0 {
			options = VQT{c.o, c.gamma}
		}
		near(t, c.name, extract(t, options, c.clip), definedCQT(c.o, c.gamma, c.clip), 1e-5)
	}
}

// A tone of amplitude A at a bin's frequency is A/2·√L there, and white noise is
// as loud in all bins.
func TestCQTLevels(t *testing.T) {
	o := cqtDefaults
	o.Value = "magnitude"
	c := Clip{Rate: 16000, Samples: make([]float32, 32000)}
	for i := range c.Samples {
		c.Samples[i] = float32(0.5 * math.Sin(2*math.Pi*440*float64(i)/16000))
	}
	s := extract(t, o, c)
	const a4 = 45 // semitones above C1
	alpha := (math.Pow(2, 1.0/6) - 1) / (math.Pow(2, 1.0/6) + 1)
	if got, want := float64(s.Row(a4)[30]), 0.25*math.Sqrt(16000/440.0/alpha); math.Abs(got-want) > 1e-3*want {
		t.Errorf("a tone of 0.5 is %v, want %v", got, want)
	}
	for b := range s.Bins {
		if b != a4 && s.Row(b)[30] >= s.Row(a4)[30] {
			t.Errorf("bin %d is louder than the tone's", b)
		}
	}
	o.Value = "power"
	r := rand.New(rand.NewPCG(1, 2))
	for i := range c.Samples {
		c.Samples[i] = float32(r.NormFloat64())
	}
	s = extract(t, o, c)
	mean := func(from, to int) float64 {
		sum := 0.0
		for b := from; b < to; b++ {
			for _, v := range s.Row(b)[20:40] {
				sum += float64(v)
			}
		}
		return sum / float64(20*(to-from))
	}
	// Of L samples under Hann's window, Σw²/(Σw)²·L is 1.5.
	if low, high := mean(24, 48), mean(60, 84); math.Abs(low-1.5) > 0.4 || math.Abs(high-1.5) > 0.15 {
		t.Errorf("white noise has power %v in low bins, %v in high ones, want 1.5", low, high)
	}
}

// The logarithms are those of the power.
func TestCQTValues(t *testing.T) {
	o, c := cqtDefaults, noise(16000, 6000)
	o.Value, o.TopDB, o.Floor = "power", 30, 1e-3
	power := extract(t, o, c)
	top := 0.0
	for _, v := range power.Data {
		top = max(top, float64(v))
	}
	for value, want := range map[string]func(p float64) float64{
		"magnitude": math.Sqrt,
		"ln":        func(p float64) float64 { return math.Log(p + 1e-3) },
		"log10":     func(p float64) float64 { return math.Log10(p + 1e-3) },
		"db":        func(p float64) float64 { return 10 * math.Log10(max(p, top/1000)) },
	} {
		o.Value = value
		for i, v := range extract(t, o, c).Data {
			if w := want(float64(power.Data[i])); math.Abs(float64(v)-w) > 1e-5*(1+math.Abs(w)) {
				t.Fatalf("%s: value %d is %v, want %v", value, i, v, w)
			}
		}
	}
}

// The default gamma is librosa's: 24.7·α/0.108.
func TestVQTGamma(t *testing.T) {
	o := Features["vqt"].(VQT)
	r2 := math.Pow(2, 1.0/6)
	if got, want := o.gamma(), 24.7*(r2-1)/(r2+1)/0.108; math.Abs(got-want) > 1e-12 {
		t.Errorf("gamma is %v, want %v", got, want)
	}
	c := noise(16000, 9000)
	near(t, "default", magnitudeOf(t, o, c), definedCQT(o.CQT, o.gamma(), c), 1e-5)
}

func magnitudeOf(t *testing.T, o VQT, c Clip) Spectrogram {
	o.Value = "magnitude"
	return extract(t, o, c)
}
