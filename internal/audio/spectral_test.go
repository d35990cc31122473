package audio

import (
	"math"
	"math/cmplx"
	"slices"
	"strings"
	"testing"
)

func TestCentroidMatchesTorchaudio(t *testing.T) {
	c := referenceCases(t)["audio/spectral_centroid"]
	o := Features["spectral"].(Spectral)
	o.Values, o.NFFT, o.WinLength, o.HopLength, o.PadMode = []string{"centroid"}, 400, 400, 160, "reflect"
	s := extract(t, o, c.wave(t, 16000))
	want := loadNPY(t, c.Outputs["hz"].File)
	if s.Bins != 1 || s.Frames != want.shape[0] {
		t.Fatalf("shape (%d, %d), want %v", s.Bins, s.Frames, want.shape)
	}
	for i, w := range want.data {
		if d := math.Abs(float64(s.Data[i]) - w); d > c.Outputs["hz"].Tolerance.MaxAbs {
			t.Errorf("frame %d: %v Hz, want %v", i, s.Data[i], w)
		}
	}
}

// Every number against librosa.feature's definition, written as it stands there.
func TestSpectralAgainstDefinition(t *testing.T) {
	c := tone(900, 3000)
	copy(c.Samples[800:], make([]float32, 900)) // silence
	o := Features["spectral"].(Spectral)
	o.Values = []string{"rms", "contrast", "centroid", "zcr", "bandwidth", "rolloff", "flatness"}
	o.NFFT, o.WinLength, o.HopLength, o.NBands, o.Quantile, o.FMin = 256, 200, 100, 5, 0.1, 130
	for _, center := range []bool{true, false} {
		for _, p := range []float64{2, 3} {
			o.Center, o.P = center, p
			s := extract(t, o, c)
			if s.Bins != 6+6 {
				t.Fatalf("%d bins, want 12", s.Bins)
			}
			peaks, valleys := make([][]float64, 6), make([][]float64, 6)
			for i := range s.Frames {
				m := make([]float64, 129) // magnitudes
				for k := range m {
					m[k] = cmplx.Abs(definedSTFT(o.stft(), c.Samples, i, k))
				}
				want := definedSpectral(o, m)
				from := i * 100
				if center {
					from -= 128
				}
				squares, crossings := 0.0, 0
				for j := range 256 {
					at := func(j int) float64 { return float64(c.Samples[min(max(from+j, 0), 2999)]) }
					if from+j >= 0 && from+j < 3000 {
						squares += at(j) * at(j)
					}
					if j > 0 && (at(j) < 0) != (at(j-1) < 0) {
						crossings++
					}
				}
				want["rms"], want["zcr"] = math.Sqrt(squares/256), float64(crossings)/256
				for name, row := range map[string]int{"rms": 0, "centroid": 7, "zcr": 8, "bandwidth": 9, "rolloff": 10, "flatness": 11} {
					got, w := float64(s.Row(row)[i]), want[name]
					if math.Abs(got-w) > 1e-4*(1e-3+math.Abs(w)) {
						t.Errorf("center %v, p %v: %s of frame %d is %v, want %v", center, p, name, i, got, w)
					}
				}
				up, down := definedContrast(o, m)
				for b := range peaks {
					peaks[b], valleys[b] = append(peaks[b], up[b]), append(valleys[b], down[b])
				}
			}
			inDB(peaks)
			inDB(valleys)
			for b := range peaks {
				for i, v := range peaks[b] {
					if got, w := float64(s.Row(1 + b)[i]), v-valleys[b][i]; math.Abs(got-w) > 2e-2 {
						t.Errorf("center %v: contrast of band %d, frame %d is %v, want %v", center, b, i, got, w)
					}
				}
			}
		}
	}
}

// definedSpectral is librosa's centroid, bandwidth, rolloff and flatness of
// magnitudes at 16 kHz.
func definedSpectral(o Spectral, m []float64) map[string]float64 {
	hz := func(k int) float64 { return 8000 * float64(k) / float64(len(m)-1) }
	all := 0.0
	for _, v := range m {
		all += v
	}
	centroid, bandwidth, logs, powers := 0.0, 0.0, 0.0, 0.0
	for k, v := range m {
		if all > 0 {
			centroid += hz(k) * v / all
		}
		power := max(1e-10, v*v)
		logs, powers = logs+math.Log(power), powers+power
	}
	for k, v := range m {
		if all > 0 {
			bandwidth += math.Pow(math.Abs(hz(k)-centroid), o.P) * v / all
		}
	}
	rolloff, sum := math.Inf(1), 0.0
	for k, v := range m {
		if sum += v; sum >= 0.85*all {
			rolloff = min(rolloff, hz(k))
		}
	}
	n := float64(len(m))
	return map[string]float64{"centroid": centroid, "bandwidth": math.Pow(bandwidth, 1/o.P), "rolloff": rolloff,
		"flatness": math.Exp(logs/n) / (powers / n)}
}

// definedContrast is the peaks and valleys of librosa's spectral_contrast.
func definedContrast(o Spectral, m []float64) (peaks, valleys []float64) {
	edges := []float64{0}
	for j := range o.NBands + 1 {
		edges = append(edges, o.FMin*math.Pow(2, float64(j)))
	}
	for b := range o.NBands + 1 {
		var in []int
		for k := range m {
			if f := 8000 * float64(k) / float64(len(m)-1); f >= edges[b] && f <= edges[b+1] {
				in = append(in, k)
			}
		}
		if b > 0 {
			in = append([]int{in[0] - 1}, in...)
		}
		for b == o.NBands && in[len(in)-1] < len(m)-1 {
			in = append(in, in[len(in)-1]+1)
		}
		n := int(max(1, math.RoundToEven(o.Quantile*float64(len(in)))))
		if b < o.NBands {
			in = in[:len(in)-1]
		}
		var band []float64
		for _, k := range in {
			band = append(band, m[k])
		}
		slices.Sort(band)
		peak, valley := 0.0, 0.0
		for i := range n {
			peak, valley = peak+band[len(band)-1-i]/float64(n), valley+band[i]/float64(n)
		}
		peaks, valleys = append(peaks, peak), append(valleys, valley)
	}
	return peaks, valleys
}

