package audio

import "testing"

func TestWaveform(t *testing.T) {
	c := Clip{Rate: 8000, Samples: make([]float32, 23)}
	for i := range c.Samples {
		c.Samples[i] = float32(i)
	}
	s := extract(t, Features["waveform"], c)
	if s.Bins != 1 || s.Frames != 23 {
		t.Errorf("shape (%d, %d), want (1, 23)", s.Bins, s.Frames)
	}
	for _, o := range []Waveform{{1, 1}, {5, 5}, {6, 4}, {4, 1}, {23, 7}} {
		s := extract(t, o, c)
		if s.Bins != o.FrameLength || s.Frames != (23-o.FrameLength)/o.HopLength+1 {
			t.Errorf("%+v: shape (%d, %d)", o, s.Bins, s.Frames)
		}
		for b := range s.Bins {
			for i, v := range s.Row(b) {
				if v != float32(i*o.HopLength+b) {
					t.Errorf("%+v: bin %d of frame %d is %v", o, b, i, v)
				}
			}
		}
	}
}
