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
	var gains, mixes []float64
	for i := range 1000 {
		d := draws(20, i)
		d.OtherWave = func() (audio.Clip, error) { return audio.Clip{Rate: 1000, Samples: waveform(1000, 2)}, nil }
		gains = append(gains, 20*math.Log10(float64(rms(wave(t, WaveGain{P: 1, DB: 6}, x, d)))/float64(rms(x))))
		mixes = append(mixes, below(x, wave(t, WaveMix{P: 1, SNR: [2]float64{5, 25}}, x, d)))
	}
	spread(t, "gain", gains, -6, 6)
	spread(t, "mix", mixes, 5, 25)
}

func TestPolarity(t *testing.T) {
	x := waveform(10, 1)
	for i, v := range wave(t, Polarity{P: 1}, x, draws(21, 1)) {
		if v != -x[i] {
			t.Errorf("%g became %g", x[i], v)
		}
	}
}

func TestSilentWaves(t *testing.T) {
	silent := make([]float32, 100)
	for name, a := range Table {
		a, ok := withP(a, 1).(Wave)
		if !ok {
			continue
		}
		clip := func(n int) func() (audio.Clip, error) {
			return func() (audio.Clip, error) { return audio.Clip{Rate: 1000, Samples: waveform(n, 1)}, nil }
		}
		of := func(n int) Draw {
			return Draw{Rand: Rand(1, 1, 1, 1), OtherWave: clip(n), Background: func(string) (audio.Clip, error) { return clip(n)() }}
		}
		for _, v := range wave(t, a, silent, of(50)) {
			if v != 0 {
				t.Errorf("%s made a silent clip sound: %g", name, v)
			}
		}
		if out := wave(t, a, nil, of(0)); len(out) != 0 {
			t.Errorf("%s made %d samples of none", name, len(out))
		}
	}
}
