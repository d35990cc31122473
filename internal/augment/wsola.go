package augment

import (
	"math"

	"clr/internal/kernel"
)

// What stretched does, in seconds: it copies segments, joins them by overlaps,
// and looks for each within search to either side of where it belongs. They fit
// speech and music alike.
const (
	stretchSegment = 0.06
	stretchOverlap = 0.012
	stretchSearch  = 0.0075
)

// stretched is x in n samples at the same pitch, by WSOLA (Verhelst & Roelands
// 1993, "An overlap-add technique based on waveform similarity"): segments of x
// come closer together or further apart, each from the place near its own where
// the waveform is most like what would have followed the segment before. It keeps
// the pitch exactly, from 67 Hz up, and needs no spectrum; where tempo changes
// much, single clicks may be heard twice or not at all, and dense chords flutter.
func stretched(x []float32, rate, n int) []float32 {
	out := make([]float32, n)
	if n == len(x) {
		copy(out, x)
		return out
	}
	seconds := func(s float64) int { return int(math.Round(s * float64(rate))) }
	segment := min(seconds(stretchSegment), len(x))
	overlap, search := min(seconds(stretchOverlap), segment/2), seconds(stretchSearch)
	if overlap < 1 { // a few samples
		for i := range out {
			out[i] = x[min(i*len(x)/n, len(x)-1)]
		}
		return out
	}
	hop := segment - overlap
	copy(out, x[:segment])
	likeness := make([]float32, 2*search+1)
	last := 0 // where the segment before begins in x
	for to := hop; to < n; to += hop {
		need := min(segment, n-to)
		// The last segments must not reach beyond the end of x.
		own := int(int64(to) * int64(len(x)) / int64(n))
		high := min(own+search, len(x)-need)
		low := max(min(own-search, high), 0)
		high = max(high, low)
		follows := x[min(last+hop, len(x)):min(last+segment, len(x))] // what would have come
		from := alike(x, follows[:min(len(follows), need)], likeness, low, high, min(max(own, low), high))
		for i := range need {
			v := x[from+i]
			if i < overlap && i < len(follows) {
				w := (float32(i) + 0.5) / float32(overlap)
				v = follows[i] + float32(w*(v-follows[i]))
			}
			out[to+i] = v
		}
		last = from
	}
	return out
}

// alike is the place from low to high where x is most like y: the largest
// correlation over the root of x's own power there. Among equals, as in silence,
// it is own. It works in r, which has room for all places.
func alike(x, y, r []float32, low, high, own int) int {
	n := len(y)
	r = r[:high-low+1] // Σ x[at+i]·y[i] of each place, three i at a time
	clear(r)
	i := 0
	for ; i+3 <= n; i += 3 {
		kernel.Blend4(r, &[4][]float32{r, x[low+i:], x[low+i+1:], x[low+i+2:]}, &[4]float32{1, y[i], y[i+1], y[i+2]})
	}
	for ; i < n; i++ {
		kernel.Blend(r, r, x[low+i:], 1, y[i])
	}
	power := 0.0
	for _, v := range x[low : low+n] {
		power += float64(float64(v) * float64(v))
	}
	best, most := own, 0.0
	for at := low; ; at++ {
		if r := float64(r[at-low]); r > 0 && power > 0 {
			if r /= math.Sqrt(power); r > most || r == most && at == own {
				best, most = at, r
			}
		}
		if at == high {
			return best
		}
		if n > 0 {
			a, b := float64(x[at]), float64(x[at+n])
			power = max(0, power-float64(a*a)+float64(b*b))
		}
	}
}
