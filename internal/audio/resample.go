package audio

import (
	"math"

	"clr/internal/fault"
)

// A Resampler changes the sample rate by a windowed sinc, one filter per
// phase, in torchaudio's definition (torchaudio.functional.resample). It is
// immutable after NewResampler.
type Resampler struct {
	from, to int // without common factors
	o        ResampleOptions
	phases   int         // that clips of the length it was made for reach
	taps     [][]float64 // by phase; nil where they are too many to keep
	first    []int       // where a phase's taps begin, from the input sample under the phase's group
}

// ResampleOptions are the filter's.
type ResampleOptions struct {
	Width   int     // zero crossings of the sinc on each side
	Rolloff float64 // cutoff as a share of the lower of the two Nyquist rates
	Beta    float64 // of a Kaiser window; 0 is a Hann window
}

// A Resampling names a filter.
type Resampling string

// Check refuses what is none.
func (r Resampling) Check() error {
	if _, ok := Resamplings[r]; ok {
		return nil
	}
	return fault.New(fault.Usage, "use torchaudio, kaiser_fast or kaiser_best", "resample is %q", string(r))
}

// Resamplings are the filters that a config can name: torchaudio's default, and
// the two of resampy (McFee 2016) that librosa takes, as torchaudio's
// documentation gives them. TestResampleResponse measures what each is worth.
var Resamplings = map[Resampling]ResampleOptions{
	"torchaudio":  {Width: 6, Rolloff: 0.99},
	"kaiser_fast": {Width: 16, Rolloff: 0.85, Beta: 8.555504641634386},
	"kaiser_best": {Width: 64, Rolloff: 0.9475937167399596, Beta: 14.769656459379492},
}

// maxTaps is how many taps a Resampler keeps, 32 MiB. Rates with few common
// factors, as a header may claim, need more: then each is computed when it is due.
const maxTaps = 1 << 22

// NewResampler makes the filters that take clips of up to samples samples from
// one rate to another. Phases that such clips cannot reach are left out, so
// odd pairs of rates cost no more than the clip is worth.
func NewResampler(from, to, samples int, o ResampleOptions) *Resampler {
	if from < 1 || to < 1 || o.Width < 1 || !(o.Rolloff > 0 && o.Rolloff <= 1) {
		panic("audio: resampling needs rates and a width of at least 1 and a rolloff of at most 1")
	}
	g := gcd(from, to)
	r := &Resampler{from: from / g, to: to / g, o: o}
	r.phases = min(r.to, r.Len(samples))
	if _, reach := r.span(0); float64(r.phases)*(2*reach+1) > maxTaps {
		return r
	}
	for i := range r.phases {
		taps, first := r.phase(i, nil)
		r.taps, r.first = append(r.taps, taps), append(r.first, first)
	}
	return r
}

// reaches says whether a clip's phases are among those it was made for.
func (r *Resampler) reaches(samples int) bool { return min(r.to, r.Len(samples)) <= r.phases }

// span is where output i of a group lies, in input samples, and how far the
// window reaches to each side: width/base*from.
func (r *Resampler) span(i int) (centre, reach float64) {
	return float64(i) * float64(r.from) / float64(r.to), float64(r.o.Width) / r.base() * float64(r.from)
}

func (r *Resampler) base() float64 { return float64(min(r.from, r.to)) * r.o.Rolloff }

// phase is the filter of output i of a group, in the memory of taps if that
// is enough, and where it begins.
func (r *Resampler) phase(i int, taps []float64) ([]float64, int) {
	base, width := r.base(), float64(r.o.Width)
	scale := base / float64(r.from)
	centre, reach := r.span(i)
	first, last := int(math.Ceil(centre-reach)), int(math.Floor(centre+reach))
	taps = taps[:0]
	if n := last - first + 1; cap(taps) < n {
		taps = make([]float64, 0, n)
	}
	for k := first; k <= last; k++ {
		t := (-float64(i)/float64(r.to) + float64(k)/float64(r.from)) * base
		t = max(-width, min(width, t))
		taps = append(taps, sinc(t)*r.o.window(t)*scale)
	}
	return taps, first
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
	if len(dst) != r.Len(len(x)) || !r.reaches(len(x)) {
		panic("audio: the resampled clip does not fit")
	}
	if r.taps == nil {
		r.compute(dst, x)
		return
	}
	phase, group := 0, 0 // dst[n] is phase n%to of a group that begins at input group
	at := func() (taps []float64, from []float32) {
		taps, from = overlap(r.taps[phase], x, group+r.first[phase])
		if phase++; phase == r.to {
			group, phase = group+r.from, 0
		}
		return taps, from
	}
	n := 0
	for ; n+4 <= len(dst); n += 4 {
		a, p := at()
		b, q := at()
		c, s := at()
		d, t := at()
		dst[n], dst[n+1], dst[n+2], dst[n+3] = four(a, b, c, d, p, q, s, t)
	}
	for ; n < len(dst); n++ {
		taps, from := at()
		dst[n] = float32(convolve(0, taps, from))
	}
}

// compute is Apply with filters that are not kept.
func (r *Resampler) compute(dst, x []float32) {
	var buf []float64
	for n := range dst {
		var first int
		buf, first = r.phase(n%r.to, buf)
		taps, from := overlap(buf, x, n/r.to*r.from+first)
		dst[n] = float32(convolve(0, taps, from))
	}
}

// overlap is the part of the taps, the first of which lies on x[at], that has
// samples, and those.
func overlap(taps []float64, x []float32, at int) ([]float64, []float32) {
	if at < 0 {
		taps, at = taps[min(-at, len(taps)):], 0
	}
	taps = taps[:min(len(taps), max(0, len(x)-at))]
	return taps, x[min(at, len(x)):][:len(taps)]
}

// convolve goes on with a sum, one product after the other.
func convolve(sum float64, taps []float64, x []float32) float64 {
	taps = taps[:len(x)]
	for k, v := range x {
		sum += float64(float64(v) * taps[k])
	}
	return sum
}

// four is convolve four times, side by side: each sum waits for its last product,
// but not for the others'.
func four(a, b, c, d []float64, p, q, s, t []float32) (float32, float32, float32, float32) {
	var i, j, k, l float64
	n := min(len(a), len(b), len(c), len(d))
	ha, hb, hc, hd := a[:n], b[:n], c[:n], d[:n]
	hp, hq, hs, ht := p[:n], q[:n], s[:n], t[:n]
	for m := range ha {
		i += float64(float64(hp[m]) * ha[m])
		j += float64(float64(hq[m]) * hb[m])
		k += float64(float64(hs[m]) * hc[m])
		l += float64(float64(ht[m]) * hd[m])
	}
	return float32(convolve(i, a[n:], p[n:])), float32(convolve(j, b[n:], q[n:])), float32(convolve(k, c[n:], s[n:])), float32(convolve(l, d[n:], t[n:]))
}
