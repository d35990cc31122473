package audio

import (
	"math"
	"testing"
)

// PCEN against the formula as it stands, over the mel spectrogram.
func TestPCENAgainstDefinition(t *testing.T) {
	c := noise(16000, 16000)
	copy(c.Samples[9000:], make([]float32, 4000))
	base := Features["pcen"].(PCEN)
	with := func(change func(*PCEN)) PCEN { o := base; change(&o); return o }
	for name, o := range map[string]PCEN{
		"default":  base,
		"librosa":  with(func(o *PCEN) { o.Initial = "one" }),
		"other":    with(func(o *PCEN) { o.Gain, o.Bias, o.Power, o.TimeConstant, o.Eps, o.Scale = 0.8, 10, 0.25, 0.06, 1e-3, 1 }),
		"no bias":  with(func(o *PCEN) { o.Bias = 0 }),
		"no power": with(func(o *PCEN) { o.Power = 0 }),
		"short":    with(func(o *PCEN) { o.TimeConstant = 1e-4 }),
		"power":    with(func(o *PCEN) { o.Mel.Power = 2 }),
	} {
		mel := extract(t, o.Mel, c)
		frames := o.TimeConstant * 16000 / float64(o.Mel.HopLength)
		b := (math.Sqrt(1+4*frames*frames) - 1) / (2 * frames * frames)
		want := make([][]float64, mel.Bins)
		for i := range want {
			m := 1.0
			for j, v := range mel.Row(i) {
				e := float64(v) * o.Scale
				if j == 0 && o.Initial == "first" {
					m = e
				}
				m = (1-b)*m + b*e
				x := e / math.Pow(o.Eps+m, o.Gain)
				if o.Power == 0 {
					want[i] = append(want[i], math.Log(1+x))
				} else {
					want[i] = append(want[i], math.Pow(x+o.Bias, o.Power)-math.Pow(o.Bias, o.Power))
				}
			}
		}
		near(t, name, extract(t, o, c), want, 1e-5)
	}
}

// With a gain of 1 the loudness goes away, from the first frame on; that is what
// it is for.
func TestPCENForgetsLoudness(t *testing.T) {
	c := noise(16000, 8000)
	o := Features["pcen"].(PCEN)
	o.Gain = 1
	loud := extract(t, o, c)
	for i := range c.Samples {
		c.Samples[i] /= 64
	}
	for i, v := range extract(t, o, c).Data {
		if math.Abs(float64(v-loud.Data[i])) > 1e-5*(1+float64(loud.Data[i])) {
			t.Fatalf("value %d is %v, of the loud clip %v", i, v, loud.Data[i])
		}
	}
}
