package augment

import (
	"math"

	"clr/internal/audio"
)

// Clipping cuts the waveform's tops off, as a microphone or a recorder that was
// turned up too far does. Where more of the clip is silent than the threshold
// leaves, it stays as it was.
type Clipping struct {
	P      float64    `yaml:"p" doc:"probability"`
	By     string     `yaml:"by" doc:"what amount says: percent (of the samples, the largest, are clipped) or db (of the peak is lost)"`
	Amount [2]float64 `yaml:"amount" doc:"how much is clipped; percent or dB"`
	Shape  string     `yaml:"shape" doc:"hard: cut at the threshold; soft: bent towards it by a tanh"`
}

// Doc implements Augmentation.
func (Clipping) Doc() string { return "tops of the waveform cut off" }

// Check implements Augmentation.
func (a Clipping) Check() error {
	most := 100.0
	if a.By == "db" {
		most = maxDB
	}
	return first(probability("clipping", a.P), oneOf("clipping", "by", a.By, "percent", "db"),
		span("clipping", "amount", a.Amount, 0, most), oneOf("clipping", "shape", a.Shape, "hard", "soft"))
}

// Wave implements Wave.
func (a Clipping) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	amount := d.between(a.Amount)
	var top float32
	if a.By == "db" {
		top = peak(c.Samples) * amplitude(-amount)
	} else {
		top = loudest(c.Samples, int(amount/100*float64(len(c.Samples))))
	}
	if top == 0 {
		return nil
	}
	for i, v := range c.Samples {
		if a.Shape == "soft" {
			c.Samples[i] = top * float32(math.Tanh(float64(v/top)))
		} else {
			c.Samples[i] = min(max(v, -top), top)
		}
	}
	return nil
}

// loudest is the magnitude that n of x exceed or equal others of: that of the
// sample n places below the loudest. The bits of a float32 sort as it does, so
// two counts of their halves find it.
func loudest(x []float32, n int) float32 {
	if len(x) == 0 {
		return 0
	}
	n = min(n, len(x)-1)
	found := uint32(0)
	for shift := 16; shift >= 0; shift -= 16 {
		var count [1 << 16]int32
		for _, v := range x {
			if b := math.Float32bits(v) &^ (1 << 31); shift == 16 || b>>16 == found>>16 {
				count[b>>shift&0xffff]++
			}
		}
		at := len(count) - 1
		for ; int(count[at]) <= n; at-- {
			n -= int(count[at])
		}
		found |= uint32(at) << shift
	}
	return math.Float32frombits(found)
}

// Compressor turns loud passages down (Giannoulis, Massberg & Reiss 2012,
// "Digital dynamic range compressor design", feed-forward, with the gain smoothed
// in decibels): what lies above the threshold by x dB lies above it by x/ratio
// afterwards. The clip keeps its mean power.
type Compressor struct {
	P         float64    `yaml:"p" doc:"probability"`
	Threshold [2]float64 `yaml:"threshold" doc:"how far the threshold lies below the clip's peak; dB"`
	Ratio     [2]float64 `yaml:"ratio" doc:"what lies above the threshold is divided by it, in dB"`
	Attack    float64    `yaml:"attack" doc:"time constant of turning down; s"`
	Release   float64    `yaml:"release" doc:"time constant of turning up again; s"`
}

// Doc implements Augmentation.
func (Compressor) Doc() string { return "loud passages of the waveform turned down" }

// Check implements Augmentation.
func (a Compressor) Check() error {
	return first(probability("compressor", a.P), span("compressor", "threshold", a.Threshold, 0, maxDB), span("compressor", "ratio", a.Ratio, 1, 1000),
		in("compressor", "attack", a.Attack, 0, 10), in("compressor", "release", a.Release, 0, 10))
}

// Wave implements Wave.
func (a Compressor) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	threshold, ratio := d.between(a.Threshold), d.between(a.Ratio)
	before, top := rms(c.Samples), float64(peak(c.Samples))
	slope := 1 - 1/ratio
	if top == 0 || slope == 0 {
		return nil
	}
	smooth := func(seconds float64) float64 { return math.Exp(-1 / (seconds * float64(c.Rate))) } // 0 for 0 s
	attack, release := smooth(a.Attack), smooth(a.Release)
	// In nepers, whose logarithms and powers are the natural ones.
	const neper = 20 / math.Ln10
	knee := top * math.Exp(-threshold/neper)
	down := 0.0
	for i, v := range c.Samples {
		want, now := 0.0, math.Abs(float64(v))
		if now > knee {
			want = slope * math.Log(now/knee)
		}
		keep := release
		if want > down {
			keep = attack
		}
		down = want + float64(keep*(down-want))
		if down > 0 {
			c.Samples[i] = float32(float64(v) * math.Exp(-down))
		}
	}
	level(c.Samples, before)
	return nil
}

// MuLaw rounds samples as telephones do: in steps that grow with the
// magnitude, x → sign(x)·ln(1+255|x|)/ln 256 (ITU-T G.711). What passes full
// scale is clipped.
type MuLaw struct {
	P    float64    `yaml:"p" doc:"probability"`
	Bits [2]float64 `yaml:"bits" doc:"of a sample, and parts of one; 8 is a telephone's; bits"`
}

// Doc implements Augmentation.
func (MuLaw) Doc() string { return "waveform rounded as by a telephone" }

// Check implements Augmentation.
func (a MuLaw) Check() error {
	return first(probability("mu_law", a.P), span("mu_law", "bits", a.Bits, 2, 16))
}

// Wave implements Wave.
func (a MuLaw) Wave(c *audio.Clip, d Draw) error {
	if !d.hit(a.P) {
		return nil
	}
	const mu = 255
	steps := math.Round(math.Exp2(d.between(a.Bits)-1)) - 1 // on either side of 0
	ln := math.Log1p(mu)
	heard := room(&d.memory().wave.block, int(steps)+1) // by step
	for i := range heard {
		heard[i] = math.Expm1(float64(i)/steps*ln) / mu
	}
	for i, v := range c.Samples {
		step := math.Round(steps / ln * math.Log1p(mu*min(1, math.Abs(float64(v)))))
		c.Samples[i] = float32(math.Copysign(heard[min(int(step), len(heard)-1)], float64(v)))
	}
	return nil
}
