package augment

import (
	"math"
	"math/rand/v2"
)

// Rand is the generator of one view. Equal addresses give equal streams,
// different ones unrelated streams; negative numbers are addresses too.
func Rand(seed uint64, epoch, clip, view int) *rand.Rand {
	p := new(rand.PCG)
	Reseed(p, seed, epoch, clip, view)
	return rand.New(p)
}

// Reseed makes p what Rand would give, without allocating.
func Reseed(p *rand.PCG, seed uint64, epoch, clip, view int) {
	// Two chains over the address, from different starts, give the 128 bits.
	hi, lo := uint64(0x9e3779b97f4a7c15), uint64(0xd1b54a32d192ed03)
	for _, w := range [...]uint64{seed, uint64(epoch), uint64(clip), uint64(view)} {
		hi, lo = mix64(hi^w), mix64(lo+w)
	}
	p.Seed(hi, lo)
}

// mix64 is a step of SplitMix64 (Steele, Lea & Flood 2014): a bijection in
// which each bit of the argument moves half of the result's.
func mix64(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// beta draws from Beta(b, b), of which b = 1 is uniform: x/(x+y) of two draws
// from Gamma(b), in logarithms, since those of a small b underflow.
func (d Draw) beta(b float64) float64 {
	if b == 1 {
		return d.Rand.Float64()
	}
	x := d.logGamma(b)
	return 1 / (1 + math.Exp(d.logGamma(b)-x))
}

// logGamma is the logarithm of a draw from Gamma(shape, 1) (Marsaglia & Tsang
// 2000, section 6 for shapes below 1).
func (d Draw) logGamma(shape float64) float64 {
	boost := 0.0
	if shape < 1 {
		boost = math.Log(1-d.Rand.Float64()) / shape
		shape++
	}
	a := shape - 1.0/3
	c := 1 / math.Sqrt(9*a)
	for {
		x := d.Rand.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-d.Rand.Float64()) < x*x/2+a-a*v+a*math.Log(v) {
			return math.Log(a*v) + boost
		}
	}
}
