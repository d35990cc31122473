package audio

import "math"

// A Resampler changes the sample rate by a windowed sinc, one filter per
// phase, in torchaudio's definition (torchaudio.functional.resample). It is
// immutable after NewResampler.
type Resampler struct {
	from, to int // without common factors
	taps     [][]float64
	first    []int // where a phase's taps begin, from the input sample under the phase's group
}

// ResampleOptions are the filter's; DefaultResample holds torchaudio's defaults.
type ResampleOptions struct {
	Width   int     // zero crossings of the sinc on each side
	Rolloff float64 // cutoff as a share of the lower of the two Nyquist rates
	Beta    float64 // of a Kaiser window; 0 is a Hann window
}

// DefaultResample are torchaudio's defaults, which ReadClip uses.
var DefaultResample = ResampleOptions{Width: 6, Rolloff: 0.99}

// NewResampler makes the filters that take clips of up to samples samples from
// one rate to another. Phases that such clips cannot reach are left out, so
// odd pairs of rates cost no more than the clip is worth.
func NewResampler(from, to, samples int, o ResampleOptions) *Resampler {
	if from < 1 || to < 1 || o.Width < 1 || !(o.Rolloff > 0 && o.Rolloff <= 1) {
		panic("audio: resampling needs rates and a width of at least 1 and a rolloff of at most 1")
	}
	g := gcd(from, to)
	r := &Resampler{from: from / g, to: to / g}
	base := float64(min(r.from, r.to)) * o.Rolloff
	width := float64(o.Width)
	scale := base / float64(r.from)
	for i := range min(r.to, r.Len(samples)) {
		// Output i of a group lies at input i*from/to; the window reaches width/base*from inputs to each side.
		centre, reach := float64(i)*float64(r.from)/float64(r.to), width/base*float64(r.from)
		first, last := int(math.Ceil(centre-reach)), int(math.Floor(centre+reach))
		taps := make([]float64, last-first+1)
		for k := range taps {
			t := (-float64(i)/float64(r.to) + float64(first+k)/float64(r.from)) * base
			t = max(-width, min(width, t))
			taps[k] = sinc(t) * o.window(t) * scale
		}
		r.taps, r.first = append(r.taps, taps), append(r.first, first)
	}
	return r
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func sinc(t float64) float64 {
	if t == 0 {
		return 1
	}
	return math.Sin(math.Pi*t) / (math.Pi * t)
}

// window is the sinc's window at t zero crossings from its centre.
func (o ResampleOptions) window(t float64) float64 {
	u := t / float64(o.Width)
	if o.Beta == 0 {
		c := math.Cos(u * math.Pi / 2)
		return c * c
	}
	return besselI0(o.Beta*math.Sqrt(max(0, 1-u*u))) / besselI0(o.Beta)
}

// besselI0 is the modified Bessel function of order 0, by its power series.
func besselI0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-17; k++ {
		term *= (x / 2 / k) * (x / 2 / k)
		sum += term
	}
	return sum
}

// Len is how many samples come of n: ⌈n·to/from⌉.
func (r *Resampler) Len(n int) int {
	return int((int64(n)*int64(r.to) + int64(r.from) - 1) / int64(r.from))
}

// Apply resamples x into dst, which must hold Len(len(x)) samples. Beyond its
// ends x counts as silent.
func (r *Resampler) Apply(dst, x []float32) {
	if len(dst) != r.Len(len(x)) {
		panic("audio: the resampled clip does not fit")
	}
	if len(x) == 0 {
		return
	}
	group, phase := 0, 0 // dst[n] is phase n%to of group n/to
	for n := range dst {
		taps, from := r.taps[phase], group*r.from+r.first[phase]
		if from < 0 {
			taps, from = taps[min(-from, len(taps)):], 0
		}
		taps = taps[:min(len(taps), max(0, len(x)-from))]
		var sum float64
		for k, v := range x[min(from, len(x)):][:len(taps)] {
			sum += float64(v) * taps[k]
		}
		dst[n] = float32(sum)
		if phase++; phase == r.to {
			group, phase = group+1, 0
		}
	}
}

// resampleClip gives a clip another rate.
func resampleClip(c Clip, rate int) (Clip, error) {
	if int64(len(c.Samples))*int64(rate)/int64(c.Rate) > maxSamples {
		return Clip{}, tooLong(rate)
	}
	r := NewResampler(c.Rate, rate, len(c.Samples), DefaultResample)
	out := Clip{Rate: rate, Samples: make([]float32, r.Len(len(c.Samples)))}
	r.Apply(out.Samples, c.Samples)
	return out, nil
}
