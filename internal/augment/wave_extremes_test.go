package augment

import (
	"math"
	"testing"

	"clr/internal/audio"
)

// Whatever Check lets pass does no harm: the result is finite, has its length,
// and silence stays silence. Buffers that others have used change nothing.
func TestWaveExtremes(t *testing.T) {
	inputs := [][]float32{waveform(900, 7), {0.5}, {0.5, -0.25, 1}, make([]float32, 300)}
	used := &Waves{}
	for _, name := range names() {
		if _, ok := Table[name].(Wave); !ok {
			continue
		}
		for _, a := range extremes(Table[name]) {
			for k, x := range inputs {
				out := wave(t, a.(Wave), x, drawsAt1000(8, k))
				if len(out) != len(x) && !resizes[name] || len(out) == 0 {
					t.Fatalf("%s %+v: %d samples became %d", name, a, len(x), len(out))
				}
				for _, v := range out {
					if !(math.Abs(float64(v)) < 1e8) || k == 3 && v != 0 {
						t.Fatalf("%s %+v of %d samples gave %g", name, a, len(x), v)
					}
				}
				c := &audio.Clip{Rate: 1000, Samples: append([]float32(nil), x...)}
				used.Chain = []Wave{a.(Wave)}
				if err := used.Apply(c, drawsAt1000(8, k)); err != nil {
					t.Fatal(err)
				}
				if len(c.Samples) != len(out) {
					t.Fatalf("%s %+v: %d samples with used buffers, %d without", name, a, len(c.Samples), len(out))
				}
				for i, v := range c.Samples {
					if v != out[i] {
						t.Fatalf("%s %+v: sample %d is %g with used buffers, %g without", name, a, i, v, out[i])
					}
				}
			}
		}
	}
}

// drawsAt1000 is draws at the rate of wave's clips.
func drawsAt1000(seed uint64, clip int) Draw {
	d := draws(seed, clip)
	d.OtherWave = func() (audio.Clip, error) { return audio.Clip{Rate: 1000, Samples: waveform(700, 9)}, nil }
	d.Background = func(string) (audio.Clip, error) { return audio.Clip{Rate: 1000, Samples: waveform(500, 10)}, nil }
	return d
}
