package augment

import (
	"math"

	"clr/internal/audio"
)

// Codec spoils the clip as MP3 at a low rate does, by what such coders have in
// common (Brandenburg 1999, "MP3 and AAC explained"): nothing above a cut-off;
// in each frame, bands that lie far below the loudest are left out, and the
// others are rounded to steps of their own, so that noise follows the sound.
// Frames of 1024 samples overlap by half under sine windows; bands are critical
// ones (Zwicker 1961). It is no MP3: no psychoacoustic model spends a bit rate.
type Codec struct {
	P      float64    `yaml:"p" doc:"probability"`
	Cutoff [2]float64 `yaml:"cutoff" doc:"nothing is kept above, drawn on a logarithmic axis; Hz"`
	SNR    [2]float64 `yaml:"snr" doc:"how far the noise of rounding lies below a band's power; dB"`
	Holes  [2]float64 `yaml:"holes" doc:"bands that lie so far below the frame's loudest are left out; dB"`
}

const (
	codecLog  = 10
	codecSize = 1 << codecLog
	bands     = 25 // one more than edges between them
)

// barks are the upper edges of critical bands, Hz; one more reaches to the end.
var barks = []float64{100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150, 3700, 4400, 5300, 6400, 7700, 9500, 12000, 15500}

// sine is the window: its square and that of the next frame's add up to 1.
var sine = func() (w [codecSize]float64) {
	for i := range w {
		w[i] = math.Sin(math.Pi * (float64(i) + 0.5) / codecSize)
	}
	return w
}()

// Doc implements Augmentation.
func (Codec) Doc() string { return "waveform as after lossy coding: no top, holes, noise in bands" }

// Check implements Augmentation.
func (a Codec) Check() error {
	return first(probability("codec", a.P), span("codec", "cutoff", a.Cutoff, 100, 192000), span("codec", "snr", a.SNR, -maxDB, maxDB),
		span("codec", "holes", a.Holes, 0, maxDB))
}

// Wave implements Wave.
func (a Codec) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	cutoff, snr, holes := d.logBetween(a.Cutoff), d.between(a.SNR), d.between(a.Holes)
	coder := coder{
		lines: min(int(cutoff*codecSize/float64(c.Rate))+1, codecSize/2+1), hz: float64(c.Rate) / codecSize,
		noise: math.Pow(10, -snr/10), least: math.Pow(10, -holes/10),
	}
	m := &d.memory().wave
	old, work, f := m.copyOf(c.Samples), room(&m.block, codecSize), m.fourier(codecLog)
	clear(c.Samples)
	for at := -codecSize / 2; at < len(old); at += codecSize / 2 {
		for i := range work {
			work[i] = 0
			if j := at + i; j >= 0 && j < len(old) {
				work[i] = sine[i] * float64(old[j])
			}
		}
		spectrum := f.Forward(work)
		coder.spoil(spectrum)
		f.Inverse(work, spectrum)
		for i, v := range work {
			if j := at + i; j >= 0 && j < len(old) {
				c.Samples[j] += float32(sine[i] * v)
			}
		}
	}
	return nil
}

// A coder is what one clip is spoilt by.
type coder struct {
	lines int     // that are kept, from 0
	hz    float64 // from one to the next
	noise float64 // power in parts of the band's
	least float64 // power of a band in parts of the loudest's
}

// spoil rounds one frame's lines, band by band.
func (c *coder) spoil(x []complex128) {
	clear(x[c.lines:])
	x = x[:c.lines]
	var power [bands]float64
	loudest := 0.0
	for b := range power {
		from, to := c.band(b)
		for _, v := range x[from:to] {
			power[b] += float64(real(v)*real(v)) + float64(imag(v)*imag(v))
		}
		if to > from {
			power[b] /= float64(to - from)
		}
		loudest = max(loudest, power[b])
	}
	for b, p := range power {
		from, to := c.band(b)
		if p < c.least*loudest || p == 0 {
			clear(x[from:to])
			continue
		}
		// Rounding to multiples of a step has the power step²/12, for each of the two
		// parts. The window has taken half of the band's power; of the noise, which
		// comes after it, the sum of two frames has all.
		step := math.Sqrt(12 * c.noise * p)
		if !(step > 0) {
			continue
		}
		for k, v := range x[from:to] {
			x[from+k] = complex(step*math.Round(real(v)/step), step*math.Round(imag(v)/step))
		}
	}
}

// band is which lines belong to band b.
func (c *coder) band(b int) (from, to int) {
	line := func(edge int) int {
		switch {
		case edge < 0:
			return 0
		case edge >= len(barks):
			return c.lines
		}
		return min(int(math.Ceil(barks[edge]/c.hz)), c.lines)
	}
	return line(b - 1), line(b)
}