// inDB is librosa's power_to_db.
func inDB(x [][]float64) {
	top := math.Inf(-1)
	for _, row := range x {
		for i, v := range row {
			row[i] = 10 * math.Log10(max(v, 1e-10))
			top = max(top, row[i])
		}
	}
	for _, row := range x {
		for i, v := range row {
			row[i] = max(v, top-80)
		}
	}
}

// White noise is flat, a tone is not; the tone's centroid is its frequency.
func TestSpectralOfKnownSounds(t *testing.T) {
	o := Features["spectral"].(Spectral)
	o.Values = []string{"flatness", "centroid", "bandwidth", "zcr", "rms"}
	pure := Clip{Rate: 16000, Samples: make([]float32, 8000)}
	for i := range pure.Samples {
		pure.Samples[i] = float32(math.Sin(2 * math.Pi * 1000 * float64(i) / 16000))
	}
	s := extract(t, o, pure)
	at := s.Frames / 2
	for i, want := range []float64{0, 1000, 5, 0.125, math.Sqrt2 / 2} {
		if got, allowed := float64(s.Row(i)[at]), []float64{1e-4, 1, 10, 1e-3, 1e-4}[i]; math.Abs(got-want) > allowed {
			t.Errorf("%s of a tone of 1 kHz is %v, want about %v", o.Values[i], got, want)
		}
	}
	white, x := Clip{Rate: 16000, Samples: make([]float32, 8000)}, uint32(1)
	for i := range white.Samples {
		x = x*1664525 + 1013904223
		white.Samples[i] = float32(x)/(1<<31) - 1
	}
	// The mean of ln of an exponential distribution is Euler's constant below 0.
	if s, want := extract(t, o, white), math.Exp(-0.5772); math.Abs(float64(s.Row(0)[at])-want) > 0.04 {
		t.Errorf("flatness of white noise is %v, want about %v", s.Row(0)[at], want)
	}
}

// Zero crossings at the clip's ends and near 0, which counts as positive.
func TestZeroCrossings(t *testing.T) {
	o := Features["spectral"].(Spectral)
	o.Values, o.NFFT, o.WinLength = []string{"zcr"}, 64, 64
	first, faint := make([]float32, 64), make([]float32, 64)
	first[0] = -1
	for i := range faint {
		faint[i] = 5e-11 * float32(1-i%2*2)
	}
	for want, x := range map[float32][]float32{1.0 / 64: first, 0: faint} {
		if got := extract(t, o, Clip{Rate: 16000, Samples: x}).Data[0]; got != want {
			t.Errorf("%v crossings a sample, want %v", got, want)
		}
	}
}

// Contrast looks no more than 80 dB below the clip's loudest, and at no more bins
// than a band has.
func TestContrastLimits(t *testing.T) {
	o := Features["spectral"].(Spectral)
	o.Values, o.NFFT, o.WinLength, o.HopLength, o.Center, o.Window = []string{"contrast"}, 512, 512, 512, false, "blackman"
	c := tone(1000, 1024) // loud, then below the limit
	for i := range 512 {
		c.Samples[512+i] *= 3e-9
	}
	s := extract(t, o, c)
	peaks, valleys := make([][]float64, s.Bins), make([][]float64, s.Bins)
	for i := range 2 {
		m := make([]float64, 257)
		for k := range m {
			m[k] = cmplx.Abs(definedSTFT(o.stft(), c.Samples, i, k))
		}
		up, down := definedContrast(o, m)
		for b := range peaks {
			peaks[b], valleys[b] = append(peaks[b], up[b]), append(valleys[b], down[b])
		}
	}
	inDB(peaks)
	inDB(valleys)
	for b := range peaks {
		for i := range 2 {
			if got, want := float64(s.Row(b)[i]), peaks[b][i]-valleys[b][i]; math.Abs(got-want) > 2e-2 {
				t.Errorf("band %d, frame %d is %v dB, want %v", b, i, got, want)
			}
		}
	}
	o.Quantile = 0.99 // peaks and valleys are the same bins
	for i, v := range extract(t, o, c).Data {
		if math.Abs(float64(v)) > 0.5 {
			t.Errorf("value %d is %v dB, want about 0", i, v)
		}
	}
}

func TestSpectralIsChecked(t *testing.T) {
	for want, change := range map[string]func(*Spectral){
		"values is empty":                   func(o *Spectral) { o.Values = nil },
		`values is "slope"`:                 func(o *Spectral) { o.Values = []string{"rms", "slope"} },
		"values has rms twice":              func(o *Spectral) { o.Values = []string{"rms", "rms"} },
		"n_bands is 7: the last octave beg": func(o *Spectral) { o.NBands = 7 },
		"no bin lies in band 0":             func(o *Spectral) { o.NFFT, o.WinLength, o.FMin = 64, 64, 200 },
		"quantile":                          func(o *Spectral) { o.Quantile = math.NaN() },
		"roll_percent":                      func(o *Spectral) { o.RollPercent = 1 },
		"p is 1e-300":                       func(o *Spectral) { o.P = 1e-300 },
		"window":                            func(o *Spectral) { o.Window = "kaiser" },
	} {
		o := Features["spectral"].(Spectral)
		change(&o)
		if err := o.Check(16000); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
