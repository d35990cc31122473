package augment

import (
	"math"
	"slices"
	"testing"

	"clr/internal/audio"
)

func wave(t testing.TB, a Wave, x []float32, d Draw) []float32 {
	t.Helper()
	c := &audio.Clip{Rate: 1000, Samples: slices.Clone(x)}
	if err := a.Wave(c, d); err != nil {
		t.Fatal(err)
	}
	return c.Samples
}

// below is how far the power of what was added to x lies below x's; dB.
func below(x, sum []float32) float64 {
	added := slices.Clone(sum)
	for i := range added {
		added[i] -= x[i]
	}
	return 20 * math.Log10(float64(rms(x))/float64(rms(added)))
}

func TestWaveLevels(t *testing.T) {
	x := waveform(1000, 1)
	var gains, noises, mixes []float64
	for i := range 1000 {
		d := draws(20, i)
		d.OtherWave = func() (audio.Clip, error) { return audio.Clip{Rate: 1000, Samples: waveform(1000, 2)}, nil }
		gains = append(gains, 20*math.Log10(float64(rms(wave(t, WaveGain{P: 1, DB: 6}, x, d)))/float64(rms(x))))
		mixes = append(mixes, below(x, wave(t, WaveMix{P: 1, SNR: [2]float64{5, 25}}, x, d)))
		noises = append(noises, below(x, wave(t, Noise{P: 1, SNR: [2]float64{0, 0}}, x, d)))
	}
	spread(t, "gain", gains, -6, 6)
	spread(t, "mix", mixes, 5, 25)
	sum := 0.0
	for _, v := range noises { // the noise's own power varies with 1000 samples
		sum += v
		if math.Abs(v) > 1 {
			t.Errorf("noise at %g dB, want 0", v)
		}
	}
	if math.Abs(sum/1000) > 0.05 {
		t.Errorf("noise at %g dB on average, want 0", sum/1000)
	}
}

func TestPolarity(t *testing.T) {
	x := waveform(10, 1)
	for i, v := range wave(t, Polarity{P: 1}, x, draws(21, 1)) {
		if v != -x[i] {
			t.Errorf("%g became %g", x[i], v)
		}
	}
}

func TestFade(t *testing.T) {
	x := make([]float32, 1000)
	for i := range x {
		x[i] = 1
	}
	var starts, ends []float64
	for i := range 1000 {
		out := wave(t, Fade{P: 1, Seconds: 0.4}, x, draws(22, i))
		n, m := 0, 0
		for out[n] < 1 {
			n++
		}
		for out[999-m] < 1 {
			m++
		}
		for j := range n {
			if !near(float64(out[j]), float64(j)/float64(n), 1e-6) {
				t.Fatalf("sample %d of a fade of %d is %g", j, n, out[j])
			}
		}
		starts, ends = append(starts, float64(n)), append(ends, float64(m))
	}
	spread(t, "fade in", starts, 0, 400)
	spread(t, "fade out", ends, 0, 400)
}

func TestWaveShift(t *testing.T) {
	x := make([]float32, 100)
	for i := range x {
		x[i] = float32(i)
	}
	var drawn []float64
	for i := range 2000 {
		out := wave(t, WaveShift{P: 1, By: 0.3}, x, draws(23, i))
		by := 50 - int(out[50])
		for j, v := range out {
			if int(v) != (j-by+100)%100 {
				t.Fatalf("not rolled by %d: %v", by, out)
			}
		}
		drawn = append(drawn, float64(by))
	}
	spread(t, "samples", drawn, -30, 30)
}

func TestSilentWaves(t *testing.T) {
	silent := make([]float32, 100)
	for name, a := range Table {
		a, ok := withP(a, 1).(Wave)
		if !ok {
			continue
		}
		for _, v := range wave(t, a, silent, Draw{Rand: Rand(1, 1, 1, 1), OtherWave: func() (audio.Clip, error) {
			return audio.Clip{Rate: 1000, Samples: waveform(50, 1)}, nil
		}}) {
			if v != 0 {
				t.Errorf("%s made a silent clip sound: %g", name, v)
			}
		}
		if out := wave(t, a, nil, Draw{Rand: Rand(1, 1, 1, 1), OtherWave: func() (audio.Clip, error) { return audio.Clip{Rate: 1000}, nil }}); len(out) != 0 {
			t.Errorf("%s made %d samples of none", name, len(out))
		}
	}
}
