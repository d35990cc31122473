package audio

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"

	gofft "github.com/mjibson/go-dsp/fft"

	"clr/internal/kernel"
)

// logMelTwin is the log-mel spectrogram in float64 by go-dsp's transform, frame
// by frame: what Extract is to give to float32's rounding.
func logMelTwin(o LogMel, x []float32, rate int) (mel [][]float64) {
	bank := newMelBank(o.NFFT/2+1, o.NMels, float64(rate), o.FMin, o.high(rate), o.MelScale, o.MelNorm)
	s := newSTFT(o.stft())
	for t := range s.frames(len(x)) {
		frame := make([]float64, o.NFFT)
		from := t*o.HopLength + (o.NFFT-o.WinLength)/2
		if o.Center {
			from -= o.NFFT / 2
		}
		for i, w := range s.window {
			frame[i] = w * float64(s.sample(x, from+i))
		}
		spectrum := gofft.FFTReal(frame)
		row := make([]float64, len(bank))
		for i, f := range bank {
			for k, w := range f.weights {
				v := spectrum[f.first+k]
				power := real(v)*real(v) + imag(v)*imag(v)
				if o.Power == 1 {
					power = math.Sqrt(power)
				}
				row[i] += w * power
			}
		}
		mel = append(mel, row)
	}
	return mel
}

// Clips of any length, whose frames are no multiple of sixteen, hops that are
// odd or longer than the window, and both paddings are what the twin says.
func TestLogMelAgainstTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		size, window, hop, samples int
		center                     bool
		pad                        string
		power                      float64
	}{
		{1024, 400, 160, 400, true, "reflect", 2},    // 3 frames, all of them across both ends
		{1024, 400, 160, 16000, true, "reflect", 2},  // 101
		{1024, 400, 160, 16000, true, "constant", 1}, // zeros at the ends
		{1024, 400, 160, 3424, false, "reflect", 2},  // 16
		{1024, 400, 160, 3583, false, "reflect", 2},  // 16, to the last sample but one
		{1024, 1024, 333, 9001, true, "reflect", 2},
		{512, 401, 97, 5000, true, "constant", 2},
		{256, 100, 1000, 20000, true, "reflect", 1},
		{400, 400, 160, 7000, true, "reflect", 2},
		{441, 441, 147, 7000, true, "reflect", 2}, // by itself in float64
		{2048, 2047, 512, 22050, false, "constant", 2},
	} {
		o := Features["logmel"].(LogMel)
		o.NFFT, o.WinLength, o.HopLength, o.Center, o.PadMode, o.Power = c.size, c.window, c.hop, c.center, c.pad, c.power
		o.NMels = 20
		x := make([]float32, c.samples)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		s := extract(t, o, Clip{Rate: 16000, Samples: x})
		want := logMelTwin(o, x, 16000)
		if len(want) != s.Frames {
			t.Fatalf("%+v: %d frames, want %d", c, s.Frames, len(want))
		}
		for f, row := range want {
			for b, v := range row {
				if got, want := float64(s.Row(b)[f]), math.Log(v+o.Floor); math.Abs(got-want) > 5e-6 {
					t.Fatalf("%+v: bin %d of frame %d is %v, want %v", c, b, f, got, want)
				}
			}
		}
	}
}

// Beside a loud tone the bins of quiet noise keep their level, to 0.03 dB where
// the noise lies 80 dB below the tone, in the worst bin of all.
func TestLogMelRange(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, level := range []struct{ dB, allowed float64 }{{-60, 1e-3}, {-80, 6e-3}, {-100, 4e-2}} {
		x := make([]float32, 16000)
		for i := range x {
			x[i] = float32(0.9*math.Sin(2*math.Pi*1000*float64(i)/16000) + math.Pow(10, level.dB/20)*r.NormFloat64())
		}
		o := Features["logmel"].(LogMel)
		o.Log = "none"
		s := extract(t, o, Clip{Rate: 16000, Samples: x})
		worst := 0.0
		for f, row := range logMelTwin(o, x, 16000) {
			for b, want := range row {
				worst = max(worst, math.Abs(float64(s.Row(b)[f])/want-1))
			}
		}
		t.Logf("noise at %v dB: the worst bin is off by %.1e of its power", level.dB, worst)
		if worst > level.allowed {
			t.Errorf("noise at %v dB: off by %g of a bin's power, allowed %g", level.dB, worst, level.allowed)
		}
	}
}

// What a frame holds does not depend on which frames are beside it.
func TestFramesStandAlone(t *testing.T) {
	x := make([]float32, 16000)
	for i := range x {
		x[i] = float32(math.Sin(float64(i*i%977))) / 3
	}
	o := Features["logmel"].(LogMel)
	o.Center = false
	all := extract(t, o, Clip{Rate: 16000, Samples: x})
	for _, f := range []int{0, 1, 15, 16, 40, all.Frames - 1} {
		one := extract(t, o, Clip{Rate: 16000, Samples: x[f*o.HopLength:][:o.NFFT]})
		for b := range all.Bins {
			if one.Row(b)[0] != all.Row(b)[f] {
				t.Fatalf("bin %d of frame %d is %v alone, %v among others", b, f, one.Row(b)[0], all.Row(b)[f])
			}
		}
	}
}

// One second, as it lies in memory: the figure of docs/performance.md.
func BenchmarkSpectra(b *testing.B) {
	for _, c := range [][3]int{{1024, 400, 160}, {512, 400, 160}, {400, 400, 160}, {2048, 2048, 512}, {441, 441, 147}} {
		b.Run(fmt.Sprintf("%d_of_%d", c[1], c[0]), func(b *testing.B) {
			o := Features["logmel"].(LogMel)
			o.NFFT, o.WinLength, o.HopLength = c[0], c[1], c[2]
			s, x := newSTFT(o.stft()), make([]float32, 16000)
			frames := s.frames(len(x))
			for b.Loop() {
				for t := 0; t < frames; t += kernel.Lanes {
					s.block(t, x)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "audio-s/s")
		})
	}
}

// TestFeatureSums prints a digest of every feature of a clip, for the next test.
func TestFeatureSums(t *testing.T) {
	if err := kernel.CheckCPU(); err != nil {
		t.Skip(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	c := Clip{Rate: 16000, Samples: make([]float32, 20011)}
	for i := range c.Samples {
		c.Samples[i] = float32(r.NormFloat64() / 5)
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(Features)) {
		s := extract(t, Features[name], c)
		if err := binary.Write(sum, binary.LittleEndian, s.Data); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("sum %x on %s", sum.Sum(nil), kernel.CPU())
}

// Features are the same bytes by plain Go, AVX2 and AVX-512.
func TestFeaturesOnAllPaths(t *testing.T) {
	found := regexp.MustCompile(`sum ([0-9a-f]{64}) on (\w+)`)
	sums := map[string]string{}
	for _, path := range []string{"generic", "avx2", "avx512"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFeatureSums$", "-test.v")
		cmd.Env = append(os.Environ(), "CLR_CPU="+path)
		said, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, said)
		}
		if m := found.FindSubmatch(said); m != nil && string(m[2]) == path {
			sums[path] = string(m[1])
		}
	}
	if sums["generic"] == "" {
		t.Fatal("plain Go said nothing")
	}
	for path, sum := range sums {
		if sum != sums["generic"] {
			t.Errorf("%s gives %s, plain Go %s", path, sum, sums["generic"])
		}
	}
	t.Logf("compared: %v", slices.Sorted(maps.Keys(sums)))
}
